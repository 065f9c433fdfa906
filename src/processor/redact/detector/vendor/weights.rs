//! `wandb-key`: API keys of Weights and Biases.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "wandb-key",
    "API keys of Weights and Biases",
    &["wandb_v1_{url:60-90}"],
    &["use «wandb_v1_QH1qxB2svwLbg_Yk8QcuTrnsWS_kzZT_WJQNmGnb0WZ44mlcRMysiZkCbD2B», please"],
    &["wandb_v1_short", "wandb_v1_your-key-goes-here-0123"],
);
