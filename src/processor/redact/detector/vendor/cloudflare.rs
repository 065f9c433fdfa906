//! `cloudflare-token`: API tokens and origin CA keys of Cloudflare.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "cloudflare-token",
    "API tokens and origin CA keys of Cloudflare",
    &["cfk_{url:40-60}", "cfut_{url:40-60}", "cfat_{url:40-60}", "v1.0-{hex:24}-{hex:146}"],
    &[
        "curl -H \"X-Key: «cfk_U6uqbgsYlV-vsSKuvinX_zMqf9OgXluCZz8xBfZu»\"",
        "key: «cfut_XTptFyfePpX6N1NF2XV5-4wca_7E56w8ZniqT3Ul» # old",
        "\n«cfat_4-ffqkOkg-Wrdioyq_KvCiSGuPJ6sG-9AH-EOVez»\n",
        "(\"«v1.0-5c58ac5831be38cb8cb4ba2e-751989a01749ddb14f71010b93b7d946bf54074e3248c801bef750110c57513064d6d59291f0cde2e5738713a818d8962058765a6ca7cff00d796c25410335b400141212b62c376631»\")",
    ],
    &["v1.0-beta", "cfk_loader", "cfk_your-key-goes-here-0123"],
);
