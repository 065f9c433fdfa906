//! Rules of the user's, read from folders, and what keeps `risk_tag` up to date while it runs: changed folders are read again,
//! and what it remembers is written down.
//!
//! A folder is read with its subfolders; files end in `.yml` or `.yaml`. Changes are looked for every ten seconds, by names,
//! sizes and times of change. Rules that are wrong change nothing: the old ones stay in force, and a metric and a warning say so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use metrics::counter;
use tokio::sync::watch;

use crate::processor::risk::memory::Memory;
use crate::processor::risk::packs;
use crate::processor::risk::sigma::{Compiled, FILE_BYTES_MAX, Ruleset, Source};
use crate::processor::risk::{Config, RiskTag};
use crate::service::StartError;
use crate::stdx::durable::{self, Mode};
use crate::stdx::tasks;

/// How often folders are looked at and memory is written.
const INTERVAL: Duration = Duration::from_secs(10);
/// The largest file that memory is read from.
const STATE_BYTES_MAX: u64 = 256 << 20;
/// The most rule files of one configuration.
const FILES_MAX: usize = 10_000;
/// How deep folders are followed.
const DEPTH_MAX: usize = 16;

/// Rule files at these paths: a file as it is, a folder with everything below it.
///
/// # Errors
/// When a path does not exist or cannot be read: names it.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for path in files(paths)? {
        let bytes = durable::read(&path, FILE_BYTES_MAX as u64).map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or_else(|| format!("{}: it went away while it was read", path.display()))?;
        let text = String::from_utf8(bytes).map_err(|_| format!("{}: it is not UTF-8", path.display()))?;
        sources.push(Source { name: path.display().to_string(), text: text.into() });
    }
    Ok(sources)
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        if !path.exists() {
            return Err(format!("{}: there is no such file or folder", path.display()));
        }
        collect(path, true, 0, &mut found)?;
    }
    Ok(found)
}

fn collect(path: &Path, named: bool, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), String> {
    if path.is_dir() && depth < DEPTH_MAX {
        for entry in durable::list(path).map_err(|error| error.to_string())? {
            collect(&entry, false, depth + 1, found)?;
        }
    } else if named || path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
        if found.len() >= FILES_MAX {
            return Err(format!("{}: more than {FILES_MAX} rule files", path.display()));
        }
        found.push(path.to_owned());
    }
    Ok(())
}

/// Rules that were read while a configuration is built: pipelines that name the same ones share them, for they take a tenth of a
/// second and some megabytes.
#[derive(Default)]
pub(super) struct Rulesets(Vec<(Vec<PathBuf>, Vec<String>, Arc<Ruleset>)>);

impl Rulesets {
    fn of(&mut self, folders: &[PathBuf], disabled: &[String]) -> Result<Arc<Ruleset>, StartError> {
        if let Some((_, _, known)) = self.0.iter().find(|(of, without, _)| of == folders && without == disabled) {
            return Ok(Arc::clone(known));
        }
        let ruleset = Arc::new(load(folders, disabled).map_err(StartError)?.ruleset);
        self.0.push((folders.to_vec(), disabled.to_vec(), Arc::clone(&ruleset)));
        Ok(ruleset)
    }
}

/// A `risk_tag` of a pipeline, and what it lives on.
#[derive(Debug)]
pub(super) struct Keeper {
    name: String,
    tag: Arc<RiskTag>,
    folders: Vec<PathBuf>,
    disabled: Vec<String>,
    /// Where its memory is written; nowhere for a configuration that stores nothing on disk.
    state: Option<PathBuf>,
    seen: Vec<(PathBuf, u64, u128)>,
}

impl Keeper {
    /// Reads the rules, makes the processor, and gives it back what it remembered: in this process, or in the last one.
    pub(super) fn open(
        name: &str,
        config: &Config,
        data_dir: Option<&Path>,
        memory: Option<Arc<Memory>>,
        rulesets: &mut Rulesets,
    ) -> Result<Self, StartError> {
        let folders: Vec<PathBuf> = config.rules.iter().map(PathBuf::from).collect();
        let ruleset = rulesets.of(&folders, &config.disabled_rules)?;
        let (tag, known) = (RiskTag::with_rules(config, ruleset), memory.is_some());
        let tag = Arc::new(match memory {
            Some(memory) => tag.with_memory(memory),
            None => tag,
        });
        let state = data_dir.map(|dir| dir.join(format!("risk_tag-{}.state", name.replace('/', "-"))));
        let seen = stamps(&folders);
        let keeper = Self { name: name.to_owned(), tag, folders, disabled: config.disabled_rules.clone(), state, seen };
        if !known {
            keeper.restore();
        }
        Ok(keeper)
    }

    pub(super) fn processor(&self) -> Arc<RiskTag> {
        Arc::clone(&self.tag)
    }

    /// Memory that cannot be read is left behind: without it correlations begin anew, which is worth a warning, not a stop.
    fn restore(&self) {
        let Some(path) = &self.state else { return };
        let restored = match durable::read(path, STATE_BYTES_MAX) {
            Ok(None) => return,
            Ok(Some(bytes)) => self.tag.memory().restore(&bytes).map_err(str::to_owned),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = restored {
            let path = path.display();
            tracing::warn!(processor = self.name, %path, error, "correlations begin anew: what they remembered cannot be read");
        }
    }

    /// Works until `stop`, and then writes memory down a last time.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = tokio::time::timeout(INTERVAL, stop.wait_for(|stop| *stop)).await.is_ok();
            let worked = tasks::blocking(move || {
                if !stopped {
                    self.reload();
                }
                self.save();
                self
            });
            match worked.await {
                Ok(_) if stopped => return,
                Ok(keeper) => self = keeper,
                Err(_) => return,
            }
        }
    }

    fn save(&self) {
        let Some(path) = &self.state else { return };
        let Some(bytes) = self.tag.memory().snapshot() else { return };
        if let Err(error) = durable::replace(path, &bytes, Mode::Private) {
            tracing::warn!(processor = self.name, %error, "what correlations remember cannot be written");
        }
    }

    /// Takes up changed rules, if all of them are sound.
    fn reload(&mut self) {
        if self.folders.is_empty() {
            return;
        }
        let stamps = stamps(&self.folders);
        if stamps == self.seen {
            return;
        }
        self.seen = stamps;
        match load(&self.folders, &self.disabled) {
            Ok(compiled) => {
                self.tag.replace_rules(Arc::new(compiled.ruleset));
                counter!("telseal_risk_rules_reloads_total", "outcome" => "ok").increment(1);
                tracing::info!(processor = self.name, "rules were read again");
            }
            Err(error) => {
                counter!("telseal_risk_rules_reloads_total", "outcome" => "refused").increment(1);
                tracing::warn!(
                    processor = self.name,
                    error,
                    "rules have changed and are wrong: the old ones stay in force"
                );
            }
        }
    }
}

/// The shipped rules and those of the folders; everything that is wrong, a line each.
fn load(folders: &[PathBuf], disabled: &[String]) -> Result<Compiled, String> {
    let compiled = packs::load(disabled, &read(folders)?);
    if compiled.is_sound() {
        return Ok(compiled);
    }
    let wrong = compiled.findings.iter().filter(|finding| finding.is_error).map(ToString::to_string);
    Err(wrong.collect::<Vec<_>>().join("\n"))
}

/// What tells that a file has changed.
fn stamps(folders: &[PathBuf]) -> Vec<(PathBuf, u64, u128)> {
    let stamp = |path: PathBuf| {
        let data = path.metadata().ok();
        let changed = data.as_ref().and_then(|data| data.modified().ok());
        let since = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos());
        let len = data.map_or(0, |data| data.len());
        (path, len, since)
    };
    files(folders).unwrap_or_default().into_iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "title: R\nname: own_rule\nlogsource: {product: ai_agent, category: command}\ndetection: {a: {program: \
                        zap}, condition: a}\n";

    fn keeper(dir: &Path) -> Keeper {
        let config = Config { rules: vec![dir.join("rules").display().to_string()], ..Config::default() };
        Keeper::open("logs/risk_tag", &config, Some(dir), None, &mut Rulesets::default()).unwrap()
    }

    fn knows(keeper: &Keeper) -> bool {
        keeper.processor().assess_command("zap").rules.iter().any(|rule| rule.id == "own_rule")
    }

    fn put(dir: &Path, name: &str, text: &str) {
        let path = dir.join("rules").join(name);
        durable::create_dir(path.parent().unwrap()).unwrap();
        durable::replace(&path, text.as_bytes(), Mode::Shared).unwrap();
    }

    #[test]
    fn folders_are_read_and_read_again_when_they_change() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "a.txt", "no rule");
        let mut keeper = keeper(dir.path());
        assert!(!knows(&keeper));
        put(dir.path(), "below/own.yml", RULE);
        keeper.reload();
        assert!(knows(&keeper));
        put(dir.path(), "below/broken.yml", "title: [");
        keeper.reload();
        assert!(knows(&keeper), "broken rules change nothing");
    }

    #[test]
    fn wrong_rules_at_the_start_are_refused_with_their_place() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "own.yml", "title: R\nlogsource: {product: ai_agent}\n");
        let config = Config { rules: vec![dir.path().display().to_string()], ..Config::default() };
        let error = Keeper::open("logs/risk_tag", &config, None, None, &mut Rulesets::default()).unwrap_err();
        assert!(error.0.contains("own.yml:1: a rule must have"), "{error}");
        let config = Config { rules: vec!["/nowhere".into()], ..Config::default() };
        assert!(
            Keeper::open("x", &config, None, None, &mut Rulesets::default())
                .unwrap_err()
                .0
                .contains("/nowhere: there is no such")
        );
    }

    #[test]
    fn damaged_memory_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "own.yml", RULE);
        durable::replace(&dir.path().join("risk_tag-logs-risk_tag.state"), b"telseal risk/1\n\0xx", Mode::Private)
            .unwrap();
        assert_eq!(keeper(dir.path()).processor().memory().open(), (0, 0));
    }

    #[test]
    fn pipelines_with_the_same_rules_share_them() {
        let (mut rulesets, none) = (Rulesets::default(), Vec::new());
        let first = rulesets.of(&[], &none).unwrap();
        assert!(Arc::ptr_eq(&first, &rulesets.of(&[], &none).unwrap()));
        assert!(!Arc::ptr_eq(&first, &rulesets.of(&[], &["AG-SHELL-001".to_owned()]).unwrap()));
    }
}
