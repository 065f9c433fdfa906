//! `grafana-token`: tokens of Grafana and Grafana Cloud.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "grafana-token",
    "tokens of Grafana and Grafana Cloud",
    &["glc_{base64:32-400}", "glsa_{alnum:32}_{HEX:8}", "eyJrIjoi{base64:70-400}"],
    &[
        "key: «glc_0oNvwpZYRZY/RSxs0KrBRi0iaE3ZBJqt» # old",
        "\n«glsa_oQ2WpGh5s5cV07Py4siPT4TyN5rTeXMM_A8D6793b»\n",
        "(\"«eyJrIjoikUcjpPBa6r5Jh5ef7o9CLRQDBAKdCwdI2ViJloZX0ChVQGj9r366yRyoZvKyjc4zzHzLcc»\")",
    ],
    &["glc_stub", "glc_your-key-goes-here-0123"],
);
