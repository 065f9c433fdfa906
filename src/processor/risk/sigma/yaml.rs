//! Rule files as trees that know their lines. Several documents may stand in one file.
//!
//! Reads the parser's events, as the configuration does, because messages need lines. Bounded: size and depth. Aliases
//! are refused, since no rule needs them and they can be made to grow without end.

use serde_saphyr::granit_parser::{self as granit, Event, Parser, ScalarStyle};

/// The largest rule file.
pub const FILE_BYTES_MAX: usize = 4 << 20;
const DEPTH_MAX: usize = 32;

/// A value and the line it starts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) data: Data,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    /// Text; `plain` when it was written without quotes and may be a number, a boolean or nothing.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A member of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) message: String,
}

pub(super) type Read<T> = Result<T, Wrong>;

impl Wrong {
    pub(super) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl Node {
    /// The text of a scalar, whatever it looks like.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// `null`, `~` or nothing at all.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The items of a list; anything else is a list of itself.
    pub(super) fn items(&self) -> &[Self] {
        match &self.data {
            Data::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The members of a mapping; nothing for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.data, Data::Map(_))
    }

    /// The member `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The text under `key`, without the white space around it.
    pub(super) fn str(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|node| !node.is_null()).and_then(Self::text).map(str::trim)
    }

    /// All texts under `key`: one, or a list of them.
    pub(super) fn strs(&self, key: &str) -> Vec<String> {
        let Some(node) = self.get(key) else { return vec![] };
        node.items().iter().filter(|item| !item.is_null()).filter_map(Self::text).map(str::to_owned).collect()
    }

    /// Appends the value in a form that does not depend on the order of members or on lines.
    pub(super) fn canonical(&self, out: &mut String) {
        match &self.data {
            Data::Scalar { text, plain } => *out += &format!("{}{text:?}", if *plain { "" } else { "s" }),
            Data::List(items) => items.iter().for_each(|item| {
                out.push('-');
                item.canonical(out);
            }),
            Data::Map(entries) => {
                let mut entries: Vec<&Entry> = entries.iter().collect();
                entries.sort_by(|a, b| a.key.cmp(&b.key));
                out.push('{');
                for entry in entries.into_iter().filter(|entry| entry.key != "examples") {
                    *out += &format!("{:?}:", entry.key);
                    entry.value.canonical(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }
}

/// All documents of a file; empty ones are left out.
pub(super) fn documents(text: &str) -> Read<Vec<Node>> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Wrong::new(1, format!("the file has {} bytes, {FILE_BYTES_MAX} are allowed", text.len())));
    }
    let options = granit::options! { emit_comments: false, flow_nesting_limit: 64, block_nesting_limit: 64 };
    let mut reader = Reader(Parser::new_from_str_with_options(text, options));
    let mut documents = vec![];
    while let Some((event, line)) = reader.next()? {
        match event {
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Comment(..) => {}
            event => documents.push(reader.value(event, line, 0)?),
        }
    }
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

struct Reader<'t>(Parser<'t, granit::StrInput<'t>>);

impl<'t> Reader<'t> {
    fn next(&mut self) -> Read<Option<(Event<'t>, usize)>> {
        match self.0.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
            Some(Err(error)) => Err(syntax(&error)),
        }
    }

    fn value(&mut self, event: Event<'t>, line: usize, depth: usize) -> Read<Node> {
        if depth > DEPTH_MAX {
            return Err(Wrong::new(line, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let data = match event {
            Event::Scalar(text, style, ..) => {
                Data::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => Data::List(self.list(depth)?),
            Event::MappingStart(..) => Data::Map(self.map(depth)?),
            Event::Alias(_) => return Err(Wrong::new(line, "aliases are not supported in rules, write the value out")),
            _ => return Err(Wrong::new(line, "unexpected end of the document")),
        };
        Ok(Node { line, data })
    }

    fn list(&mut self, depth: usize) -> Read<Vec<Node>> {
        let mut items = vec![];
        while let Some((event, line)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.value(event, line, depth + 1)?);
        }
        Ok(items)
    }

    fn map(&mut self, depth: usize) -> Read<Vec<Entry>> {
        let mut entries: Vec<Entry> = vec![];
        while let Some((event, line)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Event::Scalar(key, ..) = event else { return Err(Wrong::new(line, "a key must be text")) };
            let Some((event, value_line)) = self.next()? else { break };
            let value = self.value(event, value_line, depth + 1)?;
            if let Some(earlier) = entries.iter().find(|entry| entry.key == *key) {
                return Err(Wrong::new(line, format!("`{key}` stands twice, first on line {}", earlier.line)));
            }
            entries.push(Entry { key: key.into_owned(), line, value });
        }
        Ok(entries)
    }
}

fn syntax(error: &granit::ScanError) -> Wrong {
    let said = if error.info().is_empty() { format!("{:?}", error.kind()) } else { error.info() };
    Wrong::new(error.marker().line().max(1), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_know_their_lines() {
        let all = documents("# first\na: 1\nb: [x, '2']\n---\n---\nc:\n  d: ~\n").unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].str("a"), all[0].strs("b")), (Some("1"), vec!["x".to_owned(), "2".to_owned()]));
        let d = all[1].get("c").and_then(|c| c.get("d")).unwrap();
        assert!(d.is_null());
        assert_eq!(all[1].entries()[0].line, 6);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, line) in [("a: 1\na: 2\n", 2), ("a: &x 1\nb: *x\n", 2), ("a: [1\n", 1), ("? [a]\n: b\n", 1)] {
            let wrong = documents(text).unwrap_err();
            assert!(wrong.line >= line, "{wrong:?}");
        }
        let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
        assert!(documents(&deep).unwrap_err().message.contains("nested"));
    }

    #[test]
    fn the_canonical_form_does_not_depend_on_order_or_examples() {
        let form = |text| {
            let mut out = String::new();
            documents(text).unwrap()[0].canonical(&mut out);
            out
        };
        assert_eq!(form("a: 1\nb: '1'\n"), form("b: '1'\n\na: 1\nexamples: [x]\n"));
        assert_ne!(form("a: 1\n"), form("a: '1'\n"));
    }
}
