//! What a program runs in turn: wrappers, shells, `find -exec`, containers, interpreters.

use super::output::Out;
use crate::processor::risk::patch;

use super::wrappers::{self, SHELLS, SUBCOMMANDS, TEXT_OPTIONS, Wrapper, interpreter, skip_options};
use super::{Ran, Walker, decode};

/// Input beyond this is not appended to the words of `xargs`.
const XARGS_WORDS_MAX: usize = 256;

impl<'a> Walker<'a, '_> {
    /// Reads what this command runs; `None` when it runs nothing that is known.
    pub(super) fn unwrap(
        &mut self,
        place: usize,
        program: &str,
        argv: &'a [&'a str],
        stdin: Out<'a>,
    ) -> Option<Ran<'a>> {
        let text_option = self.text_option(place, program, argv);
        let inner = match program {
            "eval" => Some(own(self.joined_script(place, &argv[1..]))),
            "source" | "." => self.run_file(place, argv.get(1).copied(), stdin).map(own),
            "find" | "fd" | "fdfind" => self.find(place, argv),
            "xargs" | "gxargs" => self.xargs(place, argv, stdin),
            "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "docker-compose" | "podman-compose" | "k3s"
            | "microk8s" | "lxc-attach" => self.container(place, program, argv, stdin),
            "powershell" | "pwsh" | "powershell.exe" | "pwsh.exe" => self.powershell(place, argv),
            "cmd" | "cmd.exe" => None,
            "apply_patch" | "git-apply" | "patch" => {
                let text = if stdin.text.is_empty() { argv.get(1).copied().unwrap_or_default() } else { stdin.text };
                patch::read(self.event, text);
                None
            }
            "trap" => argv.get(1).map(|text| self.script(text, Some(place))),
            "at" | "crontab" if !stdin.text.is_empty() => Some(self.script(stdin.text, Some(place))),
            "tmux" | "screen" => self.terminal(place, argv),
            "printf" | "mapfile" | "readarray" | "alias" | "export" | "declare" | "local" | "readonly" | "typeset"
            | "set" | "read" => {
                self.remember_names(program, argv, stdin);
                None
            }
            "tar" | "git" | "ssh" | "nmap" => self.options_that_run(place, program, argv, stdin),
            "sed" | "gsed" => self.sed(place, argv),
            _ if SHELLS.contains(&program) => self.shell(place, argv, stdin).map(own),
            _ => self.other(place, program, argv, stdin),
        };
        inner.or(text_option)
    }

    fn other(&mut self, place: usize, program: &str, argv: &'a [&'a str], stdin: Out<'a>) -> Option<Ran<'a>> {
        if program == "command" && argv.get(1).is_some_and(|word| word.eq_ignore_ascii_case("-v")) {
            return None;
        }
        if let Some(wrapper) = wrappers::wrapper(program) {
            return self.wrapped(place, wrapper, argv, stdin);
        }
        if let Some(options) = interpreter(program) {
            self.interpreter(place, program, options, argv, stdin);
            return None;
        }
        if let Some((_, subcommands)) = SUBCOMMANDS.iter().find(|(name, _)| *name == program) {
            return self.subcommand(place, subcommands, argv, stdin);
        }
        if let Some((_, body)) = self.functions.iter().rev().find(|(name, _)| *name == program).copied() {
            return self.call(place, body, argv);
        }
        if program == "make" && !stdin.text.is_empty() {
            return self.run_text(place, stdin);
        }
        let first = argv.first()?;
        let shown = argv.iter().find_map(|word| word.strip_prefix("+!").or_else(|| word.strip_prefix("+:!")));
        if let Some(text) = shown {
            return Some(self.script(text, Some(place)));
        }
        if first.contains(' ') {
            // No program is called so: the words were quoted as one.
            return Some(self.script(first, Some(place)));
        }
        let text = self.file(first)?;
        Some(self.script(text, Some(place)))
    }

    /// Calls a function of this line.
    fn call(&mut self, place: usize, body: &'a str, argv: &'a [&'a str]) -> Option<Ran<'a>> {
        if argv.len() < 2 {
            // Without arguments it does what was read where it is defined.
            return None;
        }
        self.set_positional(argv);
        Some(self.script(body, Some(place)))
    }

    fn joined_script(&mut self, place: usize, words: &[&'a str]) -> Ran<'a> {
        let text = self.join(words, " ");
        self.script(text, Some(place))
    }

    fn wrapped(&mut self, place: usize, wrapper: &Wrapper, argv: &'a [&'a str], stdin: Out<'a>) -> Option<Ran<'a>> {
        let mut at = skip_options(argv, 1, wrapper.short, wrapper.long) + wrapper.skip;
        // `ssh host -p 22 cmd`: options may follow the host too.
        if wrapper.skip == 1 && wrapper.text {
            at = skip_options(argv, at, wrapper.short, wrapper.long);
        }
        while argv.get(at).is_some_and(|word| is_assignment(word)) {
            at += 1;
        }
        if argv.get(at) == Some(&"--") {
            at += 1;
        }
        let Some(rest) = argv.get(at..).filter(|rest| !rest.is_empty()) else {
            // `ssh HOST` reads commands from its input.
            return if wrapper.text { self.run_text(place, stdin) } else { None };
        };
        if wrapper.text {
            return Some(self.joined_script(place, rest));
        }
        Some(self.run(rest, &[], Some(place), stdin))
    }

    fn subcommand(&mut self, place: usize, names: &[&str], argv: &'a [&'a str], stdin: Out<'a>) -> Option<Ran<'a>> {
        let at = argv.iter().take(4).position(|word| names.contains(word))?;
        let at = argv.iter().position(|word| *word == "--").map_or_else(
            || {
                skip_options(
                    argv,
                    at + 1,
                    "nprewm",
                    &["--with", "--python", "--name", "--group", "--extra", "--package", "--project", "--directory"],
                )
            },
            |at| at + 1,
        );
        let rest = argv.get(at..).filter(|rest| !rest.is_empty())?;
        Some(self.run(rest, &[], Some(place), stdin))
    }

    /// `su -c TEXT` and its like.
    fn text_option(&mut self, place: usize, program: &str, argv: &'a [&'a str]) -> Option<Ran<'a>> {
        let (_, options) = TEXT_OPTIONS.iter().find(|(name, _)| *name == program)?;
        let quiet = |word: &str| program == "script" && word.starts_with('-') && word.ends_with('c');
        let quiet = |word: &str| quiet(word) || (program == "env" && word.starts_with("-S"));
        let names = |word: &str| options.iter().any(|option| value_of(word, option).is_some() || word == *option);
        let at = argv.iter().position(|word| names(word) || quiet(word))?;
        let inline = options.iter().find_map(|option| value_of(argv[at], option));
        let inline = inline.or_else(|| argv[at].strip_prefix("-S").filter(|text| program == "env" && !text.is_empty()));
        if program.starts_with("cmd") {
            return Some(self.joined_script(place, &argv[at + 1..]));
        }
        let text = inline.or_else(|| argv.get(at + 1).copied())?;
        Some(self.script(text, Some(place)))
    }

    fn options_that_run(
        &mut self,
        place: usize,
        program: &str,
        argv: &'a [&'a str],
        stdin: Out<'a>,
    ) -> Option<Ran<'a>> {
        for word in argv {
            let text = match program {
                "tar" => word.strip_prefix("--checkpoint-action=exec="),
                "ssh" => word
                    .trim_start_matches("-o")
                    .strip_prefix("ProxyCommand=")
                    .or_else(|| word.trim_start_matches("-o").strip_prefix("LocalCommand=")),
                "git" => git_setting(word),
                _ => None,
            };
            if let Some(text) = text {
                self.script(text, Some(place));
            }
        }
        if program == "git" {
            return self.git(place, argv, stdin);
        }
        let wrapper = wrappers::wrapper(program)?;
        self.wrapped(place, wrapper, argv, stdin)
    }

    /// `sed '1e CMD'` runs a command.
    fn sed(&mut self, place: usize, argv: &'a [&'a str]) -> Option<Ran<'a>> {
        let text = argv.iter().skip(1).find_map(|word| {
            let rest =
                word.trim_start_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, ',' | '$' | ' '));
            rest.strip_prefix("e ").or_else(|| evaluated(rest))
        })?;
        Some(self.script(text, Some(place)))
    }

    /// `git bisect run CMD`, `git submodule foreach CMD`, `git config alias.x '!CMD'`.
    fn git(&mut self, place: usize, argv: &'a [&'a str], stdin: Out<'a>) -> Option<Ran<'a>> {
        if let Some(at) = argv.windows(2).position(|pair| pair == ["bisect", "run"]) {
            let rest = argv.get(at + 2..).filter(|rest| !rest.is_empty())?;
            return Some(self.run(rest, &[], Some(place), stdin));
        }
        if let Some(at) = argv.iter().position(|word| *word == "foreach") {
            let at = skip_options(argv, at + 1, "", &[]);
            return Some(self.joined_script(place, argv.get(at..)?));
        }
        if argv.contains(&"config") {
            let text = argv.iter().find_map(|word| word.strip_prefix('!'))?;
            return Some(self.script(text, Some(place)));
        }
        None
    }

    fn shell(&mut self, place: usize, argv: &'a [&'a str], stdin: Out<'a>) -> Option<Ran<'a>> {
        let (mut at, mut text, mut input) = (1, false, false);
        while let Some(word) = argv.get(at).filter(|word| word.starts_with(['-', '+'])) {
            at += 1;
            match *word {
                "--" | "-" => break,
                "--rcfile" | "--init-file" => {
                    self.run_file(place, argv.get(at).copied(), Out::UNKNOWN);
                    at += 1;
                }
                "-o" | "+o" | "-O" | "+O" => at += 1,
                "--command" => text = true,
                long if long.starts_with("--") => {}
                short => {
                    text |= short.contains('c');
                    input |= short.contains('s');
                    at += usize::from(short.ends_with('o'));
                }
            }
        }
        let first = argv.get(at).copied();
        if text {
            self.set_positional(argv.get(at + 1..).unwrap_or_default());
            return first.map(|text| self.script(text, Some(place)));
        }
        match first {
            Some("/dev/stdin" | "/proc/self/fd/0" | "/dev/fd/0") => self.run_text(place, stdin),
            Some(file) if !input => self.run_file(place, Some(file), stdin),
            _ => self.run_text(place, stdin),
        }
    }

    fn run_text(&mut self, place: usize, stdin: Out<'a>) -> Option<Ran<'a>> {
        (!stdin.text.is_empty()).then(|| self.script(stdin.text, Some(place)))
    }

    fn run_file(&mut self, place: usize, path: Option<&str>, stdin: Out<'a>) -> Option<Ran<'a>> {
        match path? {
            "/dev/stdin" | "-" | "/proc/self/fd/0" => self.run_text(place, stdin),
            path => self.file(path).map(|text| self.script(text, Some(place))),
        }
    }

    /// What `$0`, `$1` and `$@` are in the text of `sh -c TEXT ..`.
    fn set_positional(&mut self, words: &[&'a str]) {
        const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        for (name, word) in NAMES.into_iter().zip(words) {
            self.set_variable(name, word);
        }
        if words.len() > 1 {
            let all = self.join(&words[1..], " ");
            self.set_variable("@", all);
        }
    }

    fn remember_names(&mut self, program: &str, argv: &'a [&'a str], stdin: Out<'a>) {
        let words = &argv[1..];
        match program {
            "set" => {
                if let Some(at) = words.iter().position(|word| *word == "--") {
                    let mut all = vec!["bash"];
                    all.extend(&words[at + 1..]);
                    self.set_positional(&all);
                }
            }
            "printf" => {
                if let ["-v", name, rest @ ..] = words {
                    let out = self.printf(rest);
                    self.set_variable(name, out.text);
                }
            }
            "mapfile" | "readarray" => {
                let name = words.last().filter(|word| !word.starts_with('-')).copied().unwrap_or("MAPFILE");
                self.set_variable(name, self.arena.alloc_str(&stdin.text.trim_end().replace('\n', " ")));
            }
            "read" => {
                let names = words.iter().rev().take_while(|word| !word.starts_with('-'));
                if let Some(name) = names.last().filter(|_| !stdin.text.is_empty()) {
                    let text = match self.variable("IFS") {
                        Some(mark) if !mark.is_empty() => self.arena.alloc_str(&stdin.text.replace(mark, " ")),
                        _ => stdin.text,
                    };
                    self.set_variable(name, text.trim_end());
                }
            }
            "alias" => {
                for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
                    let name = self.join(&["alias ", name], "");
                    self.set_variable(name, value);
                }
            }
            _ => words.iter().filter(|word| is_assignment(word)).for_each(|word| self.assign(word)),
        }
    }

    fn find(&mut self, place: usize, argv: &'a [&'a str]) -> Option<Ran<'a>> {
        let mut ran = None;
        let mut at = 1;
        while let Some(word) = argv.get(at) {
            at += 1;
            if !matches!(*word, "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch") {
                continue;
            }
            let rest = &argv[at..];
            let len = rest.iter().position(|word| matches!(*word, ";" | "+")).unwrap_or(rest.len());
            if len > 0 {
                ran = Some(self.run(&rest[..len], &[], Some(place), Out::UNKNOWN));
            }
            at += len;
        }
        ran
    }

    fn xargs(&mut self, place: usize, argv: &'a [&'a str], stdin: Out<'a>) -> Option<Ran<'a>> {
        let at = skip_options(
            argv,
            1,
            "InPLdaEsRSJ",
            &["--max-args", "--max-procs", "--max-lines", "--delimiter", "--arg-file", "--replace", "--max-chars"],
        );
        let rest = argv.get(at..).filter(|rest| !rest.is_empty())?;
        let mark = argv[1..at].windows(2).find(|pair| matches!(pair[0], "-I" | "-J")).map(|pair| pair[1]);
        let mark = mark
            .or_else(|| argv[1..at].iter().find_map(|word| word.strip_prefix("-I").filter(|mark| !mark.is_empty())));
        let whole = argv[1..at].iter().any(|word| word.starts_with('-') && (word.contains('0') || *word == "--null"));
        let marks: &[char] = if whole { &['\0'] } else { &[' ', '\t', '\n', '\0'] };
        let text = stdin.text.trim_end_matches('\n');
        let input: Vec<&'a str> = text.split(marks).filter(|word| !word.is_empty()).take(XARGS_WORDS_MAX).collect();
        let mut words: Vec<&'a str> = Vec::with_capacity(rest.len() + input.len());
        match mark {
            Some(mark) if !input.is_empty() => {
                let all = self.join(&input, " ");
                words.extend(rest.iter().map(|word| {
                    if word.contains(mark) { &*self.arena.alloc_str(&word.replace(mark, all)) } else { *word }
                }));
            }
            _ => {
                words.extend(rest);
                words.extend(input);
            }
        }
        let words = self.arena.alloc_slice_copy(&words);
        Some(self.run(words, &[], Some(place), Out { complete: false, text: "" }))
    }

    fn container(&mut self, place: usize, program: &str, argv: &'a [&'a str], stdin: Out<'a>) -> Option<Ran<'a>> {
        let verb = argv
            .iter()
            .take(8)
            .position(|word| matches!(*word, "exec" | "run" | "create" | "debug" | "rsh" | "attach"));
        let rest = match (verb, argv.iter().position(|word| *word == "--")) {
            (_, Some(dashes)) if !program.starts_with("docker") => &argv[dashes + 1..],
            (Some(verb), _) => {
                let at = skip_options(argv, verb + 1, CONTAINER_SHORT, CONTAINER_LONG) + 1;
                let at = skip_options(
                    argv,
                    at.min(argv.len()),
                    if program.starts_with('k') { "nc" } else { "" },
                    CONTAINER_LONG,
                );
                argv.get(at..)?
            }
            _ if matches!(program, "k3s" | "microk8s") => &argv[1..],
            _ => return None,
        };
        if rest.is_empty() {
            return None;
        }
        Some(self.run(rest, &[], Some(place), stdin))
    }

    fn powershell(&mut self, place: usize, argv: &'a [&'a str]) -> Option<Ran<'a>> {
        for (at, word) in argv.iter().enumerate().skip(1) {
            let option = word.trim_start_matches(['-', '/']).to_ascii_lowercase();
            let next = argv.get(at + 1);
            if word.len() > option.len()
                && !option.is_empty()
                && ("encodedcommand".starts_with(&option) || option == "ec")
            {
                let text = decode::base64_utf16(next?)?;
                let out = self.made(text, true);
                return Some(self.script(out.text, Some(place)));
            }
            if word.len() > option.len() && !option.is_empty() && "command".starts_with(&option) {
                return Some(self.joined_script(place, &argv[at + 1..]));
            }
        }
        None
    }

    /// `tmux new-session -d 'CMD'`, `tmux send-keys 'CMD' Enter`, `screen -dm CMD`.
    fn terminal(&mut self, place: usize, argv: &'a [&'a str]) -> Option<Ran<'a>> {
        let text = argv.iter().skip(2).rfind(|word| word.contains(' '));
        if let Some(text) = text {
            return Some(self.script(text, Some(place)));
        }
        let at = skip_options(argv, 1, "SstncTpe", &[]);
        let rest = argv.get(at..).filter(|rest| !rest.is_empty() && argv[0].ends_with("screen"))?;
        Some(self.run(rest, &[], Some(place), Out::UNKNOWN))
    }
}

const CONTAINER_SHORT: &str = "evpuwmhlcanf";
const CONTAINER_LONG: &[&str] = &[
    "--env",
    "--volume",
    "--publish",
    "--user",
    "--workdir",
    "--name",
    "--network",
    "--net",
    "--mount",
    "--entrypoint",
    "--memory",
    "--cpus",
    "--hostname",
    "--label",
    "--env-file",
    "--add-host",
    "--cap-add",
    "--cap-drop",
    "--device",
    "--security-opt",
    "--pid",
    "--ipc",
    "--platform",
    "--restart",
    "--gpus",
    "--shm-size",
    "--ulimit",
    "--tmpfs",
    "--dns",
    "--expose",
    "--link",
    "--log-driver",
    "--log-opt",
    "--namespace",
    "--container",
    "--context",
    "--kubeconfig",
    "--image",
    "--file",
    "--project-name",
    "--pull",
    "--runtime",
    "--userns",
    "--uts",
    "--cgroupns",
    "--volumes-from",
    "--index",
    "--target",
    "--profile",
    "--detach-keys",
];

/// What a shell runs; the shell itself reads what is piped into it.
fn own(ran: Ran<'_>) -> Ran<'_> {
    Ran { head: None, ..ran }
}

/// The replacement of `s/A/B/e`, which sed runs.
fn evaluated(script: &str) -> Option<&str> {
    let rest = script.strip_prefix('s')?;
    let mark = rest.chars().next().filter(|mark| mark.is_ascii_punctuation())?;
    let mut parts = rest[1..].rsplitn(2, mark);
    let flags = parts.next()?;
    let (_, replacement) = parts.next()?.split_once(mark)?;
    (flags.contains('e') && flags.len() < 5).then_some(replacement)
}

/// The value of `OPTION=VALUE`.
fn value_of<'a>(word: &'a str, option: &str) -> Option<&'a str> {
    let rest = word.strip_prefix(option)?;
    rest.strip_prefix('=').or_else(|| if option.len() > 3 { rest.strip_prefix(':') } else { None })
}

/// Settings of git whose value is run.
fn git_setting(word: &str) -> Option<&str> {
    let (name, value) = word.trim_start_matches("-c").split_once('=')?;
    let name = name.to_ascii_lowercase();
    if name.starts_with("alias.") || name.starts_with("credential") {
        return value.strip_prefix('!');
    }
    let runs = ["core.sshcommand", "core.pager", "core.editor", "core.fsmonitor", "sequence.editor", "core.gitproxy"];
    runs.contains(&name.as_str()).then_some(value)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}
