//! `cargo xtask sbom`: what the C library and the Python wheel are built from, as CycloneDX.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{cargo, checked, output, repository, target};

/// The packages that others install, and the names of their documents.
const PACKAGES: [(&str, &str); 2] = [("bindings/c", "libsleeve"), ("bindings/python", "sleeve-wheel")];

/// The version of cargo-cyclonedx that this toolchain compiles.
const CARGO_CYCLONEDX: &str = "0.5.9";

/// The name under which the tool writes beside every manifest.
const BESIDE: &str = "sleeve-sbom";

/// Writes `target/sbom/*.cdx.json`.
pub fn run() -> Result<()> {
    let program = program()?;
    let out = target().join("sbom");
    fs::create_dir_all(&out)?;
    for (folder, name) in PACKAGES {
        let mut tool = Command::new(&program);
        tool.current_dir(repository()).args(["cyclonedx", "--quiet", "--format", "json", "--no-build-deps"]);
        tool.args(["--spec-version", "1.5", "--override-filename", BESIDE]);
        // Of the machine that it runs on: other platforms have other dependencies.
        tool.args(["--target", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)]);
        let written = checked(tool.arg("--manifest-path").arg(repository().join(folder).join("Cargo.toml")));
        let document = repository().join(folder).join(format!("{BESIDE}.json"));
        let text = fs::read_to_string(&document);
        clean()?;
        written?;
        let text = text.with_context(|| document.display().to_string())?;
        let components = check(&text).with_context(|| name.to_owned())?;
        let place = out.join(format!("{name}.cdx.json"));
        fs::write(&place, text)?;
        println!("{}: {components} components", place.display());
    }
    Ok(())
}

/// Removes what the tool wrote beside the manifests of the workspace.
fn clean() -> Result<()> {
    let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version", "1", "--offline"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
        let file = manifest.with_file_name(format!("{BESIDE}.json"));
        if file.is_file() {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// The number of components: each must have a name, a version and a licence.
fn check(text: &str) -> Result<usize> {
    let document: Value = serde_json::from_str(text)?;
    if document["bomFormat"] != "CycloneDX" {
        bail!("it is not CycloneDX");
    }
    let components = document["components"].as_array().context("it has no components")?;
    for component in components {
        for field in ["name", "version", "licenses", "bom-ref"] {
            if component.get(field).is_none() {
                bail!("{} has no {field}", component["name"]);
            }
        }
    }
    for name in ["sleeve", "symphonia", "rten"] {
        if !components.iter().any(|component| component["name"] == name) {
            bail!("{name} is missing");
        }
    }
    Ok(components.len())
}

/// cargo-cyclonedx, compiled from its source into `target/cargo-cyclonedx`.
fn program() -> Result<PathBuf> {
    let root = target().join("cargo-cyclonedx");
    let (program, stamp) = (root.join("bin/cargo-cyclonedx"), root.join("version.txt"));
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|version| version == CARGO_CYCLONEDX) {
        return Ok(program);
    }
    println!("cargo-cyclonedx {CARGO_CYCLONEDX} -> target/cargo-cyclonedx");
    let mut install = cargo();
    install.args(["install", "--quiet", "--locked", "--debug", "--force", "cargo-cyclonedx"]);
    install.args(["--version", CARGO_CYCLONEDX, "--config", "profile.dev.debug=false"]);
    let build = root.join("build");
    let installed = output(install.arg("--root").arg(&root).arg("--target-dir").arg(&build));
    let _ = fs::remove_dir_all(build);
    installed?;
    fs::write(stamp, CARGO_CYCLONEDX)?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_a_licence_or_a_part_is_refused() {
        let component = |name: &str, licence: &str| {
            format!(r#"{{"name": "{name}", "version": "1", "bom-ref": "{name}"{licence}}}"#)
        };
        let document = |components: &[String]| {
            format!(r#"{{"bomFormat": "CycloneDX", "components": [{}]}}"#, components.join(","))
        };
        let mut parts = ["sleeve", "symphonia", "rten"].map(|name| component(name, r#", "licenses": []"#));
        assert_eq!(check(&document(&parts)).unwrap(), 3);
        assert!(check(&document(&parts[1..])).is_err());
        parts[1] = component("symphonia", "");
        assert!(check(&document(&parts)).unwrap_err().to_string().contains("licenses"));
    }
}
