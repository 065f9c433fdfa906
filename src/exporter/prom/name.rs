//! Names of metrics and labels: from OpenTelemetry's to Prometheus'.

use std::borrow::Cow;

use serde::Deserialize;

use crate::exporter::prom::Type;

/// How names become Prometheus', in the words of Prometheus and the Collector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Strategy {
    /// Everything but letters, digits, `_` and `:` becomes `_`; the unit and `_total` are added. The default.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// The same without unit and `_total`.
    UnderscoreEscapingWithoutSuffixes,
    /// Names stay as they are; the unit and `_total` are added. Needs a Prometheus 3 on the other side.
    NoUTF8EscapingWithSuffixes,
    /// Names stay as they are.
    NoTranslation,
}

impl Strategy {
    const fn escapes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes)
    }

    const fn adds_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUTF8EscapingWithSuffixes)
    }
}

/// What makes names.
#[derive(Debug, Clone, Default)]
pub struct Translation {
    /// Which way.
    pub strategy: Strategy,
    /// Put before every metric name.
    pub namespace: String,
}

impl Translation {
    /// The name of a metric's family, with `_total` where that is added.
    #[must_use]
    pub fn metric(&self, name: &str, unit: &str, kind: Type) -> String {
        match (self.strategy.escapes(), self.strategy.adds_suffixes()) {
            (true, true) => self.escaped(name, Some(&suffixes(unit, kind))),
            (true, false) => self.escaped(name, None),
            (false, true) => self.kept(name, &suffixes(unit, kind)),
            (false, false) => self.kept(name, &Suffixes::default()),
        }
    }

    fn escaped(&self, name: &str, suffixes: Option<&Suffixes>) -> String {
        let Some(Suffixes { unit, per, last }) = suffixes else { return self.finished(words(name, is_metric_char)) };
        // `_` stands between words too: several in a row become one.
        let mut name = words(name, |c| is_metric_char(c) && c != '_');
        if let Some(unit) = unit.as_deref().filter(|unit| !name.contains(unit)) {
            name.push(unit);
        }
        if let Some(per) = per.as_deref().filter(|per| !name.contains(per)) {
            name.extend(["per", per]);
        }
        if let Some(last) = last {
            name.retain(|word| word != last);
            name.push(last);
        }
        self.finished(name)
    }

    fn finished(&self, words_of_name: Vec<&str>) -> String {
        let mut all = words(&self.namespace, is_metric_char);
        all.extend(words_of_name);
        let mut name = all.join("_");
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        name
    }

    fn kept(&self, name: &str, suffixes: &Suffixes) -> String {
        let mut name = name.to_owned();
        if !self.namespace.is_empty() {
            name = format!("{}_{name}", self.namespace);
        }
        let Suffixes { unit, per, last } = suffixes;
        let last = last.map(str::to_owned);
        // `total` stands behind the unit, wherever it stood.
        name.truncate(last.as_deref().map_or(name.len(), |last| without_suffix(&name, last).len()));
        for suffix in [unit.clone(), per.as_ref().map(|per| format!("per_{per}")), last].into_iter().flatten() {
            name.truncate(without_suffix(&name, &suffix).len());
            name.push('_');
            name += &suffix;
        }
        name
    }

    /// The name of a label.
    #[must_use]
    pub fn label<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.strategy.escapes() {
            return escaped_label(name);
        }
        if name.starts_with("__") { Cow::Owned(format!("key{name}")) } else { Cow::Borrowed(name) }
    }
}

/// What is added to a name: the unit, and `total` or `ratio`.
#[derive(Debug, Default)]
struct Suffixes {
    /// `seconds`.
    unit: Option<String>,
    /// `second`, of `per_second`.
    per: Option<String>,
    last: Option<&'static str>,
}

/// The name without the suffix and the letter before it, if it ends so.
fn without_suffix<'n>(name: &'n str, suffix: &str) -> &'n str {
    let mut head = name.strip_suffix(suffix).unwrap_or_default().chars();
    match head.next_back() {
        Some(_) if !head.as_str().is_empty() => head.as_str(),
        _ => name,
    }
}

fn suffixes(unit: &str, kind: Type) -> Suffixes {
    let last = match kind {
        Type::Counter => Some("total"),
        Type::Gauge if unit == "1" => Some("ratio"),
        _ => None,
    };
    let (main, per) = unit.trim().split_once('/').map_or((unit.trim(), ""), |(main, per)| (main.trim(), per.trim()));
    Suffixes { unit: unit_word(main, &UNITS), per: unit_word(per, &PER_UNITS), last }
}

/// What is added to a name for a unit: `seconds`, `meters_per_second`; `None` for a unit that adds nothing.
#[must_use]
pub fn unit_suffix(unit: &str) -> Option<String> {
    let Suffixes { unit, per, .. } = suffixes(unit, Type::Gauge);
    match (unit, per) {
        (Some(unit), Some(per)) => Some(format!("{unit}_per_{per}")),
        (None, Some(per)) => Some(format!("per_{per}")),
        (unit, None) => unit,
    }
}

/// The word for a unit in UCUM. Annotations in braces say nothing about the unit.
fn unit_word(unit: &str, known: &[(&str, &str)]) -> Option<String> {
    if unit.contains(['{', '}']) {
        return None;
    }
    let word = escaped_unit(known.iter().find(|(ucum, _)| *ucum == unit).map_or(unit, |(_, word)| word));
    Some(word).filter(|word| !word.is_empty())
}

fn words(text: &str, keep: impl Fn(char) -> bool) -> Vec<&str> {
    text.split(|c| !keep(c)).filter(|word| !word.is_empty()).collect()
}

fn escaped_unit(unit: &str) -> String {
    let words = unit.split(|c: char| !is_metric_char(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// From OpenTelemetry's compatibility specification, "Unit".
const UNITS: [(&str, &str); 27] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("kBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
    ("1", ""),
];
const PER_UNITS: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("min", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month")];

const fn is_metric_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// True for a name that every Prometheus understands without quotes.
#[must_use]
pub fn is_legacy_metric(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_metric_char)
}

/// The same for a label.
#[must_use]
pub fn is_legacy_label(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A metric name for a reader that knows the old names only.
#[must_use]
pub fn legacy_metric(name: &str) -> Cow<'_, str> {
    if is_legacy_metric(name) {
        return Cow::Borrowed(name);
    }
    let mut out: String = name.chars().map(|c| if is_metric_char(c) { c } else { '_' }).collect();
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    Cow::Owned(out)
}

/// A label name in which all but letters, digits and `_` is `_`. One that begins with a digit gets `key_`, one that begins with
/// `__`, which Prometheus keeps for itself, gets `key`.
#[must_use]
pub fn escaped_label(name: &str) -> Cow<'_, str> {
    if is_legacy_label(name) && !name.starts_with("__") {
        return Cow::Borrowed(name);
    }
    let mut out: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert_str(0, "key_");
    } else if out.starts_with("__") {
        out.insert_str(0, "key");
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(strategy: Strategy, name: &str, unit: &str, kind: Type) -> String {
        Translation { strategy, namespace: String::new() }.metric(name, unit, kind)
    }

    #[test]
    fn names_get_units_and_total_and_no_word_twice() {
        use Type::{Counter, Gauge, Histogram};
        for (given, unit, kind, wanted) in [
            ("http.server.duration", "ms", Histogram, "http_server_duration_milliseconds"),
            ("http.server.duration.seconds", "s", Histogram, "http_server_duration_seconds"),
            ("system.network.io", "By", Counter, "system_network_io_bytes_total"),
            ("requests_total", "{request}", Counter, "requests_total"),
            ("total.requests", "1", Counter, "requests_total"),
            ("cpu.utilization", "1", Gauge, "cpu_utilization_ratio"),
            ("speed", "m/s", Gauge, "speed_meters_per_second"),
            ("speed", "By/{packet}", Gauge, "speed_bytes"),
            ("a__b..c", "", Gauge, "a_b_c"),
            ("1st", "", Gauge, "_1st"),
            ("ünï", "%", Gauge, "n_percent"),
        ] {
            assert_eq!(name(Strategy::UnderscoreEscapingWithSuffixes, given, unit, kind), wanted, "{given} {unit}");
        }
    }

    #[test]
    fn the_other_strategies_leave_out_what_they_say() {
        use Strategy::{NoTranslation, NoUTF8EscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes};
        let of = |strategy| name(strategy, "http.requests", "By", Type::Counter);
        assert_eq!(of(UnderscoreEscapingWithoutSuffixes), "http_requests");
        assert_eq!(of(NoUTF8EscapingWithSuffixes), "http.requests_bytes_total");
        assert_eq!(name(NoUTF8EscapingWithSuffixes, "io.bytes_total", "By", Type::Counter), "io_bytes_total");
        assert_eq!(name(NoUTF8EscapingWithSuffixes, "total", "", Type::Counter), "total_total");
        assert_eq!(of(NoTranslation), "http.requests");
        let named = Translation { strategy: NoTranslation, namespace: "own".to_owned() };
        assert_eq!(named.metric("a.b", "s", Type::Gauge), "own_a.b");
    }

    #[test]
    fn labels_are_escaped_and_never_reserved() {
        for (given, wanted) in [
            ("http.method", "http_method"),
            ("1st", "key_1st"),
            ("__name__", "key__name__"),
            ("_x", "_x"),
            ("", "key_"),
            ("é", "_"),
        ] {
            assert_eq!(escaped_label(given), wanted);
        }
        let kept = Translation { strategy: Strategy::NoTranslation, namespace: String::new() };
        assert_eq!(kept.label("http.method"), "http.method");
        assert_eq!(kept.label("__name__"), "key__name__");
    }
}
