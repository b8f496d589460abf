//! Labels.

use std::borrow::Cow;

use arrow_array::RecordBatch;

use super::records::Records;
use super::split::Kind;
use super::tables::LABELS;
use super::xml::{Damage, Tag, Xml, number};
use crate::table::{Builder, Cell, Table};

/// One label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label<'a> {
    /// Discogs' label id.
    pub id: i64,
    /// Name; empty for some.
    pub name: Cow<'a, str>,
    /// The label that this one belongs to.
    pub parent: Option<i64>,
    /// Name of that label, empty without one.
    pub parent_name: Cow<'a, str>,
    /// Discogs' data quality.
    pub quality: Cow<'a, str>,
}

impl<'a> Label<'a> {
    fn read(xml: &mut Xml<'a>, record: &Tag<'a>) -> Result<Self, Damage> {
        let mut label = Label::default();
        let mut id = None;
        while let Some(tag) = xml.child_of(record)? {
            match tag.name() {
                "id" => id = Some(number("id", &xml.text(&tag)?)?),
                "name" => label.name = xml.cell(&tag)?,
                "data_quality" => label.quality = xml.cell(&tag)?,
                "parentLabel" => {
                    let mut parent = Ok(None);
                    tag.attributes(|name, value| {
                        if name == "id" {
                            parent = number("parent label id", &value).map(Some);
                        }
                    })?;
                    label.parent = parent?;
                    label.parent_name = xml.cell(&tag)?;
                }
                _ => xml.skip(&tag)?,
            }
        }
        label.id = id.ok_or(Damage::Missing("id element"))?;
        Ok(label)
    }
}

/// The table of labels.
pub(super) struct LabelTables {
    labels: Builder,
}

impl Records for LabelTables {
    const KIND: Kind = Kind::Labels;
    const TABLES: &'static [&'static Table] = &[&LABELS];
    type Record<'a> = Label<'a>;

    fn new() -> Self {
        LabelTables { labels: Builder::new(&LABELS) }
    }

    fn read<'a>(xml: &mut Xml<'a>, tag: &Tag<'a>) -> Result<Label<'a>, Damage> {
        Label::read(xml, tag)
    }

    fn id(label: &Label<'_>) -> i64 {
        label.id
    }

    fn push(&mut self, label: &Label<'_>) {
        self.labels.push([
            Cell::Id(label.id),
            Cell::Text(&label.name),
            Cell::MaybeId(label.parent),
            Cell::Text(&label.parent_name),
            Cell::Text(&label.quality),
        ]);
    }

    fn finish(&mut self) -> Vec<RecordBatch> {
        vec![self.labels.finish()]
    }
}
