//! `telseal completions` and `telseal man`: made from the same description of the command line that reads it, so that neither can
//! say anything else.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::{Cli, Exit, complain, say};

#[derive(Debug, Args)]
#[command(after_help = "For example: telseal completions bash > /usr/share/bash-completion/completions/telseal")]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "For example: telseal man --out /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// Write a page for each command into this folder, instead of the first page to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "telseal", &mut script);
    say(String::from_utf8_lossy(&script));
    Exit::Ok
}

pub(super) fn man(args: &ManArgs) -> Exit {
    let written = match &args.out {
        Some(dir) => clap_mangen::generate_to(command(), dir),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command()).render(&mut page).map(|()| say(String::from_utf8_lossy(&page)))
        }
    };
    match written {
        Ok(()) => Exit::Ok,
        Err(error) => {
            let place = args.out.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
            complain(format!("telseal: cannot write the pages to {place}: {error}\n"));
            Exit::Runtime
        }
    }
}

fn command() -> Command {
    Cli::command()
}
