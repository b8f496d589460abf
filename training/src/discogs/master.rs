//! Masters: what the versions of a release have in common.

use std::borrow::Cow;

use arrow_array::RecordBatch;

use super::credit::{Credit, read_credits};
use super::records::Records;
use super::split::Kind;
use super::tables::{MASTER_ARTISTS, MASTER_GENRES, MASTER_STYLES, MASTERS};
use super::values::Date;
use super::xml::{Damage, Tag, Xml, number};
use crate::table::{Builder, Cell, Table};

/// One master. Releases have the id of their master.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Master<'a> {
    /// Discogs' master id.
    pub id: i64,
    /// The release that represents it.
    pub main_release: Option<i64>,
    /// Title.
    pub title: Cow<'a, str>,
    /// Artists.
    pub artists: Vec<Credit<'a>>,
    /// Genres.
    pub genres: Vec<Cow<'a, str>>,
    /// Styles.
    pub styles: Vec<Cow<'a, str>>,
    /// Year of the earliest version, if known.
    pub year: Option<i32>,
    /// Discogs' data quality.
    pub quality: Cow<'a, str>,
}

impl<'a> Master<'a> {
    fn read(xml: &mut Xml<'a>, record: &Tag<'a>) -> Result<Self, Damage> {
        let mut master = Master::default();
        let mut id = None;
        record.attributes(|name, value| {
            if name == "id" {
                id = Some(number("master id", &value));
            }
        })?;
        master.id = id.ok_or(Damage::Missing("id attribute"))??;
        while let Some(tag) = xml.child_of(record)? {
            match tag.name() {
                "main_release" => {
                    let text = xml.text(&tag)?;
                    if !text.trim().is_empty() {
                        master.main_release = Some(number("main_release", &text)?).filter(|&id| id != 0);
                    }
                }
                "artists" => master.artists.extend(read_credits(xml, &tag)?),
                "genres" => master.genres.extend(xml.cells(&tag, "genre")?),
                "styles" => master.styles.extend(xml.cells(&tag, "style")?),
                "year" => master.year = Date::read(&xml.text(&tag)?).year,
                "title" => master.title = xml.cell(&tag)?,
                "data_quality" => master.quality = xml.cell(&tag)?,
                _ => xml.skip(&tag)?,
            }
        }
        Ok(master)
    }
}

/// The tables of masters.
pub(super) struct MasterTables {
    masters: Builder,
    artists: Builder,
    genres: Builder,
    styles: Builder,
}

impl Records for MasterTables {
    const KIND: Kind = Kind::Masters;
    const TABLES: &'static [&'static Table] = &[&MASTERS, &MASTER_ARTISTS, &MASTER_GENRES, &MASTER_STYLES];
    type Record<'a> = Master<'a>;

    fn new() -> Self {
        MasterTables {
            masters: Builder::new(&MASTERS),
            artists: Builder::new(&MASTER_ARTISTS),
            genres: Builder::new(&MASTER_GENRES),
            styles: Builder::new(&MASTER_STYLES),
        }
    }

    fn read<'a>(xml: &mut Xml<'a>, tag: &Tag<'a>) -> Result<Master<'a>, Damage> {
        Master::read(xml, tag)
    }

    fn id(master: &Master<'_>) -> i64 {
        master.id
    }

    fn push(&mut self, master: &Master<'_>) {
        let id = master.id;
        self.masters.push([
            Cell::Id(id),
            Cell::MaybeId(master.main_release),
            Cell::Text(&master.title),
            Cell::Int(master.year),
            Cell::Text(&master.quality),
        ]);
        for (at, credit) in (1..).zip(&master.artists) {
            self.artists.push([
                Cell::Id(id),
                Cell::Int(Some(at)),
                Cell::Id(credit.artist),
                Cell::Text(&credit.name),
                Cell::Text(&credit.printed),
                Cell::Text(&credit.join),
            ]);
        }
        for genre in &master.genres {
            self.genres.push([Cell::Id(id), Cell::Text(genre)]);
        }
        for style in &master.styles {
            self.styles.push([Cell::Id(id), Cell::Text(style)]);
        }
    }

    fn finish(&mut self) -> Vec<RecordBatch> {
        vec![self.masters.finish(), self.artists.finish(), self.genres.finish(), self.styles.finish()]
    }
}
