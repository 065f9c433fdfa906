//! The SDK's client: our limits, our TLS, no retries of its own.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedCredentialsProvider,
    SharedHttpClient,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::exporter::awss3::config::{Auth, Config};
use crate::stdx::durable::{self, Error};

/// A server that does not answer at all is not waited for as long as one that takes its time with the data.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest file of authorities.
const CA_BYTES_MAX: u64 = 4 << 20;

/// How to connect. Its HTTP client is shared by S3, STS and the credentials' services.
#[derive(Debug)]
pub(super) struct Connector {
    http: SharedHttpClient,
}

impl Connector {
    pub(super) fn new(config: &Config) -> durable::Result<Self> {
        let path = &config.tls.ca_file;
        let store = if path.as_os_str().is_empty() {
            TrustStore::default()
        } else {
            let missing = || Error::new("read", path, std::io::ErrorKind::NotFound.into());
            let pem = durable::read(path, CA_BYTES_MAX)?.ok_or_else(missing)?;
            if !pem.windows(11).any(|part| part == b"-----BEGIN ") {
                return Err(Error::content("read", path, "it has no PEM certificate"));
            }
            TrustStore::empty().with_pem_certificate(pem)
        };
        let tls = TlsContext::builder().with_trust_store(store).build();
        let tls = tls.map_err(|error| Error::content("use", path, error.to_string()))?;
        let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        Ok(Self { http: builder.tls_context(tls).build_https() })
    }

    /// Reads profiles; credentials are asked for with the first request, and again before they expire.
    pub(super) async fn connect(&self, config: &Config) -> Client {
        let shared = self.shared(config).await;
        let own = &config.s3uploader;
        let mut builder: Builder = aws_sdk_s3::config::Builder::from(&shared)
            .retry_config(RetryConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .force_path_style(own.s3_force_path_style);
        if let Some(url) = own.url().filter(|_| !own.endpoint.is_empty()) {
            builder = builder.endpoint_url(url.as_str().trim_end_matches('/'));
        }
        if !own.role_arn.is_empty() {
            builder = builder.credentials_provider(role(config, &shared).await);
        }
        Client::from_conf(builder.build())
    }

    async fn shared(&self, config: &Config) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout.0))
            .operation_attempt_timeout(config.timeout.0)
            .build();
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(config.s3uploader.region.clone()))
            .http_client(self.http.clone())
            .timeout_config(timeouts);
        with_auth(loader, &config.auth).load().await
    }
}

fn with_auth(loader: ConfigLoader, auth: &Auth) -> ConfigLoader {
    let text = |secret: &crate::stdx::secret::Secret| Some(secret.reveal().to_owned()).filter(|text| !text.is_empty());
    match (text(&auth.access_key_id), text(&auth.secret_access_key)) {
        (Some(id), Some(key)) => {
            let credentials = Credentials::new(id, key, text(&auth.session_token), None, "telseal configuration");
            loader.credentials_provider(credentials)
        }
        _ if !auth.profile.is_empty() => loader.profile_name(&auth.profile),
        _ => loader,
    }
}

async fn role(config: &Config, shared: &SdkConfig) -> SharedCredentialsProvider {
    let own = &config.s3uploader;
    let mut role = AssumeRoleProvider::builder(&own.role_arn).session_name("telseal").configure(shared);
    if !own.external_id.is_empty() {
        role = role.external_id(&own.external_id);
    }
    SharedCredentialsProvider::new(match shared.credentials_provider() {
        Some(base) => role.build_from_provider(base).await,
        None => role.build().await,
    })
}
