//! `brevo-key`: API and SMTP keys of Brevo (Sendinblue).

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "brevo-key",
    "API and SMTP keys of Brevo (Sendinblue)",
    &["xkeysib-{hex:64}-{alnum:16}", "xsmtpsib-{hex:64}-{alnum:16}"],
    &[
        "(\"«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»\")",
        "?k=«xsmtpsib-d0c621de49f145fda9988c79fc35526f7eaed46725a2a7b860dcd6c8a1f8b462-r5pyzPCB9t2039bi»&x=1",
    ],
    &["xkeysib-short", "xkeysib-your-key-goes-here-0123"],
);
