//! Releases, with their artists, labels and tracks.

use std::borrow::Cow;

use arrow_array::RecordBatch;

use super::credit::{Credit, read_credits};
use super::records::Records;
use super::split::Kind;
use super::tables::{
    RELEASE_ARTISTS, RELEASE_GENRES, RELEASE_LABELS, RELEASE_STYLES, RELEASES, TRACK_ARTISTS, TRACKS,
};
use super::values::{Date, duration};
use super::xml::{Damage, Tag, Xml, clean, number};
use crate::table::{Builder, Cell, Table};

/// The kind of a tracklist entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entry {
    /// A track.
    #[default]
    Track,
    /// A line between tracks, with neither position nor duration.
    Heading,
    /// A track whose parts are listed under it.
    Index,
    /// A part of an index track.
    Part,
}

impl Entry {
    /// The word in the tables.
    pub fn word(self) -> &'static str {
        match self {
            Entry::Track => "track",
            Entry::Heading => "heading",
            Entry::Index => "index",
            Entry::Part => "part",
        }
    }
}

/// One entry of a tracklist. Its number is its position in document order, parents before their parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track<'a> {
    /// The kind of entry.
    pub entry: Entry,
    /// Number of the index track that this is a part of, from 1.
    pub parent: Option<i32>,
    /// Position as printed ("A1", "1-05"), may be empty.
    pub position: Cow<'a, str>,
    /// Its title.
    pub title: Cow<'a, str>,
    /// Duration in seconds, if given and readable.
    pub duration: Option<i32>,
    /// The track's own artists, which replace the release's.
    pub artists: Vec<Credit<'a>>,
}

/// One label of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseLabel<'a> {
    /// Discogs' label id, 0 if the dump has none.
    pub label: i64,
    /// The label's name.
    pub name: Cow<'a, str>,
    /// Catalogue number.
    pub catalogue: Cow<'a, str>,
}

/// One release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release<'a> {
    /// Discogs' release id.
    pub id: i64,
    /// "Accepted" and so on; absent since 2026.
    pub status: Option<Cow<'a, str>>,
    /// Title.
    pub title: Cow<'a, str>,
    /// Main artists.
    pub artists: Vec<Credit<'a>>,
    /// Labels, once for each catalogue number.
    pub labels: Vec<ReleaseLabel<'a>>,
    /// Genres.
    pub genres: Vec<Cow<'a, str>>,
    /// Styles.
    pub styles: Vec<Cow<'a, str>>,
    /// Country or region, may be empty.
    pub country: Cow<'a, str>,
    /// Date as printed, may be empty.
    pub released: Cow<'a, str>,
    /// Discogs' data quality.
    pub quality: Cow<'a, str>,
    /// The master that this is a version of.
    pub master: Option<i64>,
    /// Whether this is its master's main release; `None` if the dump does not say.
    pub is_main: Option<bool>,
    /// The tracklist, flattened in document order.
    pub tracks: Vec<Track<'a>>,
}

impl<'a> Release<'a> {
    fn read(xml: &mut Xml<'a>, record: &Tag<'a>) -> Result<Self, Damage> {
        let mut release = Release::default();
        let mut id = None;
        record.attributes(|name, value| match name {
            "id" => id = Some(number("release id", &value)),
            "status" => release.status = Some(value),
            _ => {}
        })?;
        release.id = id.ok_or(Damage::Missing("id attribute"))??;
        while let Some(tag) = xml.child_of(record)? {
            match tag.name() {
                "artists" => release.artists.extend(read_credits(xml, &tag)?),
                "title" => release.title = xml.cell(&tag)?,
                "labels" => release.read_labels(xml, &tag)?,
                "genres" => release.genres.extend(xml.cells(&tag, "genre")?),
                "styles" => release.styles.extend(xml.cells(&tag, "style")?),
                "country" => release.country = xml.cell(&tag)?,
                "released" => release.released = xml.cell(&tag)?,
                "data_quality" => release.quality = xml.cell(&tag)?,
                "master_id" => release.read_master(xml, &tag)?,
                "tracklist" => release.read_tracks(xml, &tag, None)?,
                _ => xml.skip(&tag)?,
            }
        }
        Ok(release)
    }

    fn read_labels(&mut self, xml: &mut Xml<'a>, parent: &Tag<'a>) -> Result<(), Damage> {
        while let Some(tag) = xml.child_of(parent)? {
            if tag.name() == "label" {
                let mut label = ReleaseLabel::default();
                let mut id = Ok(0);
                tag.attributes(|name, value| match name {
                    "id" if !value.trim().is_empty() => id = number("label id", &value),
                    "name" => label.name = clean(value),
                    "catno" => label.catalogue = clean(value),
                    _ => {}
                })?;
                label.label = id?;
                self.labels.push(label);
            }
            xml.skip(&tag)?;
        }
        Ok(())
    }

    fn read_master(&mut self, xml: &mut Xml<'a>, tag: &Tag<'a>) -> Result<(), Damage> {
        let mut is_main = None;
        tag.attributes(|name, value| {
            if name == "is_main_release" {
                is_main = match value.trim() {
                    "true" | "1" => Some(true),
                    "false" | "0" => Some(false),
                    _ => None,
                };
            }
        })?;
        let text = xml.text(tag)?;
        let master = if text.trim().is_empty() { 0 } else { number("master_id", &text)? };
        // 0 means "none", as the missing element does.
        if master != 0 {
            self.master = Some(master);
            self.is_main = is_main;
        }
        Ok(())
    }

    fn read_tracks(
        &mut self,
        xml: &mut Xml<'a>,
        list: &Tag<'a>,
        parent: Option<usize>,
    ) -> Result<(), Damage> {
        while let Some(tag) = xml.child_of(list)? {
            if tag.name() == "track" {
                self.read_track(xml, &tag, parent)?;
            } else {
                xml.skip(&tag)?;
            }
        }
        Ok(())
    }

    fn read_track(&mut self, xml: &mut Xml<'a>, tag: &Tag<'a>, parent: Option<usize>) -> Result<(), Damage> {
        // Parents come before their parts.
        let at = self.tracks.len();
        self.tracks.push(Track::default());
        let mut timed = false;
        while let Some(part) = xml.child_of(tag)? {
            match part.name() {
                "position" => self.tracks[at].position = xml.cell(&part)?,
                "title" => self.tracks[at].title = xml.cell(&part)?,
                "duration" => {
                    let text = xml.text(&part)?;
                    self.tracks[at].duration = duration(&text);
                    timed = !text.trim().is_empty();
                }
                "artists" => self.tracks[at].artists.extend(read_credits(xml, &part)?),
                // Parts have no parts; deep nesting in a damaged file must not recurse.
                "sub_tracks" if parent.is_none() => {
                    self.tracks[at].entry = Entry::Index;
                    self.read_tracks(xml, &part, Some(at))?;
                }
                _ => xml.skip(&part)?,
            }
        }
        let track = &mut self.tracks[at];
        if let Some(parent) = parent {
            track.parent = Some(parent as i32 + 1);
            track.entry = Entry::Part;
        } else if track.entry == Entry::Track && track.position.is_empty() && !timed {
            track.entry = Entry::Heading;
        }
        Ok(())
    }
}

/// The tables of releases.
pub(super) struct ReleaseTables {
    releases: Builder,
    artists: Builder,
    labels: Builder,
    genres: Builder,
    styles: Builder,
    tracks: Builder,
    track_artists: Builder,
}

impl Records for ReleaseTables {
    const KIND: Kind = Kind::Releases;
    const TABLES: &'static [&'static Table] = &[
        &RELEASES,
        &RELEASE_ARTISTS,
        &RELEASE_LABELS,
        &RELEASE_GENRES,
        &RELEASE_STYLES,
        &TRACKS,
        &TRACK_ARTISTS,
    ];
    type Record<'a> = Release<'a>;

    fn new() -> Self {
        ReleaseTables {
            releases: Builder::new(&RELEASES),
            artists: Builder::new(&RELEASE_ARTISTS),
            labels: Builder::new(&RELEASE_LABELS),
            genres: Builder::new(&RELEASE_GENRES),
            styles: Builder::new(&RELEASE_STYLES),
            tracks: Builder::new(&TRACKS),
            track_artists: Builder::new(&TRACK_ARTISTS),
        }
    }

    fn read<'a>(xml: &mut Xml<'a>, tag: &Tag<'a>) -> Result<Release<'a>, Damage> {
        Release::read(xml, tag)
    }

    fn id(release: &Release<'_>) -> i64 {
        release.id
    }

    fn push(&mut self, release: &Release<'_>) {
        let id = release.id;
        let date = Date::read(&release.released);
        self.releases.push([
            Cell::Id(id),
            Cell::Text(&release.title),
            Cell::Text(&release.country),
            Cell::Text(&release.released),
            Cell::Int(date.year),
            Cell::Int(date.month),
            Cell::Int(date.day),
            Cell::MaybeId(release.master),
            Cell::Flag(release.is_main),
            Cell::MaybeText(release.status.as_deref()),
            Cell::Text(&release.quality),
        ]);
        let Release { artists, labels, genres, styles, tracks, .. } = release;
        (self.artists.extend(artists.len()).ids(artists.iter().map(|_| id)).ints(1..=artists.len() as i32))
            .ids(artists.iter().map(|credit| credit.artist))
            .texts(artists.iter().map(|credit| &*credit.name))
            .texts(artists.iter().map(|credit| &*credit.printed))
            .texts(artists.iter().map(|credit| &*credit.join))
            .done();
        (self.labels.extend(labels.len()).ids(labels.iter().map(|_| id)).ints(1..=labels.len() as i32))
            .ids(labels.iter().map(|label| label.label))
            .texts(labels.iter().map(|label| &*label.name))
            .texts(labels.iter().map(|label| &*label.catalogue))
            .done();
        let words = |builder: &mut Builder, words: &[Cow<str>]| {
            let rows = builder.extend(words.len()).ids(words.iter().map(|_| id));
            rows.texts(words.iter().map(|word| &**word)).done();
        };
        words(&mut self.genres, genres);
        words(&mut self.styles, styles);
        (self.tracks.extend(tracks.len()).ids(tracks.iter().map(|_| id)).ints(1..=tracks.len() as i32))
            .maybe_ints(tracks.iter().map(|track| track.parent))
            .texts(tracks.iter().map(|track| track.entry.word()))
            .texts(tracks.iter().map(|track| &*track.position))
            .texts(tracks.iter().map(|track| &*track.title))
            .maybe_ints(tracks.iter().map(|track| track.duration))
            .done();
        for (at, track) in (1..).zip(tracks).filter(|(_, track)| !track.artists.is_empty()) {
            let artists = &track.artists;
            (self.track_artists.extend(artists.len()).ids(artists.iter().map(|_| id)))
                .ints(artists.iter().map(|_| at))
                .ints(1..=artists.len() as i32)
                .ids(artists.iter().map(|credit| credit.artist))
                .texts(artists.iter().map(|credit| &*credit.name))
                .texts(artists.iter().map(|credit| &*credit.printed))
                .texts(artists.iter().map(|credit| &*credit.join))
                .done();
        }
    }

    fn finish(&mut self) -> Vec<RecordBatch> {
        vec![
            self.releases.finish(),
            self.artists.finish(),
            self.labels.finish(),
            self.genres.finish(),
            self.styles.finish(),
            self.tracks.finish(),
            self.track_artists.finish(),
        ]
    }
}
