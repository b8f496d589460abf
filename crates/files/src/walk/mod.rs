//! The audio files of a folder, and what was passed over in it.
//!
//! Files are recognised by their extensions ([`EMBEDDED`], [`FFMPEG`]). Names with a leading dot are names like others:
//! there are artists and titles that begin with one. Passed over are `._*` files, which macOS writes beside others, and
//! the folders that systems keep for themselves, such as `.Trash-1000` or `@eaDir`. Links are followed.

mod kinds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

pub use kinds::{EMBEDDED, FFMPEG, Kind, UNREADABLE};

/// What a walk takes.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// Why files that only ffmpeg reads are passed over, such as `ffmpeg is not installed`; `None` if they are taken.
    pub no_ffmpeg: Option<&'a str>,
    /// Whether to leave out what has this path below the folder. What is in a folder that is left out is not looked at.
    pub exclude: &'a dyn Fn(&Path) -> bool,
}

/// What a walk found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The paths of the audio files below the folder, sorted.
    pub files: Vec<PathBuf>,
    /// What is not among them.
    pub passed_over: PassedOver,
    /// Folders and links that cannot be read, with the reasons.
    pub unreadable: Vec<String>,
}

/// Why something was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Only ffmpeg reads such files.
    NeedsFfmpeg,
    /// Nothing reads such files: they are protected, or have no open decoder.
    NoDecoder,
    /// Its name begins with `._`: macOS's own data about another file.
    AppleDouble,
    /// A folder of the system.
    System,
    /// A pipe, a socket or a device: it has no end, or its reading waits for somebody who writes.
    NotAFile,
    /// It was excluded.
    Excluded,
}

/// Files or folders that were passed over for one reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Why.
    pub reason: Reason,
    /// The extension of files in lower case, the name of folders, or `pipe`, `socket` or `device`, where the reason is
    /// about that; else empty.
    pub name: String,
    /// Whether they are folders.
    pub folders: bool,
}

/// What was passed over, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    groups: BTreeMap<Group, u64>,
    /// Why files that need ffmpeg are among them.
    no_ffmpeg: String,
    /// Files that are not audio, as far as their extensions tell: pictures, texts, playlists.
    pub others: u64,
}

impl PassedOver {
    /// Counts one file or folder.
    pub fn add(&mut self, reason: Reason, name: &str, folders: bool) {
        *self.groups.entry(Group { reason, name: name.to_owned(), folders }).or_default() += 1;
    }

    /// Adds the counts of another walk.
    pub fn merge(&mut self, other: PassedOver) {
        self.others += other.others;
        if self.no_ffmpeg.is_empty() {
            self.no_ffmpeg = other.no_ffmpeg;
        }
        other.groups.into_iter().for_each(|(group, count)| *self.groups.entry(group).or_default() += count);
    }

    /// The groups with their counts.
    pub fn groups(&self) -> impl Iterator<Item = (&Group, u64)> {
        self.groups.iter().map(|(group, &count)| (group, count))
    }

    /// Why files that need ffmpeg are not read.
    pub fn no_ffmpeg(&self) -> &str {
        &self.no_ffmpeg
    }

    /// One phrase a group (`12 .wma files: ffmpeg is not installed`, `1 folder .Trash-1000`), and one for all other
    /// files. Names are as they were found.
    pub fn phrases(&self) -> Vec<String> {
        let plural = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let phrase = |(Group { reason, name, folders }, count): (&Group, u64)| match reason {
            Reason::NeedsFfmpeg => {
                format!("{}: {}", plural(count, &format!(".{name} file")), self.no_ffmpeg())
            }
            Reason::NoDecoder => format!("{}: no decoder", plural(count, &format!(".{name} file"))),
            Reason::AppleDouble if count == 1 => "1 file whose name begins with ._".to_owned(),
            Reason::AppleDouble => format!("{count} files whose names begin with ._"),
            Reason::System => format!("{} {name}", plural(count, "folder")),
            Reason::NotAFile => format!("{}: not a regular file", plural(count, name)),
            Reason::Excluded => {
                format!("{} excluded", plural(count, if *folders { "folder" } else { "file" }))
            }
        };
        let mut phrases: Vec<String> = self.groups().map(phrase).collect();
        if self.others > 0 {
            phrases.push(format!("{} of other kinds", plural(self.others, "file")));
        }
        phrases
    }
}

/// Looks through a folder and all folders below it. The folder itself is not passed over, whatever its name.
pub fn walk(root: &Path, options: Walk<'_>) -> Found {
    let mut found = Found::default();
    found.passed_over.no_ffmpeg = options.no_ffmpeg.unwrap_or_default().to_owned();
    let mut entries = WalkDir::new(root).follow_links(true).into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.unreadable.push(error.to_string());
                continue;
            }
        };
        if entry.depth() == 0 {
            continue;
        }
        let inside = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let name = entry.file_name().to_string_lossy();
        let is_folder = entry.file_type().is_dir();
        let passed_over = match () {
            () if is_folder && kinds::is_system_folder(&name) => Some((Reason::System, name.into_owned())),
            () if (options.exclude)(inside) => Some((Reason::Excluded, String::new())),
            () if is_folder => continue,
            // Before its name: it must not be opened, whatever it is called.
            () if !entry.file_type().is_file() => {
                Some((Reason::NotAFile, kinds::special(entry.file_type()).to_owned()))
            }
            () if kinds::is_apple_double(&name) => Some((Reason::AppleDouble, String::new())),
            () => match Kind::of(inside) {
                (Kind::Other, _) => {
                    found.passed_over.others += 1;
                    continue;
                }
                (Kind::Unreadable, extension) => Some((Reason::NoDecoder, extension)),
                (Kind::Ffmpeg, extension) if options.no_ffmpeg.is_some() => {
                    Some((Reason::NeedsFfmpeg, extension))
                }
                (Kind::Embedded | Kind::Ffmpeg, _) => None,
            },
        };
        let inside = inside.to_owned();
        match passed_over {
            None => found.files.push(inside),
            Some((reason, name)) => {
                found.passed_over.add(reason, &name, is_folder);
                if is_folder {
                    entries.skip_current_dir();
                }
            }
        }
    }
    found.files.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn library(names: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in names {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        root
    }

    const NAMES: &[&str] = &[
        "Some Band/...And So On/01.ogg",
        ".38 Calibre/01.OGG",
        "Some Band/.hidden.mp3",
        "Some Band/._01.ogg",
        "Some Band/cover.jpg",
        "Some Band/.ogg",
        "a.wma",
        "b.WMA",
        "c.wv",
        "protected.m4p",
        ".Trash-1000/files/old.ogg",
        "@eaDir/a.ogg/thumb.ogg",
        "Live/01.ogg",
        "Some Band/Live/01.ogg",
    ];

    #[test]
    fn dots_are_music_and_the_rest_is_counted() {
        let root = library(NAMES);
        let found =
            walk(root.path(), Walk { no_ffmpeg: Some("ffmpeg is not installed"), exclude: &|_| false });
        let files: Vec<&str> = found.files.iter().map(|file| file.to_str().unwrap()).collect();
        let expected = [
            ".38 Calibre/01.OGG",
            "Live/01.ogg",
            "Some Band/...And So On/01.ogg",
            "Some Band/.hidden.mp3",
            "Some Band/Live/01.ogg",
        ];
        assert_eq!(files, expected);
        assert_eq!(
            found.passed_over.phrases(),
            [
                "2 .wma files: ffmpeg is not installed",
                "1 .wv file: ffmpeg is not installed",
                "1 .m4p file: no decoder",
                "1 file whose name begins with ._",
                "1 folder .Trash-1000",
                "1 folder @eaDir",
                "2 files of other kinds",
            ]
        );
        assert!(found.unreadable.is_empty());
    }

    #[test]
    fn ffmpeg_and_exclusion_change_what_is_taken() {
        let root = library(NAMES);
        let exclude = |inside: &Path| inside.ends_with("Live") || inside.ends_with("Some Band/.hidden.mp3");
        let found = walk(root.path(), Walk { no_ffmpeg: None, exclude: &exclude });
        assert_eq!(found.files.len(), 5);
        assert!(found.files.contains(&"b.WMA".into()) && found.files.contains(&"c.wv".into()));
        let phrases = found.passed_over.phrases();
        assert!(
            phrases.contains(&"2 folders excluded".into()) && phrases.contains(&"1 file excluded".into())
        );
        // A folder that is named is looked at.
        let trash = walk(&root.path().join(".Trash-1000"), Walk { no_ffmpeg: None, exclude: &exclude });
        assert_eq!(trash.files, [Path::new("files/old.ogg")]);
        let nowhere = walk(&root.path().join("none"), Walk { no_ffmpeg: None, exclude: &exclude });
        assert!(nowhere.unreadable[0].contains("none") && nowhere.files.is_empty());
    }

    /// A pipe would wait for a writer, and a device may have no end: neither is taken for a file, whatever its name.
    #[cfg(unix)]
    #[test]
    fn what_is_not_a_file_is_counted_and_not_opened() {
        let root = library(&["a.ogg"]);
        let made = std::process::Command::new("mkfifo").arg(root.path().join("b.ogg")).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink(root.path().join("b.ogg"), root.path().join("link.flac")).unwrap();
        let _listening = std::os::unix::net::UnixListener::bind(root.path().join("c.mp3")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", root.path().join("d.wav")).unwrap();
        let found = walk(root.path(), Walk { no_ffmpeg: None, exclude: &|_| false });
        assert_eq!(found.files, [Path::new("a.ogg")]);
        assert_eq!(
            found.passed_over.phrases(),
            ["1 device: not a regular file", "2 pipes: not a regular file", "1 socket: not a regular file"]
        );
    }

    #[test]
    fn each_extension_is_in_one_list() {
        let all: Vec<&str> = [EMBEDDED, FFMPEG, UNREADABLE].concat();
        let distinct: std::collections::HashSet<&&str> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|extension| *extension == extension.to_lowercase()));
        assert_eq!(Kind::of(Path::new("a.Flac")), (Kind::Embedded, "flac".into()));
        assert_eq!(Kind::of(Path::new("a.jpg")).0, Kind::Other);
    }
}
