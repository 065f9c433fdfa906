//! A full disk makes senders wait, and costs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use telseal::otlp::Signal;
use tempfile::TempDir;

use crate::destination::Destination;
use crate::process::{assert_verified, eventually};
use crate::sender::send;
use crate::telemetry::numbered;
use crate::{DURABLE, SEALED, SPOOL, end_well, send_until_refused, site_in, wait_for_all};

/// A file system of a few MiB in memory, unmounted when this is dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(dir.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(dir)),
            Ok(output) => {
                println!("skipped: cannot mount a small disk: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: cannot run mount: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_makes_senders_wait_and_work_goes_on_when_there_is_room() {
    for storage in DURABLE {
        let Some(disk) = SmallDisk::mount() else { return };
        let mut destination = Destination::start_down();
        let filler = disk.0.path().join("filler");
        fs::write(&filler, vec![0; 1 << 20]).unwrap();
        let site = site_in(TempDir::new().unwrap(), disk.0.path().join("data"), storage, &destination);
        let telseal = site.start();
        let (mut next, mut acknowledged) = (0, BTreeSet::new());
        let refused = send_until_refused(&site, &mut next, &mut acknowledged);
        assert!([429, 503].contains(&refused.status), "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        assert_eq!(site.get("/healthz").expect("the process lives").status, 200);
        fs::remove_file(&filler).unwrap();
        eventually("records are stored again", || {
            send(site.http, Signal::Logs, &numbered([next])).filter(|answer| answer.status == 200)
        });
        acknowledged.insert(next);
        destination.up();
        wait_for_all(&destination, &acknowledged);
        end_well(&site, telseal, storage);
    }
}

#[test]
fn a_process_that_ends_on_a_full_disk_starts_again_when_there_is_room() {
    for (storage, orderly) in [(SEALED, false), (SEALED, true), (SPOOL, false), (SPOOL, true)] {
        let Some(disk) = SmallDisk::mount() else { return };
        let mut destination = Destination::start_down();
        let filler = disk.0.path().join("filler");
        fs::write(&filler, vec![0; 1 << 20]).unwrap();
        let site = site_in(TempDir::new().unwrap(), disk.0.path().join("data"), storage, &destination);
        let telseal = site.start();
        let (mut next, mut acknowledged) = (0, BTreeSet::new());
        send_until_refused(&site, &mut next, &mut acknowledged);
        let ended = if orderly { telseal.terminate() } else { telseal.kill() };
        assert_eq!(ended.status.code(), orderly.then_some(5), "{}", ended.output);
        if storage == SEALED {
            assert_verified(&site);
        }
        fs::remove_file(&filler).unwrap();
        let telseal = site.start();
        destination.up();
        wait_for_all(&destination, &acknowledged);
        end_well(&site, telseal, storage);
    }
}
