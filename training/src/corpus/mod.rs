//! A real collection that is free to use: free-licensed music from Debian's packages, with a catalogue in Discogs'
//! schema, so that every step can be run from end to end.

mod apt;
mod catalogue;
pub mod fresh;
mod modules;
mod subset;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

pub use catalogue::{By, Row, credits, dump, labelled, near_duplicates, rows};
pub use subset::{Subset, subset};

use crate::atomic;
use crate::error::{Error, Result};
use crate::scan::sha256_of;
use apt::{Apt, Unpacked};
use modules::Player;

/// The outcome of fetching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tracks that exist and match the catalogue.
    pub tracks: u64,
    /// Tracks that could not be fetched, with the reasons.
    pub skipped: Vec<(String, String)>,
}

/// Fetches the packages of a subset and writes into the folder `out`: `audio/` (the recordings as packaged, and those
/// rendered from tracker modules by libopenmpt), `modules/` (the modules), `releases.xml.gz` (the catalogue in Discogs'
/// schema), `ids.tsv` (release, number and title of every file, for `match --ids`), `never.tsv` (near-duplicates, for
/// `pairs --never`), `licences.tsv` (licence of every file) and, if tracks were skipped, `skipped.tsv`. Existing files
/// are not fetched again. `progress` gets the number of packages and modules done, the total, and the name of the next.
///
/// # Errors
/// If apt or dpkg is missing, no package at all can be fetched, or a file cannot be written.
pub fn fetch(wanted: Subset, out: &Path, progress: impl FnMut(usize, usize, &str)) -> Result<Report> {
    fetch_rows(subset(wanted), out, progress)
}

/// As [`fetch`], for rows of the catalogue.
///
/// # Errors
/// Those of [`fetch`].
pub fn fetch_rows(
    rows: Vec<Row>,
    out: &Path,
    mut progress: impl FnMut(usize, usize, &str),
) -> Result<Report> {
    let audio = out.join("audio");
    std::fs::create_dir_all(&audio).map_err(|error| Error::io(&audio, error))?;
    let mut packages: BTreeMap<(&str, &str, &str), Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        packages.entry((row.suite, row.package, row.version)).or_default().push(row);
    }
    let modules: Vec<&Row> = rows.iter().filter(|row| row.is_module()).collect();
    let mut report = Report::default();
    let mut apts = Apts { folder: out, made: BTreeMap::new() };
    // What the archive had in place of the catalogue's versions.
    let mut others: HashMap<(&str, &str), String> = HashMap::new();
    let count = packages.len() + modules.len();
    for (done, (&(suite, package, version), rows)) in packages.iter().enumerate() {
        progress(done, count, package);
        if rows.iter().all(|row| is_packaged(out, row)) {
            continue;
        }
        match apts.of(suite).and_then(|apt| unpack(apt, package, version, rows, out)) {
            Ok(found) if found != version => drop(others.insert((suite, package), found)),
            Ok(_) => {}
            Err(error) => rows.iter().filter(|row| !is_packaged(out, row)).for_each(|row| {
                let reason = format!("{package} {version} of {}: {error}", row.debian());
                report.skipped.push((row.place(), reason));
            }),
        }
    }
    let mut player = None;
    for (done, row) in modules.into_iter().enumerate() {
        progress(packages.len() + done, count, row.title);
        if is_there(out, row) || !is_packaged(out, row) {
            continue;
        }
        let player =
            player.get_or_insert_with(|| Player::new(|| apts.of("")).map_err(|error| error.to_string()));
        let recording = audio.join(row.place());
        let rendered = player.as_ref().map_err(String::clone).and_then(|player| {
            let rendered = player.render(&out.join(row.source()), &recording, row.seconds);
            rendered.map_err(|error| error.to_string())
        });
        if let Err(reason) = rendered {
            report.skipped.push((row.place(), reason));
        }
    }
    progress(count, count, "");
    let skipped: Vec<String> = report.skipped.iter().map(|(place, _)| place.clone()).collect();
    let mut present = Vec::new();
    for row in rows {
        if is_there(out, &row) {
            present.push(row);
            continue;
        }
        // A file that differs from the catalogue must not be scanned under its name.
        let path = audio.join(row.place());
        let exists = path.exists();
        if exists {
            std::fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
        }
        if !skipped.contains(&row.place()) {
            let other = exists || out.join(row.source()).exists();
            let (debian, Row { package, version, suite, .. }) = (row.debian(), &row);
            let what = if other { "its content is not that of" } else { "it is not in" };
            let mut reason = format!("{what} {debian}'s {package} {version}");
            if let Some(found) = others.get(&(*suite, *package)) {
                reason += &format!(", which the archive no longer has; it has {found}");
            }
            report.skipped.push((row.place(), reason));
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

/// apt for each suite, created only when needed: if all files exist, neither apt nor a network is necessary.
struct Apts<'a> {
    folder: &'a Path,
    made: BTreeMap<String, Apt>,
}

impl Apts<'_> {
    /// That of a suite; the system's sources if it is empty.
    fn of(&mut self, suite: &str) -> Result<&Apt> {
        let name = if suite.is_empty() { "apt".to_owned() } else { format!("apt-{suite}") };
        let folder = self.folder.join(&name);
        Ok(match self.made.entry(name) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(place) => place.insert(Apt::new(&folder, suite)?),
        })
    }
}

/// Whether the package's file exists.
fn is_packaged(out: &Path, row: &Row) -> bool {
    sha256_of(&out.join(row.source())).is_ok_and(|hash| hash == row.sha256)
}

/// Whether the recording exists.
fn is_there(out: &Path, row: &Row) -> bool {
    let rendered = || modules::is_rendered(&out.join("audio").join(row.place()), row.seconds);
    is_packaged(out, row) && (!row.is_module() || rendered())
}

/// Downloads a package and copies the rows' files from it. Returns the version that the archive had.
fn unpack(apt: &Apt, package: &str, version: &str, rows: &[&Row], out: &Path) -> Result<String> {
    let Unpacked { folder, version } = apt.download_and_unpack(package, version)?;
    let mut archives: BTreeMap<&str, Vec<(&Row, &str)>> = BTreeMap::new();
    for row in rows {
        match row.path.split_once("!/") {
            Some((archive, member)) => archives.entry(archive).or_default().push((row, member)),
            None if folder.path().join(row.path).is_file() => {
                move_file(&folder.path().join(row.path), &out.join(row.source()))?;
            }
            None => {}
        }
    }
    for (archive, members) in archives {
        let path = folder.path().join(archive);
        let Ok(file) = File::open(&path) else { continue };
        let mut zip = zip::ZipArchive::new(file).map_err(|error| Error::format(&path, error))?;
        for (row, member) in members {
            // In another release the member may be missing. The path is only that of the catalogue.
            let Ok(mut member) = zip.by_name(member) else { continue };
            let target = out.join(row.source());
            let mut file = atomic::create(&target)?;
            std::io::copy(&mut member, &mut file).map_err(|error| Error::io(&target, error))?;
            file.commit()?;
        }
    }
    Ok(version)
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
