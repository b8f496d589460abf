//! What can be said of macOS files without a Mac: which libraries they need, from which version on they run, under which
//! name programs look for the library, and what it exports. LLVM's tools read that.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::run::{have, output, repository, target};

/// The oldest system.
pub const OLDEST: &str = "11.0";
/// What every Mac has. Frameworks are of the system, too.
const SYSTEM: [&str; 2] = ["/usr/lib/", "/System/Library/Frameworks/"];

/// Checks the library and the program in a folder. Programs look for the library by `install_name`.
pub fn check(folder: &Path, install_name: &str) -> Result<()> {
    let tools = Tools::find()?;
    let library = folder.join("libsleeve.dylib");
    let names = tools.read("llvm-objdump", &["--macho", "--dylib-id"], &library)?;
    let name = names.lines().last().unwrap_or_default();
    if name != install_name {
        bail!("{}: its install name is {name}, not {install_name}", library.display());
    }
    for file in [&library, &folder.join("sleeve")] {
        let commands = tools.read("llvm-objdump", &["--macho", "--private-headers"], file)?;
        let oldest = oldest(&commands).with_context(|| format!("{}: no oldest system", file.display()))?;
        if oldest != OLDEST {
            bail!("{}: runs from macOS {oldest} on, not {OLDEST}", file.display());
        }
        for needed in needed(&tools.read("llvm-objdump", &["--macho", "--dylibs-used"], file)?) {
            if needed != install_name && !SYSTEM.iter().any(|folder| needed.starts_with(folder)) {
                bail!("{}: needs {needed}", file.display());
            }
        }
    }
    let symbols =
        tools.read("llvm-nm", &["--extern-only", "--defined-only", "--just-symbol-name"], &library)?;
    let names = symbols.lines().filter_map(|line| line.trim().strip_prefix('_'));
    // Rust's own names are exported as well: Zig's linker takes no list of exports, as Apple's does.
    let exported: BTreeSet<&str> = names.filter(|name| name.starts_with("sleeve_")).collect();
    let header = fs::read_to_string(repository().join("include/sleeve/sleeve.h"))?;
    let declared = declared(&header);
    let differ: Vec<&&str> = exported.symmetric_difference(&declared).collect();
    if declared.len() < 50 || !differ.is_empty() {
        bail!("{}: exported or declared, but not both: {differ:?}", library.display());
    }
    println!("{}: {} functions, macOS {OLDEST} or newer", library.display(), exported.len());
    Ok(())
}

/// The functions of the header: a name before a bracket, outside of comments.
fn declared(header: &str) -> BTreeSet<&str> {
    let lines = header.lines().filter(|line| !line.starts_with("//") && !line.starts_with(" *"));
    lines
        .filter(|line| !line.contains("typedef"))
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("sleeve_"))
        .collect()
}

/// The version in the command LC_BUILD_VERSION, or in that of before, which linkers write for systems before 10.14.
fn oldest(commands: &str) -> Option<&str> {
    let line = commands.lines().map(str::trim).find(|line| line.starts_with("minos "))?;
    line.split_whitespace().nth(1)
}

/// The libraries in what `objdump --dylibs-used` prints: a line each, with versions in brackets, after the file's own name.
fn needed(listing: &str) -> impl Iterator<Item = &str> {
    listing.lines().skip(1).filter_map(|line| line.trim().split(" (").next()).filter(|name| !name.is_empty())
}

/// A folder with `rust-objcopy`, with which rustc strips what it links for a Mac, and which Debian's compiler lacks: LLVM's
/// program is the same.
pub fn strip() -> Result<PathBuf> {
    let folder = target().join("llvm/rust");
    let script = folder.join("rust-objcopy");
    let program = Tools::find()?.program("llvm-objcopy");
    fs::create_dir_all(&folder)?;
    fs::write(&script, format!("#!/bin/sh\nexec \"{}\" \"$@\"\n", program.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// LLVM's programs.
struct Tools(Option<PathBuf>);

impl Tools {
    fn find() -> Result<Self> {
        if ["llvm-objdump", "llvm-nm", "llvm-objcopy"].iter().all(|tool| have(tool)) {
            return Ok(Self(None));
        }
        debian::programs("llvm", &["llvm"]).map(|folder| Self(Some(folder)))
    }

    fn program(&self, tool: &str) -> PathBuf {
        self.0.as_ref().map_or_else(|| tool.into(), |folder| folder.join(tool))
    }

    fn read(&self, tool: &str, arguments: &[&str], file: &Path) -> Result<String> {
        output(Command::new(self.program(tool)).args(arguments).arg(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objdump_is_understood() {
        let header = "// sleeve_no(1)\nsleeve_status sleeve_one(int a,\n    void (*sleeve_two)(void));\nconst char *sleeve_three(void);\n";
        assert_eq!(declared(header), BTreeSet::from(["sleeve_one", "sleeve_three"]));
        let listing = "a/libsleeve.dylib:\n\t@rpath/libsleeve.1.dylib (compatibility version 0.0.0, current version 0.0.0)\n\
                       \t/usr/lib/libSystem.B.dylib (compatibility version 1.0.0, current version 1.0.0)\n";
        assert_eq!(
            needed(listing).collect::<Vec<_>>(),
            ["@rpath/libsleeve.1.dylib", "/usr/lib/libSystem.B.dylib"]
        );
        let commands =
            "Load command 8\n      cmd LC_BUILD_VERSION\n platform macos\n    minos 11.0\n      sdk n/a\n";
        assert_eq!(oldest(commands), Some("11.0"));
        assert_eq!(oldest("cmd LC_UUID"), None);
    }
}
