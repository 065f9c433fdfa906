//! Settings of an `awss3` exporter: the Collector's names where it has them, and what its users ask for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_sdk_s3::types::{ObjectCannedAcl, StorageClass};
use serde::Deserialize;

use crate::exporter::partition;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

/// The largest object: 1,000 parts.
pub(super) const MEGABYTES_MAX: u64 = 8_000;

/// Settings of an `awss3` exporter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where objects go and what they are.
    pub s3uploader: Uploader,
    /// What an object holds: `ndjson`, `otlp_json` or `otlp_proto`. Default: `ndjson`.
    pub marshaler: Marshaler,
    /// What resource attributes decide.
    pub resource_attrs_to_s3: FromResource,
    /// When an object is complete.
    pub rotation: Rotation,
    /// With each roll a small object that lists the others with their SHA-256 and, where the pipeline seals, another one with
    /// the ledger's signed checkpoint. Default: `true`.
    pub manifest: bool,
    /// Credentials of its own. Default: the AWS chain: environment, profile, web identity, container, instance (IMDSv2).
    pub auth: Auth,
    /// How long one request may take, its answer included. Default: `60s`.
    pub timeout: Span,
    /// TLS.
    pub tls: Tls,
}

/// The part that the Collector has under the same name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uploader {
    /// Default: `us-east-1`.
    pub region: String,
    /// The bucket. It must exist.
    pub s3_bucket: String,
    /// What names begin with, behind `s3_base_prefix`. Default: nothing.
    pub s3_prefix: String,
    /// What all names begin with, whatever attributes say. Default: nothing.
    pub s3_base_prefix: String,
    /// `strftime` of the time of the events (UTC, `%Y %m %d %H %M %S %j %F`). Empty: none.
    /// Default: `year=%Y/month=%m/day=%d/hour=%H`.
    pub s3_partition_format: String,
    /// Only `UTC`.
    pub s3_partition_timezone: String,
    /// What file names begin with. Default: nothing.
    pub file_prefix: String,
    /// URL of a service that is not AWS. Default: AWS in `region`.
    pub endpoint: String,
    /// `https://host/bucket/name` instead of `https://bucket.host/name`. Default: `false`.
    pub s3_force_path_style: bool,
    /// `http` where `endpoint` has no scheme. Default: `false`.
    pub disable_ssl: bool,
    /// Role to assume with STS, with the credentials found before. Default: none.
    pub role_arn: String,
    /// Asked for by some roles. Default: none.
    pub external_id: String,
    /// `STANDARD_IA`, `GLACIER_IR`, `DEEP_ARCHIVE` and so on. Default: the bucket's.
    pub storage_class: String,
    /// Canned ACL. Default: none is sent.
    pub acl: String,
    /// `zstd`, `gzip` or `none`. Default: `zstd`.
    pub compression: Compression,
    /// `AES256` or `aws:kms`. Default: the bucket's.
    pub server_side_encryption: Encryption,
    /// Key for `aws:kms`. Default: the account's.
    pub ssekms_key_id: String,
    /// Tags of every object, at most 10. Default: none.
    pub tags: BTreeMap<String, String>,
    /// Objects that nobody can delete or overwrite. The bucket must have Object Lock.
    pub object_lock: ObjectLock,
    /// Never overwrite: `If-None-Match: *`. `false` only for services that refuse the header. Default: `true`.
    pub if_none_match: bool,
}

/// What resource attributes decide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FromResource {
    /// This attribute stands in the place of `s3_prefix`, as one segment. Needs `s3_base_prefix`. Default: none.
    pub s3_prefix: String,
}

/// When an object is complete.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// As soon as one object is this large after compression, in MiB. Default: `64`.
    pub max_megabytes: u64,
    /// This long after its first record was read. Default: `5m`.
    pub max_age: Span,
}

/// Credentials that stand in the configuration. Take them from `${env:NAME}` or `${file:path}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Access key.
    pub access_key_id: Secret,
    /// Its secret.
    pub secret_access_key: Secret,
    /// Of temporary credentials.
    pub session_token: Secret,
    /// Profile in the AWS files.
    pub profile: String,
}

/// TLS settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file of an authority to trust instead of the system's. Default: the system's.
    pub ca_file: PathBuf,
}

/// What an object holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marshaler {
    /// One record a line, the sealed lines byte for byte.
    #[default]
    Ndjson,
    /// One OTLP/JSON request a line.
    OtlpJson,
    /// One OTLP request in protobuf.
    OtlpProto,
}

impl Marshaler {
    /// The end of file names.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::OtlpJson => "json",
            Self::OtlpProto => "binpb",
        }
    }
}

/// How an object is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Fastest level.
    #[default]
    Zstd,
    /// Fastest level.
    Gzip,
    /// As it is.
    None,
}

impl Compression {
    /// The end of file names.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }
}

/// Who encrypts, and with what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Encryption {
    /// As the bucket says.
    #[default]
    #[serde(rename = "default")]
    Bucket,
    /// SSE-S3.
    #[serde(rename = "AES256")]
    Aes256,
    /// SSE-KMS.
    #[serde(rename = "aws:kms")]
    Kms,
}

/// How long objects cannot be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectLock {
    /// `GOVERNANCE` or `COMPLIANCE`. Default: the bucket's rule.
    pub mode: LockMode,
    /// From the moment of upload on. Needed with a `mode`.
    pub retain_for: Span,
    /// Until somebody with the right to do so takes it off. Default: `false`.
    pub legal_hold: bool,
}

/// Who may shorten a retention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum LockMode {
    /// As the bucket says.
    #[default]
    #[serde(rename = "default")]
    Bucket,
    /// Those with a special right.
    #[serde(rename = "GOVERNANCE")]
    Governance,
    /// Nobody.
    #[serde(rename = "COMPLIANCE")]
    Compliance,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            s3uploader: Uploader::default(),
            marshaler: Marshaler::default(),
            resource_attrs_to_s3: FromResource::default(),
            rotation: Rotation::default(),
            manifest: true,
            auth: Auth::default(),
            timeout: Span::secs(60),
            tls: Tls::default(),
        }
    }
}

impl Default for Uploader {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            s3_bucket: String::new(),
            s3_prefix: String::new(),
            s3_base_prefix: String::new(),
            s3_partition_format: "year=%Y/month=%m/day=%d/hour=%H".to_owned(),
            s3_partition_timezone: "UTC".to_owned(),
            file_prefix: String::new(),
            endpoint: String::new(),
            s3_force_path_style: false,
            disable_ssl: false,
            role_arn: String::new(),
            external_id: String::new(),
            storage_class: String::new(),
            acl: String::new(),
            compression: Compression::default(),
            server_side_encryption: Encryption::default(),
            ssekms_key_id: String::new(),
            tags: BTreeMap::new(),
            object_lock: ObjectLock::default(),
            if_none_match: true,
        }
    }
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_megabytes: 64, max_age: Span::secs(300) }
    }
}

impl Config {
    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        self.s3uploader.check(&at.key("s3uploader"), problems);
        let rotation = at.key("rotation");
        if !(1..=MEGABYTES_MAX).contains(&self.rotation.max_megabytes) {
            problems.add(&rotation.key("max_megabytes"), format!("must be from 1 to {MEGABYTES_MAX}"));
        }
        if self.rotation.max_age == Span::default() {
            problems.add(&rotation.key("max_age"), "must be more than 0");
        }
        if self.timeout == Span::default() {
            problems.add(&at.key("timeout"), "must be more than 0");
        }
        if !self.resource_attrs_to_s3.s3_prefix.is_empty() && self.s3uploader.s3_base_prefix.is_empty() {
            problems.add_hint(
                &at.key("resource_attrs_to_s3").key("s3_prefix"),
                "needs `s3uploader.s3_base_prefix`: senders must not choose where a name begins",
                "for example `s3_base_prefix: tenants`",
            );
        }
        let (auth, at) = (&self.auth, at.key("auth"));
        let has = |secret: &Secret| !secret.reveal().is_empty();
        if has(&auth.access_key_id) != has(&auth.secret_access_key) {
            problems.add(&at, "needs both `access_key_id` and `secret_access_key`, or neither");
        }
        if has(&auth.access_key_id) && !auth.profile.is_empty() {
            problems.add(&at.key("profile"), "cannot be used together with `access_key_id`");
        }
    }

    /// Where records go.
    #[must_use]
    pub fn partition(&self) -> partition::Partition {
        let attribute = &self.resource_attrs_to_s3.s3_prefix;
        partition::Partition {
            step_seconds: partition::step_seconds(&self.s3uploader.s3_partition_format).unwrap_or(0),
            attribute: (!attribute.is_empty()).then(|| attribute.clone()),
        }
    }
}

impl Uploader {
    fn check(&self, at: &At, problems: &mut Problems) {
        if self.s3_bucket.is_empty() {
            problems.add_hint(at, "needs an `s3_bucket`", "the bucket must exist; telseal does not create it");
        }
        for (key, prefix) in [
            ("s3_prefix", &self.s3_prefix),
            ("s3_base_prefix", &self.s3_base_prefix),
            ("file_prefix", &self.file_prefix),
            ("s3_partition_format", &self.s3_partition_format),
        ] {
            if prefix.split('/').any(|part| part == ".." || part == ".") || prefix.chars().any(char::is_control) {
                problems.add(&at.key(key), "must have no `.` and `..` between slashes, and no control characters");
            }
        }
        if let Err(letter) = partition::step_seconds(&self.s3_partition_format) {
            let known = "known are %Y %m %d %H %M %S %j %F and %%";
            problems.add_hint(&at.key("s3_partition_format"), format!("has `{letter}`, which is not known"), known);
        }
        if !self.s3_partition_timezone.eq_ignore_ascii_case("utc") {
            problems.add(&at.key("s3_partition_timezone"), "only `UTC` is possible: other hours come twice in autumn");
        }
        if !self.endpoint.is_empty() && self.url().is_none() {
            problems.add_hint(
                &at.key("endpoint"),
                "is not a URL",
                "for example `endpoint: https://minio.example:9000`",
            );
        }
        self.check_object(at, problems);
    }

    fn check_object(&self, at: &At, problems: &mut Problems) {
        if !self.storage_class.is_empty() && !StorageClass::values().contains(&&*self.storage_class) {
            let known = format!("one of {}", StorageClass::values().join(", "));
            problems.add_hint(&at.key("storage_class"), "is not a storage class", known);
        }
        if !self.acl.is_empty() && !ObjectCannedAcl::values().contains(&&*self.acl) {
            let known = format!("one of {}", ObjectCannedAcl::values().join(", "));
            problems.add_hint(&at.key("acl"), "is not a canned ACL", known);
        }
        if !self.ssekms_key_id.is_empty() && self.server_side_encryption != Encryption::Kms {
            problems.add(&at.key("ssekms_key_id"), "needs `server_side_encryption: aws:kms`");
        }
        if self.tags.len() > 10 {
            problems.add(&at.key("tags"), "are more than 10, which S3 refuses");
        }
        if (self.object_lock.mode == LockMode::Bucket) != (self.object_lock.retain_for == Span::default()) {
            problems.add(&at.key("object_lock"), "needs both `mode` and `retain_for`, or neither");
        }
    }

    /// The service's URL, where it is not AWS.
    #[must_use]
    pub fn url(&self) -> Option<reqwest::Url> {
        let scheme = if self.disable_ssl { "http" } else { "https" };
        let text =
            if self.endpoint.contains("://") { self.endpoint.clone() } else { format!("{scheme}://{}", self.endpoint) };
        let url = reqwest::Url::parse(&text).ok()?;
        let is_good = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
        is_good.then_some(url)
    }

    /// The tags as S3 wants them.
    #[must_use]
    pub fn tagging(&self) -> Option<String> {
        let mut pairs = reqwest::Url::parse("x:/").ok()?;
        pairs.query_pairs_mut().extend_pairs(&self.tags);
        (!self.tags.is_empty()).then(|| pairs.query().unwrap_or_default().to_owned())
    }
}
