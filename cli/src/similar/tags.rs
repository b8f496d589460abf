//! The tags of a file.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use lofty::config::ParseOptions;
use lofty::file::{FileType, TaggedFileExt};
use lofty::probe::Probe;
use lofty::tag::{ItemKey, Tag};
use sleeve::similarity::Tags;

/// A longer text is cut.
const MAX_TEXT: usize = 4096;

/// Reads the tags of a file. What has none, or damaged ones, has empty ones: the audio is what counts.
///
/// # Errors
/// If the file cannot be opened or read. Empty tags would stay in the library as long as the file does not change.
pub fn read(path: &Path) -> io::Result<Tags> {
    // Pictures are the largest part of many tags and are not needed.
    let options = ParseOptions::new().read_cover_art(false).read_properties(false);
    let mut probe = Probe::new(BufReader::new(File::open(path)?)).options(options);
    if let Some(kind) = FileType::from_path(path) {
        probe = probe.set_file_type(kind);
    }
    let parse = || -> Result<_, Box<dyn Error>> { Ok(probe.guess_file_type()?.read()?) };
    // A third-party parser may panic on a damaged file.
    let file = match sleeve::internal::contained(parse) {
        Ok(Ok(file)) => file,
        Ok(Err(error)) => return system_error(&*error).map_or(Ok(Tags::default()), Err),
        Err(_) => return Ok(Tags::default()),
    };
    let mut tags = Tags::default();
    // The format's own kind of tag has priority over others.
    let own = file.primary_tag_type();
    let (first, rest): (Vec<_>, Vec<_>) = file.tags().iter().partition(|tag| tag.tag_type() == own);
    for tag in first.into_iter().chain(rest) {
        add(tag, &mut tags);
    }
    Ok(tags)
}

/// What the system said of a read, if that and not the file's content is what failed.
fn system_error(error: &(dyn Error + 'static)) -> Option<io::Error> {
    let code = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    code.map(io::Error::from_raw_os_error).or_else(|| system_error(error.source()?))
}

/// Fills what is still empty.
fn add(tag: &Tag, tags: &mut Tags) {
    let joined = |keys: &[ItemKey], separator: &str| {
        keys.iter().find_map(|&key| {
            let texts = tag.get_strings(key).flat_map(|text| text.split('\0'));
            let texts: Vec<&str> = texts.map(str::trim).filter(|text| !text.is_empty()).collect();
            (!texts.is_empty()).then(|| texts.join(separator))
        })
    };
    let fill = |field: &mut String, keys: &[ItemKey], separator: &str| {
        if field.is_empty() {
            let mut text = joined(keys, separator).unwrap_or_default();
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            *field = text;
        }
    };
    fill(&mut tags.artist, &[ItemKey::TrackArtist, ItemKey::TrackArtists], ", ");
    fill(&mut tags.album_artist, &[ItemKey::AlbumArtist], ", ");
    fill(&mut tags.album, &[ItemKey::AlbumTitle], "; ");
    fill(&mut tags.title, &[ItemKey::TrackTitle], "; ");
    fill(&mut tags.label, &[ItemKey::Label, ItemKey::Publisher], "; ");
    fill(&mut tags.genre, &[ItemKey::Genre], "; ");
    tags.year = tags.year.or_else(|| {
        let text = joined(&[ItemKey::RecordingDate, ItemKey::Year, ItemKey::ReleaseDate], ";")?;
        let year: i32 = text.get(..4)?.parse().ok()?;
        (1..=9999).contains(&year).then_some(year)
    });
}
