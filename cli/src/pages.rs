//! Shell completions and man pages, which packagers install with the program.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap_complete::Shell;
use sleeve_files::names::shown;

use crate::terminal;

/// Print completions for a shell
#[derive(clap::Args)]
pub struct Completions {
    /// The shell. For bash: sleeve completions bash > ~/.local/share/bash-completion/completions/sleeve
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the man page, or write the pages of the program and of every command
#[derive(clap::Args)]
pub struct Man {
    /// Write sleeve.1, sleeve-extract.1 and so on to this directory
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub fn completions(args: &Completions, mut program: clap::Command) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut program, "sleeve", &mut text);
    print(&text)
}

pub fn man(args: &Man, program: clap::Command) -> Result<ExitCode> {
    if let Some(folder) = &args.output {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", shown(folder)))?;
        clap_mangen::generate_to(program, folder)
            .with_context(|| format!("cannot write to {}", shown(folder)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(program).render(&mut text)?;
    print(&text)
}

fn print(text: &[u8]) -> Result<ExitCode> {
    terminal::print(std::str::from_utf8(text)?)?;
    Ok(ExitCode::SUCCESS)
}
