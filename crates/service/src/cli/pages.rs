//! `forewarm completions` and `forewarm man`: what a shell and `man` want to know, made from the
//! command line itself.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Failure;

pub(super) const COMPLETIONS: &str = "\
Examples:
  forewarm completions bash > /etc/bash_completion.d/forewarm
  forewarm completions zsh > ~/.zfunc/_forewarm
  forewarm completions fish > ~/.config/fish/completions/forewarm.fish";

pub(super) const MAN: &str = "\
Examples:
  forewarm man | man -l -
  forewarm man --out /usr/local/share/man/man1";

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Write a page for every command into this folder; left out, the main page goes to standard output.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) fn completions(
    arguments: &CompletionsArguments,
    mut line: Command,
) -> Result<(), Failure> {
    let mut text = Vec::new();
    let name = line.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut line, name, &mut text);
    print(&text)
}

pub(super) fn man(arguments: &ManArguments, line: Command) -> Result<(), Failure> {
    // `help` repeats every command: no page of its own.
    let mut line = line.disable_help_subcommand(true);
    let Some(folder) = &arguments.out else {
        line.build();
        let mut text = Vec::new();
        let page = Man::new(line).render(&mut text);
        page.map_err(Failure::internal)?;
        return print(&text);
    };
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(line, folder))
        .with_context(|| format!("cannot write manual pages into {}", folder.display()));
    written.map_err(Failure::Internal)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text)
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}
