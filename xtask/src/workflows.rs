//! Checks the files in `.github/`: each against its schema, and workflows for unsafe patterns.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{checked, have, repository};
use crate::tools;

/// Checks the files with check-jsonschema and zizmor, and with actionlint if it is installed. Prints a warning if the
/// first two cannot be fetched.
pub fn check() -> Result<()> {
    let github = repository().join(".github");
    let workflows = files(&github.join("workflows"), "yml")?;
    let (Some(schema), Some(zizmor)) =
        (tools::program_or_skip("check-jsonschema")?, tools::program_or_skip("zizmor")?)
    else {
        return Ok(());
    };
    let (config, forms): (Vec<_>, Vec<_>) = files(&github.join("ISSUE_TEMPLATE"), "yml")?
        .into_iter()
        .partition(|path| path.ends_with("config.yml"));
    for (name, files) in [
        ("vendor.github-workflows", &workflows),
        ("custom.github-workflows-require-timeout", &workflows),
        ("vendor.github-issue-forms", &forms),
        ("vendor.github-issue-config", &config),
        ("vendor.dependabot", &vec![github.join("dependabot.yml")]),
    ] {
        let mut check = Command::new(&schema);
        checked(check.args(["--quiet", "--builtin-schema", name]).args(files)).context(name)?;
    }
    // Offline: only the files are checked.
    let mut audit = Command::new(zizmor);
    checked(audit.args(["--offline", "--quiet", "--no-progress", "--format", "plain"]).arg(&github))?;
    if have("actionlint") {
        checked(Command::new("actionlint").args(&workflows))?;
    }
    Ok(())
}

/// The files of a folder with this extension, sorted by name. It is an error if there are none.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("{} contains no .{extension} file", folder.display());
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflows_build_with_the_oldest_toolchain() {
        let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
        let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
        for path in files(&repository().join(".github/workflows"), "yml").unwrap() {
            let text = fs::read_to_string(&path).unwrap();
            let toolchain = format!("RUST_TOOLCHAIN: {version}");
            assert!(text.contains(&toolchain), "{} does not set {toolchain}", path.display());
        }
    }

    #[test]
    fn releases_have_the_targets_of_the_table() {
        let text = fs::read_to_string(repository().join(".github/workflows/release.yml")).unwrap();
        let found: Vec<&str> = text
            .lines()
            .skip_while(|line| line.trim() != "target:")
            .skip(1)
            .map_while(|line| line.trim().strip_prefix("- "))
            .collect();
        let known = crate::targets::TARGETS.iter().map(|target| target.plain()).chain(["source"]);
        assert_eq!(found, known.collect::<Vec<_>>());
    }
}
