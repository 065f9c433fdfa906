//! `filter`: drops records by simple conditions, and counts what it drops. Exporters have the same, for what they are to see.
//!
//! A record is dropped when any condition of `drop` is true, and when there are conditions in `keep` and none of them is. A
//! condition is true when everything it says is true. One on the resource or scope is about every record below it. What is
//! dropped is reported under the reason `filter`: never silently.

use bumpalo::Bump;
use serde::Deserialize;

use crate::otlp::model::{Batch, Entity, Scope};
use crate::otlp::{DecodeError, Signal};
use crate::processor::condition::{self, Sight, Test, name_of};
use crate::processor::{Outcome, Processor};
use crate::stdx::problem::{At, Problems};

pub use crate::processor::condition::{Condition, Severity};

/// What to drop.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Any true condition drops the record. Default: none.
    pub drop: Vec<Condition>,
    /// A record for which none of these is true is dropped. Default: none, all are kept.
    pub keep: Vec<Condition>,
}

impl Config {
    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.drop.is_empty() && self.keep.is_empty() {
            problems.add_hint(at, "nothing to drop", "list at least one condition under `drop` or `keep`");
        }
        for (key, conditions) in [("drop", &self.drop), ("keep", &self.keep)] {
            for (index, condition) in conditions.iter().enumerate() {
                condition.check(&at.key(key).item(index), problems);
            }
        }
    }
}

/// The processor.
#[derive(Debug)]
pub struct Filter {
    drop: Vec<Test>,
    keep: Vec<Test>,
}

/// The reason under which dropped records are counted.
pub const REASON: &str = "filter";

impl Filter {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// When one is no regular expression; [`Config::check`] says which.
    pub fn new(config: &Config) -> Result<Self, regex::Error> {
        let tests = |conditions: &[Condition]| conditions.iter().map(Test::new).collect::<Result<_, _>>();
        Ok(Self { drop: tests(&config.drop)?, keep: tests(&config.keep)? })
    }
}

impl Processor for Filter {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let (signal, arena) = (batch.signal, batch.arena());
        let mut dropped = 0;
        for group in &mut batch.groups {
            for scope in &mut group.scopes {
                let live = |test: &&Test| test.may_drop(signal, &group.resource, &scope.scope);
                let tests: Vec<&Test> = self.drop.iter().filter(live).collect();
                if !tests.is_empty() {
                    dropped += drop_from(scope, signal, &tests, arena)?;
                }
                if !self.keep.is_empty() {
                    dropped += keep_in(scope, signal, &group.resource, &self.keep, arena)?;
                }
            }
        }
        let dropped = if dropped == 0 { vec![] } else { vec![(REASON, dropped)] };
        Ok(Outcome { dropped, ..Outcome::default() })
    }
}

/// Keeps of a scope's records those that `look` lets stay; how many records went, a data point counting as one.
fn retain<'a>(
    scope: &mut Scope<'a>,
    mut look: impl FnMut(&Entity<'a>, &mut Entity<'a>) -> Result<(bool, u64), DecodeError>,
) -> Result<u64, DecodeError> {
    let (mut dropped, mut failed) = (0, None);
    scope.retain_below(|scope, record| {
        let (kept, gone) = look(scope, record).unwrap_or_else(|error| {
            failed = Some(error);
            (true, 0)
        });
        dropped += gone;
        kept
    });
    failed.map_or(Ok(dropped), Err)
}

/// Drops what one of the tests holds for.
fn drop_from<'a>(scope: &mut Scope<'a>, signal: Signal, tests: &[&Test], arena: &'a Bump) -> Result<u64, DecodeError> {
    retain(scope, |_, record| match signal {
        Signal::Metrics => keep_points(record, tests, arena),
        Signal::Logs | Signal::Traces => keep_record(record, tests),
    })
}

/// Whether a log record or span stays, and how many records go.
fn keep_record(record: &Entity<'_>, tests: &[&Test]) -> Result<(bool, u64), DecodeError> {
    for test in tests {
        if test.drops(record, false)? {
            return Ok((false, 1));
        }
    }
    Ok((true, 0))
}

/// Whether a metric stays, and how many of its data points go. One that loses all of them goes as a whole.
fn keep_points<'a>(metric: &mut Entity<'a>, tests: &[&Test], arena: &'a Bump) -> Result<(bool, u64), DecodeError> {
    let mut holding = vec![];
    for test in tests {
        if test.drops(metric, true)? {
            holding.push(test);
        }
    }
    if holding.is_empty() {
        return Ok((true, 0));
    }
    let (mut kept, mut gone) = (0, 0);
    metric.retain_points(arena, &mut |point| {
        let goes = holding.iter().any(|test| !test.asks_points() || test.key_holds(point));
        (kept, gone) = if goes { (kept, gone + 1) } else { (kept + 1, gone) };
        Ok(!goes)
    })?;
    let spared_empty = gone == 0 && holding.iter().all(|test| test.asks_points());
    Ok((kept > 0 || spared_empty, gone))
}

/// Drops what none of the tests holds for.
fn keep_in<'a>(
    scope: &mut Scope<'a>,
    signal: Signal,
    resource: &Entity<'a>,
    keep: &[Test],
    arena: &'a Bump,
) -> Result<u64, DecodeError> {
    retain(scope, |scope, record| {
        let around = Sight { signal, resource: Some(resource), scope: Some(scope), record: None, metric: "" };
        match signal {
            Signal::Metrics => wanted_points(record, around, keep, arena),
            Signal::Logs | Signal::Traces => {
                condition::any(keep, &Sight { record: Some(record), ..around }).map(|kept| (kept, u64::from(!kept)))
            }
        }
    })
}

/// Whether a metric stays, and how many of its data points go. One without data points is asked itself.
fn wanted_points<'a>(
    metric: &mut Entity<'a>,
    around: Sight<'_, 'a>,
    keep: &[Test],
    arena: &'a Bump,
) -> Result<(bool, u64), DecodeError> {
    let around = Sight { metric: name_of(metric)?, ..around };
    let (mut kept, mut gone) = (0, 0);
    metric.retain_points(arena, &mut |point| {
        let stays = condition::any(keep, &Sight { record: Some(point), ..around })?;
        (kept, gone) = if stays { (kept + 1, gone) } else { (kept, gone + 1) };
        Ok(stays)
    })?;
    Ok((kept > 0 || (gone == 0 && condition::any(keep, &around)?), gone))
}

#[cfg(test)]
mod tests {
    use super::Config;
    use crate::stdx::problem::{At, Problems};

    fn problems(yaml: &str) -> Vec<String> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("f"), &mut problems);
        problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn a_complete_configuration_has_no_problem() {
        let yaml = "drop:\n- {signal: logs, severity_below: info}\n- {key: http.route, equals: /healthz}\n\
                    - {context: resource, key: service.name, matches: '^test-'}\n- {key: keep, exists: false}\n\
                    - {signal: traces, name: GET /healthz}\n";
        assert_eq!(problems(yaml), Vec::<String>::new());
    }

    #[test]
    fn every_bad_condition_is_named() {
        let yaml = "drop:\n- {signal: logs}\n- {key: a}\n- {equals: 1}\n- {key: a, matches: '('}\n\
                    - {signal: traces, severity_below: 9}\n- {key: a, exists: false, equals: 1}\n";
        let found = problems(yaml);
        let expected = ["f.drop[0]: no test", "f.drop[1]: a key", "f.drop[2]: a test", "f.drop[3].matches: not a reg"];
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(found[4].starts_with("f.drop[4].severity_below: only log"), "{found:?}");
        assert!(found[5].starts_with("f.drop[5].exists: a missing"), "{found:?}");
        assert_eq!(found.len(), 6);
    }
}
