//! An assessment for people and for machines.

use std::fmt::Write as _;

use super::list;
use crate::processor::risk::assess::{Assessment, Part};
use crate::stdx::json::{write_i64, write_str, write_u64};

/// Longer texts are cut for people.
const TEXT_CHARACTERS_MAX: usize = 160;
/// Fields that the other sections of the report say already.
const SAID: &[&str] =
    &["event.kind", "tool.kind", "command_line", "cmd.programs", "cmd.argv", "cmd.pipes_to", "cmd.redirects"];

/// For people.
pub(super) fn people(assessment: &Assessment, line: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}  score {} of 100", assessment.level.name().to_uppercase(), assessment.score);
    let _ = writeln!(out, "  {}\n", shortened(line));
    rules(assessment, &mut out);
    let _ = writeln!(out, "what would run");
    for (place, _) in assessment.commands.iter().enumerate().filter(|(_, part)| part.parent.is_none()) {
        branch(&assessment.commands, place, 1, &mut out);
    }
    if assessment.commands.is_empty() {
        let _ = writeln!(out, "  nothing");
    }
    let mut first = true;
    for (name, values) in assessment.fields.iter().filter(|(name, _)| !SAID.contains(name)) {
        if std::mem::take(&mut first) {
            let _ = writeln!(out, "\nwhat was seen");
        }
        let values: Vec<String> = values.iter().map(|value| shortened(value)).collect();
        let _ = writeln!(out, "  {name}: {}", values.join(", "));
    }
    let _ = writeln!(out, "\nrules: {}", assessment.ruleset);
    out
}

fn rules(assessment: &Assessment, out: &mut String) {
    if assessment.rules.is_empty() {
        let _ = writeln!(out, "no rule fired\n");
        return;
    }
    let _ = writeln!(out, "why");
    for rule in &assessment.rules {
        let _ = writeln!(
            out,
            "  {:>3.0}  {} {} ({})",
            Assessment::contribution(rule),
            rule.id,
            rule.title,
            rule.level.name()
        );
        let _ = writeln!(out, "       {}", rule.reason);
        if !rule.techniques.is_empty() {
            let _ = writeln!(out, "       ATT&CK {}", rule.techniques.join(", "));
        }
    }
    for (name, points) in &assessment.circumstances {
        let _ = writeln!(out, "  {points:>+3}  {name}");
    }
    if assessment.rules.len() > 1 {
        let _ = writeln!(out, "  each rule takes its part of what the others left open");
    }
    out.push('\n');
}

/// A command, and below it what it runs.
fn branch(parts: &[Part], place: usize, depth: usize, out: &mut String) {
    let part = &parts[place];
    let _ = write!(out, "{}{}", "  ".repeat(depth.min(32)), shortened(&part.text));
    for redirect in &part.redirects {
        let _ = write!(out, "  {}", shortened(redirect));
    }
    if let Some(reader) = part.pipes_to.and_then(|reader| parts.get(reader)) {
        let _ = write!(out, "  | {}", reader.text.split(' ').next().unwrap_or_default());
    }
    out.push('\n');
    for (inner, _) in parts.iter().enumerate().filter(|(inner, part)| part.parent == Some(place) && *inner != place) {
        branch(parts, inner, depth + 1, out);
    }
}

/// On one line, without control characters, cut where it is long.
fn shortened(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.chars().take(TEXT_CHARACTERS_MAX).map(clean).collect();
    if out.len() < text.len() {
        out.push('\u{2026}');
    }
    out
}

/// For machines: one object on one line.
pub(super) fn json(assessment: &Assessment, line: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"command\":");
    write_str(out, line);
    out.extend_from_slice(b",\"level\":");
    write_str(out, assessment.level.name());
    out.extend_from_slice(b",\"score\":");
    write_i64(out, assessment.score);
    out.extend_from_slice(b",\"rules\":[");
    for (place, rule) in assessment.rules.iter().enumerate() {
        out.extend_from_slice(if place > 0 { b",{\"id\":" } else { b"{\"id\":" });
        write_str(out, &rule.id);
        for (name, text) in [("title", &*rule.title), ("level", rule.level.name()), ("reason", &*rule.reason)] {
            member(out, name);
            write_str(out, text);
        }
        member(out, "score");
        write_i64(out, rule_points(rule.level));
        for (name, words) in
            [("categories", &rule.categories), ("tactics", &rule.tactics), ("techniques", &rule.techniques)]
        {
            member(out, name);
            list(out, words.iter().map(String::as_str));
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"circumstances\":{");
    for (place, (name, points)) in assessment.circumstances.iter().enumerate() {
        out.extend_from_slice(if place > 0 { b"," } else { b"" });
        write_str(out, name);
        out.push(b':');
        write_i64(out, i64::from(*points));
    }
    out.extend_from_slice(b"},\"commands\":[");
    for (place, part) in assessment.commands.iter().enumerate() {
        command(part, place, out);
    }
    out.extend_from_slice(b"],\"fields\":{");
    for (place, (name, values)) in assessment.fields.iter().enumerate() {
        out.extend_from_slice(if place > 0 { b"," } else { b"" });
        write_str(out, name);
        out.push(b':');
        list(out, values.iter().map(String::as_str));
    }
    out.push(b'}');
    member(out, "ruleset");
    write_str(out, &assessment.ruleset);
    out.extend_from_slice(b"}\n");
}

fn rule_points(level: crate::processor::risk::event::Level) -> i64 {
    crate::processor::risk::score::score(std::iter::once(level), std::iter::empty())
}

fn member(out: &mut Vec<u8>, name: &str) {
    out.push(b',');
    write_str(out, name);
    out.push(b':');
}

fn command(part: &Part, place: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(if place > 0 { b",{\"text\":" } else { b"{\"text\":" });
    write_str(out, &part.text);
    member(out, "redirects");
    list(out, part.redirects.iter().map(String::as_str));
    for (name, other) in [("parent", part.parent), ("pipes_to", part.pipes_to)] {
        if let Some(other) = other {
            member(out, name);
            write_u64(out, other as u64);
        }
    }
    out.push(b'}');
}
