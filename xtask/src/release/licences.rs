//! The licences of the crates that are linked into library and program, each text once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{cargo, output};

/// How the names of files with licences begin, in capitals.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// The list for these packages as they are built for a target.
pub fn list(packages: &[&str], triple: &str) -> Result<String> {
    let linked = linked(packages, triple)?;
    let metadata = output(cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut text = String::from(
        "Sleeve is made of the crates below, besides its own. Each is under the licence that is named, whose text follows\n\
         with the crates that it came with; where none came, it is the standard text of one that is named. The source of each is where its repository is named, and unchanged. Rust's\n\
         standard library is linked in as well: MIT OR Apache-2.0, https://github.com/rust-lang/rust.\n\n",
    );
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut found = 0;
    let mut described = BTreeMap::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists packages")? {
        let word = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} {}", word("name"), word("version"));
        // What has no source is ours.
        if package["source"].is_null() || !linked.contains(&name) {
            continue;
        }
        found += 1;
        let licence = word("license");
        if licence.is_empty() {
            bail!("{name} names no licence");
        }
        described.insert(name.clone(), format!("{licence}  {}", word("repository")));
        let folder = Path::new(word("manifest_path")).parent().context("a manifest is in a folder")?;
        let mut came_with = licence_texts(folder)?;
        if came_with.is_empty() {
            let authors = package["authors"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let authors = authors.collect::<Vec<_>>().join(", ");
            let authors =
                if authors.is_empty() { format!("the authors of {}", word("name")) } else { authors };
            came_with.push(standard(licence, &authors).with_context(|| name.clone())?);
        }
        for text in came_with {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    if found != linked.len() {
        bail!("cargo metadata knows {found} of {} linked crates", linked.len());
    }
    for (name, rest) in &described {
        text += &format!("{name}  {rest}\n");
    }
    // By the first crate's name.
    let mut texts: Vec<(BTreeSet<String>, String)> =
        texts.into_iter().map(|(text, names)| (names, text)).collect();
    texts.sort();
    for (names, licence) in texts {
        let names: Vec<String> = names.into_iter().collect();
        text += &format!("\n{}\n{}\n\n{}\n", "-".repeat(80), names.join(", "), licence.trim_matches('\n'));
    }
    Ok(text)
}

/// The names and versions of what is linked in: neither what builds it nor macros that run in the compiler.
fn linked(packages: &[&str], triple: &str) -> Result<BTreeSet<String>> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--edges", "normal,no-proc-macro", "--target", triple]);
    tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}"]);
    for package in packages {
        tree.args(["--package", package]);
    }
    let mut found = BTreeSet::new();
    for line in output(&mut tree)?.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        // A path behind it: one of ours.
        if words.next().is_some_and(|word| word.starts_with("(/")) {
            continue;
        }
        found.insert(format!("{name} {}", version.trim_start_matches('v')));
    }
    Ok(found)
}

/// The text of a licence for a crate that came without: that of Apache if there is a choice, for it names nobody.
fn standard(licence: &str, authors: &str) -> Result<String> {
    let names: Vec<&str> = licence.split(" OR ").collect();
    if names.contains(&"Apache-2.0") {
        return Ok(include_str!("../../../LICENSE-APACHE").to_owned());
    }
    let (_, conditions) = include_str!("../../../LICENSE-MIT")
        .split_once("Permission is hereby granted")
        .context("LICENSE-MIT is the MIT licence")?;
    if names.contains(&"MIT") {
        return Ok(format!("Copyright (c) {authors}\n\nPermission is hereby granted{conditions}"));
    }
    bail!("it is under {licence}, and came without a text")
}

/// The licences in a crate's folder.
fn licence_texts(folder: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.file_type()?.is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let read =
        |path| -> Result<String> { Ok(String::from_utf8_lossy(&fs::read(path)?).replace("\r\n", "\n")) };
    paths.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_with_its_licence() {
        let text = list(&["sleeve-capi", "sleeve-cli"], "x86_64-unknown-linux-gnu").unwrap();
        for crate_of_ours in ["symphonia ", "rten ", "clap "] {
            assert!(text.lines().any(|line| line.starts_with(crate_of_ours)), "{crate_of_ours}");
        }
        assert!(text.contains("MPL-2.0  https://github.com/pdeljanov/Symphonia"));
        assert!(
            text.contains("Mozilla Public License Version 2.0")
                && text.contains("Permission is hereby granted")
        );
        // Macros, build scripts, tests and our own crates are not linked in, or need no mention.
        for other in ["serde_derive ", "proptest ", "sleeve ", "cbindgen "] {
            assert!(!text.lines().any(|line| line.starts_with(other)), "{other}");
        }
        // Whoever came without a text has one, with its authors.
        assert!(text.contains("\nbhtsne ") && text.contains("\nCopyright (c) frjnn"));
        assert!(standard("GPL-3.0-only", "Somebody").is_err());
        assert_eq!(text, list(&["sleeve-capi", "sleeve-cli"], "x86_64-unknown-linux-gnu").unwrap());
    }
}
