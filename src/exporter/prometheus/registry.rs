//! The series on the page: what each one's last value is, and which ones are there.
//!
//! A series without news for `metric_expiration` is not shown. One of deltas keeps its total for a day longer, unless room is needed:
//! when it comes back it goes on where it was, and no reset is seen that was none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use bumpalo::Bump;

use crate::exporter::prom::delta::Running;
use crate::exporter::prom::exemplar::{Exemplar, exemplars};
use crate::exporter::prom::labels::{Base, Labeller};
use crate::exporter::prom::value::Value;
use crate::exporter::prom::{Type, unfit};
use crate::otlp::model::{Batch, Group, Scope};
use crate::otlp::points::{Metric, Point, Temporality};
use crate::otlp::{DecodeError, Signal};

/// How long the total of a series of deltas is kept after it is not shown any more.
const TOTAL_KEPT: u64 = 86_400 * 1_000_000_000;
/// Making room looks at every series: not more often than this.
const SWEEP_EVERY: u64 = 1_000_000_000;
/// Exemplars kept of one series.
const EXEMPLARS_MAX: usize = 16;

/// All series.
#[derive(Debug)]
pub(super) struct Registry {
    id: String,
    max: usize,
    expiration: u64,
    pub(super) families: BTreeMap<String, Family>,
    count: usize,
    swept: u64,
    /// Reasons that were said once.
    said: HashSet<&'static str>,
}

/// All series of one name.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) kind: Type,
    pub(super) help: String,
    pub(super) unit: String,
    /// By their labels, encoded as fields 1.
    pub(super) series: HashMap<Box<[u8]>, Series>,
}

/// One series.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) last: Running,
    pub(super) exemplars: Vec<Exemplar>,
    is_delta: bool,
}

/// Why a point is not shown, as the label `reason` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rejected {
    Unfit,
    Late,
    TypeConflict,
    Full,
}

impl Rejected {
    const fn name(self) -> &'static str {
        match self {
            Self::Unfit => "unfit",
            Self::Late => "late",
            Self::TypeConflict => "type_conflict",
            Self::Full => "max_series",
        }
    }
}

impl Registry {
    pub(super) fn new(id: &str, max: usize, expiration: Duration) -> Self {
        let expiration = u64::try_from(expiration.as_nanos()).unwrap_or(u64::MAX);
        let (families, said) = (BTreeMap::new(), HashSet::new());
        Self { id: id.to_owned(), max, expiration, families, count: 0, swept: 0, said }
    }

    /// Whether a series is on the page.
    pub(super) fn shows(&self, series: &Series, now: u64) -> bool {
        now.saturating_sub(series.last.touched) < self.expiration
    }

    /// Forgets what is not shown any more.
    pub(super) fn sweep(&mut self, now: u64) {
        self.keep(now, TOTAL_KEPT);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
        metrics::gauge!("telseal_prometheus_series", "exporter" => self.id.clone()).set(self.count as f64);
    }

    fn keep(&mut self, now: u64, total_kept: u64) {
        let expiration = self.expiration;
        let mut left = 0;
        self.families.retain(|_, family| {
            family.series.retain(|_, series| {
                let kept = if series.is_delta { expiration.saturating_add(total_kept) } else { expiration };
                now.saturating_sub(series.last.touched) < kept
            });
            left += family.series.len();
            !family.series.is_empty()
        });
        self.count = left;
    }

    /// True when one series more may be kept.
    fn has_room(&mut self, now: u64) -> bool {
        if self.count >= self.max && now.saturating_sub(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            self.keep(now, 0);
        }
        self.count < self.max
    }

    fn reject(&mut self, why: Rejected, metric: &str, detail: &'static str) {
        let reason = why.name();
        metrics::counter!("telseal_prometheus_rejected_points_total", "exporter" => self.id.clone(), "reason" => reason)
            .increment(1);
        if self.said.insert(detail) {
            tracing::warn!(exporter = self.id, metric, reason, "data points are not shown: {detail}; said once");
        }
    }
}

/// One payload on its way into the registry.
pub(super) struct Filling<'f, 'a> {
    registry: &'f mut Registry,
    labeller: Labeller<'f>,
    arena: &'a Bump,
    now: u64,
    key: Vec<u8>,
    rejected: u64,
}

/// What a point says.
struct News {
    start: u64,
    time: u64,
    /// None: the series ends.
    value: Option<Value>,
    is_delta: bool,
    exemplars: Vec<Exemplar>,
}

/// The family that a point goes to.
struct About<'m> {
    name: &'m str,
    kind: Type,
    help: &'m str,
    unit: &'m str,
}

impl<'f, 'a> Filling<'f, 'a> {
    pub(super) fn new(registry: &'f mut Registry, labeller: Labeller<'f>, arena: &'a Bump, now: u64) -> Self {
        Self { registry, labeller, arena, now, key: Vec::new(), rejected: 0 }
    }

    /// Takes the points of a request in; returns how many were rejected.
    pub(super) fn fill(
        &mut self,
        request: &'a [u8],
        name: impl Fn(&Metric<'_, 'a>) -> String,
    ) -> Result<u64, DecodeError> {
        let batch = Batch::open(Signal::Metrics, request, self.arena)?;
        for group in &batch.groups {
            let resource = self.labeller.resource(group, self.arena)?;
            let mut points = 0;
            for scope in &group.scopes {
                points += self.scope(&resource, scope, &name)?;
            }
            if points > 0 {
                self.target_info(group)?;
            }
        }
        Ok(self.rejected)
    }

    fn target_info(&mut self, group: &Group<'a>) -> Result<(), DecodeError> {
        let Some(labels) = self.labeller.target_info(group, self.arena)? else { return Ok(()) };
        self.key.clear();
        labels.put(&[], &mut self.key);
        let about = About { name: "target_info", kind: Type::Gauge, help: "Target metadata", unit: "" };
        let news = News { start: 0, time: 0, value: Some(Value::Number(1.0)), is_delta: false, exemplars: Vec::new() };
        let _ = self.take(&about, news);
        Ok(())
    }

    fn scope(
        &mut self,
        resource: &Base<'a>,
        scope: &Scope<'a>,
        name: &impl Fn(&Metric<'_, 'a>) -> String,
    ) -> Result<u64, DecodeError> {
        let base = self.labeller.scope(resource, scope, self.arena)?;
        let mut points = 0;
        for record in &scope.records {
            let Some(metric) = Metric::read(record, self.arena)? else { continue };
            let name = name(&metric);
            let kind = Type::of(metric.kind);
            let about = About { name: &name, kind, help: metric.description, unit: metric.unit };
            self.note_help(&about);
            for point in metric.points(self.arena) {
                points += 1;
                self.point(&metric, &about, &base, &point?)?;
            }
        }
        Ok(points)
    }

    /// Of several descriptions the first is shown.
    fn note_help(&mut self, about: &About<'_>) {
        let known = self.registry.families.get(about.name);
        if known.is_some_and(|family| family.kind == about.kind && family.help != about.help) {
            let id = self.registry.id.clone();
            metrics::counter!("telseal_prometheus_help_conflicts_total", "exporter" => id).increment(1);
        }
    }

    fn point(
        &mut self,
        metric: &Metric<'_, 'a>,
        about: &About<'_>,
        base: &Base<'a>,
        point: &Point<'a>,
    ) -> Result<(), DecodeError> {
        if let Some(why) = unfit(metric, point) {
            self.reject(Rejected::Unfit, about.name, why);
            return Ok(());
        }
        let reserved = match about.kind {
            Type::Histogram => "le",
            Type::Summary => "quantile",
            _ => "",
        };
        let labels = self.labeller.point(base, &point.entity, reserved, self.arena)?;
        self.key.clear();
        labels.put(&[], &mut self.key);
        let news = News {
            start: point.start_time,
            time: if point.time == 0 { self.now } else { point.time },
            value: if point.has_no_value() { None } else { Value::of(&point.data) },
            is_delta: metric.kind.temporality() == Some(Temporality::Delta),
            exemplars: exemplars(point)?,
        };
        if let Err(why) = self.take(about, news) {
            let detail = match why {
                Rejected::Full => "there are as many series as `max_series`",
                Rejected::TypeConflict => "another metric of a different type has this name",
                Rejected::Late => "newer ones of the same series are shown",
                Rejected::Unfit => "they cannot be samples",
            };
            self.reject(why, about.name, detail);
        }
        Ok(())
    }

    fn reject(&mut self, why: Rejected, metric: &str, detail: &'static str) {
        self.rejected += 1;
        self.registry.reject(why, metric, detail);
    }

    /// Brings the series of `key` up to date.
    fn take(&mut self, about: &About<'_>, news: News) -> Result<(), Rejected> {
        let now = self.now;
        if let Some(family) = self.registry.families.get_mut(about.name) {
            if family.kind != about.kind {
                return Err(Rejected::TypeConflict);
            }
            if let Some(series) = family.series.get_mut(&self.key[..]) {
                let Some(value) = news.value else {
                    family.series.remove(&self.key[..]);
                    self.registry.count -= 1;
                    return Ok(());
                };
                return series.update(value, news.start, news.time, news.is_delta, news.exemplars, now);
            }
        }
        let Some(value) = news.value else { return Ok(()) };
        if !self.registry.has_room(now) {
            return Err(Rejected::Full);
        }
        let family = self.registry.families.entry(about.name.to_owned()).or_insert_with(|| Family {
            kind: about.kind,
            help: about.help.to_owned(),
            unit: about.unit.to_owned(),
            series: HashMap::new(),
        });
        let last = Running::new(news.start, news.time, value, now);
        let series = Series { last, exemplars: news.exemplars, is_delta: news.is_delta };
        family.series.insert(self.key.as_slice().into(), series);
        self.registry.count += 1;
        Ok(())
    }
}

impl Series {
    fn update(
        &mut self,
        value: Value,
        start: u64,
        time: u64,
        is_delta: bool,
        exemplars: Vec<Exemplar>,
        now: u64,
    ) -> Result<(), Rejected> {
        if is_delta && self.is_delta {
            self.last.add(start, time, &value, now).map_err(|_| Rejected::Late)?;
        } else if time < self.last.time {
            return Err(Rejected::Late);
        } else {
            self.last = Running::new(start, time, value, now);
            self.is_delta = is_delta;
        }
        if !exemplars.is_empty() {
            self.exemplars.extend(exemplars);
            let surplus = self.exemplars.len().saturating_sub(EXEMPLARS_MAX);
            self.exemplars.drain(..surplus);
        }
        Ok(())
    }
}
