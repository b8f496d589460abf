//! Finds the workspace's tests in its sources before anything is compiled, so that only what the selected tests need is
//! prepared and built.
//!
//! It relies on rustfmt's layout: a module ends at a `}` with the same indentation as its `mod`. A full run compares
//! with what the test programs list ([`unknown`]), so a test that is not found is an error.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::runner::Case;
use crate::run::{cargo, output};

/// A test program.
pub struct Program {
    pub package: String,
    /// Cargo's option that selects it among the package's targets.
    pub option: Vec<String>,
    /// nextest's name for it: `sleeve-tests::library`, or the package's name for the unit tests of a library.
    pub id: String,
    pub tests: Vec<Test>,
}

/// A test.
pub struct Test {
    /// With its modules: `front_end::parity::golden_files`.
    pub name: String,
    /// Whether it is compiled only with libtorch.
    pub with_torch: bool,
}

/// The attribute of a module or program that is compiled only with libtorch.
const WITH_TORCH: &str = "#[cfg(feature = \"torch\")]";

/// All test programs that `cargo test --workspace` runs.
pub fn programs() -> Result<Vec<Program>> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let mut programs = Vec::new();
    for package in array(&metadata["packages"]) {
        for target in array(&package["targets"]) {
            if target["test"] == true {
                programs.push(program(text_of(&package["name"]), target)?);
            }
        }
    }
    Ok(programs)
}

/// The tests that ran and are not in `found`.
pub fn unknown<'a>(found: &[Program], ran: &'a [Case]) -> Vec<&'a Case> {
    let is_known = |case: &Case| {
        let mut tests = found.iter().filter(|program| program.id == case.program).flat_map(|p| &p.tests);
        tests.any(|known| known.name == case.name)
    };
    ran.iter().filter(|case| !is_known(case)).collect()
}

fn program(package: &str, target: &Value) -> Result<Program> {
    let (name, root) = (text_of(&target["name"]), Path::new(text_of(&target["src_path"])));
    let kind = array(&target["kind"]).first().map(text_of).unwrap_or_default();
    let (option, id) = match kind {
        "test" => (vec!["--test".to_owned(), name.to_owned()], format!("{package}::{name}")),
        "bin" => (vec!["--bin".to_owned(), name.to_owned()], format!("{package}::bin/{name}")),
        _ => (vec!["--lib".to_owned()], package.to_owned()),
    };
    let mut tests = Vec::new();
    let with_torch = array(&target["required-features"]).iter().any(|feature| feature == "torch");
    scan(root, &parent(root), &mut Vec::new(), with_torch, &mut tests)?;
    Ok(Program { package: package.to_owned(), option, id, tests })
}

/// Adds the tests of a file and of its modules. `folder` contains the files of these modules, `path` is the file's own
/// module.
fn scan(
    file: &Path,
    folder: &Path,
    path: &mut Vec<String>,
    with_torch: bool,
    tests: &mut Vec<Test>,
) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    // The open modules of this file, by the indentation of their `mod`.
    let mut open: Vec<usize> = Vec::new();
    let (mut is_test, mut is_gated, mut place) = (false, false, None);
    let mut in_raw_string = false;
    for line in text.lines() {
        // The content of a raw string over several lines is not code.
        if in_raw_string {
            in_raw_string = !line.contains("\"#");
            continue;
        }
        in_raw_string = line.rsplit_once("r#\"").is_some_and(|(_, rest)| !rest.contains("\"#"));
        let code = line.trim_start();
        let indentation = line.len() - code.len();
        if code == "}" && open.last() == Some(&indentation) {
            open.pop();
            path.pop();
        } else if code.starts_with("#[test]") {
            is_test = true;
        } else if code == WITH_TORCH {
            is_gated = true;
        } else if let Some(given) = code.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]"))
        {
            place = Some(given.to_owned());
        } else if let Some(module) = module(code) {
            path.push(module.trim_end_matches([' ', '{', ';']).to_owned());
            let with_torch = with_torch | std::mem::take(&mut is_gated);
            if module.ends_with('{') {
                open.push(indentation);
                continue;
            }
            let inner =
                path[path.len() - open.len() - 1..].iter().fold(folder.to_owned(), |at, name| at.join(name));
            let file = match place.take() {
                Some(given) => parent(file).join(given),
                None => with_source(&inner),
            };
            // Its modules are beside a mod.rs, otherwise in a folder with its name.
            let below = if file.ends_with("mod.rs") { parent(&file) } else { file.with_extension("") };
            scan(&file, &below, path, with_torch, tests)?;
            path.pop();
        } else if is_test && let Some(name) = code.strip_prefix("fn ").and_then(|rest| rest.split('(').next())
        {
            let modules = path.iter().map(|module| format!("{module}::")).collect::<String>();
            tests.push(Test { name: format!("{modules}{name}"), with_torch });
            is_test = false;
        } else if !code.starts_with("#[") && !code.starts_with("//") {
            // The attribute did not belong to a module.
            is_gated = false;
        }
    }
    Ok(())
}

/// The name after `mod` in a line that declares or opens a module.
fn module(code: &str) -> Option<&str> {
    let code = match code.strip_prefix("pub") {
        // `pub`, `pub(crate)`, `pub(in crate::engine)`.
        Some(rest) => rest.split_once(')').map_or(rest, |(_, rest)| rest).trim_start(),
        None => code,
    };
    let name = code.strip_prefix("mod ")?;
    (name.ends_with(" {") || name.ends_with(';')).then_some(name)
}

fn with_source(module: &Path) -> PathBuf {
    let file = module.with_extension("rs");
    if file.exists() { file } else { module.join("mod.rs") }
}

fn parent(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_owned()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_with_their_modules() {
        let programs = programs().unwrap();
        let own = programs.iter().find(|program| program.id == "xtask::bin/xtask").unwrap();
        assert!(
            own.tests
                .iter()
                .any(|test| test.name == "test::found::tests::tests_are_found_with_their_modules")
        );
        // After a raw string with braces at the beginning of its lines.
        let unit = programs.iter().find(|program| program.id == "sleeve").unwrap();
        assert!(
            unit.tests.iter().any(|test| test.name == "model::metadata::tests::everything_may_be_missing")
        );
        // In a module that is `pub(in ...)`.
        assert!(unit.tests.iter().any(|test| test.name.starts_with("engine::graph::view::tests::")));
        let library = programs.iter().find(|program| program.id == "sleeve-tests::library").unwrap();
        assert!(library.tests.iter().any(|test| test.name == "front_end::parity::golden_files"));
        let cases = [
            ("sleeve-tests::library", "front_end::parity::golden_files"),
            ("sleeve-tests::library", "golden_files"),
        ];
        let cases = cases.map(|(program, name)| Case {
            program: program.to_owned(),
            name: name.to_owned(),
            seconds: 0.0,
        });
        assert_eq!(unknown(&programs, &cases), [&cases[1]]);
    }
}
