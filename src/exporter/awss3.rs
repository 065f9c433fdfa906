//! Objects in S3, or in what speaks its language.
//!
//! Records are gathered (see `exporter::roll`) in compressed scratch files below `data_dir`, one a place that records go to, until one
//! of them is large or the oldest record old enough. Then the names are fixed, because they say what is in the objects: the range of
//! sequence numbers and the beginning of the content's SHA-256. The plan goes to disk, then the objects to the bucket, and the cursor
//! moves when all of them are confirmed. After a crash the very same objects are sent again, under names that say so: what is there
//! already answers `If-None-Match: *` with 412 and is compared; parts that are there are not sent again.
//!
//! Up to 8 MiB an object is one `PutObject`, beyond that a multipart upload in parts of 8 MiB, each with its SHA-256. Memory: one part
//! while sending, about 1 MiB for each open object while gathering.
//!
//! Busy, throttled, unreachable: tried again. Credentials, rights, a bucket that is not there, a refused setting: paused. No answer
//! of S3 is about one record, so nothing is ever put aside for what S3 says.

mod config;
mod gathering;
mod plan;
mod scratch;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use config::{
    Auth, Compression, Config, Encryption, FromResource, LockMode, Marshaler, ObjectLock, Rotation, Tls, Uploader,
};

use crate::exporter::roll::{Log, Roll};
use crate::exporter::{ExportError, Exporter, Payload};
use crate::stdx::clock;
use crate::stdx::durable::Error;
use crate::stdx::segments::Position;
use crate::stdx::tasks;
use gathering::{Gathering, Naming};
use plan::Plan;
use upload::{Bucket, Sent};

/// The exporter.
pub struct AwsS3 {
    naming: Arc<Naming>,
    bucket: Bucket,
    max_age: Duration,
    /// By pipeline.
    gatherings: Mutex<HashMap<String, Arc<Mutex<Gathering>>>>,
}

impl AwsS3 {
    /// An exporter with these settings. Opens no connection and asks for no credentials.
    ///
    /// # Errors
    /// When the file of authorities cannot be read.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            naming: Arc::new(Naming::new(config)),
            bucket: Bucket::new(config)?,
            max_age: config.rotation.max_age.0,
            gatherings: Mutex::default(),
        })
    }

    fn gathering(&self, log: &Log) -> Arc<Mutex<Gathering>> {
        let mut gatherings = self.gatherings.lock().unwrap_or_else(PoisonError::into_inner);
        gatherings.entry(log.pipeline.clone()).or_default().clone()
    }

    /// Disks and compression make their callers wait, so this happens outside the async workers.
    async fn on<T: Send + 'static>(
        &self,
        log: &Log,
        call: impl FnOnce(&mut Gathering, &Log, &Naming) -> Result<T, ExportError> + Send + 'static,
    ) -> Result<T, ExportError> {
        let (gathering, log, naming) = (self.gathering(log), log.clone(), self.naming.clone());
        let done = tasks::blocking(move || {
            // A panic in between leaves objects that lack something; the log still has it, and telseal says that delivery died.
            let mut gathering = gathering.lock().map_err(|_| lost())?;
            call(&mut gathering, &log, &naming)
        });
        done.await.map_err(|_| lost())?
    }
}

fn lost() -> ExportError {
    ExportError::Retry { after: None, cause: "what was gathered is lost; restart telseal".to_owned() }
}

impl Exporter for AwsS3 {
    /// A payload as a roll of its own, for what is replayed by hand. The delivery loop gathers instead.
    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        let dir = std::env::temp_dir().join(format!("telseal-{}-{}", std::process::id(), clock::unix_nanos()));
        let log = Log { pipeline: format!("replayed-{}", payload.signal()), dir, is_durable: false };
        self.gather(&log, payload).await?;
        let to = Position { record: payload.records(), ..Position::default() };
        let roll = Roll { from: Position::default(), to, records: payload.records(), checkpoint: None };
        let sent = self.confirm(&log, &roll).await;
        self.settled(&log).await;
        let _ = std::fs::remove_dir(&log.dir);
        sent
    }

    fn rolls_every(&self) -> Option<Duration> {
        Some(self.max_age)
    }

    async fn resume(&self, log: &Log, from: Position) -> Result<Option<Roll>, ExportError> {
        self.on(log, move |gathering, log, _| {
            let plan = Plan::load(&log.dir).map_err(|error| classified(&error))?;
            let plan = plan.filter(|plan| log.is_durable && plan.roll.from == from);
            if plan.is_none() {
                gathering::clear(&log.dir).map_err(|error| classified(&error))?;
            }
            let roll = plan.as_ref().map(|plan| plan.roll.clone());
            *gathering = plan.map_or_else(Gathering::default, Gathering::of);
            Ok(roll)
        })
        .await
    }

    async fn gather(&self, log: &Log, payload: &Payload) -> Result<bool, ExportError> {
        let payload = payload.clone();
        self.on(log, move |gathering, log, naming| gathering.add(log, &payload, naming)).await
    }

    async fn confirm(&self, log: &Log, roll: &Roll) -> Result<(), ExportError> {
        let roll = roll.clone();
        let mut plan = self
            .on(log, move |gathering, log, naming| {
                gathering.plan(log, &roll, naming).map_err(|error| classified(&error))
            })
            .await?;
        for at in 0..plan.objects.len() {
            while !plan.objects[at].is_done {
                match self.bucket.put(&log.dir, &plan.objects[at]).await? {
                    Sent::Confirmed => plan.objects[at].is_done = true,
                    // Where the parts go must be known after a crash, before the first of them is sent.
                    Sent::InParts(upload_id) => plan.objects[at].upload_id = upload_id,
                }
                let changed = plan.clone();
                self.on(log, move |gathering, log, _| gathering.change(log, changed)).await?;
            }
        }
        Ok(())
    }

    async fn settled(&self, log: &Log) {
        let cleared = self
            .on(log, |gathering, log, _| {
                *gathering = Gathering::default();
                gathering::clear(&log.dir).map_err(|error| classified(&error))
            })
            .await;
        if let Err(error) = cleared {
            tracing::warn!(%error, "cannot remove what was sent from the scratch folder");
        }
    }
}

impl std::fmt::Debug for AwsS3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsS3").field("bucket", &self.bucket.name()).finish_non_exhaustive()
    }
}

/// A full disk gets room again; a folder that may not be written is for a human.
fn classified(error: &Error) -> ExportError {
    use std::io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    let cause = error.to_string();
    match error.kind() {
        NotADirectory | PermissionDenied | ReadOnlyFilesystem => ExportError::Pause { cause },
        _ => ExportError::Retry { after: None, cause },
    }
}
