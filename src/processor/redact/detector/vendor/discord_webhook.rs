//! `discord-webhook`: webhook addresses of Discord.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "discord-webhook",
    "webhook addresses of Discord",
    &["discord.com/api/webhooks/{digit:17-20}/{url:60-72}", "discordapp.com/api/webhooks/{digit:17-20}/{url:60-72}"],
    &[
        "(\"«discord.com/api/webhooks/36287498100164722/3DU7j1q8tcKrvtfiLcnMPOaLlLUQCYUCz248Nt8CmZH2UVsXxaRNTateN6Lc»\")",
        "?k=«discordapp.com/api/webhooks/50571297826757977/QAWWanWS3eKiBUZf51pytB_7U_62_EwEfWPMyV_nJDaNcjCX_XX5FU1KURt0»&x=1",
    ],
    &["discord.com/api/webhooks/1", "discord.com/api/webhooks/your-key-goes-here-0123"],
);
