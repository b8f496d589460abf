//! The tags of one music file.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use lofty::ape::ApeTag;
use lofty::config::{ParseOptions, ParsingMode};
use lofty::file::{AudioFile, FileType, TaggedFile, TaggedFileExt};
use lofty::id3::v2::{Frame, Id3v2Tag};
use lofty::mp4::{AtomData, AtomIdent, Ilst};
use lofty::ogg::tag::VorbisComments;
use lofty::probe::Probe;
use lofty::tag::ItemKey;
use serde::{Deserialize, Serialize};

use super::ids::{DiscogsIds, Ids, MusicBrainzIds};
use super::ogg;
use crate::discogs::Date;

/// Tags and audio properties of one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tags {
    /// Container and codec, as one word: `mp3`, `flac`, `vorbis` ...
    #[serde(skip)]
    pub format: &'static str,
    /// Duration in seconds.
    pub duration: Option<f32>,
    /// Samples per second.
    pub sample_rate: Option<i32>,
    /// Channels.
    pub channels: Option<i32>,
    /// Title of the track.
    pub title: Option<String>,
    /// Artists, one entry for each tag.
    pub artists: Vec<String>,
    /// Title of the release.
    pub album: Option<String>,
    /// Artist of the release.
    pub album_artist: Option<String>,
    /// Label.
    pub label: Option<String>,
    /// Catalogue number.
    pub catalogue: Option<String>,
    /// Genres.
    pub genres: Vec<String>,
    /// Year of the release.
    pub year: Option<i32>,
    /// Number of the track on its medium.
    pub track_number: Option<i32>,
    /// Discogs ids.
    pub discogs: DiscogsIds,
    /// MusicBrainz ids.
    pub musicbrainz: MusicBrainzIds,
}

/// Reads the tags of `path`.
///
/// # Errors
/// The reason, in words, why the file cannot be read as audio.
pub fn read(path: &Path) -> Result<Tags, String> {
    // A third-party parser may panic on a damaged file.
    sleeve::internal::contained(|| parse(path))
        .unwrap_or_else(|message| Err(format!("its tags cannot be read ({message})")))
}

fn parse(path: &Path) -> Result<Tags, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    if let Some(flac) = ogg::read_flac(&mut reader).map_err(|error| error.to_string())? {
        return Ok(from_ogg_flac(&flac));
    }
    reader.rewind().map_err(|error| error.to_string())?;
    let probe = Probe::new(&mut reader).guess_file_type().map_err(|error| error.to_string())?;
    let kind = probe
        .file_type()
        .or_else(|| FileType::from_path(path))
        .ok_or("neither its content nor its name is that of an audio format")?;
    reader.rewind().map_err(|error| error.to_string())?;
    // Covers are the largest part of many tags and are not needed.
    let options = ParseOptions::new().read_cover_art(false).parsing_mode(ParsingMode::Relaxed);
    let mut ids = Ids::default();
    let (format, file) = open(kind, &mut reader, options, &mut ids)?;
    let mut tags = from_tagged(&file);
    tags.format = format;
    (tags.discogs, tags.musicbrainz) = (ids.discogs, ids.musicbrainz);
    Ok(tags)
}

/// Reads the file in its own format, because lofty's generic tags leave out unknown names such as those of Discogs'
/// ids.
fn open(
    kind: FileType,
    reader: &mut BufReader<File>,
    options: ParseOptions,
    ids: &mut Ids,
) -> Result<(&'static str, TaggedFile), String> {
    macro_rules! read_as {
        ($kind:ty, $name:literal, |$file:ident| $collect:expr) => {{
            let $file = <$kind>::read_from(reader, options).map_err(|error| error.to_string())?;
            $collect;
            Ok(($name, $file.into()))
        }};
    }
    match kind {
        FileType::Mpeg => read_as!(lofty::mpeg::MpegFile, "mp3", |file| {
            file.id3v2().into_iter().for_each(|tag| from_id3(tag, ids));
            file.ape().into_iter().for_each(|tag| from_ape(tag, ids));
        }),
        FileType::Aac => read_as!(lofty::aac::AacFile, "aac", |file| {
            file.id3v2().into_iter().for_each(|tag| from_id3(tag, ids));
        }),
        FileType::Flac => read_as!(lofty::flac::FlacFile, "flac", |file| {
            file.vorbis_comments().into_iter().for_each(|tag| from_comments(tag, ids));
            file.id3v2().into_iter().for_each(|tag| from_id3(tag, ids));
        }),
        FileType::Vorbis => {
            read_as!(lofty::ogg::VorbisFile, "vorbis", |file| from_comments(file.vorbis_comments(), ids))
        }
        FileType::Opus => {
            read_as!(lofty::ogg::OpusFile, "opus", |file| from_comments(file.vorbis_comments(), ids))
        }
        FileType::Speex => {
            read_as!(lofty::ogg::SpeexFile, "speex", |file| from_comments(file.vorbis_comments(), ids))
        }
        FileType::Mp4 => read_as!(lofty::mp4::Mp4File, "mp4", |file| {
            file.ilst().into_iter().for_each(|tag| from_ilst(tag, ids));
        }),
        FileType::Wav => read_as!(lofty::iff::wav::WavFile, "wav", |file| {
            file.id3v2().into_iter().for_each(|tag| from_id3(tag, ids));
        }),
        FileType::Aiff => read_as!(lofty::iff::aiff::AiffFile, "aiff", |file| {
            file.id3v2().into_iter().for_each(|tag| from_id3(tag, ids));
        }),
        FileType::Ape => read_as!(lofty::ape::ApeFile, "ape", |file| {
            file.ape().into_iter().for_each(|tag| from_ape(tag, ids));
            file.id3v2().into_iter().for_each(|tag| from_id3(tag, ids));
        }),
        FileType::WavPack => read_as!(lofty::wavpack::WavPackFile, "wavpack", |file| {
            file.ape().into_iter().for_each(|tag| from_ape(tag, ids));
        }),
        FileType::Mpc => read_as!(lofty::musepack::MpcFile, "musepack", |file| {
            file.ape().into_iter().for_each(|tag| from_ape(tag, ids));
            file.id3v2().into_iter().for_each(|tag| from_id3(tag, ids));
        }),
        other => Err(format!("the format {other:?} is not supported")),
    }
}

fn from_id3(tag: &Id3v2Tag, ids: &mut Ids) {
    for frame in tag {
        match frame {
            Frame::UserText(frame) => ids.note(&frame.description, &frame.content),
            Frame::UserUrl(frame) => ids.note(&frame.description, &frame.content),
            Frame::Url(frame) => ids.note("URL", frame.url()),
            Frame::Comment(frame) => ids.note("COMMENT", &frame.content),
            Frame::UniqueFileIdentifier(frame) => ids.note_unique(&frame.owner, &frame.identifier),
            _ => {}
        }
    }
}

fn from_comments(tag: &VorbisComments, ids: &mut Ids) {
    tag.items().for_each(|(key, value)| ids.note(key, value));
}

fn from_ape(tag: &ApeTag, ids: &mut Ids) {
    for item in tag {
        for value in item.text_values().into_iter().flatten() {
            ids.note(item.key(), value);
        }
    }
}

fn from_ilst(tag: &Ilst, ids: &mut Ids) {
    for atom in tag {
        let key = match atom.ident() {
            AtomIdent::Freeform { name, .. } => name.as_ref(),
            AtomIdent::Fourcc(_) => "",
        };
        for data in atom.data() {
            if let AtomData::UTF8(value) | AtomData::UTF16(value) = data {
                ids.note(key, value);
            }
        }
    }
}

/// From generic tags: everything but Discogs' ids.
fn from_tagged(file: &TaggedFile) -> Tags {
    let properties = file.properties();
    let seconds = properties.duration().as_secs_f32();
    let mut tags = Tags {
        duration: (seconds > 0.0).then_some(seconds),
        sample_rate: properties.sample_rate().and_then(|rate| i32::try_from(rate).ok()),
        channels: properties.channels().map(i32::from),
        ..Tags::default()
    };
    // The format's own kind of tag has priority over others.
    let own = file.primary_tag_type();
    let (first, rest): (Vec<_>, Vec<_>) = file.tags().iter().partition(|tag| tag.tag_type() == own);
    for tag in first.into_iter().chain(rest) {
        let one = |keys: &[ItemKey]| {
            let text = keys.iter().find_map(|&key| tag.get_string(key).map(str::trim));
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        fill(&mut tags.title, || one(&[ItemKey::TrackTitle]));
        fill(&mut tags.album, || one(&[ItemKey::AlbumTitle]));
        fill(&mut tags.album_artist, || one(&[ItemKey::AlbumArtist]));
        fill(&mut tags.label, || one(&[ItemKey::Label, ItemKey::Publisher]));
        fill(&mut tags.catalogue, || one(&[ItemKey::CatalogNumber]));
        if tags.genres.is_empty() {
            let genres = tag.get_strings(ItemKey::Genre).flat_map(|text| text.split(['\0', ';']));
            tags.genres = distinct(genres);
        }
        fill(&mut tags.year, || {
            let text = one(&[ItemKey::RecordingDate, ItemKey::Year, ItemKey::ReleaseDate])?;
            Date::read(text.get(..4)?).year
        });
        fill(&mut tags.track_number, || one(&[ItemKey::TrackNumber])?.split('/').next()?.parse().ok());
        if tags.artists.is_empty() {
            // ARTISTS, which some taggers write, has one name per value.
            for key in [ItemKey::TrackArtists, ItemKey::TrackArtist] {
                if tags.artists.is_empty() {
                    let names = tag.get_strings(key).flat_map(|text| text.split('\0')).map(str::trim);
                    tags.artists = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
                }
            }
        }
    }
    tags
}

fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> =
        texts.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// FLAC in Ogg, which lofty does not know.
fn from_ogg_flac(flac: &ogg::OggFlac) -> Tags {
    let mut ids = Ids::default();
    flac.comments.iter().for_each(|(key, value)| ids.note(key, value));
    let all = |wanted: &[&str]| -> Vec<&str> {
        let is_wanted = |key: &str| wanted.iter().any(|name| name.eq_ignore_ascii_case(key));
        let values = flac.comments.iter().filter(|(key, _)| is_wanted(key)).map(|(_, value)| value.trim());
        values.filter(|value| !value.is_empty()).collect()
    };
    let one = |wanted: &[&str]| all(wanted).first().map(|&value| value.to_owned());
    let mut artists = all(&["ARTISTS"]);
    if artists.is_empty() {
        artists = all(&["ARTIST"]);
    }
    let seconds = flac.samples as f32 / flac.sample_rate.max(1) as f32;
    Tags {
        format: "flac",
        duration: (seconds > 0.0).then_some(seconds),
        sample_rate: i32::try_from(flac.sample_rate).ok(),
        channels: Some(i32::from(flac.channels)),
        title: one(&["TITLE"]),
        artists: artists.into_iter().map(str::to_owned).collect(),
        album: one(&["ALBUM"]),
        album_artist: one(&["ALBUMARTIST", "ALBUM ARTIST"]),
        label: one(&["LABEL", "PUBLISHER", "ORGANIZATION"]),
        catalogue: one(&["CATALOGNUMBER"]),
        genres: distinct(all(&["GENRE"]).into_iter()),
        year: one(&["DATE", "YEAR"]).and_then(|text| Date::read(text.get(..4)?).year),
        track_number: one(&["TRACKNUMBER"]).and_then(|text| text.split('/').next()?.parse().ok()),
        discogs: ids.discogs,
        musicbrainz: ids.musicbrainz,
    }
}

fn fill<T>(slot: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if slot.is_none() {
        *slot = value();
    }
}
