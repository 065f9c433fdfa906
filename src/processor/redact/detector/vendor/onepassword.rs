//! `onepassword-token`: secret keys and service account tokens of 1Password.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "onepassword-token",
    "secret keys and service account tokens of 1Password",
    &[
        "ops_eyJ{base64:200-2000}",
        "A3-{upper:6}-{upper:6}-{upper:5}-{upper:5}-{upper:5}-{upper:5}",
        "A3-{upper:6}-{upper:11}-{upper:5}-{upper:5}-{upper:5}",
    ],
    &[
        "?k=«ops_eyJDw8XunH4lN7BaillxVa306LSVvm/oVLACXTQJKkVoUPrQoRu1cUCZauz5UZHDw6vVhdWCPZf/8zwiwxHrvOLr9orJNMzC4OqU/5vhnkesIiwccD4l6ExzORdqRVijcpguLJMlA4JahKDNl9sW7W6zCJIFrNYfCmB4V7S+dTZAuS/Zut2x8AzFTmHJSp9KWBO3aMGrqvL»&x=1",
        "export TOKEN=«A3-G1311M-GJ0L6J-UO1YR-JGLMK-48M26-5GBM2»",
        "«A3-CG81NT-OLWXG4EKTJQ-9GDDM-PNFQQ-FQ5LQ»",
    ],
    &["A3-12", "ops_eyJyour-key-goes-here-0123"],
);
