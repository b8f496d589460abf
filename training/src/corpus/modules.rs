//! Tracker modules rendered by libopenmpt's program and stored as FLAC, once and in one pass.

use std::path::{Path, PathBuf};
use std::process::Command;

use lofty::config::ParseOptions;
use lofty::file::AudioFile;
use lofty::flac::FlacFile;

use super::apt::{Apt, Program, run};
use crate::error::{Error, Result};

/// The program, by the name of its Debian package.
const PLAYER: &str = "openmpt123";
/// The tolerance for the length of a recording against the catalogue, in seconds: versions of the player end a little
/// earlier or later.
const TOLERANCE: f64 = 1.5;

/// Renders modules.
pub struct Player {
    program: Program,
}

impl Player {
    /// The installed player, or else that of Debian's package, unpacked for this only; `apt` is called only then.
    ///
    /// # Errors
    /// If it is not installed and cannot be downloaded.
    pub fn new<'a>(apt: impl FnOnce() -> Result<&'a Apt>) -> Result<Self> {
        let installed = Program { path: PathBuf::from(PLAYER), libraries: Vec::new() };
        let program = match run(installed.command().arg("--version")) {
            Ok(()) => installed,
            Err(_) => apt()?.program(PLAYER)?,
        };
        Ok(Player { program })
    }

    /// Renders all songs of the module: 44.1 kHz, stereo, 16 bit. The file gets its name only when it is complete and
    /// `seconds` long.
    ///
    /// # Errors
    /// If the module cannot be rendered, its length is wrong, or the file cannot be written.
    pub fn render(&self, module: &Path, to: &Path, seconds: u32) -> Result<()> {
        let folder = to.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        // Beside the module, where files are not scanned; a partial file of a killed run is overwritten.
        let mut partial = module.as_os_str().to_owned();
        partial.push(".part.flac");
        let partial = PathBuf::from(partial);
        let played = run(&mut self.command(module, &partial, seconds)).and_then(|()| {
            let found = length(&partial)?;
            if fits(found, seconds) {
                return Ok(());
            }
            Err(Error::format(module, format!("it plays for {found:.1} s; the catalogue has {seconds} s")))
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
        // Without dither, so that the same module gives the same file; with an end time, so that a loop in another
        // version of the player does not fill the disk.
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

/// Whether the recording of a module exists and has the right length.
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
