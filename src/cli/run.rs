//! `telseal run`: load, build, run until a signal, reload on SIGHUP, drain.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Exit, complain, load};
use crate::config::{self, Config, ProcessorConfig};
use crate::service::Service;
use crate::service::notify::Notify;
use crate::service::reload::{Reloader, Reloads, Source};
use crate::telemetry;

/// After how many polls a worker asks the system for events, idle or not. Tokio's 61 are too many where one poll takes a request of
/// hundreds of records through the processors: the answer to an export would wait for a tenth of a second.
const POLLS_BEFORE_EVENTS: u32 = 7;

pub(super) fn run(path: &Path, accept_rollback: Option<String>, watch_config: bool) -> Exit {
    let config = match load(path) {
        Ok(config) => accepting(config, accept_rollback.as_deref()),
        Err(exit) => return exit,
    };
    let follow = watch_config.then(|| path.to_owned());
    let path = path.to_owned();
    let source: Source = Arc::new(move || {
        let read = config::load(&path).map_err(|problems| config::render(&path.display().to_string(), &problems))?;
        Ok(accepting(read, accept_rollback.as_deref()))
    });
    match start(config, Reloads::new(source), follow) {
        Ok(exit) => exit,
        Err(error) => {
            complain(format!("telseal: {error}\n"));
            Exit::Runtime
        }
    }
}

fn accepting(mut config: Config, rollback: Option<&str>) -> Config {
    let Some(reason) = rollback else { return config };
    for processor in config.processors.values_mut() {
        if let ProcessorConfig::Seal(seal) = processor {
            seal.accept_rollback = Some(reason.to_owned());
        }
    }
    config
}

fn start(config: Config, reloads: Reloads, follow: Option<PathBuf>) -> Result<Exit, Box<dyn std::error::Error>> {
    let own = &config.service.telemetry;
    telemetry::start_events(own.logs.level.name(), own.logs.format == config::Format::Json)?;
    let metrics = telemetry::start_metrics()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().event_interval(POLLS_BEFORE_EVENTS).build()?;
    let exit = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let hangup = signal(SignalKind::hangup())?;
        let notify = Notify::new(config::variable);
        let service = Service::build(config, Some(metrics))?;
        let reloader = reloads.reloader();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut serving = std::pin::pin!(service.run_with(reloads, async {
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
            () = reload_on_signal(hangup, &reloader) => {}
            () = reload_on_change(follow, &reloader) => {}
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

/// Never returns. What comes of a reload is in the log.
async fn reload_on_signal(mut hangup: Signal, reloader: &Reloader) {
    while hangup.recv().await.is_some() {
        let _ = reloader.ask("SIGHUP").await;
    }
    std::future::pending().await
}

async fn reload_on_change(file: Option<PathBuf>, reloader: &Reloader) {
    match file {
        Some(file) => reloader.follow(&file).await,
        None => std::future::pending().await,
    }
}

fn exit_of(left: u64) -> Exit {
    if left == 0 { Exit::Ok } else { Exit::NotDrained }
}
