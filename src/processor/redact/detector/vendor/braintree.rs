//! `braintree-token`: access tokens of Braintree.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "braintree-token",
    "access tokens of Braintree",
    &["access_token$production${lower:16}${hex:32}", "access_token$sandbox${lower:16}${hex:32}"],
    &[
        "\n«access_token$production$pctnwlavyf4r6mp6$02824c1c099724caf4941d4072014b3c»\n",
        "(\"«access_token$sandbox$29db8p5qa3e68f7e$f828767efc2f91624a8940f1f836f99e»\")",
    ],
    &["access_token$x", "access_token$production$your-key-goes-here-0123"],
);
