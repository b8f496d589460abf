//! `cargo xtask bench instructions`: instructions a mel frame and a patch on aarch64, counted by a plugin of the
//! emulator. Time means nothing there; a count does.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::TARGETS;
use super::toolchain::{Toolchain, packages};
use crate::run::{checked, repository, target};

/// Multiply-adds of a patch, as the graph states them: four lanes need a quarter as many instructions.
const NETWORKS: [(&str, &str); 2] =
    [("MusiCNN", "models/msd-musicnn-1.onnx"), ("EfficientNet-B0", "models/debian-multitask-1.onnx")];

/// What one run counted.
#[derive(Clone, Copy)]
struct Count {
    instructions: f64,
    multiply_adds: f64,
    /// Frames or patches.
    units: f64,
}

pub fn run() -> Result<()> {
    let aarch64 = TARGETS.iter().find(|target| target.plain().starts_with("aarch64-unknown-linux"));
    let aarch64 = aarch64.context("aarch64 is not among the targets")?;
    let toolchain = Toolchain::of(aarch64)?;
    let root = packages()?;
    let plugin = target().join("cross/count.so");
    let source = repository().join("xtask/src/targets/count.c");
    checked(Command::new("cc").args(["-O2", "-fPIC", "-shared", "-o"]).arg(&plugin).arg(source))?;
    let mut build = toolchain.cargo("zigbuild")?;
    build.args(["--quiet", "--locked", "--release", "--package", "sleeve-benches", "--bin", "instructions"]);
    checked(build.args(["--target", aarch64.triple]))?;
    let program = target().join(aarch64.plain()).join("release/instructions");
    let count = |work: &[&str], fewer: usize, more: usize| -> Result<Count> {
        let run = |count: usize| counted(&root, &plugin, &program, work, count);
        let (fewer, more) = (run(fewer)?, run(more)?);
        let units = more.units - fewer.units;
        Ok(Count {
            instructions: (more.instructions - fewer.instructions) / units,
            multiply_adds: (more.multiply_adds - fewer.multiply_adds) / units,
            units,
        })
    };
    println!("aarch64 instructions, under qemu-user:");
    for front_end in ["musicnn", "vggish", "tempocnn"] {
        let [plain, best] = ["plain", "best"].map(|which| count(&["mel", front_end, which], 1, 5));
        let (plain, best) = (plain?.instructions, best?.instructions);
        println!(
            "  {front_end}: {best:.0} a mel frame, portable {plain:.0}: {:.2} times fewer",
            plain / best
        );
    }
    for (name, file) in NETWORKS {
        let file = repository().join(file).display().to_string();
        for set in ["NEON", "portable"] {
            let Count { instructions, multiply_adds, .. } = count(&["network", &file, set], 1, 2)?;
            println!(
                "  {name}, {set}: {:.1} million a patch, {:.1} million of them multiply-adds of four lanes: {:.2}",
                instructions / 1e6,
                multiply_adds / 1e6,
                instructions / multiply_adds
            );
        }
    }
    Ok(())
}

/// Runs the work under the emulator with the plugin.
fn counted(root: &Path, plugin: &Path, program: &Path, work: &[&str], count: usize) -> Result<Count> {
    let libraries = root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    let mut command = Command::new(root.join("usr/bin/qemu-aarch64"));
    command.env("LD_LIBRARY_PATH", &libraries).args(["-cpu", "max", "-d", "plugin", "-L"]).arg(root);
    command.arg("-E").arg("LD_LIBRARY_PATH=").arg("-plugin").arg(plugin).arg(program);
    let output = command.args(work).arg(count.to_string()).output().context("cannot start qemu-aarch64")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{} {}: {said}", program.display(), work.join(" "));
    }
    let line = said.lines().find_map(|line| line.split_once("counted ")).with_context(|| said.clone())?.1;
    let mut numbers = line.split_whitespace().map(str::parse);
    let mut number = || numbers.next().context("the plugin counted nothing")?.context("not a number");
    Ok(Count {
        instructions: number()?,
        multiply_adds: number()?,
        units: String::from_utf8_lossy(&output.stdout).trim().parse()?,
    })
}
