//! `honeycomb-key`: ingest and management keys of Honeycomb.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "honeycomb-key",
    "ingest and management keys of Honeycomb",
    &["hcaik_{lower:58}", "hcbik_{lower:58}", "hcamk_{lower:58}", "hcxik_{lower:58}"],
    &[
        "export TOKEN=«hcaik_pvf8kgcu1vxe8h3kn7d8p07fnnsaq1hl2kszpvqbfnqjeezteee8aexej9»",
        "«hcbik_h56r2lgqtz0l2g3vunbyognwvramefktqlcj4gdyqfodesariwx8lixqxx»",
        "use «hcamk_k7hpksybomoyxp4qadgyxpsb425hh395fzh54lo12dhmerx24pv9de6o4n», please",
        "curl -H \"X-Key: «hcxik_yhd17dp7k6ungf4q33ie2ugnrxeh44ql6a6b4c8o5ixjyucxlob3f2ncs2»\"",
    ],
    &["hcaik_short", "hcaik_your-key-goes-here-0123"],
);
