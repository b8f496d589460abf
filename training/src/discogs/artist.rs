//! Artists: people and groups, under all their names.

use std::borrow::Cow;

use arrow_array::RecordBatch;

use super::records::Records;
use super::split::Kind;
use super::tables::{ARTIST_NAMES, ARTISTS};
use super::xml::{Damage, Tag, Xml, number};
use crate::table::{Builder, Cell, Table};

/// How another name is related to an artist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same name in another spelling.
    Variation,
    /// The same person or group under another name, with its own id.
    Alias,
    /// A member of this group.
    Member,
    /// A group that this artist is a member of.
    Group,
}

impl Relation {
    /// The word in the tables.
    pub fn word(self) -> &'static str {
        match self {
            Relation::Variation => "variation",
            Relation::Alias => "alias",
            Relation::Member => "member",
            Relation::Group => "group",
        }
    }
}

/// Another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherName<'a> {
    /// How it is related to the artist.
    pub relation: Relation,
    /// Id of the artist of that name; missing for name variations and in old dumps.
    pub artist: Option<i64>,
    /// The name.
    pub name: Cow<'a, str>,
}

/// One artist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artist<'a> {
    /// Discogs' artist id.
    pub id: i64,
    /// Name, with the "(2)" of homonyms.
    pub name: Cow<'a, str>,
    /// Real name, may be empty.
    pub real_name: Cow<'a, str>,
    /// Discogs' data quality.
    pub quality: Cow<'a, str>,
    /// Name variations, aliases, members and groups.
    pub names: Vec<OtherName<'a>>,
}

impl<'a> Artist<'a> {
    fn read(xml: &mut Xml<'a>, record: &Tag<'a>) -> Result<Self, Damage> {
        let mut artist = Artist::default();
        let mut id = None;
        while let Some(tag) = xml.child_of(record)? {
            match tag.name() {
                "id" => id = Some(number("id", &xml.text(&tag)?)?),
                "name" => artist.name = xml.cell(&tag)?,
                "realname" => artist.real_name = xml.cell(&tag)?,
                "data_quality" => artist.quality = xml.cell(&tag)?,
                "namevariations" => artist.read_names(xml, &tag, Relation::Variation)?,
                "aliases" => artist.read_names(xml, &tag, Relation::Alias)?,
                "members" => artist.read_names(xml, &tag, Relation::Member)?,
                "groups" => artist.read_names(xml, &tag, Relation::Group)?,
                _ => xml.skip(&tag)?,
            }
        }
        artist.id = id.ok_or(Damage::Missing("id element"))?;
        Ok(artist)
    }

    fn read_names(&mut self, xml: &mut Xml<'a>, parent: &Tag<'a>, relation: Relation) -> Result<(), Damage> {
        while let Some(tag) = xml.child_of(parent)? {
            if tag.name() != "name" {
                // Members come with an <id> before each <name id="...">.
                xml.skip(&tag)?;
                continue;
            }
            let mut id = Ok(None);
            tag.attributes(|name, value| {
                if name == "id" {
                    id = number("id", &value).map(Some);
                }
            })?;
            let name = xml.cell(&tag)?;
            self.names.push(OtherName { relation, artist: id?, name });
        }
        Ok(())
    }
}

/// The tables of artists.
pub(super) struct ArtistTables {
    artists: Builder,
    names: Builder,
}

impl Records for ArtistTables {
    const KIND: Kind = Kind::Artists;
    const TABLES: &'static [&'static Table] = &[&ARTISTS, &ARTIST_NAMES];
    type Record<'a> = Artist<'a>;

    fn new() -> Self {
        ArtistTables { artists: Builder::new(&ARTISTS), names: Builder::new(&ARTIST_NAMES) }
    }

    fn read<'a>(xml: &mut Xml<'a>, tag: &Tag<'a>) -> Result<Artist<'a>, Damage> {
        Artist::read(xml, tag)
    }

    fn id(artist: &Artist<'_>) -> i64 {
        artist.id
    }

    fn push(&mut self, artist: &Artist<'_>) {
        self.artists.push([
            Cell::Id(artist.id),
            Cell::Text(&artist.name),
            Cell::Text(&artist.real_name),
            Cell::Text(&artist.quality),
        ]);
        for name in &artist.names {
            self.names.push([
                Cell::Id(artist.id),
                Cell::Text(name.relation.word()),
                Cell::MaybeId(name.artist),
                Cell::Text(&name.name),
            ]);
        }
    }

    fn finish(&mut self) -> Vec<RecordBatch> {
        vec![self.artists.finish(), self.names.finish()]
    }
}
