//! `${env:NAME}`, `${env:NAME:-default}`, `${file:path}` and `$$` inside scalars, after parsing: a value cannot add structure.
//!
//! The only reader of the environment. A default also stands in for an empty variable, as in the shell. A file loses one
//! trailing line break. The path of a file and a default may hold `${..}` themselves. Values are remembered, so that no
//! message shows them: what a reader sees instead is what the document says.

use std::ffi::OsString;
use std::io::{self, Read};

use super::message::{self, Message};
use super::yaml::{Data, Form, Scalar, Yaml};
use crate::stdx::problem::{At, Problem, Problems};

const FILE_BYTES_MAX: u64 = 1 << 20;
const NESTED_MAX: usize = 4;

/// Where substitutions come from.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'s> {
    pub(super) env: &'s dyn Fn(&str) -> Option<OsString>,
    pub(super) file: &'s dyn Fn(&str) -> io::Result<Vec<u8>>,
}

impl Surroundings<'static> {
    /// This process's environment and file system.
    pub(super) const fn of_process() -> Self {
        Self { env: &|name| std::env::var_os(name), file: &read_file }
    }
}

fn read_file(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// What was substituted where. Never printed.
pub(super) struct Hidden {
    path: String,
    value: String,
    written: String,
}

/// Substitutes in every scalar of the tree.
pub(super) fn substitute(tree: &mut Yaml, from: Surroundings<'_>, problems: &mut Problems) -> Vec<Hidden> {
    let mut walk = Walk { from, problems, hidden: Vec::new() };
    walk.visit(tree, &At::new(""));
    walk.hidden
}

struct Walk<'s, 'p> {
    from: Surroundings<'s>,
    problems: &'p mut Problems,
    hidden: Vec<Hidden>,
}

impl Walk<'_, '_> {
    fn visit(&mut self, tree: &mut Yaml, at: &At) {
        let place = tree.place;
        match &mut tree.data {
            Data::List(items) => {
                items.iter_mut().enumerate().for_each(|(index, item)| self.visit(item, &at.item(index)));
            }
            Data::Map(entries) => {
                entries.iter_mut().for_each(|entry| self.visit(&mut entry.value, &at.key(&entry.key)));
            }
            Data::Scalar(scalar) if scalar.text.contains('$') => {
                if let Err(message) = self.scalar(scalar, at) {
                    self.problems.0.push(message.at(at, Some(place)));
                }
            }
            Data::Scalar(_) | Data::Removed => {}
        }
    }

    fn scalar(&mut self, scalar: &mut Scalar, at: &At) -> Result<(), Message> {
        let written = scalar.text.clone();
        let expanded = expand(&written, self.from, 0)?;
        if expanded.substituted {
            // `8080` from the environment is a number; `80` before `${..}` makes a text of both.
            scalar.form = if expanded.whole { scalar.form } else { Form::Text };
            scalar.substituted = true;
            let parts = std::iter::once((expanded.text.clone(), written)).chain(expanded.parts);
            let path = at.path();
            self.hidden.extend(parts.map(|(value, written)| Hidden { path: path.to_owned(), value, written }));
        }
        scalar.text = expanded.text;
        Ok(())
    }
}

#[derive(Default)]
struct Expanded {
    text: String,
    substituted: bool,
    /// One substitution and nothing else.
    whole: bool,
    /// Each substitution: its value, and how it was written.
    parts: Vec<(String, String)>,
}

fn expand(written: &str, from: Surroundings<'_>, depth: usize) -> Result<Expanded, Message> {
    let mut out = Expanded::default();
    let mut rest = written;
    while let Some(at) = rest.find('$') {
        out.text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        rest = if let Some(after) = after.strip_prefix('$') {
            out.text.push('$');
            after
        } else if let Some(inside) = after.strip_prefix('{') {
            let (inside, after) = split_closing(inside).ok_or_else(message::substitution_unclosed)?;
            let value = value_of(inside, from, depth)?;
            out.text.push_str(&value);
            out.parts.push((value, format!("${{{inside}}}")));
            out.substituted = true;
            out.whole = rest.len() == written.len() && at == 0 && after.is_empty();
            after
        } else {
            out.text.push('$');
            after
        };
    }
    out.text.push_str(rest);
    Ok(out)
}

/// Splits at the `}` that closes, past the pairs inside.
fn split_closing(inside: &str) -> Option<(&str, &str)> {
    let mut open = 0_usize;
    for (index, c) in inside.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return Some((&inside[..index], &inside[index + 1..])),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

fn value_of(inside: &str, from: Surroundings<'_>, depth: usize) -> Result<String, Message> {
    if let Some(name) = inside.strip_prefix("env:") {
        return variable(name, from, depth);
    }
    if let Some(path) = inside.strip_prefix("file:") {
        return file(path, &inner(path, from, depth)?, from);
    }
    Err(message::substitution_scheme(inside))
}

fn inner(written: &str, from: Surroundings<'_>, depth: usize) -> Result<String, Message> {
    if depth == NESTED_MAX || !written.contains('$') {
        return Ok(written.to_owned());
    }
    expand(written, from, depth + 1).map(|expanded| expanded.text)
}

fn variable(written: &str, from: Surroundings<'_>, depth: usize) -> Result<String, Message> {
    let (name, default) = written.split_once(":-").map_or((written, None), |(name, default)| (name, Some(default)));
    if !is_name(name) {
        return Err(message::env_bad_name(name));
    }
    let value = (from.env)(name).map(OsString::into_string).transpose().map_err(|_| message::env_not_utf8(name))?;
    match (value, default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => inner(default, from, depth),
        (None, None) => Err(message::env_not_set(name)),
    }
}

/// True for what can name an environment variable.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn file(written: &str, path: &str, from: Surroundings<'_>) -> Result<String, Message> {
    let bytes = (from.file)(path).map_err(|error| message::substitution_file(written, &cause(&error)))?;
    let mut text = String::from_utf8(bytes).map_err(|_| message::substitution_file(written, "it is not UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        text.truncate(text.strip_suffix('\r').unwrap_or(&text).len());
    }
    Ok(text)
}

/// The system's words, without its numbers.
pub(super) fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}

/// Puts what the document says in place of every substituted value; those at the problem's own path come first.
pub(super) fn hide(problem: &mut Problem, hidden: &[Hidden]) {
    let (own, others): (Vec<&Hidden>, Vec<&Hidden>) = hidden.iter().partition(|hidden| hidden.path == problem.path);
    for Hidden { value, written, .. } in own.into_iter().chain(others) {
        let hide = |text: &str| {
            // A short value is only itself where it stands alone: `5` also is a part of other numbers and words.
            if value.len() >= 6 {
                text.replace(value.as_str(), written)
            } else if value.is_empty() {
                text.to_owned()
            } else {
                text.replace(&format!("`{value}`"), &format!("`{written}`"))
            }
        };
        problem.message = hide(&problem.message);
        problem.hint = problem.hint.take().map(|hint| hide(&hint));
    }
}
