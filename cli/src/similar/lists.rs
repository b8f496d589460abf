//! Playlists: extended M3U and XSPF, with paths relative to the playlist or absolute.

use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use quick_xml::events::{BytesDecl, BytesText, Event};
use sleeve::similarity::{Library, TrackRef};
use sleeve_files::AtomicFile;
use sleeve_files::names::{self, shown};

/// A function that writes a playlist of tracks.
pub type Write = fn(&Path, &Library, &[usize], bool) -> Result<()>;

/// What stays as it is in the path of a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Of the letter of a drive.
const COLON: &AsciiSet = &PATH.remove(b':');

/// Writes an extended M3U in one step: a line `#EXTINF:SECONDS,NAME` before each path.
pub fn write_m3u(out: &Path, library: &Library, tracks: &[usize], relative: bool) -> Result<()> {
    let folder = folder_of(out)?;
    let mut lines = b"#EXTM3U\n".to_vec();
    for &track in tracks {
        let (about, file) = (library.track(track), library.file(track));
        let path = if relative { from(&folder, &file) } else { file.clone() };
        lines.extend(format!("#EXTINF:{:.0},{}\n", about.seconds, name(&about)).into_bytes());
        lines.extend(line(&path, &file));
        lines.push(b'\n');
    }
    write(out, &lines)
}

/// Writes XSPF in one step, whose locations are URIs.
pub fn write_xspf(out: &Path, library: &Library, tracks: &[usize], relative: bool) -> Result<()> {
    let folder = folder_of(out)?;
    let mut xml = quick_xml::Writer::new_with_indent(Vec::new(), b' ', 1);
    let cannot = || format!("cannot write {}", shown(out));
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None))).with_context(cannot)?;
    let playlist = xml.create_element("playlist");
    let playlist = playlist.with_attributes([("version", "1"), ("xmlns", "http://xspf.org/ns/0/")]);
    playlist
        .write_inner_content(|xml| {
            xml.create_element("trackList").write_inner_content(|xml| {
                for &track in tracks {
                    write_track(xml, &folder, library, track, relative)?;
                }
                Ok(())
            })?;
            Ok(())
        })
        .with_context(cannot)?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    write(out, &bytes)
}

fn write_track(
    xml: &mut quick_xml::Writer<Vec<u8>>,
    folder: &Path,
    library: &Library,
    track: usize,
    relative: bool,
) -> std::io::Result<()> {
    let (about, file) = (library.track(track), library.file(track));
    let location = if relative { encoded(&from(folder, &file)) } else { uri(&file) };
    let milliseconds = format!("{:.0}", 1000.0 * about.seconds);
    xml.create_element("track").write_inner_content(|xml| {
        let texts = [
            ("location", &*location),
            ("title", about.title),
            ("creator", about.main_artist()),
            ("album", about.album),
            ("duration", &milliseconds),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            // XML has no control characters, not even as references.
            let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
            xml.create_element(name).write_text_content(BytesText::new(&text))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The folder that a playlist's paths are relative to.
pub fn folder_of(out: &Path) -> Result<PathBuf> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    dunce::canonicalize(folder).with_context(|| format!("cannot write {}", shown(out)))
}

pub fn write(out: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(out)?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", shown(out)))?;
    file.commit()?;
    Ok(())
}

/// A track's name on one line.
fn name(track: &TrackRef<'_>) -> String {
    let name = match track.title {
        // As players show a file without tags.
        "" => track.path().file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        _ => track.label_text(),
    };
    name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A path as a line. A path that cannot be a line of UTF-8 (it has line breaks or other bytes) becomes a `file://` URI
/// with percent-encoding.
fn line(path: &Path, absolute: &Path) -> Vec<u8> {
    match String::from_utf8(names::to_portable(path)) {
        Ok(text) if !text.contains(char::is_control) => match text.starts_with('#') {
            // A line that begins with # is a comment.
            true => format!("./{text}").into_bytes(),
            false => text.into_bytes(),
        },
        _ => uri(absolute).into_bytes(),
    }
}

/// The `file:` URI of an absolute path.
pub fn uri(path: &Path) -> String {
    let path = encoded(path);
    // Windows' have a drive, or a server with two slashes before it.
    match (path.starts_with("//"), path.starts_with('/')) {
        (true, _) if cfg!(windows) => format!("file:{path}"),
        (_, true) => format!("file://{path}"),
        _ => format!("file:///{path}"),
    }
}

pub fn encoded(path: &Path) -> String {
    let safe = if cfg!(windows) { COLON } else { PATH };
    percent_encode(&names::to_portable(path), safe).to_string()
}

/// The relative path from a folder to a file, both absolute.
pub fn from(folder: &Path, file: &Path) -> PathBuf {
    let (ours, theirs): (Vec<Component>, Vec<Component>) =
        (folder.components().collect(), file.components().collect());
    let shared = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let up = ours[shared..].iter().map(|_| Component::ParentDir);
    up.chain(theirs[shared..].iter().copied()).collect()
}
