//! Patches: which files one names, and what it does with them.

use super::event::{Event, Field};

/// What stands before a path, and what happens to the file.
const MARKS: &[(&str, &str)] = &[
    ("*** Update File: ", "write"),
    ("*** Add File: ", "create"),
    ("*** Delete File: ", "delete"),
    ("*** Move to: ", "write"),
    ("+++ b/", "write"),
];

/// Adds the files of a patch to the event; a text that is no patch adds nothing.
pub(super) fn read<'a>(event: &mut Event<'a>, text: &'a str) {
    let before = event.values(Field::FilePath).len();
    for line in text.lines().filter(|line| line.starts_with(['*', '+'])) {
        for (mark, op) in MARKS {
            if let Some(path) = line.strip_prefix(mark) {
                event.push(Field::FilePath, path.trim());
                event.push(Field::FileOp, op);
            }
        }
    }
    if event.values(Field::FilePath).len() > before {
        event.push(Field::FileContent, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_patch_are_found() {
        let mut event = Event::default();
        read(&mut event, "*** Begin Patch\n*** Update File: a.rs\n*** Delete File: b.rs\n*** End Patch");
        assert_eq!(event.values(Field::FilePath), ["a.rs", "b.rs"]);
        assert_eq!(event.values(Field::FileOp), ["write", "delete"]);
        let mut event = Event::default();
        read(&mut event, "plain *** text\n+++ nothing");
        assert!(event.values(Field::FileContent).is_empty());
    }
}
