//! Masters: what the versions of a release have in common.

use std::borrow::Cow;

use arrow_array::RecordBatch;

use super::credit::{Credit, read_credits};
use super::split::Kind;
use super::tables::{MASTER_ARTISTS, MASTER_GENRES, MASTER_STYLES, MASTERS};
use super::values::Date;
use super::xml::{Damage, Tag, Xml, name, number};
use super::{Records, words};
use crate::table::{Builder, Cell, Table};

/// One master. Which releases are its versions is known from the releases.
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
    /// Year of the earliest version, where known.
    pub year: Option<i32>,
    /// How sure Discogs' editors are.
    pub quality: Cow<'a, str>,
}

impl<'a> Master<'a> {
    pub(super) fn read(&mut self, xml: &mut Xml<'a, '_>, record: &Tag<'a>) -> Result<(), Damage> {
        let mut id = None;
        record.attributes(|name, value| {
            if name == "id" {
                id = Some(number("master id", &value));
            }
        })?;
        self.id = id.ok_or(Damage::Missing("id attribute"))??;
        while let Some(tag) = xml.child_of(record)? {
            match tag.name() {
                name::MAIN_RELEASE => {
                    let text = xml.text(&tag)?;
                    if !text.trim().is_empty() {
                        self.main_release = Some(number("main_release", &text)?).filter(|&id| id != 0);
                    }
                }
                name::ARTISTS => read_credits(xml, &tag, |credit| self.artists.push(credit))?,
                name::GENRES => words(xml, &tag, name::GENRE, &mut self.genres)?,
                name::STYLES => words(xml, &tag, name::STYLE, &mut self.styles)?,
                name::YEAR => self.year = Date::read(&xml.text(&tag)?).year,
                name::TITLE => self.title = xml.cell(&tag)?,
                name::DATA_QUALITY => self.quality = xml.cell(&tag)?,
                _ => xml.skip(&tag)?,
            }
        }
        Ok(())
    }
}

/// The tables that masters fill.
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

    fn read<'a>(record: &mut Master<'a>, xml: &mut Xml<'a, '_>, tag: &Tag<'a>) -> Result<(), Damage> {
        *record = Master::default();
        record.read(xml, tag)
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
