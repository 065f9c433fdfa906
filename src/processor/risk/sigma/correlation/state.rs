//! What correlations remember: windows of time, one for each correlation and group, and what is known about sessions.
//!
//! Bounded: beyond [`WINDOWS_MAX`] the windows and sessions that were not touched for longest go, and are counted. Time is the
//! event's own; where it has none, the time of arrival. The order of records decides nothing but what it must.

use std::collections::HashMap;

use super::incident::Incident;
use super::{COUNT_MAX, Correlation, Correlations, Heard, Kind};

/// The most windows that are kept. With what they hold they take at most about 60 MiB.
pub const WINDOWS_MAX: usize = 200_000;
/// Marks that all windows together may hold, 16 bytes each.
const MARKS_MAX: usize = 1_500_000;

/// One correlation's memory of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super::super) struct Window {
    /// Times, and what they are of: a value, or the number of a rule.
    pub(in super::super::super) marks: Vec<(u64, u64)>,
    /// It has fired and is silent until then.
    pub(in super::super::super) silent_until: u64,
    /// When it was last touched, by arrival.
    pub(in super::super::super) touched: u64,
}

/// All windows.
#[derive(Debug, Default)]
pub struct State {
    windows: HashMap<[u8; 16], Window>,
    /// How many marks all windows hold.
    marks: usize,
    evicted: u64,
    is_changed: bool,
}

impl State {
    /// How many windows are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.windows.len()
    }

    /// Every window under its key.
    pub(in super::super::super) fn windows(&self) -> impl Iterator<Item = (&[u8; 16], &Window)> {
        self.windows.iter()
    }

    /// Puts a window back.
    pub(in super::super::super) fn put(&mut self, key: [u8; 16], window: Window) {
        self.marks += window.marks.len();
        self.windows.insert(key, window);
    }

    /// How many were given up to keep within bounds, since this was last asked.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// True when something changed since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Takes in what was heard of one event; gives what it completes.
    pub(in super::super) fn hear(
        &mut self,
        correlations: &Correlations,
        heard: &[Heard],
        time: u64,
        now: u64,
        incidents: &mut Vec<Incident>,
    ) {
        for one in heard {
            let Some(correlation) = correlations.all.get(one.correlation) else { continue };
            let Some((first, count)) = self.step(correlation, one, time, now) else { continue };
            if !correlation.quiet {
                incidents.push(Incident::new(one, correlation.kind.name(), first, time, count));
            }
            if !one.then.is_empty() {
                self.hear(correlations, &one.then, time, now, incidents);
            }
        }
        self.keep_bounds();
    }

    /// Moves one window on. When it fires: since when, and over how many events.
    fn step(&mut self, correlation: &Correlation, heard: &Heard, time: u64, now: u64) -> Option<(u64, usize)> {
        self.is_changed = true;
        let window = self.windows.entry(heard.key).or_default();
        window.touched = now;
        let before = window.marks.len();
        let fired = match time < window.silent_until {
            true => None,
            false => window.advance(correlation, heard, time),
        };
        if fired.is_some() {
            window.marks = Vec::new();
            window.silent_until = time.saturating_add(correlation.span_nanos);
        }
        let after = window.marks.len();
        self.marks = (self.marks + after).saturating_sub(before);
        fired
    }

    /// Gives up the quarter that was not touched for longest.
    fn keep_bounds(&mut self) {
        if self.windows.len() <= WINDOWS_MAX && self.marks <= MARKS_MAX {
            return;
        }
        let mut ages: Vec<u64> = self.windows.values().map(|window| window.touched).collect();
        let quarter = ages.len() / 4;
        let (_, limit, _) = ages.select_nth_unstable(quarter);
        let limit = *limit;
        let before = self.windows.len();
        let mut left = quarter + 1;
        self.windows.retain(|_, window| {
            let goes = window.touched <= limit && left > 0;
            left -= usize::from(goes);
            !goes
        });
        self.marks = self.windows.values().map(|window| window.marks.len()).sum();
        self.evicted += (before - self.windows.len()) as u64;
    }

    /// Drops windows in which nothing can happen any more; `span_max` is the longest time any correlation looks back.
    pub fn drop_stale(&mut self, now: u64, span_max: u64) {
        self.windows.retain(|_, window| window.touched.saturating_add(span_max) >= now);
        self.marks = self.windows.values().map(|window| window.marks.len()).sum();
    }
}

impl Window {
    fn advance(&mut self, correlation: &Correlation, heard: &Heard, time: u64) -> Option<(u64, usize)> {
        let newest = self.marks.iter().map(|(at, _)| *at).max().unwrap_or(time).max(time);
        let oldest = newest.saturating_sub(correlation.span_nanos);
        match correlation.kind {
            Kind::TemporalOrdered => return self.ordered(correlation, heard.rule, time),
            Kind::EventCount => self.marks.push((time, 0)),
            Kind::ValueCount => self.remember(time, heard.value),
            Kind::Temporal => self.remember(time, heard.rule as u64),
        }
        self.marks.retain(|(at, _)| *at >= oldest);
        if self.marks.len() > COUNT_MAX {
            self.marks.remove(0);
        }
        let complete = match &correlation.logic {
            Some(logic) => logic.holds(&mut |rule| self.marks.iter().any(|(_, of)| *of == rule as u64)),
            None => self.marks.len() >= correlation.count_min,
        };
        let first = self.marks.iter().map(|(at, _)| *at).min().unwrap_or(time);
        complete.then_some((first, self.marks.len()))
    }

    /// Keeps the newest time of each value.
    fn remember(&mut self, time: u64, value: u64) {
        match self.marks.iter_mut().find(|(_, known)| *known == value) {
            Some(mark) => mark.0 = mark.0.max(time),
            None => self.marks.push((time, value)),
        }
    }

    /// `marks[k]` is when the latest chain began that has come as far as rule `k`, and when it got there. Rules that fired on
    /// one event are heard in the order in which they are listed, so that one event may be several steps.
    fn ordered(&mut self, correlation: &Correlation, rule: usize, time: u64) -> Option<(u64, usize)> {
        let len = correlation.rules.len();
        self.marks.resize(len, (0, 0));
        let start = match rule.checked_sub(1) {
            None => time,
            Some(before) => {
                let (start, reached) = self.marks[before];
                let is_near = start > 0 && reached <= time && time.saturating_sub(start) <= correlation.span_nanos;
                if !is_near {
                    return None;
                }
                start
            }
        };
        if start >= self.marks[rule].0 {
            self.marks[rule] = (start, time);
        }
        (rule + 1 == len).then_some((start, len))
    }
}
