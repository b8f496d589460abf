//! Debian packages, unpacked under `target/` without root: nothing is installed on the machine.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{checked, have, output, target};

/// Unpacks the packages and their dependencies that the machine lacks. Returns a folder of programs for the PATH.
/// Existing files are reused.
pub fn fetch(packages: &[&str]) -> Result<PathBuf> {
    let wanted: BTreeSet<&str> = packages.iter().copied().collect();
    programs("debian", &wanted.into_iter().collect::<Vec<_>>())
}

/// The same under `target/<name>`, for programs that only some commands need.
pub fn programs(name: &str, wanted: &[&str]) -> Result<PathBuf> {
    programs_of(name, wanted, "usr/bin")
}

/// The same for programs in another folder than `usr/bin`, whose scripts there have absolute paths in them.
pub fn programs_of(name: &str, wanted: &[&str], folder: &str) -> Result<PathBuf> {
    let home = target().join(name);
    let stamp = home.join("unpacked.txt");
    let programs = home.join("bin");
    if is_unpacked(name, &wanted.join(" "))? {
        return Ok(programs);
    }
    let root = download(&home, wanted)?;
    wrap_programs(&root, folder, &programs)?;
    fs::write(stamp, wanted.join(" "))?;
    Ok(programs)
}

/// Unpacks packages to compile and link with, and their dependencies that the machine lacks, under `target/<name>`.
/// Returns the folder that corresponds to `/`. Their pkg-config files have its path.
pub fn development(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let home = target().join(name);
    let (root, stamp) = (home.join("root"), home.join("unpacked.txt"));
    if is_unpacked(name, &packages.join(" "))? {
        return Ok(root);
    }
    let root = download(&home, packages)?;
    let libraries = libraries(&root);
    for folder in [libraries.join("pkgconfig"), root.join("usr/share/pkgconfig")] {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry?.path();
            let text = fs::read_to_string(&path)?;
            let moved = text.replace("=/usr", &format!("={}/usr", root.display()));
            fs::write(path, moved)?;
        }
    }
    // A library that the machine already has was not unpacked; the link points to the machine's.
    for entry in fs::read_dir(&libraries)? {
        let link = entry?.path();
        if let Ok(to) = fs::read_link(&link)
            && !link.exists()
        {
            let installed = Path::new("/").join(libraries.strip_prefix(&root)?).join(to);
            fs::remove_file(&link)?;
            std::os::unix::fs::symlink(installed, &link)?;
        }
    }
    fs::write(stamp, packages.join(" "))?;
    Ok(root)
}

/// Unpacks packages with their dependencies that the machine lacks, and others, without theirs, of another
/// architecture, under `target/<name>`. Returns the folder that corresponds to `/`.
pub fn foreign(name: &str, packages: &[&str], architecture: &str, others: &[&str]) -> Result<PathBuf> {
    let home = target().join(name);
    let (root, stamp) = (home.join("root"), home.join("unpacked.txt"));
    let wanted = [packages, others].concat().join(" ");
    if is_unpacked(name, &wanted)? {
        return Ok(root);
    }
    download(&home, packages)?;
    let archives = home.join("archives");
    fs::create_dir_all(&archives)?;
    let with_architecture = || {
        let mut command = apt(&home);
        command.arg("-o").arg(format!("APT::Architectures::={architecture}"));
        command
    };
    output(with_architecture().arg("update")).context("apt-get update")?;
    output(with_architecture().arg("download").args(others).current_dir(&archives))?;
    unpack(&archives, &root)?;
    fs::write(stamp, wanted)?;
    Ok(root)
}

/// Unpacks packages without their dependencies under `target/<name>`. Returns the folder that corresponds to `/`.
pub fn alone(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let home = target().join(name);
    let (root, stamp) = (home.join("root"), home.join("unpacked.txt"));
    if is_unpacked(name, &packages.join(" "))? {
        return Ok(root);
    }
    let archives = home.join("archives");
    for folder in ["lists/partial", "cache/archives/partial", "archives"] {
        fs::create_dir_all(home.join(folder))?;
    }
    output(apt(&home).arg("update")).context("apt-get update")?;
    output(apt(&home).arg("download").args(packages).current_dir(&archives))?;
    unpack(&archives, &root)?;
    fs::write(stamp, packages.join(" "))?;
    Ok(root)
}

/// Whether `target/<name>` has these packages. If not, they can be fetched, and that is said.
fn is_unpacked(name: &str, packages: &str) -> Result<bool> {
    let stamp = target().join(name).join("unpacked.txt");
    if fs::read_to_string(stamp).is_ok_and(|unpacked| unpacked == packages) {
        return Ok(true);
    }
    if !have("apt-get") || !have("dpkg") {
        bail!("apt-get and dpkg are not on the path");
    }
    println!("Debian packages {packages} -> target/{name}");
    Ok(false)
}

/// The folder of the libraries of this machine's architecture under a root.
pub fn libraries(root: &Path) -> PathBuf {
    root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

/// Unpacks the packages and their dependencies that the machine lacks under `home`. Returns the folder.
fn download(home: &Path, packages: &[&str]) -> Result<PathBuf> {
    let root = home.join("root");
    let archives = home.join("archives");
    for folder in ["lists/partial", "cache/archives/partial", "archives"] {
        fs::create_dir_all(home.join(folder))?;
    }
    output(apt(home).arg("update")).context("apt-get update")?;
    let plan = output(apt(home).args(["--simulate", "--no-install-recommends", "install"]).args(packages))?;
    let names: Vec<&str> =
        plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next()).collect();
    if names.is_empty() {
        bail!("apt-get would install nothing for {}", packages.join(" "));
    }
    output(apt(home).arg("download").args(&names).current_dir(&archives))?;
    unpack(&archives, &root)?;
    Ok(root)
}

/// Unpacks the packages of a folder, and removes it.
fn unpack(archives: &Path, root: &Path) -> Result<()> {
    for entry in fs::read_dir(archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            checked(Command::new("dpkg").arg("-x").arg(&path).arg(root))?;
        }
    }
    Ok(fs::remove_dir_all(archives)?)
}

/// An apt-get with its lists and caches under `home`, so that it does not need root.
fn apt(home: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-qq", "-y", "-o", "Debug::NoLocking=1"]);
    command.arg("-o").arg(format!("Dir::State::Lists={}", home.join("lists").display()));
    command.arg("-o").arg(format!("Dir::Cache={}", home.join("cache").display()));
    command.env("LC_ALL", "C");
    command
}

/// Writes a script for each program of a folder, with its name, that sets the library path first.
fn wrap_programs(root: &Path, folder: &str, programs: &Path) -> Result<()> {
    fs::create_dir_all(programs)?;
    let mut libraries = Vec::new();
    for folder in ["usr/lib", "lib"] {
        library_folders(&root.join(folder), 0, &mut libraries)?;
    }
    let libraries: Vec<String> = libraries.iter().map(|folder| folder.display().to_string()).collect();
    for entry in fs::read_dir(root.join(folder)).context("the packages have no program")? {
        let entry = entry?;
        if entry.metadata()?.permissions().mode() & 0o111 == 0 {
            continue;
        }
        let script = format!(
            "#!/bin/sh\nLD_LIBRARY_PATH=\"{}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\" exec \"{}\" \"$@\"\n",
            libraries.join(":"),
            entry.path().display()
        );
        let path = programs.join(entry.file_name());
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// All folders with shared libraries: `/usr/lib/<machine>` and its subfolders.
fn library_folders(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut holds_libraries = false;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            if depth < 2 {
                library_folders(&path, depth + 1, found)?;
            }
        } else if path.to_string_lossy().contains(".so") {
            holds_libraries = true;
        }
    }
    if holds_libraries {
        found.push(folder.to_owned());
    }
    Ok(())
}
