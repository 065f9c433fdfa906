//! `telseal graph`: the pipelines of a configuration as a picture, for Mermaid or Graphviz.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Exit, load, say};
use crate::config::{Config, Storage};

#[derive(Debug, Args)]
#[command(after_help = "Example: telseal graph -c telseal.yaml --format dot | dot -Tsvg > telseal.svg")]
pub(super) struct GraphArgs {
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// How it is written
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A Mermaid flowchart, which many wikis and code hosts draw
    Mermaid,
    /// Graphviz
    Dot,
}

pub(super) fn graph(args: &GraphArgs) -> Exit {
    match load(&args.config) {
        Ok(config) => {
            say(draw(&Picture::of(&config), args.format));
            Exit::Ok
        }
        Err(exit) => exit,
    }
}

/// Nodes by name with their labels, and arrows between them, both without repetition and in a stable order.
#[derive(Debug, Default)]
struct Picture {
    nodes: BTreeSet<(String, String)>,
    arrows: BTreeSet<(String, String)>,
}

impl Picture {
    fn of(config: &Config) -> Self {
        let mut picture = Self::default();
        for (id, pipeline) in &config.service.pipelines {
            let log = match (pipeline.storage, pipeline.sealed) {
                (Storage::Memory, _) => "ring in memory",
                (Storage::Disk, false) => "spool on disk",
                (Storage::Disk, true) => "sealed ledger",
            };
            let log = picture.node(&format!("pipeline {id}"), &format!("{id}: {log}"));
            let mut entry = log.clone();
            // From the log backwards; `seal` is the log itself.
            for processor in pipeline.processors.iter().rev().filter(|processor| processor.kind != "seal") {
                let node = picture.node(&format!("{id} processor {processor}"), &processor.to_string());
                picture.arrows.insert((node.clone(), entry));
                entry = node;
            }
            for receiver in &pipeline.receivers {
                let node = picture.node(&format!("receiver {receiver}"), &receiver.to_string());
                picture.arrows.insert((node, entry.clone()));
            }
            for exporter in &pipeline.exporters {
                let node = picture.node(&format!("exporter {exporter}"), &exporter.to_string());
                picture.arrows.insert((log.clone(), node));
            }
        }
        picture
    }

    /// Adds a node and returns its name: letters, digits and underscores, as both formats want it.
    fn node(&mut self, name: &str, label: &str) -> String {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        self.nodes.insert((name.clone(), label.to_owned()));
        name
    }
}

fn draw(picture: &Picture, format: Format) -> String {
    let mut out = String::new();
    let (begin, end) = match format {
        Format::Mermaid => ("flowchart LR\n", ""),
        Format::Dot => ("digraph telseal {\n  rankdir=LR;\n  node [shape=box];\n", "}\n"),
    };
    out.push_str(begin);
    for (name, label) in &picture.nodes {
        let _ = match format {
            Format::Mermaid => writeln!(out, "  {name}[\"{label}\"]"),
            Format::Dot => writeln!(out, "  {name} [label=\"{label}\"];"),
        };
    }
    for (from, to) in &picture.arrows {
        let _ = match format {
            Format::Mermaid => writeln!(out, "  {from} --> {to}"),
            Format::Dot => writeln!(out, "  {from} -> {to};"),
        };
    }
    out.push_str(end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:4318}}}}
processors: {redact: {}, seal: {}}
exporters: {debug: {}, file/a-b: {path: /tmp/out.ndjson}}
service:
  data_dir: d
  pipelines:
    logs: {receivers: [otlp], processors: [redact, seal], exporters: [debug, file/a-b]}
    traces/x: {receivers: [otlp], exporters: [debug]}
";

    #[test]
    fn every_component_stands_once_a_place_and_arrows_follow_the_data() {
        let config = crate::config::parse(CONFIG).unwrap();
        let mermaid = draw(&Picture::of(&config), Format::Mermaid);
        let lines: BTreeSet<&str> = mermaid.lines().map(str::trim).collect();
        for line in [
            "flowchart LR",
            "pipeline_logs[\"logs: sealed ledger\"]",
            "pipeline_traces_x[\"traces/x: ring in memory\"]",
            "exporter_file_a_b[\"file/a-b\"]",
            "receiver_otlp --> logs_processor_redact",
            "logs_processor_redact --> pipeline_logs",
            "pipeline_logs --> exporter_file_a_b",
            "receiver_otlp --> pipeline_traces_x",
        ] {
            assert!(lines.contains(line), "{line} is not in\n{mermaid}");
        }
        assert_eq!(lines.iter().filter(|line| line.contains('[')).count(), 6, "{mermaid}");
        let dot = draw(&Picture::of(&config), Format::Dot);
        assert!(dot.starts_with("digraph telseal {\n") && dot.ends_with("}\n"), "{dot}");
        assert!(dot.contains("  pipeline_logs -> exporter_debug;\n"), "{dot}");
    }
}
