//! apt as any user may run it: with a state folder of its own, and without installing anything.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::error::{Error, Result};

/// apt with its own lists and caches; where packages come from is the system's configuration.
pub struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Makes the state in `folder`, and reads the lists of packages if there are none yet.
    ///
    /// # Errors
    /// If apt or dpkg is not installed, or no list can be had.
    pub fn new(folder: &Path) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            let path = folder.join(part);
            std::fs::create_dir_all(&path).map_err(|error| Error::io(&path, error))?;
        }
        // apt wants absolute paths, for it runs elsewhere.
        let folder = folder.canonicalize().map_err(|error| Error::io(folder, error))?;
        let status = folder.join("state/status");
        std::fs::write(&status, "").map_err(|error| Error::io(&status, error))?;
        let apt = Apt { folder };
        if !apt.has_lists() {
            // Some of the system's sources may be out of reach; what matters is whether lists came.
            let outcome = run(apt.command("apt-get").arg("update"));
            if !apt.has_lists() {
                outcome?;
                return Err(Error::Program {
                    program: "apt-get update".into(),
                    reason: "it brought no list of packages".into(),
                });
            }
        }
        Ok(apt)
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
        // Run by root, apt would otherwise become a user who may not write here.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    }

    /// Downloads a package, in the given version or else in the one that there is, and unpacks it into a
    /// temporary folder beside the state.
    ///
    /// # Errors
    /// If it cannot be downloaded or unpacked.
    pub fn download_and_unpack(&self, package: &str, version: &str) -> Result<TempDir> {
        let temporary = || TempDir::new_in(&self.folder).map_err(|error| Error::io(&self.folder, error));
        let (downloaded, unpacked) = (temporary()?, temporary()?);
        let exact = run(self
            .command("apt-get")
            .current_dir(&downloaded)
            .arg("download")
            .arg(format!("{package}={version}")));
        if exact.is_err() {
            run(self.command("apt-get").current_dir(&downloaded).arg("download").arg(package))?;
        }
        let entries = std::fs::read_dir(&downloaded).map_err(|error| Error::io(&downloaded, error))?;
        let file = entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|e| e == "deb"));
        let file = file.ok_or_else(|| Error::Program {
            program: "apt-get download".into(),
            reason: format!("it left no file of {package}"),
        })?;
        run(Command::new("dpkg-deb").arg("-x").arg(file).arg(unpacked.path()))?;
        Ok(unpacked)
    }
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| Error::Program {
        program: program.clone(),
        reason: format!("{error} (a Debian system is needed for this)"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason =
        text.lines().rev().find(|line| line.starts_with("E:")).or(text.lines().last()).unwrap_or("it failed");
    Err(Error::Program { program, reason: reason.to_owned() })
}
