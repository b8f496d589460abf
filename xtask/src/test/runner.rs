//! Runs test programs: through cargo-nextest if it is installed, otherwise through cargo test.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::found::{Program, Test};
use crate::libtorch;
use crate::run::{cargo, checked, output, target};

/// The selected tests of a program.
pub struct Chosen<'a> {
    pub program: &'a Program,
    pub tests: Vec<&'a Test>,
}

/// The result of a run.
#[derive(Default)]
pub struct Outcome {
    pub passed: usize,
    pub failed: usize,
    pub failures: Vec<String>,
    /// Each test that ran, if the runner reports them.
    pub cases: Vec<Case>,
    pub is_success: bool,
}

/// A test that ran.
#[derive(Debug, PartialEq)]
pub struct Case {
    pub program: String,
    pub name: String,
    pub seconds: f64,
}

/// A way to run tests.
pub struct Runner<'a> {
    has_nextest: bool,
    /// The packages, targets and features that are compiled together.
    what: Vec<&'a str>,
    /// The tests to run; `None` for all of the packages.
    chosen: Option<&'a [Chosen<'a>]>,
    /// Those of all that are left out: programs, and the beginnings of tests' names.
    left_out: &'a [(&'a str, &'a str)],
}

impl<'a> Runner<'a> {
    /// Runs all tests of the packages in cargo's arguments `whole` but those `left_out`, or the chosen ones.
    pub fn new(
        whole: Option<&'a [&'a str]>,
        left_out: &'a [(&'a str, &'a str)],
        chosen: &'a [Chosen<'a>],
        with_torch: bool,
    ) -> Self {
        let has_nextest = output(cargo().args(["nextest", "--version"])).is_ok();
        if let Some(whole) = whole {
            return Runner { has_nextest, what: whole.to_owned(), chosen: None, left_out };
        }
        let mut what = Vec::new();
        for Chosen { program, .. } in chosen {
            let option = program.option.iter().map(String::as_str).collect::<Vec<&str>>();
            for words in [vec!["--package", program.package.as_str()], option] {
                // Each once: cargo combines packages and targets by itself.
                if !what.windows(words.len()).any(|already| *already == *words) {
                    what.extend(words);
                }
            }
        }
        // Cargo accepts a feature only of a package that is compiled.
        for (feature, is_there) in [(libtorch::FEATURES, with_torch), (libtorch::PARQUET, true)] {
            if is_there
                && chosen.iter().any(|chosen| feature.starts_with(&format!("{}/", chosen.program.package)))
            {
                what.extend(["--features", feature]);
            }
        }
        Runner { has_nextest, what, chosen: Some(chosen), left_out: &[] }
    }

    /// Of the packages that are compiled, only these tests.
    pub fn only(mut self, chosen: &'a [Chosen<'a>]) -> Self {
        self.chosen = Some(chosen);
        self
    }

    /// Compiles the tests with these environment variables.
    pub fn compile(&self, environment: &[(&str, OsString)]) -> Result<()> {
        let by_nextest = ["nextest", "run", "--no-run", "--cargo-quiet"];
        let by_cargo = ["test", "--no-run", "--quiet"];
        let command = if self.has_nextest { &by_nextest[..] } else { &by_cargo };
        let environment = environment.iter().map(|(name, value)| (name, value));
        checked(cargo().args(command).args(&self.what).envs(environment))
    }

    /// Runs the tests with these environment variables.
    pub fn run(&self, environment: &[(&str, OsString)]) -> Result<Outcome> {
        if self.has_nextest {
            return self.nextest(environment);
        }
        let Some(chosen) = self.chosen else {
            let mut command = cargo();
            command.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]).args(&self.what).arg("--");
            for (_, start) in self.left_out {
                command.args(["--skip", start]);
            }
            return libtest(&mut command, environment);
        };
        let mut outcome = Outcome { is_success: true, ..Outcome::default() };
        for Chosen { program, tests } in chosen {
            let mut command = cargo();
            command.args(["test", "--package", &program.package]).args(&program.option);
            let own = |feature: &&&str| feature.starts_with(&format!("{}/", program.package));
            if let Some(feature) = self.what.iter().find(own) {
                command.args(["--features", feature]);
            }
            command.args(["--", "--exact"]).args(tests.iter().map(|test| &test.name));
            outcome.add(libtest(&mut command, environment)?);
        }
        Ok(outcome)
    }

    fn nextest(&self, environment: &[(&str, OsString)]) -> Result<Outcome> {
        let mut command = cargo();
        command.args(["nextest", "run", "--cargo-quiet"]).args(&self.what);
        if let Some(chosen) = self.chosen {
            command.arg("--filterset").arg(filterset(chosen));
        } else if !self.left_out.is_empty() {
            let left_out =
                self.left_out.iter().map(|(id, start)| format!("(binary_id(={id}) & test(/^{start}/))"));
            let left_out: Vec<String> = left_out.collect();
            command.arg("--filterset").arg(format!("not ({})", left_out.join(" | ")));
        }
        let report = target().join("nextest/default/junit.xml");
        let _ = std::fs::remove_file(&report);
        let status = command
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .status()
            .context("cargo nextest")?;
        let xml = std::fs::read_to_string(&report)
            .with_context(|| format!("no {}: did it run?", report.display()))?;
        Ok(Outcome { is_success: status.success(), ..junit(&xml) })
    }
}

/// The chosen tests as an expression for nextest.
fn filterset(chosen: &[Chosen]) -> String {
    let programs = chosen.iter().map(|Chosen { program, tests }| {
        let id = format!("binary_id(={})", program.id);
        if tests.len() == program.tests.len() {
            return id;
        }
        let tests: Vec<String> = tests.iter().map(|test| format!("test(={})", test.name)).collect();
        format!("({id} & ({}))", tests.join(" | "))
    });
    programs.collect::<Vec<String>>().join(" | ")
}

/// Reads nextest's report in JUnit's format: a `<testcase name="..." classname="...">` for each test, which contains a
/// `<failure ...>` or `<error ...>` if it failed, with the seconds in `time="..."`.
fn junit(xml: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for case in xml.split("<testcase ").skip(1) {
        let attribute = |name: &str| {
            let value = case.split_once(&format!("{name}=\""))?.1;
            Some(value.split_once('"')?.0.to_owned())
        };
        let (Some(name), Some(program)) = (attribute("name"), attribute("classname")) else { continue };
        if case.contains("<failure ") || case.contains("<error ") {
            outcome.failed += 1;
            outcome.failures.push(format!("{program} {name}"));
        } else {
            outcome.passed += 1;
        }
        let seconds = attribute("time").and_then(|time| time.parse().ok()).unwrap_or_default();
        outcome.cases.push(Case { program, name, seconds });
    }
    outcome
}

/// Runs the examples in the documentation, which nextest does not run.
pub fn doctests(workspace: &[&str], environment: &[(&str, OsString)]) -> Result<Outcome> {
    libtest(cargo().args(["test", "--quiet", "--doc", "--no-fail-fast"]).args(workspace), environment)
}

/// Runs `cargo test` and adds up the results of its programs.
fn libtest(command: &mut Command, environment: &[(&str, OsString)]) -> Result<Outcome> {
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let mut outcome = Outcome::default();
    for line in BufReader::new(child.stdout.take().expect("standard output is piped")).lines() {
        let line = line?;
        outcome.read(&line);
        writeln!(std::io::stdout(), "{line}")?;
    }
    outcome.is_success = child.wait()?.success();
    Ok(outcome)
}

impl Outcome {
    /// Adds the results of another run.
    pub fn add(&mut self, other: Outcome) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.cases.extend(other.cases);
        self.is_success &= other.is_success;
    }

    /// Adds the counts of a line such as `test result: ok. 3 passed; 0 failed; ...`, or the name in `test x ...
    /// FAILED`.
    fn read(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
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
        let mut outcome = Outcome::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0s",
            "test something ... ok",
            "test something::other ... FAILED",
        ] {
            outcome.read(line);
        }
        assert_eq!((outcome.passed, outcome.failed), (15, 2));
        assert_eq!(outcome.failures, ["something::other"]);
    }

    #[test]
    fn nextest_s_report_is_read() {
        let outcome = junit(
            r#"<testsuites name="nextest-run" tests="2" failures="1" errors="0">
                 <testsuite name="a::b" tests="2">
                   <testcase name="one" classname="a::b" time="0.1"></testcase>
                   <testcase name="m::two" classname="a::b" time="0.25">
                     <failure type="test failure">panicked</failure>
                   </testcase>
                 </testsuite>
               </testsuites>"#,
        );
        assert_eq!((outcome.passed, outcome.failed), (1, 1));
        assert_eq!(outcome.failures, ["a::b m::two"]);
        let two = Case { program: "a::b".to_owned(), name: "m::two".to_owned(), seconds: 0.25 };
        assert_eq!((outcome.cases.len(), &outcome.cases[1]), (2, &two));
    }
}
