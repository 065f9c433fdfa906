//! What errors of the SDK mean for the data. Messages have the bucket, the status and S3's code, never what the server wrote
//! besides: it may repeat names, signatures and keys.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::exporter::ExportError;
use crate::exporter::classify::{self, Verdict};

/// How a request about one upload ended, when it did not end well.
pub(super) enum Answer {
    /// There is no such upload.
    Gone,
    Failed(ExportError),
}

/// The precondition failed: an object of this name exists.
pub(super) fn is_there_already<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == 412)
}

/// The upload in parts does not exist, or not any more.
pub(super) fn is_gone<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("NoSuchUpload")
}

/// What is to be done.
pub(super) fn judged<E>(error: &SdkError<E, HttpResponse>, bucket: &str) -> ExportError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let retry = |cause: String| ExportError::Retry { after: None, cause };
    if has_credentials_error(error) {
        let cause = format!("{bucket}: there are no credentials, or the service for them refused");
        return ExportError::Pause { cause };
    }
    match error {
        SdkError::TimeoutError(_) => retry(format!("{bucket} did not answer in time")),
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            ExportError::Pause { cause: format!("{bucket}: the request could not be made; is the `endpoint` right?") }
        }
        SdkError::DispatchFailure(_) => retry(format!("{bucket} cannot be reached, or broke the connection off")),
        SdkError::ResponseError(_) => retry(format!("{bucket} answered with something that is not S3")),
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code().filter(is_word);
            let after = answer.raw().headers().get("retry-after");
            let cause = format!("{bucket} answered {status} {}", code.unwrap_or_default()).trim_end().to_owned();
            verdict(status, code, after).result(|| cause.clone()).err().unwrap_or_else(|| retry(cause))
        }
        _ => ExportError::Pause { cause: format!("{bucket}: the request could not be made from these settings") },
    }
}

/// Codes first: S3 says with 400 what elsewhere is 408, and with 403 what a clock is to blame for.
fn verdict(status: u16, code: Option<&str>, after: Option<&str>) -> Verdict {
    match code {
        Some(
            "RequestTimeout"
            | "BadDigest"
            | "InvalidDigest"
            | "XAmzContentSHA256Mismatch"
            | "IncompleteBody"
            | "OperationAborted"
            | "ConditionalRequestConflict"
            | "SlowDown"
            | "Throttling"
            | "ThrottlingException",
        ) => classify::http(503, after),
        _ => match (status, classify::http(status, after)) {
            (501, _) | (_, Verdict::Permanent) => Verdict::Pause,
            // An error with a good status, or with none that is one.
            (_, Verdict::Taken) | (..400, _) if !(300..400).contains(&status) => Verdict::Retry(None),
            (_, verdict) => verdict,
        },
    }
}

fn is_word(code: &&str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_')
}

fn has_credentials_error(error: &(dyn Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.is::<CredentialsError>() {
            return true;
        }
        at = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_is_about_the_data() {
        for (status, code, wanted) in [
            (503, Some("SlowDown"), Verdict::Retry(None)),
            (500, Some("InternalError"), Verdict::Retry(None)),
            (400, Some("RequestTimeout"), Verdict::Retry(None)),
            (400, Some("BadDigest"), Verdict::Retry(None)),
            (409, Some("ConditionalRequestConflict"), Verdict::Retry(None)),
            (200, Some("InternalError"), Verdict::Retry(None)),
            (429, None, Verdict::Retry(None)),
            (403, Some("AccessDenied"), Verdict::Pause),
            (403, Some("SignatureDoesNotMatch"), Verdict::Pause),
            (404, Some("NoSuchBucket"), Verdict::Pause),
            (301, Some("PermanentRedirect"), Verdict::Pause),
            (400, Some("InvalidRequest"), Verdict::Pause),
            (413, None, Verdict::Pause),
            (501, Some("NotImplemented"), Verdict::Pause),
        ] {
            assert_eq!(verdict(status, code, None), wanted, "{status} {code:?}");
        }
        assert_eq!(verdict(503, Some("SlowDown"), Some("7")), Verdict::Retry(Some(std::time::Duration::from_secs(7))));
    }
}
