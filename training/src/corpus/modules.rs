//! Tracker modules played by libopenmpt's program and written as FLAC, once and in one pass.

use std::path::{Path, PathBuf};
use std::process::Command;

use lofty::config::ParseOptions;
use lofty::file::AudioFile;
use lofty::flac::FlacFile;

use super::apt::{Apt, Program, run};
use crate::error::{Error, Result};

/// The program, by the name of its Debian package.
const PLAYER: &str = "openmpt123";
/// How far the length of a recording may be from what the catalogue says, in seconds: versions of the
/// player end a little earlier or later.
const TOLERANCE: f64 = 1.5;

/// Plays modules.
pub struct Player {
    program: Program,
}

impl Player {
    /// The player that is installed, else Debian's package of it, unpacked for this purpose alone; `apt` is
    /// asked for only then.
    ///
    /// # Errors
    /// If it is neither here nor to be had.
    pub fn new<'a>(apt: impl FnOnce() -> Result<&'a Apt>) -> Result<Self> {
        let installed = Program { path: PathBuf::from(PLAYER), libraries: Vec::new() };
        let program = match run(installed.command().arg("--version")) {
            Ok(()) => installed,
            Err(_) => apt()?.program(PLAYER)?,
        };
        Ok(Player { program })
    }

    /// Plays the module once, every song of it, as it was made: 44.1 kHz, stereo, 16 bit. The file appears
    /// under its name only when it is whole and `seconds` long.
    ///
    /// # Errors
    /// If the module cannot be played, lasts longer or less long, or the file cannot be written.
    pub fn render(&self, module: &Path, to: &Path, seconds: u32) -> Result<()> {
        let folder = to.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        // Beside the module, where nobody looks for recordings; what a killed run has left is written over.
        let mut partial = module.as_os_str().to_owned();
        partial.push(".part.flac");
        let partial = PathBuf::from(partial);
        let played = run(&mut self.command(module, &partial, seconds)).and_then(|()| {
            let found = length(&partial)?;
            if fits(found, seconds) {
                return Ok(());
            }
            Err(Error::format(module, format!("it plays for {found:.1} s, {seconds} s are catalogued")))
        });
        match played {
            Ok(()) => std::fs::rename(&partial, to).map_err(|error| Error::io(to, error)),
            Err(error) => {
                let _ = std::fs::remove_file(&partial);
                Err(error)
            }
        }
    }

    fn command(&self, module: &Path, to: &Path, seconds: u32) -> Command {
        let mut command = self.program.command();
        // Without dither, so that the same module makes the same file; with an end, so that nothing that
        // another version takes for a loop fills the disk.
        for (option, value) in [
            ("--samplerate", "44100"),
            ("--channels", "2"),
            ("--dither", "0"),
            ("--repeat", "0"),
            ("--subsong", "-1"),
            ("--end-time", &(seconds + 10).to_string()),
        ] {
            command.args([option, value]);
        }
        command
            .args(["--batch", "--quiet", "--no-float", "--force", "--output"])
            .arg(to)
            .arg("--")
            .arg(module);
        command
    }
}

/// Whether the recording of a module is there and as long as it should be.
pub fn is_rendered(recording: &Path, seconds: u32) -> bool {
    length(recording).is_ok_and(|found| fits(found, seconds))
}

fn fits(found: f64, seconds: u32) -> bool {
    (found - f64::from(seconds)).abs() <= TOLERANCE
}

/// Length of a FLAC file in seconds.
fn length(path: &Path) -> Result<f64> {
    let mut file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
    let options = ParseOptions::new().read_tags(false).read_cover_art(false);
    let flac = FlacFile::read_from(&mut file, options).map_err(|error| Error::format(path, error))?;
    Ok(flac.properties().duration().as_secs_f64())
}
