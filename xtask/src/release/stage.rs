//! The folder that an archive is made of: what a prefix such as `/usr/local` has after an installation.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{VERSION, licences};
use crate::run::{cargo, output, repository, target};
use crate::targets::{Target, abi_version};

/// The libraries that `libsleeve.a` needs: what rustc's `--print native-static-libs` says.
const LINUX: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";
const MACOS: &str = "-lSystem -lc -lm";
const WINDOWS: &str = "-lkernel32 -lntdll -luserenv -lws2_32 -ldbghelp";

/// Fills a fresh folder with what was built for a target. The pages come from its program if that runs here.
pub fn fill(wanted: &Target, is_host: bool, folder: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    let built = target().join(wanted.plain()).join("release");
    for package in wanted.packages {
        match package.name {
            "sleeve-capi" => library(wanted.plain(), &built, folder)?,
            "sleeve-cli" => program(wanted.plain(), is_host, &built, folder)?,
            name => anyhow::bail!("{name} belongs to no archive"),
        }
    }
    let names: Vec<&str> = wanted.packages.iter().map(|package| package.name).collect();
    documents(&names, wanted.plain(), &folder.join("share/doc/sleeve"))
}

/// Libraries, headers, and what finds them.
fn library(triple: &str, built: &Path, folder: &Path) -> Result<()> {
    let lib = folder.join("lib");
    let abi = abi_version();
    if triple.contains("windows") {
        copy(&built.join("sleeve.dll"), &folder.join("bin/sleeve.dll"))?;
        copy(&built.join("libsleeve.dll.a"), &lib.join("libsleeve.dll.a"))?;
    } else {
        let (from, whole, short) = if triple.contains("apple") {
            ("libsleeve.dylib", format!("libsleeve.{abi}.0.0.dylib"), format!("libsleeve.{abi}.dylib"))
        } else {
            ("libsleeve.so", format!("libsleeve.so.{abi}.0.0"), format!("libsleeve.so.{abi}"))
        };
        copy(&built.join(from), &lib.join(&whole))?;
        symlink(&whole, lib.join(&short))?;
        symlink(&whole, lib.join(from))?;
    }
    copy(&built.join("libsleeve.a"), &lib.join("libsleeve.a"))?;
    copy_folder(&repository().join("include/sleeve"), &folder.join("include/sleeve"))?;
    copy_folder(&repository().join("bindings/cmake"), &folder.join("share/cmake/sleeve"))?;
    fs::create_dir_all(lib.join("pkgconfig"))?;
    Ok(fs::write(lib.join("pkgconfig/sleeve.pc"), pkg_config(triple))?)
}

/// pkg-config's file, which works wherever the archive is unpacked.
fn pkg_config(triple: &str) -> String {
    let private = match triple {
        _ if triple.contains("windows") => WINDOWS,
        _ if triple.contains("apple") => MACOS,
        _ => LINUX,
    };
    format!(
        "prefix=${{pcfiledir}}/../..\nlibdir=${{prefix}}/lib\nincludedir=${{prefix}}/include\n\n\
         Name: sleeve\nDescription: {}\nVersion: {VERSION}\n\
         Libs: -L${{libdir}} -lsleeve\nLibs.private: {private}\nCflags: -I${{includedir}}\n",
        description()
    )
}

/// What cargo-c writes there, too.
fn description() -> &'static str {
    let manifest = include_str!("../../../bindings/c/Cargo.toml");
    let (_, section) =
        manifest.split_once("[package.metadata.capi.pkg_config]").expect("the section is there");
    let line = section.lines().find_map(|line| line.strip_prefix("description = \""));
    line.and_then(|rest| rest.strip_suffix('"')).expect("the section has a description")
}

/// The program with its manual pages and completions.
fn program(triple: &str, is_host: bool, built: &Path, folder: &Path) -> Result<()> {
    let name = if triple.contains("windows") { "sleeve.exe" } else { "sleeve" };
    copy(&built.join(name), &folder.join("bin").join(name))?;
    let run = |arguments: &[&str]| {
        let mut command = if is_host {
            Command::new(built.join(name))
        } else {
            let mut command = cargo();
            command.args(["run", "--quiet", "--locked", "--package", "sleeve-cli", "--"]);
            command
        };
        output(command.args(arguments))
    };
    let share = folder.join("share");
    let manual = share.join("man/man1");
    run(&["man", "--output", manual.to_str().context("the path is not UTF-8")?])?;
    for (shell, file) in [
        ("bash", "bash-completion/completions/sleeve"),
        ("fish", "fish/vendor_completions.d/sleeve.fish"),
        ("zsh", "zsh/site-functions/_sleeve"),
        ("powershell", "doc/sleeve/sleeve.ps1"),
    ] {
        let file = share.join(file);
        fs::create_dir_all(file.parent().context("the file is in a folder")?)?;
        fs::write(file, run(&["completions", shell])?)?;
    }
    Ok(())
}

/// Licences, ours and those of everything that is linked in, and what has changed.
fn documents(packages: &[&str], triple: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for file in ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
        copy(&repository().join(file), &folder.join(file))?;
    }
    copy(&repository().join("models/README.md"), &folder.join("LICENSE-MODELS.md"))?;
    copy(&repository().join("crates/plot/FONT-LICENCE.md"), &folder.join("LICENSE-FONT.md"))?;
    fs::write(folder.join("THIRD-PARTY.txt"), licences::list(packages, triple)?)?;
    // The lists of components, if `cargo xtask sbom` has made them.
    let boms = target().join("sbom");
    if boms.is_dir() {
        copy_folder(&boms, &folder.join("sbom"))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// Copies the files of a folder, not those of folders in it.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        if path.is_file() {
            copy(&path, &to.join(path.file_name().context("a file has a name")?))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_in_the_name_is_that_of_cargo_c() {
        let manifest = include_str!("../../../bindings/c/Cargo.toml");
        let (_, section) = manifest.split_once("[package.metadata.capi.library]").unwrap();
        assert!(section.trim_start().starts_with(&format!("version = \"{}.0.0\"", abi_version())));
        let linux = crate::targets::TARGETS[0].run_time_name().unwrap();
        assert_eq!(linux, format!("libsleeve.so.{}", abi_version()));
        assert!(include_str!("../../../bindings/cmake/sleeve-config.cmake").contains(&linux));
    }

    #[test]
    fn pkg_config_reads_its_file() {
        let text = pkg_config("aarch64-unknown-linux-gnu");
        assert!(text.contains("prefix=${pcfiledir}/../..") && text.contains(&format!("Version: {VERSION}")));
        assert!(text.contains("Description: Music embeddings"));
    }
}
