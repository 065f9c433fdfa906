//! `amazon-bedrock-key`: API keys of Amazon Bedrock.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "amazon-bedrock-key",
    "API keys of Amazon Bedrock",
    &["ABSK{base64:109-269}", "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t{base64:30-3000}"],
    &[
        "export TOKEN=«ABSKZk8fpUCqfm2sL+DZ9BXwhRA/HJBB6aYtAh66abf2pH0OKTB+L7FNVOuLWoOs814SU71YUwVrahzORw8/q0CFOaPJdALHFZsacDgkK2sjDuxFE»",
        "«bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29tqe7GudzGf8U5buUq16+ey/0AQYdCNB»",
    ],
    &["ABSK", "ABSKyour-key-goes-here-0123"],
);
