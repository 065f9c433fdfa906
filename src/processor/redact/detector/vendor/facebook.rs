//! `facebook-token`: access tokens of Facebook and Instagram.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "facebook-token",
    "access tokens of Facebook and Instagram",
    &["EAACEdEose0cBA{alnum:20-300}", "EAAB{alnum:80-300}", "EAAG{alnum:80-300}", "IGQV{url:80-300}"],
    &[
        "«EAACEdEose0cBAZgzetI1gu2yAnXU3Bbl6»",
        "use «EAABB7MJ3w5MucbQtRcPPZ8ZjO70riH8SQZguk3Pft57NrAFMGD8dtZ53UEK68t4mVII3c7ocPBhjPwkya0z», please",
        "curl -H \"X-Key: «EAAG11VeCGIhR7M4fK5WcVhTQxmWWDRhki69QQU2ZsER0I8BSPfGxATixekQD8jJEIgvUcnB7UgjOHPmmWOH»\"",
        "key: «IGQVYx9YFQXg93an6LZ5_g2kYPzOsjHOS-yPfr_qYghJ0x-MpbQjV1RQmx7GwsSdV7pm2O171tugFtIOlVH6» # old",
    ],
    &["EAABX", "EAACEdEose0cBAyour-key-goes-here-0123"],
);
