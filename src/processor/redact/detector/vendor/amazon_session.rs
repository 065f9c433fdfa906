//! `aws-session-token`: session tokens of AWS.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "aws-session-token",
    "session tokens of AWS",
    &["IQoJb3JpZ2lu{base64:100-4000}", "FwoGZXIvYXdz{base64:100-4000}", "FQoGZXIvYXdz{base64:100-4000}"],
    &[
        "use «IQoJb3JpZ2luhbOjK1kjoRAswC1sSxW2ak1hcoqxoMPEdoyyZfl9VgxkjdYoETGd7G3MWhYl1qnZJYbWhzFDcywNTpclmSi5deyPOtbkbY1wSBGx», please",
        "curl -H \"X-Key: «FwoGZXIvYXdzQ417pDjJw9U95/FaNAfZRH1sT1sTz+Q0ReBq6hlxWr3UhGDBEPbn+1QbT0+QyRxDP+U/p1Cb+o6Z/jnTvf3yI9UwrIORQcElNPnz»\"",
        "key: «FQoGZXIvYXdzFg91Bxp4F1qmKri8dt5AGyM7zgOag+nrw3dhGy/RSnJRihEhTCtkL58pboH5HRT3G53DTRhXMBzbwJtQ6iPr+q3JWtLnhlY5csqc» # old",
    ],
    &["IQoJb3JpZ2lu", "IQoJb3JpZ2luyour-key-goes-here-0123"],
);
