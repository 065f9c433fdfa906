//! `gitlab-token`: tokens of GitLab: personal, deploy, runner, CI job, trigger, feed, mail, agent, SCIM, feature flags, OAuth.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "gitlab-token",
    "tokens of GitLab: personal, deploy, runner, CI job, trigger, feed, mail, agent, SCIM, feature flags, OAuth",
    &[
        "glpat-{url:27-300}.{lower:2}.{lower:7-9}",
        "glpat-{url:27-300}.{lower:9}",
        "glpat-{url:20-300}",
        "gldt-{url:20-60}",
        "glrt-{url:20-60}",
        "glrt-t{digit:1}_{url:20-60}",
        "glrtr-{url:20-60}",
        "glcbt-{alnum:1-5}_{url:20-60}",
        "glptt-{hex:40}",
        "glft-{url:20-60}",
        "glimt-{url:25}",
        "glagent-{url:50}",
        "glsoat-{url:20-60}",
        "glffct-{url:20-60}",
        "gloas-{hex:64}",
        "GR1348941{url:20}",
        "_gitlab_session={hex:32}",
    ],
    &[
        "export TOKEN=«glpat-XGMY1gNMFW3GNzqgAV7_sURz6gO.a8.e0ucro2»",
        "«glpat-LzA6Z4AAhx3pgrj_xbv_CLBusAm.3gmfd0oq2»",
        "use «glpat-2thrfu5LDOtNHPBtDYeP», please",
        "curl -H \"X-Key: «gldt-Sc_lz_JMlzr8IDMemaSy»\"",
        "key: «glrt-tMgwQS59FQUwoMi6mouY» # old",
        "\n«glrt-t7_eefm0q1TjVuUvlQa9MtH»\n",
    ],
    &["glpat-short", "glpat-your-key-goes-here-0123"],
);
