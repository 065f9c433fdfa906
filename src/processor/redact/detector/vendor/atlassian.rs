//! `atlassian-token`: API tokens of Atlassian and Bitbucket.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "atlassian-token",
    "API tokens of Atlassian and Bitbucket",
    &["ATATT3{url:100-300}{=:0-2}{HEX:0-8}", "ATCTT3{url:100-300}{=:0-2}{HEX:0-8}", "ATBB{alnum:28-40}"],
    &[
        "key: «ATATT3Y7Zkuvqdt7s8Stqcbnr3yBdGBL-EPH1qhT61-qtc4xatws8phP9nhFyJfm-5di4P-zJ59-FHz5r1pY4OjE2jBMptUsGr7CmY_uCu» # old",
        "\n«ATCTT33ZR1zTOlUcR64cXQLioDnkHIfxIq2HZt_PlJhx2jIclHkCiHp6bR1IqfEouHgxzNNAL5-wIScGebc-y8F5n3_Y-NBDRzrZSgqbjG»\n",
        "(\"«ATBBBkdfQ1y3GQsMpSscDlkrCaqx9vJu»\")",
    ],
    &["ATBB_PREFIX", "ATATT3your-key-goes-here-0123"],
);
