//! The page in the three formats that Prometheus reads.
//!
//! Text 0.0.4 and protobuf: <https://prometheus.io/docs/instrumenting/exposition_formats/> and `io/prometheus/client/metrics.proto`;
//! OpenMetrics 1.0: <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>. Names beyond letters, digits, `_`
//! and `:` are quoted where the scraper asks for `escaping=allow-utf-8`, and escaped with `_` elsewhere.

mod protobuf;

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write;

use super::registry::{Family, Registry, Series};
use crate::exporter::prom::Type;
use crate::exporter::prom::exemplar::Exemplar;
use crate::exporter::prom::name::{escaped_label, is_legacy_label, is_legacy_metric, legacy_metric, unit_suffix};
use crate::exporter::prom::value::{Classic, Value};
use crate::otlp::wire::{Cursor, WireValue};

/// A format, and what the scraper understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    kind: Kind,
    /// Names may be quoted.
    utf8: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    OpenMetrics,
    Protobuf,
}

impl Format {
    /// The best format in an `Accept` header; text where it names none that we have.
    pub(super) fn accepted(accept: &str, open_metrics: bool) -> Self {
        let mut best = (0.0, Self { kind: Kind::Text, utf8: false });
        for offer in accept.split(',') {
            let mut words = offer.split(';').map(str::trim);
            let kind = match words.next().unwrap_or_default() {
                "application/openmetrics-text" if open_metrics => Kind::OpenMetrics,
                "application/vnd.google.protobuf" => Kind::Protobuf,
                "text/plain" => Kind::Text,
                _ => continue,
            };
            let words: Vec<&str> = words.collect();
            let is_ours =
                words.contains(&"proto=io.prometheus.client.MetricFamily") && words.contains(&"encoding=delimited");
            if kind == Kind::Protobuf && !is_ours {
                continue;
            }
            let weight = words.iter().find_map(|word| word.strip_prefix("q=")?.parse::<f64>().ok()).unwrap_or(1.0);
            if weight > best.0 {
                best = (weight, Self { kind, utf8: words.contains(&"escaping=allow-utf-8") });
            }
        }
        best.1
    }

    pub(super) fn content_type(self) -> String {
        let plain = match self.kind {
            Kind::Text => "text/plain; version=0.0.4; charset=utf-8",
            Kind::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Kind::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        if self.utf8 {
            format!("{plain}; escaping=allow-utf-8").replace("version=0.0.4", "version=1.0.0")
        } else {
            plain.to_owned()
        }
    }

    const fn is_open(self) -> bool {
        matches!(self.kind, Kind::OpenMetrics)
    }
}

/// What is said of a metric whose producer does not describe it: a checker asks for some help.
const NO_HELP: &str = "No description was given.";

/// Writes the page.
pub(super) fn render(registry: &Registry, format: Format, timestamps: bool, now: u64) -> Vec<u8> {
    let mut page = Page { format, timestamps, out: Vec::new() };
    let mut escaped: HashSet<String> = HashSet::new();
    for (name, family) in &registry.families {
        let mut shown = family.series.iter().filter(|(_, series)| registry.shows(series, now)).peekable();
        if shown.peek().is_none() {
            continue;
        }
        let shown_name = if format.utf8 { Cow::Borrowed(name.as_str()) } else { legacy_metric(name) };
        // Another metric has that name already.
        if shown_name != *name
            && (registry.families.contains_key(&*shown_name) || !escaped.insert(shown_name.to_string()))
        {
            continue;
        }
        match format.kind {
            Kind::Protobuf => protobuf::family(&shown_name, family, shown, format.utf8, timestamps, &mut page.out),
            Kind::Text | Kind::OpenMetrics => page.family(&shown_name, family, shown),
        }
    }
    if format.is_open() {
        page.out.extend_from_slice(b"# EOF\n");
    }
    page.out
}

/// The page in one of the text formats.
struct Page {
    format: Format,
    timestamps: bool,
    out: Vec<u8>,
}

/// What a line says beside its value.
struct Line<'l> {
    name: &'l str,
    suffix: &'l str,
    labels: &'l [u8],
    extra: Option<(&'l str, &'l str)>,
    time: u64,
}

impl Page {
    fn family<'s>(&mut self, name: &str, family: &Family, shown: impl Iterator<Item = (&'s Box<[u8]>, &'s Series)>) {
        // OpenMetrics: the family of a counter is named without the suffix that its samples have.
        let (base, kind) = match (self.format.is_open(), family.kind) {
            (true, Type::Counter) => match name.strip_suffix("_total") {
                Some(base) => (base, "counter"),
                None => (name, "unknown"),
            },
            (_, kind) => (name, kind.word()),
        };
        self.head("# TYPE ", base, |out| out.extend_from_slice(kind.as_bytes()));
        let (is_open, help) = (self.format.is_open(), if family.help.is_empty() { NO_HELP } else { &family.help });
        self.head("# HELP ", base, |out| escape(out, help, is_open));
        // OpenMetrics: a unit is named where the name ends in it.
        let unit = unit_suffix(&family.unit).filter(|_| is_open);
        let ends_in = |unit: &String| base.strip_suffix(unit.as_str()).is_some_and(|head| head.ends_with('_'));
        if let Some(unit) = unit.filter(ends_in) {
            self.head("# UNIT ", base, |out| out.extend_from_slice(unit.as_bytes()));
        }
        for (labels, series) in shown {
            self.series(name, labels, series);
        }
    }

    fn head(&mut self, word: &str, name: &str, rest: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(word.as_bytes());
        if is_legacy_metric(name) {
            self.out.extend_from_slice(name.as_bytes());
        } else {
            self.quoted(name);
        }
        self.out.push(b' ');
        rest(&mut self.out);
        self.out.push(b'\n');
    }

    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        escape(&mut self.out, text, true);
        self.out.push(b'"');
    }

    fn series(&mut self, name: &str, labels: &[u8], series: &Series) {
        let line = |suffix, extra| Line { name, suffix, labels, extra, time: series.last.time };
        match &series.last.value {
            Value::Number(number) => {
                let exemplar = series.exemplars.last().filter(|_| name.ends_with("_total"));
                self.line(&line("", None), *number, exemplar);
            }
            Value::Classic(classic) => self.classic(name, labels, series, classic),
            Value::Native(native) => {
                self.count(&line("_bucket", Some(("le", "+Inf"))), native.count, None);
                self.count(&line("_count", None), native.count, None);
                self.line(&line("_sum", None), native.sum.unwrap_or(f64::NAN), None);
            }
            Value::Summary { count, sum, quantiles } => {
                for (quantile, value) in quantiles {
                    let text = self.bound(*quantile);
                    let (extra, time) = (Some(("quantile", text.as_str())), series.last.time);
                    self.line(&Line { name, suffix: "", labels, extra, time }, *value, None);
                }
                self.count(&line("_count", None), *count, None);
                self.line(&line("_sum", None), *sum, None);
            }
        }
    }

    fn classic(&mut self, name: &str, labels: &[u8], series: &Series, classic: &Classic) {
        let time = series.last.time;
        let (mut below, mut lower) = (0_u64, f64::NEG_INFINITY);
        for (bound, count) in classic.bounds.iter().zip(&classic.counts) {
            below = below.saturating_add(*count);
            let exemplar = series.exemplars.iter().rev().find(|it| it.value > lower && it.value <= *bound);
            let text = self.bound(*bound);
            let extra = Some(("le", text.as_str()));
            self.count(&Line { name, suffix: "_bucket", labels, extra, time }, below, exemplar);
            lower = *bound;
        }
        let exemplar = series.exemplars.iter().rev().find(|it| it.value > lower);
        self.count(
            &Line { name, suffix: "_bucket", labels, extra: Some(("le", "+Inf")), time },
            classic.count,
            exemplar,
        );
        self.count(&Line { name, suffix: "_count", labels, extra: None, time }, classic.count, None);
        if let Some(sum) = classic.sum {
            self.line(&Line { name, suffix: "_sum", labels, extra: None, time }, sum, None);
        }
    }

    /// A bound or quantile: OpenMetrics wants the point also in whole numbers.
    fn bound(&self, bound: f64) -> String {
        if bound.is_infinite() {
            if bound > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
        } else if self.format.is_open() {
            format!("{bound:?}")
        } else {
            bound.to_string()
        }
    }

    fn count(&mut self, line: &Line<'_>, count: u64, exemplar: Option<&Exemplar>) {
        self.start(line);
        let _ = write!(self.out, "{count}");
        self.end(line, exemplar);
    }

    fn line(&mut self, line: &Line<'_>, value: f64, exemplar: Option<&Exemplar>) {
        self.start(line);
        number(&mut self.out, value);
        self.end(line, exemplar);
    }

    fn start(&mut self, line: &Line<'_>) {
        let is_plain = is_legacy_metric(line.name);
        if is_plain {
            self.out.extend_from_slice(line.name.as_bytes());
            self.out.extend_from_slice(line.suffix.as_bytes());
        }
        self.out.push(b'{');
        let mut is_first = is_plain;
        if !is_plain {
            self.quoted(&format!("{}{}", line.name, line.suffix));
        }
        for (name, value) in pairs(line.labels).chain(line.extra) {
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            self.label(name, value);
        }
        if is_first {
            self.out.pop();
        } else {
            self.out.push(b'}');
        }
        self.out.push(b' ');
    }

    fn label(&mut self, name: &str, value: &str) {
        if is_legacy_label(name) {
            self.out.extend_from_slice(name.as_bytes());
        } else if self.format.utf8 {
            self.quoted(name);
        } else {
            self.out.extend_from_slice(escaped_label(name).as_bytes());
        }
        self.out.push(b'=');
        self.quoted(value);
    }

    fn end(&mut self, line: &Line<'_>, exemplar: Option<&Exemplar>) {
        if self.timestamps && line.time > 0 {
            let millis = line.time / 1_000_000;
            let _ = if self.format.is_open() {
                write!(self.out, " {}.{:03}", millis / 1000, millis % 1000)
            } else {
                write!(self.out, " {millis}")
            };
        }
        if let Some(exemplar) = exemplar.filter(|_| self.format.is_open()) {
            self.exemplar(exemplar);
        }
        self.out.push(b'\n');
    }

    fn exemplar(&mut self, exemplar: &Exemplar) {
        self.out.extend_from_slice(b" # {");
        for (index, (name, value)) in exemplar.labels.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.label(name, value);
        }
        self.out.extend_from_slice(b"} ");
        number(&mut self.out, exemplar.value);
        if exemplar.millis > 0 {
            let _ = write!(self.out, " {}.{:03}", exemplar.millis / 1000, exemplar.millis % 1000);
        }
    }
}

/// The labels that a series is kept under.
fn pairs(labels: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let mut cursor = Cursor::new(labels);
    std::iter::from_fn(move || {
        let WireValue::Bytes(pair) = cursor.next_field().ok()??.value else { return None };
        let mut fields = Cursor::new(pair);
        let mut text = || match fields.next_field().ok()??.value {
            WireValue::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        Some((text()?, text()?))
    })
}

fn number(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.abs() >= 1e17 || (value != 0.0 && value.abs() < 1e-5) {
        let _ = write!(out, "{value:e}");
    } else {
        let _ = write!(out, "{value}");
    }
}

fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    if !text.bytes().any(|byte| matches!(byte, b'\\' | b'\n' | b'"')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scraper_chooses_the_format() {
        let kind = |accept: &str| Format::accepted(accept, true).kind;
        let three = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, wanted) in [
            ("", Kind::Text),
            ("*/*", Kind::Text),
            (three, Kind::Protobuf),
            ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Kind::OpenMetrics),
            ("application/vnd.google.protobuf;proto=other;encoding=delimited", Kind::Text),
            ("text/plain;q=0.9,application/openmetrics-text;q=0.1", Kind::Text),
        ] {
            assert_eq!(kind(accept), wanted, "{accept}");
        }
        let plain = Format::accepted("application/openmetrics-text;version=1.0.0", false);
        assert_eq!(plain.kind, Kind::Text);
        assert!(Format::accepted("text/plain;version=1.0.0;escaping=allow-utf-8", true).utf8);
    }

    #[test]
    fn numbers_and_texts_are_written_so_that_they_can_be_read() {
        for (value, wanted) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (-2.0, "-2"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
        ] {
            let mut out = vec![];
            number(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
        let mut out = vec![];
        escape(&mut out, "a\"b\\c\nd", true);
        assert_eq!(out, br#"a\"b\\c\nd"#);
    }
}
