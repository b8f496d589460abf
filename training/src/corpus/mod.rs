//! A real collection for everybody: free-licensed music from Debian's packages, with a catalogue in
//! Discogs' schema, so that every step can be run from end to end.

mod apt;
mod catalogue;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

pub use catalogue::{Row, Subset, dump, near_duplicates, rows, subset};

use crate::atomic;
use crate::error::{Error, Result};
use crate::scan::sha256_of;
use apt::Apt;

/// What fetching came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tracks that are there, as the catalogue describes them.
    pub tracks: u64,
    /// Tracks that could not be had, with the reasons.
    pub skipped: Vec<(String, String)>,
}

/// Fetches the packages of a subset and writes into the folder `out`:
/// `audio/` (the recordings as packaged), `releases.xml.gz` (the catalogue in Discogs' schema), `ids.tsv`
/// (release, number and title of every file, for `match --ids`), `never.tsv` (near-duplicates, for
/// `pairs --never`), `licences.tsv` (licence of every file) and, where there are any, `skipped.tsv`.
/// What is there already is not fetched again. `progress` is told of packages done, in all, and the next.
///
/// # Errors
/// If apt or dpkg is missing, no package at all can be had, or a file cannot be written.
pub fn fetch(wanted: Subset, out: &Path, mut progress: impl FnMut(usize, usize, &str)) -> Result<Report> {
    let rows = subset(wanted);
    let audio = out.join("audio");
    std::fs::create_dir_all(&audio).map_err(|error| Error::io(&audio, error))?;
    let mut packages: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| packages.entry((row.package, row.version)).or_default().push(row));
    let mut report = Report::default();
    let mut apt = None;
    let count = packages.len();
    for (done, ((package, version), rows)) in packages.into_iter().enumerate() {
        progress(done, count, package);
        if rows.iter().any(|row| !is_there(&audio, row)) {
            // Only now: with everything in place neither apt nor a network is needed.
            let apt = match &mut apt {
                Some(apt) => apt,
                none => none.insert(Apt::new(&out.join("apt"))?),
            };
            if let Err(error) = unpack(apt, package, version, &rows, &audio) {
                rows.iter().filter(|row| !is_there(&audio, row)).for_each(|row| {
                    report.skipped.push((row.place(), error.to_string()));
                });
            }
        }
    }
    progress(count, count, "");
    let skipped: Vec<String> = report.skipped.iter().map(|(place, _)| place.clone()).collect();
    let mut present = Vec::new();
    for row in rows {
        if is_there(&audio, &row) {
            present.push(row);
        } else if !skipped.contains(&row.place()) {
            let path = audio.join(row.place());
            let reason =
                if path.exists() { "its content is not that of Debian 12" } else { "not in the package" };
            // A file that the catalogue does not describe must not be scanned as if it did.
            if path.exists() {
                std::fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
            }
            report.skipped.push((row.place(), reason.into()));
        }
    }
    if present.is_empty() {
        let reason = report.skipped.first().map_or("nothing was unpacked", |(_, reason)| reason.as_str());
        return Err(Error::Program { program: "apt-get download".into(), reason: reason.into() });
    }
    report.tracks = present.len() as u64;
    write_catalogue(out, &present, &report.skipped)?;
    Ok(report)
}

fn is_there(audio: &Path, row: &Row) -> bool {
    sha256_of(&audio.join(row.place())).is_ok_and(|hash| hash == row.sha256)
}

/// Downloads a package and takes the rows' files out of it.
fn unpack(apt: &Apt, package: &str, version: &str, rows: &[&Row], audio: &Path) -> Result<()> {
    let folder = apt.download_and_unpack(package, version)?;
    let mut archives: BTreeMap<&str, Vec<(&Row, &str)>> = BTreeMap::new();
    for row in rows {
        let target = audio.join(row.place());
        match row.path.split_once("!/") {
            Some((archive, member)) => archives.entry(archive).or_default().push((row, member)),
            None if folder.path().join(row.path).is_file() => {
                move_file(&folder.path().join(row.path), &target)?;
            }
            None => {}
        }
    }
    for (archive, members) in archives {
        let path = folder.path().join(archive);
        let Ok(file) = File::open(&path) else { continue };
        let mut zip = zip::ZipArchive::new(file).map_err(|error| Error::format(&path, error))?;
        for (row, member) in members {
            // A member of another release may be gone; the catalogue alone says where it goes.
            let Ok(mut member) = zip.by_name(member) else { continue };
            let target = audio.join(row.place());
            let mut file = atomic::create(&target)?;
            std::io::copy(&mut member, &mut file).map_err(|error| Error::io(&target, error))?;
            file.commit()?;
        }
    }
    Ok(())
}

fn move_file(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().expect("a place has a folder");
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    std::fs::rename(from, to).map_err(|error| Error::io(to, error))
}

fn write_catalogue(out: &Path, rows: &[Row], skipped: &[(String, String)]) -> Result<()> {
    let path: PathBuf = out.join("releases.xml.gz");
    let mut file = GzEncoder::new(atomic::create(&path)?, Compression::default());
    file.write_all(dump(rows).as_bytes()).map_err(|error| Error::io(&path, error))?;
    file.finish().map_err(|error| Error::io(&path, error))?.commit()?;
    let mut ids = String::from("path\tdiscogs_release\ttrack_number\ttitle\n");
    let mut licences = String::from("path\tlicence\tpackage\tversion\n");
    for row in rows {
        let place = row.place();
        ids.push_str(&format!("{place}\t{}\t{}\t{}\n", row.release_id, row.number, row.title));
        licences.push_str(&format!("{place}\t{}\t{}\t{}\n", row.licence, row.package, row.version));
    }
    let mut never = String::from("path\tother\n");
    near_duplicates().iter().for_each(|(a, b)| never.push_str(&format!("{a}\t{b}\n")));
    atomic::write(out.join("ids.tsv"), ids.as_bytes())?;
    atomic::write(out.join("licences.tsv"), licences.as_bytes())?;
    atomic::write(out.join("never.tsv"), never.as_bytes())?;
    let path = out.join("skipped.tsv");
    if skipped.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, error)),
            _ => Ok(()),
        };
    }
    let mut text = String::from("path\treason\n");
    let reason = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    skipped.iter().for_each(|(place, why)| text.push_str(&format!("{place}\t{}\n", reason(why))));
    atomic::write(path, text.as_bytes())
}
