//! The page: one HTML file with the tracks, their places and everything that shows them, which opens without a network.
//!
//! The data is JSON in the page, read by `page/data.js`. What a browser runs is what stands in `page/`: a content security
//! policy with the hashes of the script and the style refuses anything else, so that text from tags stays text.

use std::collections::BTreeSet;

use anyhow::Result;
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page/style.css");
/// One script: the parts share one scope.
const SCRIPT: &str = concat!(
    include_str!("page/data.js"),
    include_str!("page/colours.js"),
    include_str!("page/view.js"),
    include_str!("page/panel.js"),
    include_str!("page/events.js"),
    include_str!("page/start.js"),
);
/// Places are stored in 16 bits, as far as a screen can show.
const SPAN: f64 = u16::MAX as f64;
/// In place of a neighbour where a track has fewer.
const NO_NEIGHBOUR: u32 = u32::MAX;

/// A track of the page. Text may be empty.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// The path from the page's folder to the file, with `/`, as it is shown and written into playlists.
    pub path: String,
    /// The relative URL, if the path has bytes or control characters that `path` shows otherwise.
    pub address: Option<String>,
    pub title: String,
    pub artist: String,
    pub album: String,
    pub label: String,
    pub year: String,
    pub genre: String,
    /// The folder by which a map can be coloured.
    pub folder: String,
    pub seconds: f64,
    /// The place on the map, both from 0 to 1.
    pub place: [f64; 2],
    /// The nearest other tracks with their cosines, the nearest first.
    pub neighbours: Vec<(u32, f32)>,
}

/// What a page shows.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub title: String,
    /// A line about the library and the model.
    pub about: String,
    pub tracks: Vec<Track>,
    /// The tags of the model, and the activations of all tracks for each, from 0 to 1.
    pub tags: Vec<(String, Vec<f32>)>,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Html<'a> {
    version: &'a str,
    title: &'a str,
    policy: String,
    style: &'a str,
    data: String,
    script: &'a str,
}

/// The JSON in the page; a column for each field, because names of fields for each track would double the size.
#[derive(Serialize)]
struct Data<'a> {
    about: &'a str,
    paths: Vec<&'a str>,
    /// URLs of the tracks whose path does not give it, by their number.
    addresses: serde_json::Map<String, serde_json::Value>,
    titles: Vec<&'a str>,
    seconds: Vec<f64>,
    fields: Fields<'a>,
    /// 16-bit x and y of each track, little endian, in base64.
    places: String,
    neighbours_per_track: usize,
    /// 32-bit numbers of the neighbours, little endian, in base64.
    neighbours: String,
    /// 32-bit floats.
    cosines: String,
    tags: Vec<&'a str>,
    /// For each tag, a byte a track, 255 for an activation of 1.
    activations: Vec<String>,
}

#[derive(Serialize)]
struct Fields<'a> {
    artist: Field<'a>,
    album: Field<'a>,
    label: Field<'a>,
    year: Field<'a>,
    genre: Field<'a>,
    folder: Field<'a>,
}

/// The different values of a field, sorted, and the number of each track's; -1 where it has none.
#[derive(Serialize)]
struct Field<'a> {
    names: Vec<&'a str>,
    of: Vec<i32>,
}

impl<'a> Field<'a> {
    fn of(tracks: &'a [Track], value: impl Fn(&'a Track) -> &'a str) -> Self {
        let names: BTreeSet<&str> = tracks.iter().map(&value).filter(|text| !text.is_empty()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let number = |track| names.binary_search(&value(track)).map_or(-1, |at| at as i32);
        Field { of: tracks.iter().map(number).collect(), names }
    }
}

/// The page as HTML.
///
/// # Errors
/// If the template cannot be written.
pub fn html(page: &Page) -> Result<String> {
    let html = Html {
        version: env!("CARGO_PKG_VERSION"),
        title: &page.title,
        policy: policy(),
        style: STYLE,
        data: data(page)?,
        script: SCRIPT,
    };
    Ok(html.render()?)
}

/// Only the page's own script and style run, and sound comes from files or from where the page was opened.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {}; style-src {}; media-src 'self' file:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// The data as JSON that cannot end the element it stands in.
fn data(page: &Page) -> Result<String> {
    let tracks = &page.tracks;
    let per_track = tracks.iter().map(|track| track.neighbours.len()).max().unwrap_or(0);
    let padded = |track: &Track| {
        let mut all = track.neighbours.clone();
        all.resize(per_track, (NO_NEIGHBOUR, 0.0));
        all
    };
    let near: Vec<(u32, f32)> = tracks.iter().flat_map(padded).collect();
    let byte = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let exact = |(number, track): (usize, &Track)| Some((number.to_string(), track.address.clone()?.into()));
    let data = Data {
        about: &page.about,
        paths: tracks.iter().map(|track| track.path.as_str()).collect(),
        addresses: tracks.iter().enumerate().filter_map(exact).collect(),
        titles: tracks.iter().map(|track| track.title.as_str()).collect(),
        // Tenths are enough to show.
        seconds: tracks.iter().map(|track| (track.seconds * 10.0).round() / 10.0).collect(),
        fields: Fields {
            artist: Field::of(tracks, |track| &track.artist),
            album: Field::of(tracks, |track| &track.album),
            label: Field::of(tracks, |track| &track.label),
            year: Field::of(tracks, |track| &track.year),
            genre: Field::of(tracks, |track| &track.genre),
            folder: Field::of(tracks, |track| &track.folder),
        },
        places: base64(
            tracks.iter().flat_map(|track| track.place).map(|value| (value * SPAN).round() as u16),
        ),
        neighbours_per_track: per_track,
        neighbours: base64(near.iter().map(|near| near.0)),
        cosines: base64(near.iter().map(|near| near.1)),
        tags: page.tags.iter().map(|(name, _)| name.as_str()).collect(),
        activations: page
            .tags
            .iter()
            .map(|(_, values)| BASE64.encode(values.iter().map(byte).collect::<Vec<_>>()))
            .collect(),
    };
    // `<` occurs only inside JSON's strings, where it may be written so; without it nothing in the data is markup.
    Ok(serde_json::to_string(&data)?.replace('<', "\\u003c"))
}

/// Numbers as little-endian bytes in base64.
fn base64<T: Bytes>(values: impl Iterator<Item = T>) -> String {
    let mut bytes = Vec::new();
    values.for_each(|value| value.append(&mut bytes));
    BASE64.encode(bytes)
}

trait Bytes {
    fn append(self, bytes: &mut Vec<u8>);
}

macro_rules! bytes {
    ($($number:ty),*) => { $(impl Bytes for $number {
        fn append(self, bytes: &mut Vec<u8>) {
            bytes.extend(self.to_le_bytes());
        }
    })* };
}
bytes!(u16, u32, f32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_tags_is_never_markup() {
        let evil = "</script><script>alert(1)</script><!--".to_owned();
        let track =
            Track { path: evil.clone(), title: evil.clone(), artist: evil.clone(), ..Track::default() };
        let page = Page { title: evil, tracks: vec![track], ..Page::default() };
        let html = html(&page).unwrap();
        // The data and the script: two elements, each with one end.
        assert_eq!(html.matches("<script").count(), 2);
        assert_eq!(html.matches("</script").count(), 2);
        assert!(!html.contains("<!--"));
    }

    #[test]
    fn data_is_read_back_as_it_was() {
        let track = |title: &str, artist: &str, neighbours| Track {
            path: format!("{title}.ogg"),
            title: title.into(),
            artist: artist.into(),
            place: [0.0, 1.0],
            neighbours,
            ..Track::default()
        };
        let tracks = vec![
            track("a < b", "Y", vec![(1, 0.5)]),
            track("c", "", vec![]),
            track("d", "X", vec![(0, 0.25)]),
        ];
        let page = Page { tracks, tags: vec![("ambient".into(), vec![0.0, 1.0, 0.5])], ..Page::default() };
        let value: serde_json::Value = serde_json::from_str(&data(&page).unwrap()).unwrap();
        assert_eq!(value["titles"], serde_json::json!(["a < b", "c", "d"]));
        assert_eq!(value["fields"]["artist"], serde_json::json!({"names": ["X", "Y"], "of": [1, -1, 0]}));
        let bytes = |text: &serde_json::Value| BASE64.decode(text.as_str().unwrap()).unwrap();
        assert_eq!(bytes(&value["places"])[..4], [0, 0, 255, 255]);
        let near: Vec<u8> = [1_u32, NO_NEIGHBOUR, 0].iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(bytes(&value["neighbours"]), near);
        assert_eq!(bytes(&value["activations"][0]), [0, 255, 128]);
    }
}
