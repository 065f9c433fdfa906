//! What the words of a command are: flags, arguments, the verb, and the commands before and behind it.

use std::ops::ControlFlow;

use super::super::event::Command;

type Visit<'v> = &'v mut dyn FnMut(&str) -> ControlFlow<()>;

/// Commands of one line that are followed along pipes and parents; a longer chain is no pipe of a person.
const CHAIN_MAX: usize = 32;

/// Programs that take options before their verb, and those of them that take a value.
const GLOBAL_OPTIONS: &[(&str, &[&str])] = &[
    ("git", &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--super-prefix", "--config-env"]),
    (
        "kubectl",
        &[
            "-n",
            "--namespace",
            "--context",
            "--cluster",
            "--kubeconfig",
            "--user",
            "-s",
            "--server",
            "--token",
            "--as",
            "--as-group",
            "--request-timeout",
            "-v",
        ],
    ),
    ("oc", &["-n", "--namespace", "--context", "--kubeconfig", "--server", "--token"]),
    ("helm", &["-n", "--namespace", "--kube-context", "--kubeconfig"]),
    ("docker", &["-H", "--host", "-c", "--context", "--config", "-l", "--log-level"]),
    ("podman", &["-c", "--connection", "--url", "--root", "--log-level"]),
    ("aws", &["--region", "--profile", "--output", "--endpoint-url", "--query", "--ca-bundle", "--color"]),
    ("gcloud", &["--project", "--account", "--configuration", "--format", "--verbosity"]),
    ("gsutil", &["-o", "-i", "-u"]),
    ("az", &["--subscription", "--output", "-o", "--query"]),
    ("gh", &["-R", "--repo"]),
    ("npm", &["--prefix", "-C", "--workspace", "-w", "--registry"]),
    ("pnpm", &["-C", "--dir", "--filter", "-F"]),
    ("yarn", &["--cwd"]),
    ("make", &["-C", "-f"]),
    ("systemctl", &["-H", "--host", "-M", "--machine", "-t", "--type", "--root"]),
    ("terraform", &[]),
    ("vault", &["-address", "-namespace"]),
    ("psql", &[]),
    ("redis-cli", &["-h", "-p", "-a", "-n", "-u", "--user", "--pass"]),
    ("claude", &["--model", "--permission-mode", "--settings", "--mcp-config"]),
    ("codex", &["-m", "--model", "-c", "--config", "-p", "--profile", "-C", "--cd", "-s", "--sandbox", "-a"]),
    ("gemini", &["-m", "--model"]),
    ("droid", &["--cwd", "-m", "--model"]),
];

/// Arguments that start with a dash, in every form in which a rule may name them.
pub(super) fn flags(argv: &[&str], visit: Visit<'_>) -> ControlFlow<()> {
    for word in argv.iter().skip(1).filter(|word| word.len() > 1 && word.starts_with('-')) {
        visit(word)?;
        if let Some((name, _)) = word.split_once('=') {
            visit(name)?;
        } else if !word.starts_with("--") && word.len() > 2 {
            letters(word, visit)?;
        }
    }
    ControlFlow::Continue(())
}

/// `-rf` is `-r` and `-f`. The letters end where something begins that is none: `-j8`, `-n1`.
fn letters(word: &str, visit: Visit<'_>) -> ControlFlow<()> {
    for letter in word.chars().skip(1).take_while(char::is_ascii_alphabetic) {
        let mut flag = [b'-', 0];
        flag[1] = u8::try_from(letter).unwrap_or(b'-');
        visit(std::str::from_utf8(&flag).unwrap_or_default())?;
    }
    ControlFlow::Continue(())
}

/// Arguments that are no flags, and what stands behind `=` in a long one.
pub(super) fn words(argv: &[&str], visit: Visit<'_>) -> ControlFlow<()> {
    for word in argv.iter().skip(1) {
        if !word.starts_with('-') || *word == "-" {
            visit(word)?;
        } else if let Some((_, value)) = word.split_once('=') {
            visit(value)?;
        }
    }
    ControlFlow::Continue(())
}

/// The first word behind the global options, the first two, and the first three.
pub(super) fn verbs(command: &Command<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    let valued = GLOBAL_OPTIONS.iter().find(|(program, _)| *program == command.program).map_or(&[][..], |(_, own)| own);
    let mut verb = String::new();
    let (mut skip, mut found) = (false, 0);
    for word in command.argv.iter().skip(1) {
        if std::mem::take(&mut skip) {
            continue;
        }
        if word.starts_with('-') || word.starts_with('+') {
            skip = valued.contains(word);
            continue;
        }
        if found > 0 {
            verb.push(' ');
        }
        verb.push_str(word);
        visit(&verb)?;
        found += 1;
        if found == 3 {
            break;
        }
    }
    ControlFlow::Continue(())
}

/// Whether a command runs its input as code: a shell or an interpreter that was given no program otherwise.
pub(super) fn runs_input(command: &Command<'_>) -> bool {
    let argv = command.argv;
    let bare = command.program.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    match command.program {
        "eval" | "source" | "." | "iex" | "Invoke-Expression" | "xargs" | "parallel" | "at" | "batch" | "crontab" => {
            true
        }
        "ssh" | "awk" | "sed" => false,
        _ if SHELLS.contains(&bare) => {
            // `xargs -I{} sh -c '{}'` runs what it reads.
            argv.contains(&"{}") || !argv.iter().skip(1).any(|word| is_letter(word, 'c'))
        }
        "deno" | "bun" => argv.contains(&"-"),
        _ if INTERPRETERS.contains(&bare) && argv.get(1) == Some(&"-") => true,
        _ if INTERPRETERS.contains(&bare) => argv.iter().skip(1).all(|word| *word == "-" || is_plain_option(word)),
        _ => false,
    }
}

const SHELLS: &[&str] = &[
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "ash",
    "fish",
    "csh",
    "tcsh",
    "mksh",
    "yash",
    "busybox",
    "pwsh",
    "powershell",
];
const INTERPRETERS: &[&str] = &[
    "python",
    "pypy",
    "perl",
    "ruby",
    "node",
    "nodejs",
    "deno",
    "bun",
    "php",
    "lua",
    "luajit",
    "tclsh",
    "osascript",
    "Rscript",
    "julia",
    "expect",
    "groovy",
];

fn is_letter(word: &str, letter: char) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.contains(letter)
}

/// An option that brings no program of its own along: not `-c`, `-e`, `-m`, nor a file.
fn is_plain_option(word: &str) -> bool {
    let bare = word.trim_start_matches('-');
    word.starts_with('-')
        && !matches!(bare, "eval" | "print" | "version" | "help")
        && (word.starts_with("--") || !bare.contains(['c', 'e', 'm', 'r', 'n', 'p', 'E', 'V']))
}

/// The commands that read what `me` writes, what wraps them, and what runs inside them.
pub(super) fn downstream(
    commands: &[Command<'_>],
    me: usize,
    visit: &mut dyn FnMut(&Command<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut next = commands.get(me).and_then(|command| command.pipes_to);
    for _ in 0..CHAIN_MAX {
        let Some((place, command)) = next.and_then(|place| Some((place, commands.get(place)?))) else { break };
        visit(command)?;
        for (inner, below) in commands.iter().enumerate() {
            if inner != place && is_below(commands, inner, place) {
                visit(below)?;
            }
        }
        wrappers(commands, place)
            .filter(|above| !is_below(commands, me, *above))
            .try_for_each(|above| visit(&commands[above]))?;
        next = command.pipes_to;
    }
    ControlFlow::Continue(())
}

/// The places of what runs `place`, nearest first.
fn wrappers<'c>(commands: &'c [Command<'_>], place: usize) -> impl Iterator<Item = usize> + 'c {
    let up = |place: &usize| commands.get(*place).and_then(|command| command.parent);
    std::iter::successors(Some(place), up).skip(1).take(CHAIN_MAX).filter(|place| *place < commands.len())
}

/// The programs whose output `me` reads, itself or through what wraps it.
pub(super) fn upstream(commands: &[Command<'_>], me: usize, visit: Visit<'_>) -> ControlFlow<()> {
    let mut reader = Some(me);
    for _ in 0..CHAIN_MAX {
        let Some(place) = reader else { break };
        before(commands, place, visit)?;
        reader = commands.get(place).and_then(|command| command.parent);
    }
    ControlFlow::Continue(())
}

fn before(commands: &[Command<'_>], mut place: usize, visit: Visit<'_>) -> ControlFlow<()> {
    for _ in 0..CHAIN_MAX {
        let Some(writer) = commands.iter().position(|command| command.pipes_to == Some(place)) else { break };
        visit(commands[writer].program)?;
        for (inner, _) in commands.iter().enumerate().filter(|(inner, _)| is_below(commands, *inner, writer)) {
            visit(commands[inner].program)?;
        }
        place = writer;
    }
    ControlFlow::Continue(())
}

/// The commands that run `command`, nearest first.
pub(super) fn parents<'c, 'a>(
    commands: &'c [Command<'a>],
    command: &'c Command<'a>,
) -> impl Iterator<Item = &'c Command<'a>> {
    let parent = |of: &&'c Command<'a>| commands.get(of.parent?);
    std::iter::successors(Some(command), parent).skip(1).take(CHAIN_MAX)
}

/// `place` is run by `above`, or by something that it runs.
fn is_below(commands: &[Command<'_>], place: usize, above: usize) -> bool {
    wrappers(commands, place).any(|parent| parent == above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command<'a>(argv: &'a [&'a str]) -> Command<'a> {
        let program = argv.first().copied().unwrap_or_default();
        Command { program, path: program, argv, text: "", redirects: &[], parent: None, pipes_to: None, depth: 0 }
    }

    fn all(run: impl FnOnce(Visit<'_>) -> ControlFlow<()>) -> Vec<String> {
        let mut seen = vec![];
        let _ = run(&mut |value: &str| {
            seen.push(value.to_owned());
            ControlFlow::Continue(())
        });
        seen
    }

    #[test]
    fn flags_come_in_every_form() {
        let argv = ["rm", "-rf", "--force=yes", "-", "x", "-j8"];
        assert_eq!(all(|v| flags(&argv, v)), ["-rf", "-r", "-f", "--force=yes", "--force", "-j8", "-j"]);
        assert_eq!(all(|v| words(&argv, v)), ["yes", "-", "x"]);
    }

    #[test]
    fn the_verb_stands_behind_global_options() {
        let argv = ["git", "-C", "/w/app", "--no-pager", "push", "origin", "main"];
        assert_eq!(all(|v| verbs(&command(&argv), v)), ["push", "push origin", "push origin main"]);
        let argv = ["aws", "--region", "eu-1", "s3", "rm"];
        assert_eq!(all(|v| verbs(&command(&argv), v)), ["s3", "s3 rm"]);
    }

    #[test]
    fn input_is_code_where_no_other_program_is_given() {
        for argv in [
            &["sh"][..],
            &["bash", "-s", "x"],
            &["python3"],
            &["python3", "-"],
            &["sh", "-c", "{}"],
            &["node", "-"],
            &["python3", "-", "--x", "y"],
        ] {
            assert!(runs_input(&command(argv)), "{argv:?}");
        }
        for argv in [
            &["sh", "-c", "jq ."][..],
            &["python3", "-m", "json.tool"],
            &["node", "-e", "1"],
            &["perl", "-ne", "1"],
            &["python3", "x.py"],
            &["jq"],
        ] {
            assert!(!runs_input(&command(argv)), "{argv:?}");
        }
    }

    #[test]
    fn pipes_are_followed_into_wrappers() {
        let (curl, tee, sudo, sh) = (["curl"], ["tee"], ["sudo"], ["sh"]);
        let commands = [
            Command { pipes_to: Some(1), ..command(&curl) },
            Command { pipes_to: Some(2), ..command(&tee) },
            command(&sudo),
            Command { parent: Some(2), ..command(&sh) },
            Command { pipes_to: Some(3), ..command(&curl) },
        ];
        assert_eq!(all(|v| downstream(&commands, 4, &mut |command| v(command.program))), ["sh", "sudo"]);
        assert_eq!(all(|v| downstream(&commands, 0, &mut |command| v(command.program))), ["tee", "sudo", "sh"]);
        assert_eq!(all(|v| upstream(&commands, 3, v)), ["curl", "tee", "curl"]);
        assert_eq!(parents(&commands, &commands[3]).map(|parent| parent.program).collect::<Vec<_>>(), ["sudo"]);
    }
}
