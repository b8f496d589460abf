//! `cargo xtask unsafe`: how much `unsafe` each package has. That each block has its reason beside it is clippy's to check.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::run::{output, repository};

/// What of `unsafe` a package has.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    blocks: usize,
    functions: usize,
    implementations: usize,
}

/// Prints a table.
pub fn print() -> Result<()> {
    println!("{:<28} {:>7} {:>10} {:>16}", "package", "blocks", "functions", "implementations");
    for (name, folder) in packages()? {
        let mut count = Count::default();
        walk(&folder.join("src"), &mut count)?;
        if count != Count::default() {
            let Count { blocks, functions, implementations } = count;
            println!("{name:<28} {blocks:>7} {functions:>10} {implementations:>16}");
        }
    }
    Ok(())
}

fn packages() -> Result<Vec<(String, std::path::PathBuf)>> {
    let metadata =
        output(crate::run::cargo().args(["metadata", "--no-deps", "--format-version", "1", "--offline"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().into_iter().flatten().filter_map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        Some((package["name"].as_str()?.to_owned(), manifest.parent()?.to_owned()))
    });
    let mut packages: Vec<_> = packages.filter(|(_, folder)| folder.starts_with(repository())).collect();
    packages.sort();
    Ok(packages)
}

fn walk(folder: &Path, count: &mut Count) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, count)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            add(&fs::read_to_string(&path)?, count);
        }
    }
    Ok(())
}

/// Adds what stands in a file, by lines: comments and texts are not counted.
fn add(source: &str, count: &mut Count) {
    for line in source.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
        // Texts stand between quotation marks.
        let code: String = line.split("//").next().unwrap_or_default().split('"').step_by(2).collect();
        count.blocks += code.matches("unsafe {").count();
        let functions = code.matches("unsafe fn ").count() + code.matches("unsafe extern  fn ").count();
        count.functions += functions;
        count.implementations += code.matches("unsafe impl").count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_counts_and_comments_do_not() {
        let mut count = Count::default();
        add(
            "// unsafe { no }\nlet a = unsafe { b }; // unsafe {\nunsafe impl Send for C {}\npub unsafe fn d() {}",
            &mut count,
        );
        assert_eq!(count, Count { blocks: 1, functions: 1, implementations: 1 });
    }
}
