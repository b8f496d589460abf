//! The tags of a file.

use std::path::Path;

use lofty::config::ParseOptions;
use lofty::file::TaggedFileExt;
use lofty::probe::Probe;
use lofty::tag::{ItemKey, Tag};
use sleeve::similarity::Tags;

/// A longer text is cut.
const MAX_TEXT: usize = 4096;

/// Reads the tags of a file. What has none, or cannot be read, has empty ones: the audio is what counts.
pub fn read(path: &Path) -> Tags {
    // Pictures are the largest part of many tags and are not needed.
    let options = ParseOptions::new().read_cover_art(false).read_properties(false);
    // A third-party parser may panic on a damaged file.
    let read = || Probe::open(path).ok()?.options(options).guess_file_type().ok()?.read().ok();
    let Ok(Some(file)) = sleeve::internal::contained(read) else { return Tags::default() };
    let mut tags = Tags::default();
    // The format's own kind of tag has priority over others.
    let own = file.primary_tag_type();
    let (first, rest): (Vec<_>, Vec<_>) = file.tags().iter().partition(|tag| tag.tag_type() == own);
    for tag in first.into_iter().chain(rest) {
        add(tag, &mut tags);
    }
    tags
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
