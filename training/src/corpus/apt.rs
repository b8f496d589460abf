//! apt without root: it has its own state folder and installs nothing. Suites that the system does not have configured
//! are read from its own list of sources; the system's is left as it is.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use walkdir::WalkDir;

use crate::error::{Error, Result};

/// dpkg's list of what is installed on this machine.
const INSTALLED: &str = "/var/lib/dpkg/status";

/// A program that was unpacked, not installed.
pub struct Program {
    /// The program, or only its name if it is installed.
    pub path: PathBuf,
    /// Folders of the libraries that were unpacked with it.
    pub libraries: Vec<PathBuf>,
}

impl Program {
    /// A command that runs it with its libraries.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if !self.libraries.is_empty() {
            let given = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
            let given = std::env::split_paths(&given).filter(|folder| !folder.as_os_str().is_empty());
            let folders = self.libraries.iter().cloned().chain(given);
            // Joining fails only for a folder with a colon in its name.
            command.env("LD_LIBRARY_PATH", std::env::join_paths(folders).unwrap_or_else(|_| OsString::new()));
        }
        command
    }
}

/// A package that was unpacked, not installed.
pub struct Unpacked {
    /// Its files.
    pub folder: TempDir,
    /// The version that the archive had.
    pub version: String,
}

/// The keys that Debian signs its suites with, by the package of that name.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with its own lists and caches; the package sources are those of the system, or one suite.
pub struct Apt {
    folder: PathBuf,
    /// The folder of the suite's source; `None` for the system's sources.
    sources: Option<PathBuf>,
}

impl Apt {
    /// Creates the state in `folder`, and downloads the lists of packages if there are none. `suite` is one of Debian's
    /// (`trixie`), read with main and contrib from the mirror that the system is configured for; if it is empty, the
    /// sources are the system's.
    ///
    /// # Errors
    /// If apt or dpkg is not installed, or no list can be downloaded.
    pub fn new(folder: &Path, suite: &str) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial", "sources"] {
            let path = folder.join(part);
            std::fs::create_dir_all(&path).map_err(|error| Error::io(&path, error))?;
        }
        // apt needs absolute paths, because it runs in another folder.
        let folder = folder.canonicalize().map_err(|error| Error::io(folder, error))?;
        let status = folder.join("state/status");
        std::fs::write(&status, "").map_err(|error| Error::io(&status, error))?;
        let mut apt = Apt { folder, sources: None };
        if !suite.is_empty() {
            let sources = apt.folder.join("sources");
            let path = sources.join("suite.sources");
            std::fs::write(&path, source(&apt.mirror()?, suite)).map_err(|error| Error::io(&path, error))?;
            apt.sources = Some(sources);
        }
        if !apt.has_lists() {
            // Some of the system's sources may be unreachable; it is enough that lists have arrived.
            let outcome = run(apt.command("apt-get").arg("update"));
            if !apt.has_lists() {
                outcome?;
                return Err(Error::Program {
                    program: "apt-get update".into(),
                    reason: "it downloaded no list of packages".into(),
                });
            }
        }
        Ok(apt)
    }

    /// The mirror of the system's first suite of Debian's main archive.
    ///
    /// # Errors
    /// If the system has none configured.
    fn mirror(&self) -> Result<String> {
        let mut targets = self.command("apt-get");
        // Also of lists that were not downloaded: those of this state folder are another suite's.
        let all = ["indextargets", "--no-release-info", "--format", "$(SITE)", "Created-By: Packages"];
        targets.args(all);
        let found = output(&mut targets)?;
        let mut sites = found.lines().map(|line| line.trim_end_matches('/'));
        sites.find(|line| line.ends_with("/debian")).map(str::to_owned).ok_or_else(|| Error::Program {
            program: "apt-get".into(),
            reason: "no mirror of Debian is among the system's package sources".into(),
        })
    }

    fn has_lists(&self) -> bool {
        let lists = std::fs::read_dir(self.folder.join("state/lists"));
        lists
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let state = self.folder.join("state");
        for (name, value) in [
            ("Dir::State", state.as_path()),
            ("Dir::State::status", &state.join("status")),
            ("Dir::Cache", &self.folder.join("cache")),
        ] {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        }
        command.args(["-q", "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=2"]);
        command.args(["-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"]);
        if let Some(sources) = &self.sources {
            // Neither the system's sources nor its preferences of versions.
            command.arg("-o").arg(format!("Dir::Etc::sourceparts={}", sources.display()));
            for name in ["sourcelist", "preferences", "preferencesparts"] {
                command.arg("-o").arg(format!("Dir::Etc::{name}=/dev/null"));
            }
        }
        // As root, apt would otherwise switch to a user without write permission here.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    }

    /// Downloads a package, in the given version or else in the available one, and unpacks it into a temporary folder
    /// in the state folder.
    ///
    /// # Errors
    /// If it cannot be downloaded or unpacked.
    pub fn download_and_unpack(&self, package: &str, version: &str) -> Result<Unpacked> {
        let exactly = self.unpack(&[format!("{package}={version}")]);
        let (folder, versions) = exactly.or_else(|_| self.unpack(&[package.to_owned()]))?;
        Ok(Unpacked { folder, version: versions.join(" ") })
    }

    /// A program from the package of the same name. The package and those of its dependencies that the machine lacks
    /// are downloaded and unpacked in the state folder, once.
    ///
    /// # Errors
    /// If a package cannot be downloaded or unpacked, or the program is not in it.
    pub fn program(&self, name: &str) -> Result<Program> {
        let root = self.folder.join("programs").join(name);
        if !root.is_dir() {
            let mut plan = self.command("apt-get");
            // Installed packages need not be unpacked.
            plan.arg("-o").arg(format!("Dir::State::status={INSTALLED}"));
            plan.env("LC_ALL", "C").args(["--simulate", "--no-install-recommends", "install", name]);
            let plan = output(&mut plan)?;
            let packages: Vec<String> = plan
                .lines()
                .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
                .map(str::to_owned)
                .collect();
            let (unpacked, _) = self.unpack(&packages)?;
            let folder = root.parent().unwrap_or(&self.folder);
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
            std::fs::rename(unpacked.path(), &root).map_err(|error| Error::io(&root, error))?;
        }
        let path = root.join("usr/bin").join(name);
        if !path.is_file() {
            return Err(Error::Program { program: name.into(), reason: "it is not in its package".into() });
        }
        let files = WalkDir::new(&root).into_iter().flatten();
        let libraries = files.filter(|file| file.file_name().to_string_lossy().contains(".so"));
        let folders: BTreeSet<PathBuf> =
            libraries.filter_map(|file| Some(file.path().parent()?.to_owned())).collect();
        Ok(Program { path, libraries: folders.into_iter().collect() })
    }

    /// Downloads packages and unpacks them into one temporary folder in the state folder; also returns their versions.
    fn unpack(&self, packages: &[String]) -> Result<(TempDir, Vec<String>)> {
        let temporary = || TempDir::new_in(&self.folder).map_err(|error| Error::io(&self.folder, error));
        let (downloaded, unpacked) = (temporary()?, temporary()?);
        run(self.command("apt-get").current_dir(&downloaded).arg("download").args(packages))?;
        let entries = std::fs::read_dir(&downloaded).map_err(|error| Error::io(&downloaded, error))?;
        let files = entries.flatten().map(|entry| entry.path());
        let files: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|ending| ending == "deb")).collect();
        if files.is_empty() {
            return Err(Error::Program {
                program: "apt-get download".into(),
                reason: format!("it left no file of {}", packages.join(" ")),
            });
        }
        let mut versions = Vec::new();
        for file in files {
            let version = output(Command::new("dpkg-deb").arg("-f").arg(&file).arg("Version"))?;
            versions.push(version.trim().to_owned());
            run(Command::new("dpkg-deb").arg("-x").arg(file).arg(unpacked.path()))?;
        }
        Ok((unpacked, versions))
    }
}

/// The text of a source of one suite, in apt's format.
fn source(mirror: &str, suite: &str) -> String {
    format!("Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main contrib\nSigned-By: {KEYS}\n")
}

/// Runs a program to its end.
///
/// # Errors
/// If it is not installed, or fails; with the last line of its messages.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a program to its end and returns its output.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| Error::Program {
        program: program.clone(),
        reason: format!("{error} (this needs a Debian system)"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason =
        text.lines().rev().find(|line| line.starts_with("E:")).or(text.lines().last()).unwrap_or("it failed");
    Err(Error::Program { program, reason: reason.to_owned() })
}
