//! `cargo xtask test`: lints, then tests with their peers, then one line that sums them up.

mod alone;
pub mod found;
mod lint;
pub mod runner;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::needs::{self, Peer};
use crate::run::{cargo, checked, target};
use crate::{deny, libtorch, targets, torture, workflows};
use found::Program;
use runner::{Case, Chosen, Outcome, Runner};

const HELP: &str = "\
cargo xtask test [--quick | --all] [FILTER...]

Without options: format, lints, documentation, then all tests of the workspace with their peers, and the examples in the
documentation. What the tests need is fetched by package name into target/, once.

  --quick    for every commit: format, lints, and the tests that need no peers and are short. Only crates are fetched
  --all      also compiles each package by itself and from its archive, tests the Python package with Ray, Spark and
             PyTorch, runs the tests of other targets, and tests the npm package for release: what takes too long for
             every change
  FILTER     only the tests whose names contain it; only what they need is fetched and compiled. Names are as printed:
             `front_end::parity`, `sleeve-tests::cli`, `sleeve-training`
  --help     this text

Tests run through cargo-nextest if it is installed (.config/nextest.toml), otherwise through cargo test. A test that
lacks something says so and is counted as skipped. With SLEEVE_TEST_ALL=1 a skip is a failure, unless a CUDA device or a
CPU feature is missing.
";

#[derive(Default)]
struct Request {
    is_quick: bool,
    is_all: bool,
    filters: Vec<String>,
}

/// Runs the command.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut request = Request::default();
    for argument in arguments {
        match argument.as_str() {
            "--quick" => request.is_quick = true,
            "--all" => request.is_all = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            flag if flag.starts_with('-') => bail!("unknown option `{flag}`\n\n{HELP}"),
            filter => request.filters.push(filter.to_owned()),
        }
    }
    if request.is_all && (request.is_quick || !request.filters.is_empty()) {
        bail!("--all cannot be combined with --quick or FILTER");
    }
    let programs = found::programs()?;
    let plan = Plan::new(&request, &programs)?;
    // Fetching mostly waits for networks, so it runs while the tests compile.
    std::thread::scope(|scope| plan.run(scope, &request, &programs))
}

/// What runs, and what that needs.
struct Plan<'a> {
    chosen: Vec<Chosen<'a>>,
    wanted: BTreeSet<Peer>,
}

impl<'a> Plan<'a> {
    fn new(request: &Request, programs: &'a [Program]) -> Result<Self> {
        let (mut chosen, mut wanted) = (Vec::new(), BTreeSet::new());
        for program in programs {
            let mut tests = Vec::new();
            for test in &program.tests {
                let name = format!("{}::{}", program.id, test.name);
                let mut needs: BTreeSet<Peer> = needs::of(&program.id, &test.name).collect();
                needs.extend(test.with_torch.then_some(Peer::Libtorch));
                let is_asked =
                    request.filters.is_empty() || request.filters.iter().any(|part| name.contains(part));
                // A run of everything is one without filters.
                let is_large = needs::is_large(&program.id, &test.name);
                let is_asked = is_asked && (!is_large || request.is_all || !request.filters.is_empty());
                let is_quick =
                    needs.iter().all(|need| need.is_optional()) && !needs::is_long(&program.id, &test.name);
                if is_asked && (!request.is_quick || is_quick) {
                    tests.push(test);
                    wanted.extend(needs);
                }
            }
            if !tests.is_empty() {
                chosen.push(Chosen { program, tests });
            }
        }
        if chosen.is_empty() {
            bail!("no test's name contains {}", request.filters.join(" or "));
        }
        if request.is_quick {
            wanted.clear();
        }
        Ok(Plan { chosen, wanted })
    }

    fn run<'scope>(
        mut self,
        scope: &'scope std::thread::Scope<'scope, '_>,
        request: &Request,
        programs: &[Program],
    ) -> Result<()> {
        let is_whole = request.filters.is_empty() && !request.is_quick;
        let libtorch = self.wanted.contains(&Peer::Libtorch).then(|| scope.spawn(libtorch::available));
        let preparation = needs::start(scope, &self.wanted);
        let lints = request.filters.is_empty();
        if lints {
            step("format");
            checked(cargo().args(["fmt", "--all", "--check"]))?;
        }
        // What needs no libtorch, while it is fetched.
        if is_whole {
            step("dependencies and workflows");
            deny::check()?;
            workflows::check()?;
        }
        let with_torch = match libtorch {
            Some(fetching) => fetching.join().expect("fetching libtorch does not panic")?,
            None => false,
        };
        let workspace: &[&str] = if with_torch { &libtorch::WITH } else { &libtorch::WITHOUT };
        let mut driver = Vec::new();
        if lints && request.is_quick {
            step("lints, compile");
            driver = lint::driver()?;
            lint::while_compiling(workspace, &driver)?;
        } else if lints {
            // Once: `--quick` is what lints it without libtorch.
            step("lints");
            lint::alone(workspace)?;
        }
        if is_whole {
            step("documentation");
            let mut doc = cargo();
            doc.args(["doc", "--quiet", "--no-deps"]).args(workspace);
            checked(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
        }
        if request.is_all {
            step("each package by itself");
            alone::check(programs, with_torch)?;
            alone::package()?;
        }
        if !with_torch {
            self.drop_what_needs_torch();
        }

        step("compile");
        let left_out = if request.is_all { &[] } else { needs::LARGE };
        let is_every_package = request.filters.is_empty();
        let mut runner =
            Runner::new(is_every_package.then_some(workspace), left_out, &self.chosen, with_torch);
        if request.is_quick {
            runner = runner.only(&self.chosen);
        }
        runner.compile(&driver)?;
        step("peers");
        let prepared = preparation.finish()?;
        step("tests");
        let skips = target().join("test-skips.txt");
        let _ = std::fs::remove_file(&skips);
        let temporary = Temporary::new()?;
        let mut environment = vec![
            ("PATH", prepared.path),
            ("SLEEVE_TEST_SKIPS", skips.clone().into()),
            ("SLEEVE_TEST_GONE", prepared.gone.join("|").into()),
            ("TMPDIR", temporary.0.clone().into()),
        ];
        // For tests that build something themselves, with the same features.
        environment.push(("SLEEVE_TEST_FEATURES", workspace[workspace.len() - 1].into()));
        // Otherwise cargo compiles once more, for another compiler.
        environment.extend(driver);
        if request.is_quick {
            // Peers are not used even if they are there, so that the same tests run everywhere.
            environment.extend([("SLEEVE_TEST_PEERS", "0".into()), ("SLEEVE_TEST_ALL", "0".into())]);
        }
        let mut outcome = runner.run(&environment)?;
        if is_whole || request.is_quick {
            step("examples in the documentation");
            outcome.add(runner::doctests(workspace, &environment)?);
        }
        if is_whole && cfg!(target_os = "linux") {
            step("torture");
            match torture::quick() {
                Ok(()) => outcome.passed += 1,
                Err(error) => {
                    outcome.failed += 1;
                    outcome.failures.push(format!("xtask::torture: {error:#}"));
                }
            }
        }
        if request.is_all {
            step("other targets");
            outcome.add(targets::suite(&skips)?);
        }
        drop(temporary);
        let skipped = std::fs::read_to_string(&skips).unwrap_or_default();
        if is_whole {
            print_slowest(&mut outcome.cases);
        }
        println!("\n{}: {:.0} s in all", steps(), seconds());
        if request.is_quick {
            let all: usize = programs.iter().map(|program| program.tests.len()).sum();
            let chosen: usize = self.chosen.iter().map(|chosen| chosen.tests.len()).sum();
            println!("left out by --quick: {} tests that need their peers or take long", all - chosen);
        }
        if is_whole && !request.is_all {
            println!(
                "left out without --all: the Python package's release, and it with Ray, Spark and PyTorch; \
                  the tests of other targets; the npm package's release"
            );
        }
        if is_whole {
            // A filter would miss them.
            let overlooked = found::unknown(programs, &outcome.cases);
            if !overlooked.is_empty() {
                bail!("xtask/src/test/found.rs does not find {overlooked:?}");
            }
        }
        conclude(&outcome, &skipped.lines().collect::<Vec<&str>>())
    }

    /// Without libtorch, what links it is not compiled. Other tests that need it print that they are skipped.
    fn drop_what_needs_torch(&mut self) {
        for chosen in &mut self.chosen {
            chosen.tests.retain(|test| !test.with_torch && chosen.program.package != libtorch::PACKAGE);
        }
        self.chosen.retain(|chosen| !chosen.tests.is_empty());
    }
}

/// Prints the tests that take longest: where to look when the whole run becomes too slow. Sorts them.
fn print_slowest(cases: &mut [Case]) {
    const PRINTED: usize = 25;
    if cases.is_empty() {
        return;
    }
    cases.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let sum: f64 = cases.iter().map(|case| case.seconds).sum();
    println!("\nslowest of {} tests, which take {sum:.0} s one after the other:", cases.len());
    for Case { program, name, seconds } in cases.iter().take(PRINTED) {
        println!("{seconds:7.1} s  {program} {name}");
    }
}

/// Prints the sum. Programs may read the last line.
fn conclude(outcome: &Outcome, skipped: &[&str]) -> Result<()> {
    for skip in skipped {
        println!("skipped  {skip}");
    }
    for failure in &outcome.failures {
        println!("failed   {failure}");
    }
    // A skipped test returns early, so the runner counts it as passed.
    let passed = outcome.passed.saturating_sub(skipped.len());
    println!("{passed} passed, {} failed, {} skipped", outcome.failed, skipped.len());
    if outcome.failed > 0 || !outcome.is_success {
        bail!("some tests failed");
    }
    if outcome.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Prints the name of the next step and the time since the start.
fn step(name: &'static str) {
    let now = seconds();
    println!("== {name} ({now:.0} s)");
    STEPS.lock().expect("nothing panics with the lock").push((name, now));
}

/// The steps so far, and when each started.
static STEPS: Mutex<Vec<(&str, f64)>> = Mutex::new(Vec::new());

/// How long each step took, in one line.
fn steps() -> String {
    let steps = STEPS.lock().expect("nothing panics with the lock");
    let ends = steps.iter().skip(1).map(|(_, start)| *start).chain([seconds()]);
    let words = steps.iter().zip(ends).map(|((name, start), end)| format!("{name} {:.0} s", end - start));
    words.collect::<Vec<String>>().join(", ")
}

fn seconds() -> f64 {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    STARTED.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// The folder for the tests' temporary files, removed afterwards. It is outside the repository: cargo takes a folder in
/// it for a part of the workspace.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("sleeve-tests-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Temporary(folder))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
