//! Circumstances that make an action better or worse, and what each adds to the score. They count only where a rule fired.

use serde::Deserialize;

use super::event::{Event, Field};
use crate::stdx::problem::{At, Problems};

/// Points by circumstance, -100 to 100; 0 switches one off.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Context {
    /// The agent works in a mode in which it asks nobody. Default: 15.
    pub bypass_mode: i8,
    /// Nobody sits in front of the agent. Default: 10.
    pub unattended: i8,
    /// A path lies outside of `workspace`. Default: 10; nothing without `workspace`.
    pub outside_workspace: i8,
    /// The resource says that it is production. Default: 15.
    pub production: i8,
    /// The action failed. Default: -10.
    pub failed: i8,
    /// Folders that agents work in, as prefixes of absolute paths. Default: none.
    pub workspace: Vec<String>,
    /// Values of `deployment.environment.name` that mean production. Default: `production`, `prod`.
    pub production_names: Vec<String>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            bypass_mode: 15,
            unattended: 10,
            outside_workspace: 10,
            production: 15,
            failed: -10,
            workspace: vec![],
            production_names: vec!["production".into(), "prod".into()],
        }
    }
}

/// A circumstance that was found: its name in the configuration, and its points.
pub type Circumstance = (&'static str, i8);

/// Modes in which an agent asks nobody.
const BYPASSES: &[&str] = &[
    "bypasspermissions",
    "yolo",
    "danger-full-access",
    "never",
    "dontask",
    "full-auto",
    "skip-permissions-unsafe",
    "autopilot",
];
/// Attributes of the record or its resource that name the environment.
pub(super) const ENVIRONMENTS: &[&str] = &["deployment.environment.name", "deployment.environment", "environment"];

impl Context {
    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let points = [
            ("bypass_mode", self.bypass_mode),
            ("unattended", self.unattended),
            ("outside_workspace", self.outside_workspace),
            ("production", self.production),
            ("failed", self.failed),
        ];
        for (name, points) in points.into_iter().filter(|(_, points)| !(-100..=100).contains(points)) {
            problems.add(&at.key(name), format!("{points} is not between -100 and 100"));
        }
        for (index, folder) in self.workspace.iter().enumerate().filter(|(_, folder)| !folder.starts_with(['/', '~'])) {
            problems.add_hint(
                &at.key("workspace").item(index),
                format!("`{folder}` is not an absolute path"),
                "write the folder as agents report it, as in `/home/build/app`",
            );
        }
    }

    /// The circumstances of an event that count.
    pub fn circumstances(&self, event: &Event<'_>) -> impl Iterator<Item = Circumstance> {
        let found = [
            ("bypass_mode", self.bypass_mode, bypasses(event)),
            ("unattended", self.unattended, event.has(Field::Unattended, "true")),
            ("outside_workspace", self.outside_workspace, self.is_outside(event)),
            ("production", self.production, self.is_production(event)),
            ("failed", self.failed, event.has(Field::Success, "false")),
        ];
        found.into_iter().filter(|(_, points, holds)| *holds && *points != 0).map(|(name, points, _)| (name, points))
    }

    fn is_outside(&self, event: &Event<'_>) -> bool {
        let outside = |path: &&&str| {
            path.starts_with(['/', '~']) && !self.workspace.iter().any(|folder| path.starts_with(&**folder))
        };
        !self.workspace.is_empty()
            && event.values(Field::FilePath).iter().chain(event.values(Field::CmdPath)).any(|path| outside(&path))
    }

    fn is_production(&self, event: &Event<'_>) -> bool {
        let named = |name: &&str| event.attribute(name).and_then(|value| value.as_str());
        ENVIRONMENTS
            .iter()
            .filter_map(named)
            .any(|value| self.production_names.iter().any(|name| name.eq_ignore_ascii_case(value)))
    }
}

fn bypasses(event: &Event<'_>) -> bool {
    event.values(Field::ModeActive).iter().any(|mode| is_bypass(mode))
}

/// In this mode an agent asks nobody.
pub(super) fn is_bypass(mode: &str) -> bool {
    BYPASSES.contains(&&*mode.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::value::Value;

    #[test]
    fn each_circumstance_counts_by_itself() {
        let mut event = Event::default();
        let context = Context { workspace: vec!["/w/".into()], ..Context::default() };
        let names = |event: &Event<'_>| context.circumstances(event).map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&event), [] as [&str; 0]);
        event.push(Field::ModeActive, "bypassPermissions");
        event.push(Field::Unattended, "true");
        event.push(Field::CmdPath, "/etc/hosts");
        event.push(Field::Success, "false");
        event.push_attribute("deployment.environment.name", Value::Str("PROD"));
        assert_eq!(names(&event), ["bypass_mode", "unattended", "outside_workspace", "production", "failed"]);
    }

    #[test]
    fn zero_switches_a_circumstance_off() {
        let mut event = Event::default();
        event.push(Field::Success, "false");
        let context = Context { failed: 0, ..Context::default() };
        assert_eq!(context.circumstances(&event).count(), 0);
    }

    #[test]
    fn points_and_folders_are_checked() {
        let context = Context { failed: -101, workspace: vec!["w".into()], ..Context::default() };
        let mut problems = Problems::default();
        context.check(&At::new("c"), &mut problems);
        let paths: Vec<&str> = problems.0.iter().map(|problem| &*problem.path).collect();
        assert_eq!(paths, ["c.failed", "c.workspace[0]"]);
    }
}
