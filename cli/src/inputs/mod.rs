//! The files that are read: files, folders, playlists and lists of them, and standard input.
//!
//! A recording is named by what was given: a file by its name, what is found in a folder by its path below that folder,
//! and the entries of a playlist or a list by their paths below the folder that is common to all of its entries. So
//! names depend neither on the working directory nor on how a path was written.

mod args;
mod exclude;
pub(crate) mod playlist;
mod stdin;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sleeve::audio::Ffmpeg;
use sleeve_files::names::{self, shown};
use sleeve_files::walk::{PassedOver, Walk, walk};

pub use args::InputArgs;
use exclude::Exclude;
use stdin::Spool;

/// Longer lists are refused.
const MAX_LIST: u64 = 1 << 30;

/// One recording.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where it is opened.
    pub path: PathBuf,
    /// The name of its outputs.
    pub name: PathBuf,
    /// The file, whichever way it was named: absolute, the folder that was given without links. `-` for standard input.
    pub source: PathBuf,
    /// What it is read from if it is not a file.
    spool: Option<Arc<Spool>>,
}

impl Input {
    fn file(path: PathBuf, name: PathBuf, source: PathBuf) -> Self {
        Input { path, name, source, spool: None }
    }

    #[cfg(test)]
    pub fn named(path: &Path) -> Self {
        Self::file(path.to_owned(), path.file_name().unwrap_or_default().into(), path.to_owned())
    }

    /// Whether it comes from standard input.
    pub fn is_stdin(&self) -> bool {
        self.spool.is_some()
    }

    /// What messages call it.
    pub fn shown(&self) -> String {
        if self.is_stdin() { stdin::NAME.to_owned() } else { shown(&self.path) }
    }

    /// A message of the library about it.
    pub fn message(&self, error: &anyhow::Error) -> String {
        let text = format!("{error:#}");
        if self.is_stdin() { text.replace(&self.path.display().to_string(), stdin::NAME) } else { text }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The recordings, by name. A file that was given twice is one recording, with its first name.
    pub inputs: Vec<Input>,
    /// Folders that cannot be read, entries of playlists that are not files here.
    pub complaints: Vec<String>,
    /// What folders have besides.
    pub passed_over: PassedOver,
}

impl Found {
    /// A line about what was passed over. Nobody asks for pictures and texts that are beside the music: where there is
    /// nothing else, there is no line.
    pub fn passed_over_line(&self) -> Option<String> {
        self.passed_over.groups().next()?;
        self.everything_passed_over()
    }

    /// The same with files of other kinds even if there is nothing else, for folders without any music.
    pub fn everything_passed_over(&self) -> Option<String> {
        let phrases = self.passed_over.phrases();
        (!phrases.is_empty()).then(|| format!("passed over: {}", phrases.join(", ")))
    }
}

/// Why ffmpeg does not read files; `None` if it does.
fn no_ffmpeg(ffmpeg: &Ffmpeg) -> Option<String> {
    match ffmpeg {
        _ if ffmpeg.is_available() => None,
        Ffmpeg::Never => Some("ffmpeg is not used".to_owned()),
        Ffmpeg::Path(path) => Some(format!("{} is not a program", shown(path))),
        _ => Some("ffmpeg is not installed".to_owned()),
    }
}

/// Finds everything that was given. An argument that does not exist becomes an input, and fails when it is read.
pub fn find(args: &InputArgs, ffmpeg: &Ffmpeg) -> Result<Found> {
    let mut finder = Finder {
        exclude: Exclude::new(&args.exclude),
        no_ffmpeg: no_ffmpeg(ffmpeg),
        found: Found::default(),
        seen: HashSet::new(),
    };
    let is_stdin = |path: &&PathBuf| path.as_os_str() == "-";
    if args.paths.iter().chain(&args.from_file).filter(is_stdin).count() > 1 {
        bail!("- is given more than once, and standard input can be read once");
    }
    for path in &args.paths {
        finder.argument(path)?;
    }
    for list in &args.from_file {
        let entries = read_list(list)?;
        finder.group(entries.into_iter().map(Ok).collect(), true)?;
    }
    let mut found = finder.found;
    found.inputs.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    Ok(found)
}

/// The paths in a list: separated by NUL if there is one in it, or else a line each.
fn read_list(list: &Path) -> Result<Vec<PathBuf>> {
    let is_stdin = list.as_os_str() == "-";
    let name = if is_stdin { stdin::NAME.to_owned() } else { shown(list) };
    let mut bytes = Vec::new();
    let input: Box<dyn Read> = if is_stdin {
        Box::new(io::stdin().lock())
    } else {
        Box::new(fs::File::open(list).context(name.clone())?)
    };
    input.take(MAX_LIST + 1).read_to_end(&mut bytes).with_context(|| name.clone())?;
    if bytes.len() as u64 > MAX_LIST {
        bail!("{name}: too large for a list of files");
    }
    // Its zeros would be taken for separators, and its slashes for the root of the file system.
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        bail!("{name}: a list in UTF-16, which is not supported; save it in UTF-8");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    let entry = |bytes: &[u8]| {
        let path = names::from_bytes(bytes);
        match bytes.strip_suffix(b"\r") {
            // Lines as Windows ends them, unless the name really ends so.
            Some(line) if separator == b'\n' && !path.exists() => names::from_bytes(line),
            _ => path,
        }
    };
    let entries = bytes.split(|&byte| byte == separator).map(entry);
    Ok(entries.filter(|path| !path.as_os_str().is_empty()).collect())
}

struct Finder {
    exclude: Exclude,
    /// Why files that only ffmpeg reads are passed over.
    no_ffmpeg: Option<String>,
    found: Found,
    /// The sources so far.
    seen: HashSet<PathBuf>,
}

impl Finder {
    fn argument(&mut self, path: &Path) -> Result<()> {
        if path.as_os_str() == "-" {
            let spool = Arc::new(Spool::read()?);
            self.found.inputs.push(Input {
                path: spool.path().to_owned(),
                name: "stdin".into(),
                source: "-".into(),
                spool: Some(spool),
            });
        } else if path.is_dir() {
            self.folder(path, &identity(path), Path::new(""));
        } else if is_playlist(path) {
            self.playlist(path)?;
        } else {
            let name = path.file_name().unwrap_or(OsStr::new("input")).into();
            self.push(Input::file(path.to_owned(), name, identity(path)));
        }
        Ok(())
    }

    fn push(&mut self, input: Input) {
        if self.seen.insert(input.source.clone()) {
            self.found.inputs.push(input);
        }
    }

    /// Searches a folder. Names begin with `above`.
    fn folder(&mut self, folder: &Path, source: &Path, above: &Path) {
        let exclude = |inside: &Path| self.exclude.matches(source, inside);
        let found = walk(folder, Walk { no_ffmpeg: self.no_ffmpeg.as_deref(), exclude: &exclude });
        for inside in found.files {
            self.push(Input::file(folder.join(&inside), above.join(&inside), source.join(&inside)));
        }
        self.found.complaints.extend(found.unreadable);
        self.found.passed_over.merge(found.passed_over);
    }

    fn playlist(&mut self, path: &Path) -> Result<()> {
        let mut entries = Vec::new();
        for playlist::Entry { place, path: entry } in playlist::read(path)? {
            let complain = |reason: String| format!("{}, {place}: {reason}", shown(path));
            entries.push(match entry {
                Ok(entry) if is_playlist(&entry) => {
                    Err(complain(format!("{}: a playlist in a playlist", shown(&entry))))
                }
                Ok(entry) => match fs::metadata(&entry) {
                    Ok(_) => Ok(entry),
                    Err(error) => Err(complain(format!("{}: {error}", shown(&entry)))),
                },
                Err(reason) => Err(complain(reason)),
            });
        }
        self.group(entries, false)
    }

    /// The entries of a list or a playlist, or complaints about them.
    fn group(&mut self, entries: Vec<Result<PathBuf, String>>, playlists: bool) -> Result<()> {
        let mut members = Vec::new();
        for entry in entries {
            match entry {
                Err(complaint) => self.found.complaints.push(complaint),
                Ok(path) if playlists && is_playlist(&path) => self.playlist(&path)?,
                Ok(path) => {
                    let is_folder = path.is_dir();
                    members.push((identity(&path), path, is_folder));
                }
            }
        }
        let folders =
            members.iter().map(
                |(source, _, is_folder)| {
                    if *is_folder { source.as_path() } else { source.parent().unwrap_or(source) }
                },
            );
        let root = common(folders);
        for (source, path, is_folder) in members {
            let name: PathBuf = inside(&root, &source);
            if self.exclude.matches_within(&root, &name) {
                self.found.passed_over.add(sleeve_files::walk::Reason::Excluded, "", is_folder);
            } else if is_folder {
                self.folder(&path, &source, &name);
            } else {
                self.push(Input::file(path, name, source));
            }
        }
        Ok(())
    }
}

fn is_playlist(path: &Path) -> bool {
    playlist::is_playlist(path) && path.is_file()
}

/// The same path however it was written: absolute, and without links in the folders above a file.
fn identity(path: &Path) -> PathBuf {
    let canonical = if path.is_dir() {
        dunce::canonicalize(path).ok()
    } else {
        let absolute = std::path::absolute(path).ok();
        absolute.and_then(|path| Some(dunce::canonicalize(path.parent()?).ok()?.join(path.file_name()?)))
    };
    canonical.or_else(|| std::path::absolute(path).ok()).unwrap_or_else(|| path.to_owned())
}

/// The folder that all of these are in or are, or an empty path.
fn common<'a>(mut folders: impl Iterator<Item = &'a Path>) -> PathBuf {
    let Some(first) = folders.next() else { return PathBuf::new() };
    let mut shared: Vec<Component> = first.components().collect();
    for folder in folders {
        let same = shared.iter().zip(folder.components()).take_while(|(a, b)| **a == *b).count();
        shared.truncate(same);
    }
    shared.into_iter().collect()
}

/// The path below a folder, without what cannot be part of a name.
fn inside(root: &Path, path: &Path) -> PathBuf {
    let rest = path.strip_prefix(root).unwrap_or(path);
    rest.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}
