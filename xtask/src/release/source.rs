//! The source as one archive, and Debian's packages made of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{VERSION, archive, folder, licences, time};
use crate::debian::programs;
use crate::peers;
use crate::run::{checked, have, output, repository, target};

/// The archive of the source, as the working tree has it.
pub fn archive(time: u64) -> Result<PathBuf> {
    let name = format!("sleeve-{VERSION}");
    let tree = target().join("release-stage").join(&name);
    copy_to(&tree)?;
    let file = folder().join(format!("{name}.tar.gz"));
    archive::tar_gz(&tree, &name, time, &file)?;
    Ok(file)
}

/// Copies the files that git tracks or would track to a fresh folder.
pub fn copy_to(tree: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(tree);
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(repository());
    for name in output(&mut list)?.split_terminator('\0') {
        let (from, to) = (repository().join(name), tree.join(name));
        // Removed, and not yet committed.
        let Ok(kind) = fs::symlink_metadata(&from) else { continue };
        fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {name}"))?;
        }
    }
    Ok(())
}

/// `cargo xtask debian`: builds the packages of `packaging/debian` from a copy of the source, in
/// `target/debian-packages`. dpkg-buildpackage wants a folder `debian` at the top, where this repository has none.
pub fn debian() -> Result<()> {
    let home = target().join("debian-packages");
    let tree = home.join(format!("sleeve-{VERSION}"));
    let _ = fs::remove_dir_all(&home);
    copy_to(&tree)?;
    let name = format!("sleeve-{VERSION}");
    archive::tar_gz(&tree, &name, time()?, &home.join(format!("sleeve_{VERSION}.orig.tar.gz")))?;
    fs::create_dir_all(tree.join("debian/source"))?;
    for entry in fs::read_dir(tree.join("packaging/debian"))? {
        let path = entry?.path();
        let to = tree.join("debian").join(path.file_name().context("a file has a name")?);
        if path.is_file() {
            fs::copy(&path, to)?;
        }
    }
    fs::copy(tree.join("packaging/debian/source/format"), tree.join("debian/source/format"))?;
    let triple = super::host()?;
    fs::write(tree.join("debian/THIRD-PARTY.txt"), licences::list(&["sleeve-capi", "sleeve-cli"], &triple)?)?;

    let mut build = Command::new("dpkg-buildpackage");
    // Unsigned. Debian's own packages of Rust are older than what Sleeve needs: the toolchain at hand is taken.
    build.args(["--no-sign", "--no-check-builddeps"]).current_dir(&tree);
    let mut path = Vec::new();
    if !have("cargo-capi") {
        peers::cargo_c()?;
        path.push(target().join("cargo-c/bin"));
    }
    if !have("dh") {
        path.push(programs("debhelper", &["debhelper", "lintian"])?);
        build.envs(perl(&target().join("debhelper/root")));
    }
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    build.env("PATH", std::env::join_paths(&path)?);
    // debhelper gives another HOME.
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if std::env::var_os(name).is_none() {
            build.env(name, Path::new(&std::env::var_os("HOME").context("HOME is not set")?).join(folder));
        }
    }
    // Kept, so that the next time is shorter.
    build.env("CARGO_TARGET_DIR", target().join("packaging/cargo"));
    checked(&mut build)?;
    println!("the packages are in {}", home.display());
    Ok(())
}

/// What Perl's programs need to find their modules and data under another root.
fn perl(root: &Path) -> Vec<(&'static str, String)> {
    let share = root.join("usr/share");
    let mut modules = vec![share.join("perl5")];
    let compiled = crate::debian::libraries(root).join("perl5");
    modules.extend(fs::read_dir(compiled).into_iter().flatten().flatten().map(|entry| entry.path()));
    let modules: Vec<String> = modules.iter().map(|folder| folder.display().to_string()).collect();
    let data = share.join("debhelper").display().to_string();
    vec![
        ("PERL5LIB", modules.join(":")),
        ("DH_AUTOSCRIPTDIR", format!("{data}/autoscripts")),
        ("DH_DATAFILES", data),
    ]
}
