//! Archives that are the same bytes whenever and wherever they are made of the same files.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;

/// One thing in an archive.
enum Kind {
    Folder,
    File {
        is_program: bool,
    },
    /// To a name beside it.
    Link(String),
}

/// Writes a folder as `name/...` to a tar file compressed with gzip.
pub fn tar_gz(folder: &Path, name: &str, time: u64, file: &Path) -> Result<()> {
    whole(file, |to| {
        // No name and no time in gzip's header.
        let mut tar = tar::Builder::new(GzBuilder::new().mtime(0).write(to, Compression::best()));
        tar.mode(tar::HeaderMode::Deterministic);
        for (path, kind) in entries(folder)? {
            let inside = format!("{name}/{path}");
            let mut header = tar::Header::new_gnu();
            header.set_mtime(time);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(0);
            match kind {
                Kind::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    tar.append_data(&mut header, format!("{}/", inside.trim_end_matches('/')), &[][..])?;
                }
                Kind::Link(to) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    tar.append_link(&mut header, inside, to)?;
                }
                Kind::File { is_program } => {
                    let bytes = fs::read(folder.join(&path))?;
                    header.set_mode(if is_program { 0o755 } else { 0o644 });
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, inside, bytes.as_slice())?;
                }
            }
        }
        tar.into_inner()?.finish()?;
        Ok(())
    })
}

/// The same as a zip file, in which links are not possible.
pub fn zip(folder: &Path, name: &str, time: u64, file: &Path) -> Result<()> {
    whole(file, |to| {
        let mut zip = zip::ZipWriter::new(to);
        let options = SimpleFileOptions::default().last_modified_time(dos_time(time)?);
        for (path, kind) in entries(folder)? {
            let inside = format!("{name}/{path}");
            match kind {
                Kind::Folder => zip.add_directory(inside, options.unix_permissions(0o755))?,
                Kind::Link(to) => bail!("{path} is a link to {to}, which Windows would not unpack"),
                Kind::File { is_program } => {
                    let mode = if is_program { 0o755 } else { 0o644 };
                    zip.start_file(inside, options.unix_permissions(mode))?;
                    zip.write_all(&fs::read(folder.join(&path))?)?;
                }
            }
        }
        zip.finish()?;
        Ok(())
    })
}

/// Writes a file under another name first.
fn whole(file: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let unfinished = file.with_added_extension("tmp");
    let mut to = BufWriter::new(File::create(&unfinished)?);
    write(&mut to).with_context(|| format!("cannot write {}", file.display()))?;
    to.flush()?;
    Ok(fs::rename(unfinished, file)?)
}

/// Everything in a folder by its path with slashes, sorted, folders before what is in them.
fn entries(folder: &Path) -> Result<Vec<(String, Kind)>> {
    let mut found = vec![(String::new(), Kind::Folder)];
    let mut folders = vec![PathBuf::new()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inside))? {
            let entry = entry?;
            let path = inside.join(entry.file_name());
            let name = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
            let name = name.replace(std::path::MAIN_SEPARATOR, "/");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                found.push((name, Kind::Folder));
                folders.push(path);
            } else if kind.is_symlink() {
                let to = fs::read_link(entry.path())?;
                let to = to.to_str().with_context(|| format!("{} is not UTF-8", to.display()))?;
                found.push((name, Kind::Link(to.to_owned())));
            } else {
                found.push((name, Kind::File { is_program: is_program(&entry.path())? }));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

#[cfg(unix)]
fn is_program(path: &Path) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> Result<bool> {
    Ok(path.extension().is_some_and(|extension| extension == "exe"))
}

/// The date and time of day that zip has, in UTC. It begins with 1980, and counts in twos of seconds.
fn dos_time(time: u64) -> Result<zip::DateTime> {
    let date = i64::try_from(time).ok().and_then(|time| chrono::DateTime::from_timestamp(time, 0));
    date.and_then(|date| date.naive_utc().try_into().ok())
        .with_context(|| format!("{time} seconds after 1970 is no time that zip can hold"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, SystemTime};

    /// 2026-12-01 03:46:18 UTC.
    const TIME: u64 = 1_796_096_778;

    /// Files in this order, made `age` ago.
    fn folder(names: &[&str], age: u64) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        for name in names {
            fs::write(folder.path().join(name), name).unwrap();
            let file = File::options().write(true).open(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        // More than the archive keeps.
        fs::set_permissions(folder.path().join("bin/run"), fs::Permissions::from_mode(0o775)).unwrap();
        folder
    }

    #[test]
    fn the_same_files_give_the_same_archives() {
        let made = |names: &[&str], age| {
            let (from, to) = (folder(names, age), tempfile::tempdir().unwrap());
            let (tar, zip_file) = (to.path().join("a.tar.gz"), to.path().join("a.zip"));
            zip(from.path(), "a", TIME, &zip_file).unwrap();
            symlink("run", from.path().join("bin/link")).unwrap();
            tar_gz(from.path(), "a", TIME, &tar).unwrap();
            (fs::read(tar).unwrap(), fs::read(zip_file).unwrap())
        };
        let first = made(&["bin/run", "a.h", "b.h"], 0);
        assert!(first == made(&["b.h", "a.h", "bin/run"], 1000));
        assert!(first != made(&["b.h", "c.h", "bin/run"], 0));
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let from = folder(&["bin/run", "a.h"], 0);
        let to = tempfile::tempdir().unwrap();
        let file = to.path().join("a.zip");
        zip(from.path(), "a", TIME, &file).unwrap();
        let mut archive = zip::ZipArchive::new(File::open(&file).unwrap()).unwrap();
        let mut entry = archive.by_name("a/bin/run").unwrap();
        assert_eq!(entry.unix_mode().unwrap() & 0o777, 0o755);
        let time = entry.last_modified().unwrap();
        assert_eq!((time.year(), time.month(), time.day()), (2026, 12, 1));
        assert_eq!((time.hour(), time.minute(), time.second()), (3, 46, 18));
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "bin/run");
        drop(entry);
        assert!(dos_time(0).is_err());
        // A zip file has no links.
        symlink("run", from.path().join("bin/link")).unwrap();
        assert!(zip(from.path(), "a", TIME, &file).is_err());

        let file = to.path().join("a.tar.gz");
        tar_gz(from.path(), "a", TIME, &file).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&file).unwrap()));
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, TIME));
            names.push((entry.path().unwrap().display().to_string(), header.mode().unwrap()));
        }
        let expected =
            [("a/", 0o755), ("a/a.h", 0o644), ("a/bin/", 0o755), ("a/bin/link", 0o777), ("a/bin/run", 0o755)];
        assert_eq!(names, expected.map(|(name, mode)| (name.to_owned(), mode)));
    }
}
