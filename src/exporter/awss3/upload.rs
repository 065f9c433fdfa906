//! One object to the bucket, and what the answers mean.

mod client;
mod verdict;

use std::collections::HashMap;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ObjectCannedAcl, ObjectLockLegalHoldStatus,
    ObjectLockMode, Part, ServerSideEncryption, StorageClass,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::config::{Config, Encryption, LockMode, Uploader};
use super::plan::Object;
use crate::exporter::ExportError;
use crate::stdx::clock;
use crate::stdx::durable::{self, ReadFile};
use crate::stdx::tasks;

use client::Connector;
use verdict::{Answer, is_gone, is_there_already, judged};

/// Larger objects go in parts of this size. The least that S3 takes is 5 MiB.
const PART_BYTES: u64 = 8 << 20;

/// A bucket, not yet connected to.
pub(super) struct Bucket {
    config: Config,
    connector: Connector,
    client: OnceCell<Client>,
    name: String,
}

/// How far an object is.
pub(super) enum Sent {
    /// The destination has it.
    Confirmed,
    /// An upload in parts has this id, to be kept before it goes on; `None`: the one there was is gone.
    InParts(Option<String>),
}

/// What every object is given.
macro_rules! with_settings {
    ($request:expr, $bucket:expr, $object:expr) => {{
        let own = &$bucket.config.s3uploader;
        let kms = Some(own.ssekms_key_id.clone()).filter(|id| !id.is_empty());
        $request
            .bucket(&own.s3_bucket)
            .key(&$object.key)
            .content_type(content_type(&$object.key))
            .set_metadata(Some(metadata($object)))
            .set_storage_class(storage_class(own))
            .set_acl((!own.acl.is_empty()).then(|| ObjectCannedAcl::from(own.acl.as_str())))
            .set_server_side_encryption(encryption(own))
            .set_ssekms_key_id(kms)
            .set_tagging(own.tagging())
            .set_object_lock_mode(lock_mode(own))
            .set_object_lock_retain_until_date(retain_until(own))
            .set_object_lock_legal_hold_status(own.object_lock.legal_hold.then_some(ObjectLockLegalHoldStatus::On))
    }};
}

impl Bucket {
    pub(super) fn new(config: &Config) -> durable::Result<Self> {
        let name = match config.s3uploader.url() {
            Some(url) if !config.s3uploader.endpoint.is_empty() => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("s3://{} at {}{port}", config.s3uploader.s3_bucket, url.host_str().unwrap_or_default())
            }
            _ => format!("s3://{} in {}", config.s3uploader.s3_bucket, config.s3uploader.region),
        };
        Ok(Self { config: config.clone(), connector: Connector::new(config)?, client: OnceCell::new(), name })
    }

    /// The bucket, and where it is.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(|| self.connector.connect(&self.config)).await
    }

    fn if_none_match(&self) -> Option<String> {
        self.config.s3uploader.if_none_match.then(|| "*".to_owned())
    }

    /// Sends an object, or as much of it as can be done without noting something down.
    pub(super) async fn put(&self, dir: &Path, object: &Object) -> Result<Sent, ExportError> {
        let path = dir.join(&object.file);
        match &object.upload_id {
            None if object.bytes <= PART_BYTES => self.put_whole(&path, object).await,
            None => self.begin(object).await,
            Some(upload_id) => self.put_parts(&path, object, upload_id).await,
        }
    }

    async fn put_whole(&self, path: &Path, object: &Object) -> Result<Sent, ExportError> {
        let body = read(path, 0, object.bytes).await?;
        let request = with_settings!(self.client().await.put_object(), self, object)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(BASE64_STANDARD.encode(object.sha256))
            .set_if_none_match(self.if_none_match())
            .body(ByteStream::from(body));
        match request.send().await {
            Ok(_) => Ok(Sent::Confirmed),
            Err(error) if is_there_already(&error) => self.compare(object).await,
            Err(error) => Err(judged(&error, &self.name)),
        }
    }

    async fn begin(&self, object: &Object) -> Result<Sent, ExportError> {
        let request = with_settings!(self.client().await.create_multipart_upload(), self, object)
            .checksum_algorithm(ChecksumAlgorithm::Sha256);
        let begun = request.send().await.map_err(|error| judged(&error, &self.name))?;
        let id = begun.upload_id.ok_or_else(|| self.garbage("an upload without an id"))?;
        Ok(Sent::InParts(Some(id)))
    }

    async fn put_parts(&self, path: &Path, object: &Object, upload_id: &str) -> Result<Sent, ExportError> {
        let there = match self.parts(object, upload_id).await {
            Err(Answer::Gone) => return self.instead_of_gone(object).await,
            Err(Answer::Failed(error)) => return Err(error),
            Ok(there) => there,
        };
        let mut completed = CompletedMultipartUpload::builder();
        for number in 1_i32.. {
            let from = (u64::from(number.unsigned_abs()) - 1) * PART_BYTES;
            if from >= object.bytes {
                break;
            }
            let body = read(path, from, PART_BYTES.min(object.bytes - from)).await?;
            match self.put_part(object, upload_id, number, body, there.get(&number)).await {
                Err(Answer::Gone) => return self.instead_of_gone(object).await,
                Err(Answer::Failed(error)) => return Err(error),
                Ok(part) => completed = completed.parts(part),
            }
        }
        let request = self.client().await.complete_multipart_upload();
        let request = request.bucket(&self.config.s3uploader.s3_bucket).key(&object.key).upload_id(upload_id);
        let request = request.set_if_none_match(self.if_none_match()).multipart_upload(completed.build());
        match request.send().await {
            Ok(_) => Ok(Sent::Confirmed),
            Err(error) if is_there_already(&error) => self.compare(object).await,
            Err(error) if is_gone(&error) => self.instead_of_gone(object).await,
            Err(error) => Err(judged(&error, &self.name)),
        }
    }

    /// The parts that an earlier try has sent. A service that does not say which ones gets all of them again.
    async fn parts(&self, object: &Object, upload_id: &str) -> Result<HashMap<i32, Part>, Answer> {
        let (mut found, mut marker) = (HashMap::new(), None);
        loop {
            let request = self.client().await.list_parts().bucket(&self.config.s3uploader.s3_bucket).key(&object.key);
            match request.upload_id(upload_id).set_part_number_marker(marker).send().await {
                Ok(page) => {
                    marker = page.next_part_number_marker.clone().filter(|_| page.is_truncated == Some(true));
                    found.extend(
                        page.parts.unwrap_or_default().into_iter().filter_map(|part| Some((part.part_number?, part))),
                    );
                }
                Err(error) if is_gone(&error) => return Err(Answer::Gone),
                // Some answer well, and in words of their own.
                Err(error) if error.raw_response().is_some_and(|answer| answer.status().is_success()) => {
                    return Ok(HashMap::new());
                }
                Err(error) => match judged(&error, &self.name) {
                    ExportError::Pause { .. } => return Ok(HashMap::new()),
                    error => return Err(Answer::Failed(error)),
                },
            }
            if marker.is_none() {
                return Ok(found);
            }
        }
    }

    async fn put_part(
        &self,
        object: &Object,
        upload_id: &str,
        number: i32,
        body: Bytes,
        there: Option<&Part>,
    ) -> Result<CompletedPart, Answer> {
        let checksum = BASE64_STANDARD.encode(digest(&SHA256, &body));
        let part = CompletedPart::builder().part_number(number).checksum_sha256(&checksum);
        if let Some(there) = there
            && there.size == i64::try_from(body.len()).ok()
            && there.checksum_sha256.as_ref().is_none_or(|found| *found == checksum)
            && let Some(e_tag) = &there.e_tag
        {
            return Ok(part.e_tag(e_tag).build());
        }
        let request = self.client().await.upload_part().bucket(&self.config.s3uploader.s3_bucket).key(&object.key);
        let request = request.upload_id(upload_id).part_number(number).checksum_sha256(checksum);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Sha256);
        match request.body(ByteStream::from(body)).send().await {
            Ok(sent) => Ok(part.set_e_tag(sent.e_tag).build()),
            Err(error) if is_gone(&error) => Err(Answer::Gone),
            Err(error) => Err(Answer::Failed(judged(&error, &self.name))),
        }
    }

    /// The upload is gone: because it was completed and the answer was lost, or because somebody has cleaned up.
    async fn instead_of_gone(&self, object: &Object) -> Result<Sent, ExportError> {
        if self.is_there(object).await? { Ok(Sent::Confirmed) } else { Ok(Sent::InParts(None)) }
    }

    /// There is an object of this name. The name says what is in it, so it is ours; but to be sure it is looked at.
    async fn compare(&self, object: &Object) -> Result<Sent, ExportError> {
        match self.is_there(object).await {
            Ok(true) => Ok(Sent::Confirmed),
            Ok(false) => {
                Err(ExportError::Retry { after: None, cause: format!("{} has an object and has it not", self.name) })
            }
            // A credential that may write and not read is a good idea, and not a reason to wait for ever.
            Err(ExportError::Pause { cause }) if cause.contains(" 403") => {
                tracing::warn!(
                    bucket = self.name,
                    key = object.key,
                    "an object of this name is there; it cannot be compared: no right to read"
                );
                Ok(Sent::Confirmed)
            }
            Err(error) => Err(error),
        }
    }

    async fn is_there(&self, object: &Object) -> Result<bool, ExportError> {
        let request = self.client().await.head_object().bucket(&self.config.s3uploader.s3_bucket).key(&object.key);
        match request.send().await {
            Ok(found) => {
                let hash = found.metadata.as_ref().and_then(|metadata| metadata.get(HASH));
                let is_same = found.content_length == i64::try_from(object.bytes).ok() && hash == Some(&object.hash());
                if is_same { Ok(true) } else { Err(self.another(object)) }
            }
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(false),
            Err(error) => Err(judged(&error, &self.name)),
        }
    }

    fn another(&self, object: &Object) -> ExportError {
        let cause =
            format!("{} has another object named {}; move it away, or change `file_prefix`", self.name, object.key);
        ExportError::Pause { cause }
    }

    fn garbage(&self, what: &str) -> ExportError {
        ExportError::Retry { after: None, cause: format!("{} answered with {what}", self.name) }
    }
}

/// The metadata that says what the whole object hashes to; a multipart upload has no such checksum of its own.
const HASH: &str = "telseal-sha256";

fn metadata(object: &Object) -> HashMap<String, String> {
    let pairs = [
        (HASH, object.hash()),
        ("telseal-records", object.records.to_string()),
        ("telseal-first", object.first.to_string()),
        ("telseal-last", object.last.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next() {
        Some("zst") => "application/zstd",
        Some("gz") => "application/gzip",
        Some("ndjson") => "application/x-ndjson",
        Some("json") => "application/json",
        Some("checkpoint") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn storage_class(own: &Uploader) -> Option<StorageClass> {
    (!own.storage_class.is_empty()).then(|| StorageClass::from(own.storage_class.as_str()))
}

fn encryption(own: &Uploader) -> Option<ServerSideEncryption> {
    match own.server_side_encryption {
        Encryption::Bucket => None,
        Encryption::Aes256 => Some(ServerSideEncryption::Aes256),
        Encryption::Kms => Some(ServerSideEncryption::AwsKms),
    }
}

fn lock_mode(own: &Uploader) -> Option<ObjectLockMode> {
    match own.object_lock.mode {
        LockMode::Bucket => None,
        LockMode::Governance => Some(ObjectLockMode::Governance),
        LockMode::Compliance => Some(ObjectLockMode::Compliance),
    }
}

fn retain_until(own: &Uploader) -> Option<DateTime> {
    let seconds = clock::unix_nanos() / 1_000_000_000 + own.object_lock.retain_for.0.as_secs();
    let until = DateTime::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    (own.object_lock.mode != LockMode::Bucket).then_some(until)
}

/// A part of a scratch file.
async fn read(path: &Path, from: u64, bytes: u64) -> Result<Bytes, ExportError> {
    let path = path.to_owned();
    let read = tasks::blocking(move || {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(0)];
        ReadFile::open(&path)?.read_exact_at(&mut buffer, from)?;
        Ok(Bytes::from(buffer))
    });
    let read: durable::Result<Bytes> = read.await.map_err(|_| super::lost())?;
    read.map_err(|error| super::classified(&error))
}
