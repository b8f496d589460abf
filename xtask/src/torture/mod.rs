//! `cargo xtask torture`: the programs killed, starved and interfered with. What they leave behind must lead, when they are
//! started again, to the same bytes as a run that nothing disturbed.

mod ending;
mod inputs;
mod random;
mod scene;
mod torment;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::libtorch;
use crate::run::{cargo, checked, target};
use random::Random;
use scene::{Scene, Work};
use torment::{Plan, Tally};

const HELP: &str = "\
cargo xtask torture [--runs N] [--seed S] [--quick] [--release | --programs DIR] [NAME...]

Disturbs commands while they work, starts them again, and compares what they have written with a run that nothing
disturbed. Without a NAME: all of extract, similar, discogs, features, adapt and train.

  --runs N   random moments to kill each command at, 10 by default; a quarter of them to fill the disk
  --seed S   the random moments; printed, so that a run can be repeated as far as time can
  --quick    less to do and fewer limits: what the suite runs of extract and similar, in a minute
  --release  the programs as they are released, rather than with overflow checks
";

struct Request {
    runs: usize,
    seed: u64,
    is_release: bool,
    is_quick: bool,
    programs: Option<PathBuf>,
    names: Vec<String>,
}

/// Runs the command.
pub fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    if !cfg!(target_os = "linux") {
        bail!("limits and mounts are those of Linux");
    }
    let request = parse(arguments)?;
    let programs = match &request.programs {
        Some(folder) => folder.clone(),
        None => build(&request)?,
    };
    let folder = target().join(format!("torture-{}", std::process::id()));
    let mut random = Random::new(request.seed);
    println!("seed {}", request.seed);
    println!("{}", Tally::HEAD);
    let mut faults = Vec::new();
    for name in &request.names {
        let start = Instant::now();
        let work = if request.is_quick { Work::QUICK } else { Work::WHOLE };
        if !scene::has(name, &programs)? {
            println!("{name:<9} {:<15} not run: {}", "", scene::WITHOUT_LIBTORCH);
            continue;
        }
        let scene = Scene::prepare(name, &programs, &folder.join(name), work)?;
        let mut report = |what: &str, tally: &Tally| {
            println!("{}", tally.row(name, what));
            faults.extend(tally.faults.iter().map(|fault| format!("{name}, {what}: {fault}")));
        };
        let (plan, tally) = Plan::new(&scene, request.runs, request.is_quick)?;
        report("nothing", &tally);
        for torment in torment::ALL {
            report(torment.name, &torment.apply(&scene, &plan, &mut random)?);
        }
        println!("{name:<9} {:.0} s", start.elapsed().as_secs_f64());
    }
    if !faults.is_empty() {
        // The folder stays, to be looked at.
        bail!("{} faults\n{}\nin {}", faults.len(), faults.join("\n"), folder.display());
    }
    std::fs::remove_dir_all(&folder)?;
    println!("nothing was lost");
    Ok(())
}

/// What the suite runs: a few moments of `extract` and `similar`, with the program that its tests have built.
pub fn quick() -> Result<()> {
    let programs = target().join("debug").to_string_lossy().into_owned();
    run(&["--quick", "--runs", "3", "--programs", &programs, "extract", "similar"].map(str::to_owned))
}

/// Builds the programs that are needed, and returns their folder.
fn build(request: &Request) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--quiet"]);
    let mut packages: Vec<&str> = request.names.iter().map(|name| scene::package(name)).collect();
    packages.dedup();
    build.args(packages.into_iter().flat_map(|package| ["--package", package]));
    // Without libtorch there is still what needs none.
    if request.names.iter().any(|name| name == "train") && libtorch::available()? {
        build.args(["--features", libtorch::FEATURES]);
    }
    if request.is_release {
        build.arg("--release");
    }
    checked(&mut build)?;
    Ok(target().join(if request.is_release { "release" } else { "debug" }))
}

fn parse(arguments: &[String]) -> Result<Request> {
    let mut request =
        Request { runs: 10, seed: 1, is_release: false, is_quick: false, programs: None, names: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let number = |rest: &mut std::slice::Iter<String>| match rest.next().map(|text| text.parse()) {
            Some(Ok(number)) => Ok(number),
            _ => bail!("{argument} takes a number\n\n{HELP}"),
        };
        match argument.as_str() {
            "--runs" => request.runs = number(&mut rest)? as usize,
            "--seed" => request.seed = number(&mut rest)?,
            "--programs" => match rest.next() {
                Some(folder) => request.programs = Some(std::path::absolute(folder)?),
                None => bail!("{argument} takes a folder\n\n{HELP}"),
            },
            "--quick" => request.is_quick = true,
            "--release" => request.is_release = true,
            name if scene::NAMES.contains(&name) => request.names.push(name.to_owned()),
            other => bail!("unknown command `{other}`\n\n{HELP}"),
        }
    }
    if request.names.is_empty() {
        request.names = scene::NAMES.map(str::to_owned).to_vec();
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_or_refused() {
        let parse = |text: &str| parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let request = parse("--runs 200 extract").unwrap();
        assert_eq!((request.runs, request.names), (200, vec!["extract".to_owned()]));
        assert_eq!(parse("").unwrap().names.len(), scene::NAMES.len());
        for wrong in ["--runs", "--runs x", "nothing", "--all"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
