//! Programs that run other programs: which of their options take a value, and where the inner command begins.

/// How a wrapper's words are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrapper {
    /// Names of the program.
    names: &'static [&'static str],
    /// Short options that take a value.
    pub(super) short: &'static str,
    /// Long options whose value is the next word.
    pub(super) long: &'static [&'static str],
    /// Words between the options and the inner command.
    pub(super) skip: usize,
    /// What follows is text for a shell, not the words of a command.
    pub(super) text: bool,
}

const fn words(
    names: &'static [&'static str],
    short: &'static str,
    long: &'static [&'static str],
    skip: usize,
) -> Wrapper {
    Wrapper { names, short, long, skip, text: false }
}

const WRAPPERS: &[Wrapper] = &[
    words(
        &["sudo", "sudo-rs", "pkexec", "run0"],
        "ugphCcDRrtTU",
        &[
            "--user",
            "--group",
            "--prompt",
            "--host",
            "--chdir",
            "--close-from",
            "--chroot",
            "--role",
            "--type",
            "--other-user",
            "--command-timeout",
        ],
        0,
    ),
    words(&["doas"], "uC", &[], 0),
    words(&["env", "genv"], "uCS", &["--unset", "--chdir"], 0),
    words(
        &[
            "nohup",
            "builtin",
            "fakeroot",
            "proxychains",
            "proxychains4",
            "torsocks",
            "torify",
            "tsocks",
            "caffeinate",
            "catchsegv",
            "unbuffer",
            "setarch",
            "linux64",
            "i386",
            "rlwrap",
            "firejail",
            "noglob",
            "nocorrect",
            "command",
            "chpst",
            "eatmydata",
            "dbus-run-session",
            "xvfb-run",
            "bwrap",
            "proot",
            "winpty",
        ],
        "cwibe",
        &["--bind", "--ro-bind", "--dev", "--proc"],
        0,
    ),
    words(&["setsid", "choom", "ssh-agent", "pexec", "cgexec", "numactl", "prlimit", "setpriv"], "ngp", &["--adj"], 0),
    words(&["nice", "gnice"], "n", &["--adjustment"], 0),
    words(&["ionice"], "cnpPu", &["--class", "--classdata"], 0),
    words(&["chrt", "taskset", "cpulimit", "trickle"], "cpdule", &["--limit"], 1),
    words(&["time", "gtime"], "fo", &["--format", "--output"], 0),
    words(&["timeout", "gtimeout"], "ks", &["--kill-after", "--signal"], 1),
    words(&["stdbuf"], "ioe", &["--input", "--output", "--error"], 0),
    words(&["exec"], "a", &[], 0),
    words(&["strace", "ltrace", "dtruss"], "aeEIopPsSuXb", &[], 0),
    words(&["perf", "valgrind", "heaptrack"], "eoF", &[], 0),
    words(&["chroot"], "", &["--userspec", "--groups"], 1),
    words(&["unshare"], "SGRw", &["--root", "--wd"], 0),
    words(&["nsenter"], "tSGWw", &["--target", "--setuid", "--setgid"], 0),
    words(
        &["systemd-run"],
        "pHMutE",
        &["--unit", "--property", "--slice", "--uid", "--gid", "--setenv", "--description"],
        0,
    ),
    words(&["flock"], "wEo", &["--timeout", "--wait"], 1),
    words(&["sshpass"], "pfdP", &[], 0),
    words(&["busybox", "toybox"], "", &[], 0),
    words(&["direnv"], "", &[], 2),
    words(&["sg"], "", &[], 1),
    words(&["gosu", "su-exec", "setuidgid"], "", &["--reuid", "--regid", "--groups"], 1),
    words(
        &["dotenv", "dotenvx", "doppler", "op", "aws-vault", "chamber", "envchain", "teller"],
        "efp",
        &["--env-file"],
        1,
    ),
    words(&["start-stop-daemon"], "pncuxa", &["--pidfile", "--user", "--chuid", "--name"], 0),
    Wrapper { names: &["watch"], short: "nq", long: &["--interval"], skip: 0, text: true },
    Wrapper {
        names: &["ssh", "autossh", "mosh"],
        short: "bcDEeFIiJLlmOopQRSWwM",
        long: &["--ssh"],
        skip: 1,
        text: true,
    },
    Wrapper {
        names: &["parallel", "rush"],
        short: "jIaNnLSPX",
        long: &["--jobs", "--sshlogin", "--joblog", "--delay", "--timeout", "--colsep"],
        skip: 0,
        text: true,
    },
    words(&["runuser"], "ugGs", &["--user", "--group", "--shell"], 0),
    Wrapper { names: &["pdsh", "clush", "pssh"], short: "wxglh", long: &[], skip: 0, text: true },
    Wrapper { names: &["batch", "entr"], short: "", long: &[], skip: 0, text: true },
];

/// The wrapper of that name.
pub(super) fn wrapper(program: &str) -> Option<&'static Wrapper> {
    WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&program))
}

/// Programs with words before the inner command: which ones begin it.
pub(super) const SUBCOMMANDS: &[(&str, &[&str])] = &[
    ("poetry", &["run"]),
    ("pipenv", &["run"]),
    ("uv", &["run"]),
    ("rye", &["run"]),
    ("hatch", &["run"]),
    ("pdm", &["run"]),
    ("bundle", &["exec"]),
    ("conda", &["run"]),
    ("mamba", &["run"]),
    ("npm", &["exec", "x"]),
    ("pnpm", &["exec"]),
    ("yarn", &["exec"]),
    ("mise", &["exec", "x"]),
    ("asdf", &["exec"]),
    ("rbenv", &["exec"]),
    ("pyenv", &["exec"]),
    ("nix", &["develop", "shell"]),
    ("lxc", &["exec"]),
    ("vagrant", &["ssh"]),
    ("heroku", &["run"]),
    ("fly", &["ssh"]),
    ("git", &["bisect"]),
];

/// Options whose value is text for a shell, by program.
pub(super) const TEXT_OPTIONS: &[(&str, &[&str])] = &[
    ("su", &["-c", "--command"]),
    ("make", &["SHELL"]),
    ("runuser", &["-c", "--command"]),
    ("ansible", &["-a", "--args"]),
    ("salt", &["cmd.run"]),
    ("script", &["-c", "--command"]),
    ("flock", &["-c", "--command"]),
    ("sg", &["-c"]),
    ("env", &["-S", "--split-string"]),
    (
        "git",
        &["--exec", "-x", "--tree-filter", "--index-filter", "--msg-filter", "--env-filter", "--upload-pack", "-u"],
    ),
    ("nix-shell", &["--run", "--command"]),
    ("nix", &["-c", "--command"]),
    ("npm", &["-c", "--call"]),
    ("npx", &["-c", "--call"]),
    ("vagrant", &["-c", "--command"]),
    ("fly", &["-C", "--command"]),
    ("gcloud", &["--command"]),
    ("az", &["--scripts"]),
    ("rsync", &["-e", "--rsh", "--rsync-path"]),
    ("tar", &["--to-command", "--use-compress-program", "-I"]),
    ("bsdtar", &["--use-compress-program"]),
    ("zip", &["-TT", "--unzip-command"]),
    ("man", &["-P", "--pager"]),
    ("socat", &["EXEC", "SYSTEM"]),
    ("ncat", &["-c", "--sh-exec"]),
    ("nodemon", &["--exec", "-x"]),
    ("watchexec", &["-c"]),
    ("inotifywait", &["-c"]),
    ("tmux", &["-c"]),
    ("xterm", &["-e"]),
    ("gnome-terminal", &["-e"]),
    ("konsole", &["-e"]),
    ("cmd", &["/c", "/C", "/k", "/K"]),
    ("cmd.exe", &["/c", "/C", "/k", "/K"]),
    ("systemctl", &["--exec"]),
    ("schtasks", &["/tr", "/TR"]),
    ("schtasks.exe", &["/tr", "/TR"]),
];

/// Shells that take `-c`.
pub(super) const SHELLS: &[&str] = &[
    "sh", "bash", "zsh", "dash", "ksh", "ash", "fish", "rbash", "mksh", "lksh", "yash", "csh", "tcsh", "hush",
    "elvish", "nu", "xonsh",
];

/// Interpreters: name (a version may follow) and the options that take program text.
pub(super) const INTERPRETERS: &[(&str, &[&str])] = &[
    ("python", &["-c"]),
    ("pypy", &["-c"]),
    ("perl", &["-e", "-E"]),
    ("ruby", &["-e"]),
    ("node", &["-e", "-p", "--eval", "--print", "-pe"]),
    ("nodejs", &["-e", "-p", "--eval", "--print"]),
    ("deno", &["eval"]),
    ("bun", &["-e", "--eval", "-p"]),
    ("php", &["-r"]),
    ("lua", &["-e"]),
    ("luajit", &["-e"]),
    ("tclsh", &[]),
    ("expect", &["-c"]),
    ("osascript", &["-e"]),
    ("Rscript", &["-e"]),
    ("julia", &["-e"]),
    ("elixir", &["-e"]),
    ("groovy", &["-e"]),
    ("scala", &["-e"]),
    ("awk", &["", "-e", "--source"]),
    ("gawk", &["", "-e", "--source"]),
    ("mawk", &[""]),
    ("nawk", &[""]),
    ("ed", &[]),
    ("vim", &["-c", "--cmd"]),
    ("vi", &["-c"]),
    ("nvim", &["-c", "--cmd"]),
    ("ex", &["-c"]),
    ("emacs", &["--eval", "-eval"]),
    ("gdb", &["-ex", "-eval-command"]),
    ("sqlite3", &["", "-cmd"]),
    ("psql", &["-c", "--command"]),
    ("mysql", &["-e", "--execute"]),
    ("ipython", &["-c"]),
];

/// The interpreter's options for program text, if it is one.
pub(super) fn interpreter(program: &str) -> Option<&'static [&'static str]> {
    let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == 't');
    let known = |name: &str| INTERPRETERS.iter().find(|(known, _)| *known == name).map(|(_, options)| *options);
    known(program).or_else(|| known(bare))
}

/// It runs what it reads from its words or its input.
pub(super) fn runs_text(program: &str) -> bool {
    SHELLS.contains(&program)
        || matches!(program, "eval" | "source" | "." | "powershell" | "pwsh" | "iex")
        || interpreter(program).is_some_and(|options| options.first().is_some_and(|first| !first.is_empty()))
}

/// The place of the first word that is neither an option nor an option's value.
pub(super) fn skip_options(argv: &[&str], from: usize, short: &str, long: &[&str]) -> usize {
    let mut at = from;
    while let Some(word) = argv.get(at) {
        if *word == "--" {
            return at + 1;
        }
        if word.starts_with("--") {
            at += if long.contains(word) { 2 } else { 1 };
        } else if word.len() > 1 && word.starts_with('-') {
            let value = word[1..].char_indices().find(|(_, option)| short.contains(*option));
            let last = value.is_some_and(|(place, option)| place + option.len_utf8() == word.len() - 1);
            at += if last { 2 } else { 1 };
        } else {
            return at;
        }
    }
    at
}
