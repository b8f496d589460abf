//! `sleeve devices`: where models can run.

use std::process::ExitCode;

use anyhow::Result;
use sleeve_files::names::escaped;

use crate::terminal;

/// List the devices that models can run on: the CPU, and CUDA devices if the libtorch plugin is installed
#[derive(clap::Args)]
pub struct Args {
    /// Show why a device is not available
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

pub fn run(_args: &Args) -> Result<ExitCode> {
    for device in sleeve::engine::devices() {
        terminal::print(&format!("{:<8} {}\n", escaped(&device.name), escaped(&device.description)))?;
    }
    Ok(ExitCode::SUCCESS)
}
