//! `azure-service-key`: keys of Azure services and of Azure DevOps that name their issuer.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "azure-service-key",
    "keys of Azure services and of Azure DevOps that name their issuer",
    &["{alnum:52}JQQJ99{alnum:26}"],
    &["key: «6AY9SWUzdHoYOduIUKcT3vKMTVuytRS5axkHOEy1XrWszzNPEjvoJQQJ99GgUjA8bryOK0fsnL4DubepSv8P» # old"],
    &["JQQJ99"],
);
