//! `telseal run`: load, build, run until a signal, drain.

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Exit, complain, load};
use crate::config::{self, Config, ProcessorConfig};
use crate::service::Service;
use crate::service::notify::Notify;
use crate::telemetry;

/// After how many polls a worker asks the system for events, idle or not. Tokio's 61 are too many where one poll takes a request of
/// hundreds of records through the processors: the answer to an export would wait for a tenth of a second.
const POLLS_BEFORE_EVENTS: u32 = 7;

pub(super) fn run(path: &Path, accept_rollback: Option<String>) -> Exit {
    let mut config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if accept_rollback.is_some() {
        for processor in config.processors.values_mut() {
            if let ProcessorConfig::Seal(seal) = processor {
                seal.accept_rollback.clone_from(&accept_rollback);
            }
        }
    }
    match start(config) {
        Ok(exit) => exit,
        Err(error) => {
            complain(format!("telseal: {error}\n"));
            Exit::Runtime
        }
    }
}

fn start(config: Config) -> Result<Exit, Box<dyn std::error::Error>> {
    let own = &config.service.telemetry;
    telemetry::start_events(own.logs.level.name(), own.logs.format == config::Format::Json)?;
    let metrics = telemetry::start_metrics()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().event_interval(POLLS_BEFORE_EVENTS).build()?;
    let exit = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let notify = Notify::new(config::variable);
        let service = Service::build(config, Some(metrics))?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut serving = std::pin::pin!(service.run(async {
            notify.ready();
            tokio::select! {
                _ = stopped => notify.stopping(),
                () = notify.keep_alive() => {}
            }
        }));
        tokio::select! {
            left = &mut serving => return Ok::<_, Box<dyn std::error::Error>>(exit_of(left)),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(());
        tokio::select! {
            left = &mut serving => Ok(exit_of(left)),
            // A second signal means: now. What was acknowledged is as safe as its pipeline's `ack` says.
            _ = terminate.recv() => Ok(Exit::NotDrained),
            _ = interrupt.recv() => Ok(Exit::NotDrained),
        }
    })?;
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(exit)
}

fn exit_of(left: u64) -> Exit {
    if left == 0 { Exit::Ok } else { Exit::NotDrained }
}
