//! `cargo xtask test`: lints, then the whole test suite, then one line that sums it up.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, checked, target};
use crate::{essentia, libtorch, peers};

#[derive(Default)]
struct Totals {
    passed: usize,
    failed: usize,
}

/// Runs everything, or only the tests whose names contain one of the filters.
pub fn run(filters: &[String]) -> Result<()> {
    if let Some(flag) = filters.iter().find(|filter| filter.starts_with('-')) {
        bail!("test takes names of tests, not `{flag}`");
    }
    step("libtorch");
    let workspace = libtorch::arguments()?;
    if filters.is_empty() {
        lint(&workspace)?;
    }
    step("peers");
    let path = peers::prepare()?;
    peers::keras()?;
    peers::cargo_c()?;
    essentia::prepare()?;

    step("tests");
    let skips = target().join("test-skips.txt");
    let _ = std::fs::remove_file(&skips);
    let started = Instant::now();
    let mut command = cargo();
    command.args(["test", "--no-fail-fast"]).args(&workspace);
    if workspace.contains(&libtorch::FEATURES) {
        // For what a test builds itself, to be built the same way.
        command.env("SLEEVE_TEST_FEATURES", libtorch::FEATURES);
    }
    if !filters.is_empty() {
        command.arg("--").args(filters);
    }
    command.env("PATH", path).env("SLEEVE_TEST_SKIPS", &skips);
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let mut totals = Totals::default();
    let mut failures = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("standard output is piped")).lines() {
        let line = line?;
        totals.add(&line);
        if line.starts_with("test ") && line.ends_with("FAILED") {
            failures.push(line.clone());
        }
        writeln!(std::io::stdout(), "{line}")?;
    }
    let status = child.wait()?;

    let skipped: Vec<String> =
        std::fs::read_to_string(&skips).unwrap_or_default().lines().map(str::to_owned).collect();
    println!("\n{:.0} s", started.elapsed().as_secs_f64());
    for skip in &skipped {
        println!("skipped  {skip}");
    }
    for failure in &failures {
        println!("failed   {}", failure.trim_start_matches("test ").trim_end_matches(" ... FAILED"));
    }
    // A skipped test returns early, so the runner counts it as passed.
    let passed = totals.passed.saturating_sub(skipped.len());
    println!("{passed} passed, {} failed, {} skipped", totals.failed, skipped.len());
    if !status.success() {
        bail!("cargo test ended with {status}");
    }
    if totals.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Formatting, lints and documentation, each without a warning.
fn lint(workspace: &[&str]) -> Result<()> {
    step("format");
    checked(cargo().args(["fmt", "--all", "--check"]))?;
    step("lints");
    let mut clippy = cargo();
    clippy.args(["clippy", "--quiet"]).args(workspace);
    checked(clippy.args(["--all-targets", "--", "-D", "warnings"]))?;
    step("documentation");
    let mut doc = cargo();
    doc.args(["doc", "--quiet", "--no-deps"]).args(workspace);
    checked(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn step(name: &str) {
    println!("== {name}");
}

impl Totals {
    /// Adds what a line such as `test result: ok. 3 passed; 0 failed; ...` counts.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for part in counts.split([';', '.']) {
            let mut words = part.split_whitespace();
            match (words.next().and_then(|count| count.parse::<usize>().ok()), words.next()) {
                (Some(count), Some("passed")) => self.passed += count,
                (Some(count), Some("failed")) => self.failed += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_the_runner_s_lines() {
        let mut totals = Totals::default();
        totals.add(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        );
        totals.add(
            "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0s",
        );
        totals.add("test something ... ok");
        assert_eq!((totals.passed, totals.failed), (15, 2));
    }
}
