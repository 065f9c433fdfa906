//! What passes from one command of a line to another through files: what is fetched here and run there.

use std::ops::ControlFlow;

use crate::processor::risk::effects;
use crate::processor::risk::event::{Command, Event, Field};

use super::output::base;
use super::wrappers;

/// How many fetched files of one line are followed.
const FILES_MAX: usize = 32;

/// Programs that bring files from other machines.
const FETCHERS: &[&str] = &[
    "curl",
    "wget",
    "fetch",
    "aria2c",
    "http",
    "https",
    "xh",
    "axel",
    "lynx",
    "scp",
    "sftp",
    "rsync",
    "ftp",
    "tftp",
    "lftp",
    "aws",
    "gsutil",
    "rclone",
    "smbclient",
];
/// Programs that make another file of one: what they make of a fetched file is fetched too.
const CARRIERS: &[&str] = &[
    "cp", "mv", "install", "ln", "tee", "dd", "gunzip", "unxz", "base64", "xxd", "openssl", "gpg", "cat", "sed", "tar",
    "bsdtar", "unzip", "7z",
];

/// Notes in `cmd.flows` when a file is fetched and then run.
pub(super) fn collect<'a>(event: &mut Event<'a>, first: usize) {
    let commands = event.commands().get(first..).unwrap_or_default();
    if !commands.iter().any(|command| FETCHERS.contains(&command.program)) {
        return;
    }
    let mut files: Vec<&'a str> = vec![];
    let run = commands.iter().enumerate().any(|(place, command)| {
        if runs_one_of(command, &files) {
            return true;
        }
        let fetches = FETCHERS.contains(&command.program);
        let from_fetch = fetches || is_fed(commands, first, place);
        if files.len() < FILES_MAX && (from_fetch || carries(command, &files)) {
            saved(command, fetches, &mut files);
        }
        false
    });
    if run {
        event.push(Field::CmdFlow, "fetched_run");
    }
}

/// A fetcher writes into its pipe.
fn is_fed(commands: &[Command<'_>], first: usize, place: usize) -> bool {
    let feeds = |command: &Command<'_>| command.pipes_to == Some(first + place);
    commands.iter().take(place).any(|command| feeds(command) && FETCHERS.contains(&command.program))
}

fn carries(command: &Command<'_>, files: &[&str]) -> bool {
    let reads = |word: &str| files.iter().any(|file| same(file, word));
    CARRIERS.contains(&command.program)
        && (command.argv.iter().skip(1).any(|word| reads(word))
            || command.redirects.iter().any(|from| from.operator.contains('<') && reads(from.target)))
}

/// The files that come of a command.
fn saved<'a>(command: &Command<'a>, fetches: bool, files: &mut Vec<&'a str>) {
    let argv: &'a [&'a str] = command.argv;
    files.extend(command.redirects.iter().filter(|to| to.operator.contains('>')).map(|to| to.target));
    let mut targets: Vec<String> = vec![];
    let _ = effects::written(command, &mut |target| {
        targets.push(target.to_owned());
        ControlFlow::Continue(())
    });
    // `-o/tmp/x` and `of=/tmp/x` end with the file.
    let whole = |word: &&'a str, target: &String| word.ends_with(&**target).then(|| &word[word.len() - target.len()..]);
    files.extend(targets.iter().filter_map(|target| argv.iter().find_map(|word| whole(word, target))));
    if command.program == "gunzip" || command.program == "unxz" {
        files.extend(argv.iter().filter_map(|word| word.strip_suffix(".gz").or_else(|| word.strip_suffix(".xz"))));
    }
    let named = argv.iter().skip(1).filter(|word| !word.starts_with('-'));
    if fetches {
        // Without another name a file keeps the one it has over there.
        files.extend(named.map(|word| base(word.split(['?', '#']).next().unwrap_or_default())));
    }
    files.retain(|file| !matches!(*file, "" | "." | ".." | "/" | "-" | "/dev/null" | "s3" | "cp"));
    files.truncate(FILES_MAX);
}

fn runs_one_of(command: &Command<'_>, files: &[&str]) -> bool {
    if files.is_empty() {
        return false;
    }
    let is_file = |word: &str| files.iter().any(|file| same(file, word));
    let by_path = command.path.contains('/') && is_file(command.path);
    let known = |name: &str| files.iter().any(|file| base(file) == name);
    let by_name = files.iter().any(|file| file.contains("/bin")) && known(command.program);
    let reader = wrappers::runs_text(command.program)
        || matches!(command.program, "java" | "open" | "installer" | "insmod" | "msiexec" | "wine" | "dotnet");
    let first = command.argv.iter().skip(1).find(|word| !word.starts_with('-'));
    by_path || by_name || (reader && first.is_some_and(|word| is_file(word)))
}

/// `./x` is `x`, a file in a folder is the file that was fetched by its bare name after `cd`, and what was unpacked into a
/// folder for passing things is all that is below.
fn same(file: &str, word: &str) -> bool {
    let (file, word) = (file.trim_start_matches("./"), word.trim_start_matches("./"));
    let passing = ["/tmp", "/var/tmp", "/dev/shm"].iter().any(|folder| file.starts_with(folder));
    let below = passing && word.strip_prefix(file.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
    let bare = !file.contains('/') && file.len() > 2;
    file == word || below || (bare && word.strip_suffix(file).is_some_and(|folder| folder.ends_with('/')))
}
