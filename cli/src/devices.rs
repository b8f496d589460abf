//! `sleeve devices`: where models can run.

use std::process::ExitCode;

use anyhow::Result;

/// Lists what models can run on: the CPU, and each CUDA device that the libtorch plugin finds
#[derive(clap::Args)]
pub struct Args {
    /// Say why a device is not there
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

pub fn run(_args: &Args) -> Result<ExitCode> {
    for device in sleeve::engine::devices() {
        println!("{:<8} {}", device.name, device.description);
    }
    Ok(ExitCode::SUCCESS)
}
