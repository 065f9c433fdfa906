//! What a command does to files, by whatever means: redirections, copies, editors in place, options that name an output.
//!
//! Nothing here is about a certain file: rules name places, this names the words that are written or deleted.

use std::ops::ControlFlow;

use super::event::Command;

type Visit<'v> = &'v mut dyn FnMut(&str) -> ControlFlow<()>;

/// How a program's words become files that it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    /// Every word is written: `tee A B`.
    Every,
    /// The last word is written: `cp A B`.
    Last,
    /// Every word but the first, when it edits in place: `sed -i SCRIPT A B`.
    InPlace,
    /// The words of `dd`: `of=A`.
    Named,
}

const WRITERS: &[(&str, Writes)] = &[
    ("tee", Writes::Every),
    ("sponge", Writes::Every),
    ("truncate", Writes::Every),
    ("fallocate", Writes::Every),
    ("mknod", Writes::Every),
    ("ed", Writes::Every),
    ("ex", Writes::Every),
    ("patch", Writes::Every),
    ("crudini", Writes::Every),
    ("augtool", Writes::Every),
    ("plutil", Writes::Every),
    ("cp", Writes::Last),
    ("gcp", Writes::Last),
    ("mv", Writes::Last),
    ("install", Writes::Last),
    ("ln", Writes::Last),
    ("link", Writes::Last),
    ("rsync", Writes::Last),
    ("scp", Writes::Last),
    ("ditto", Writes::Last),
    ("mount", Writes::Last),
    ("sed", Writes::InPlace),
    ("gsed", Writes::InPlace),
    ("perl", Writes::InPlace),
    ("ruby", Writes::InPlace),
    ("awk", Writes::InPlace),
    ("gawk", Writes::InPlace),
    ("yq", Writes::InPlace),
    ("sd", Writes::InPlace),
    ("dd", Writes::Named),
];

/// Options that name the file or folder in which a program puts what it made or fetched.
const OUTPUT_PROGRAMS: &[(&str, &[&str])] = &[
    ("curl", &["-o", "--output", "--output-dir"]),
    ("wget", &["-O", "--output-document", "-P", "--directory-prefix"]),
    ("aria2c", &["-o", "--out", "-d", "--dir"]),
    ("openssl", &["-out"]),
    ("gpg", &["-o", "--output"]),
    ("gcc", &["-o"]),
    ("cc", &["-o"]),
    ("clang", &["-o"]),
    ("go", &["-o"]),
    ("sort", &["-o", "--output"]),
    ("xxd", &["-o"]),
    ("jq", &["-o"]),
    ("tar", &["-C", "--directory"]),
    ("bsdtar", &["-C"]),
    ("unzip", &["-d"]),
    ("cp", &["-t", "--target-directory"]),
    ("mv", &["-t", "--target-directory"]),
    ("install", &["-t", "--target-directory"]),
    ("ln", &["-t", "--target-directory"]),
    ("ssh-keygen", &["-f"]),
    ("git", &["--file"]),
    ("http", &["-o", "--output"]),
    ("xh", &["-o", "--output"]),
    ("base64", &["-o", "--output"]),
    ("certutil", &["-f"]),
];

/// Options that most programs use for it.
const OUTPUT_OPTIONS: &[&str] =
    &["-o", "-w", "--output", "--output-file", "--out", "--outfile", "--log-file", "--install"];

/// Files that the command writes, redirections aside.
pub(super) fn written(command: &Command<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    outputs(command, visit)?;
    let Some((_, how)) = WRITERS.iter().find(|(program, _)| *program == command.program) else {
        return ControlFlow::Continue(());
    };
    let mut words = command.argv.iter().skip(1).copied();
    match how {
        Writes::Every => words.filter(|word| !word.starts_with('-')).try_for_each(visit),
        Writes::Named => words.filter_map(|word| word.strip_prefix("of=")).try_for_each(visit),
        Writes::InPlace if !in_place(command) => ControlFlow::Continue(()),
        Writes::InPlace => words.filter(|word| !word.starts_with('-')).try_for_each(visit),
        Writes::Last => {
            // One word alone is a source: `ln -s A` links into the working folder.
            let first = words.find(|word| !word.starts_with('-'));
            let last = words.rfind(|word| !word.starts_with('-'));
            first.and(last).map_or(ControlFlow::Continue(()), visit)
        }
    }
}

/// `sed -i`, `sed --in-place`, `perl -pi -e`, `gawk -i inplace`.
fn in_place(command: &Command<'_>) -> bool {
    command.argv.iter().skip(1).any(|word| match word.strip_prefix("--") {
        Some(long) => long.starts_with("in-place"),
        None => word.strip_prefix('-').is_some_and(|letters| {
            letters.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default().contains('i')
        }),
    }) || command.program == "sd"
}

fn outputs(command: &Command<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    let own = OUTPUT_PROGRAMS.iter().find(|(program, _)| *program == command.program).map(|(_, options)| *options);
    let options = own.unwrap_or(OUTPUT_OPTIONS);
    for (at, word) in command.argv.iter().enumerate().skip(1).filter(|(_, word)| word.starts_with('-')) {
        let next = command.argv.get(at + 1).copied();
        let target = options.iter().find_map(|option| named(word, option, next));
        // Of a program that is not listed only a whole path is believed to be a file.
        if let Some(target) = target.filter(|target| own.is_some() || target.starts_with(['/', '~'])) {
            visit(target)?;
        }
    }
    ControlFlow::Continue(())
}

/// The value of an option: `-o A`, `-oA`, `-sSLo A`, `--output A`, `--output=A`.
fn named<'a>(word: &'a str, option: &str, next: Option<&'a str>) -> Option<&'a str> {
    if word == option {
        return next;
    }
    if option.len() > 2 {
        return word.strip_prefix(option)?.strip_prefix('=');
    }
    let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
    let (before, after) = letters.split_once(&option[1..])?;
    if !before.bytes().all(|letter| letter.is_ascii_alphabetic()) {
        return None;
    }
    if after.is_empty() { next } else { Some(after).filter(|_| before.is_empty()) }
}

/// Files and folders that the command removes, moves away or empties.
pub(super) fn deleted(command: &Command<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    let words = || command.argv.iter().skip(1).copied().filter(|word| !word.starts_with('-'));
    match command.program {
        "rm" | "unlink" | "rmdir" | "shred" | "srm" | "wipe" | "scrub" | "truncate" | "trash" | "gio" | "rimraf"
        | "del" | "erase" => words().try_for_each(visit),
        "mv" => {
            let count = words().count();
            words().take(count.saturating_sub(1)).try_for_each(visit)
        }
        "find" | "fd" | "fdfind" if removes_found(command) => {
            words().take_while(|word| !word.starts_with(['(', '!'])).try_for_each(visit)
        }
        _ => ControlFlow::Continue(()),
    }
}

fn removes_found(command: &Command<'_>) -> bool {
    command.argv.iter().any(|word| matches!(*word, "-delete" | "rm" | "unlink" | "shred" | "truncate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Effect = fn(&Command<'_>, Visit<'_>) -> ControlFlow<()>;

    fn all(line: &str, effect: Effect) -> Vec<String> {
        let argv: Vec<&str> = line.split(' ').collect();
        let command = Command {
            program: argv[0],
            path: argv[0],
            argv: &argv,
            text: "",
            redirects: &[],
            parent: None,
            pipes_to: None,
            depth: 0,
        };
        let mut seen = vec![];
        let _ = effect(&command, &mut |value: &str| {
            seen.push(value.to_owned());
            ControlFlow::Continue(())
        });
        seen
    }

    #[test]
    fn files_are_written_by_many_means() {
        for (line, expected) in [
            ("tee -a /a /b", vec!["/a", "/b"]),
            ("cp -r x y /z", vec!["/z"]),
            ("cp -t /z x y", vec!["/z", "y"]),
            ("ln -s only", vec![]),
            ("sed -i s/a/b/ /f", vec!["s/a/b/", "/f"]),
            ("sed -n s/a/b/ /f", vec![]),
            ("perl -pi -e s/a/b/ /f", vec!["s/a/b/", "/f"]),
            ("dd if=/x of=/y", vec!["/y"]),
            ("curl -sSLo /y http://x", vec!["/y"]),
            ("curl --output=/y http://x", vec!["/y"]),
            ("wget -O/y http://x", vec!["/y"]),
            ("tar xzf a.tgz -C /", vec!["/"]),
            ("mount --bind /a /b", vec!["/b"]),
            ("cat /etc/passwd", vec![]),
            ("shuf -e x -o /etc/x", vec!["/etc/x"]),
            ("kubectl get pods -o yaml", vec![]),
        ] {
            assert_eq!(all(line, written), expected, "{line}");
        }
    }

    #[test]
    fn files_are_deleted_by_many_means() {
        for (line, expected) in [
            ("rm -rf /a /b", vec!["/a", "/b"]),
            ("mv /a /b", vec!["/a"]),
            ("find /a -name x -delete", vec!["/a", "x"]),
            ("find /a -name x", vec![]),
            ("cp /a /b", vec![]),
        ] {
            assert_eq!(all(line, deleted), expected, "{line}");
        }
    }
}
