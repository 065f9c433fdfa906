//! The configuration as its users meet it: what a bad file says, what a good one means.
//!
//! `tests/config/<message>.bad.yaml` begins with `# expect: ` lines, the exact output for it. After a change of wording,
//! `UPDATE=1 cargo test --test config` rewrites them: read the difference before committing it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use telseal::config::{self, Ack, Config, Id, PipelineId, Storage, WhenFull};
use telseal::otlp::Signal;
use telseal::stdx::bytesize::ByteSize;
use telseal::stdx::problem::Problem;

const TOKEN: &str = "hunter2-is-the-token";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn env(name: &str) -> Option<OsString> {
    let value = match name {
        "TOKEN" => TOKEN,
        "PORT" => "4317",
        "EMPTY" => "",
        "ZEROS" => "00123",
        "FOLDER" => "/creds",
        "INJECTION" => "x, evil: {}\nservice: {}",
        #[cfg(unix)]
        "BYTES" => return Some(std::os::unix::ffi::OsStringExt::from_vec(vec![0xff, 0xfe])),
        _ => return None,
    };
    Some(value.into())
}

fn file(path: &str) -> io::Result<Vec<u8>> {
    match path {
        "/creds/token" => Ok(format!("{TOKEN}\n").into_bytes()),
        "/creds/bytes" => Ok(vec![0xff]),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    config::parse_with(text, &env, &file)
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("{}", config::render("good", &problems)))
}

fn said(text: &str) -> String {
    config::render("c", &parse(text).expect_err("the text has a problem"))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn expected(text: &str) -> String {
    text.lines().map_while(|line| line.strip_prefix("# expect: ")).map(|line| format!("{line}\n")).collect()
}

/// The file with the expectation that is true for it. Its own lines move the places, so it is tried until it holds.
fn updated(file: &str, text: &str) -> String {
    let body: String = text.lines().skip_while(|line| line.starts_with("# expect: ")).map(|l| format!("{l}\n")).collect();
    let mut text = body.clone();
    for _ in 0..3 {
        let said = parse(&text).map_or_else(|problems| config::render(file, &problems), |_| String::new());
        text = said.lines().map(|line| format!("# expect: {line}\n")).collect::<String>() + &body;
    }
    text
}

#[test]
fn every_bad_file_gets_exactly_its_messages() {
    let mut wrong = String::new();
    for path in files("tests/config", ".bad.yaml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = name(&path);
        if std::env::var_os("UPDATE").is_some() {
            #[expect(clippy::disallowed_methods, reason = "a fixture on request")]
            std::fs::write(&path, updated(&file, &text)).unwrap();
            continue;
        }
        let said = parse(&text).map_or_else(|problems| config::render(&file, &problems), |_| "no problem\n".into());
        assert!(!said.contains(TOKEN), "{file} shows a secret");
        if said != expected(&text) {
            wrong += &format!("--- {file} expects\n{}--- but gets\n{said}", expected(&text));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_message_has_a_bad_file_and_every_bad_file_a_message() {
    // Not reachable with a file of their own here: each has a test below.
    const ELSEWHERE: [&str; 3] = ["file_unreadable", "file_not_utf8", "document_too_large"];
    let messages = std::fs::read_to_string(root("src/config/message.rs")).unwrap();
    let messages: BTreeSet<String> = messages
        .lines()
        .filter(|line| line.ends_with("-> Message {"))
        .filter_map(|line| Some(line.strip_prefix("pub(super) fn ")?.split_once('(')?.0.to_owned()))
        .filter(|message| !ELSEWHERE.contains(&message.as_str()))
        .collect();
    let shown: BTreeSet<String> = files("tests/config", ".bad.yaml")
        .iter()
        .map(|path| name(path).split('.').next().unwrap().to_owned())
        .collect();
    assert!(messages.len() > 40, "the messages are read from the code: {}", messages.len());
    assert_eq!(messages, shown);
}
