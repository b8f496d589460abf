//! Shell completions and man pages, which packagers install with the program.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap_complete::Shell;

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
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        clap_mangen::generate_to(program, folder)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(program).render(&mut text)?;
    print(&text)
}

fn print(text: &[u8]) -> Result<ExitCode> {
    std::io::stdout().lock().write_all(text).context("standard output")?;
    Ok(ExitCode::SUCCESS)
}
