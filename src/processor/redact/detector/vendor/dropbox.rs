//! `dropbox-token`: access tokens of Dropbox.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "dropbox-token",
    "access tokens of Dropbox",
    &["sl.{url:130-1500}", "sl.u.{url:130-1500}"],
    &[
        "key: «sl.WhLn_5drcFlCxvnNGdcmyHc7E4nSmwfIp7_-JoppZrDDs7YvcX1eYgURZEQ3PZgPsTF2bUnxiP3z-cCr1Y6ffeIIemGpb3EfKoNSvphIk7s4pqL0KJFlK6CXzU6M98NdFQ» # old",
        "\n«sl.u.CyXYbTuEPP_IKBLhcuiS4hX4TnCt1RTrzJm8Iq0na0p_Yt1JoW56KTLTYXPa_W4MxMs3WDlQPFPA2bdgG_MN33X7TfS5biDm0V-Zty1_Z4RlvUOUjNwoLR1uLA-y0xhnTf»\n",
    ],
    &["sl.no", "sl.your-key-goes-here-0123"],
);
