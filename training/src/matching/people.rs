//! What the dumps of artists and labels add: other names, aliases and parent labels.

use std::path::Path;

use arrow_array::Array;
use rustc_hash::FxHashMap;

use super::names::artist_key;
use super::wanted::Index;
use crate::discogs::tables::{ARTIST_NAMES, LABELS};
use crate::discogs::{is_no_label, is_nobody};
use crate::error::{Error, Result};
use crate::table::{Table, TableReader};

/// Other names of artists by which the collection may know them.
#[derive(Debug, Default)]
pub struct OtherNames(FxHashMap<i64, Vec<String>>);

impl OtherNames {
    /// Reads the name variations, or the aliases, or both, of the tables in `discogs`: those that occur in `index`.
    ///
    /// # Errors
    /// If the table of the dump of artists is missing or cannot be read.
    pub fn read(discogs: &Path, index: &Index, variations: bool, aliases: bool) -> Result<Self> {
        let mut names: FxHashMap<i64, Vec<String>> = FxHashMap::default();
        for rows in open(discogs, &ARTIST_NAMES, &["artist_id", "relation", "name"])? {
            let rows = rows?;
            let (ids, relations, texts) = (rows.ids("artist_id"), rows.texts("relation"), rows.texts("name"));
            for row in 0..rows.len() {
                let is_wanted = match relations.value(row) {
                    "variation" => variations,
                    "alias" => aliases,
                    _ => false,
                };
                let key = if is_wanted { artist_key(texts.value(row)) } else { continue };
                if index.has_artist(&key) {
                    let keys = names.entry(ids.value(row)).or_default();
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
        }
        Ok(OtherNames(names))
    }

    /// The keys of an artist's other names.
    pub fn of(&self, artist: i64) -> &[String] {
        self.0.get(&artist).map_or(&[], Vec::as_slice)
    }
}

/// One id for all aliases of a person or group: the smallest.
#[derive(Debug, Default)]
pub struct Aliases(FxHashMap<i64, i64>);

impl Aliases {
    /// Reads the aliases of the tables in `discogs`. Those without an id, in old dumps, are passed over.
    ///
    /// # Errors
    /// If the table of the dump of artists is missing or cannot be read.
    pub fn read(discogs: &Path) -> Result<Self> {
        let mut parents: FxHashMap<i64, i64> = FxHashMap::default();
        for rows in open(discogs, &ARTIST_NAMES, &["artist_id", "relation", "other_id"])? {
            let rows = rows?;
            let (ids, relations, others) =
                (rows.ids("artist_id"), rows.texts("relation"), rows.ids("other_id"));
            for row in 0..rows.len() {
                let (one, other) = (ids.value(row), others.value(row));
                if relations.value(row) != "alias"
                    || others.is_null(row)
                    || is_nobody(one)
                    || is_nobody(other)
                {
                    continue;
                }
                let (one, other) = (root(&mut parents, one), root(&mut parents, other));
                if one != other {
                    parents.insert(one.max(other), one.min(other));
                }
            }
        }
        let ids: Vec<i64> = parents.keys().copied().collect();
        Ok(Aliases(ids.into_iter().map(|id| (id, root(&mut parents, id))).collect()))
    }

    /// The id that stands for `artist`.
    pub fn one_of(&self, artist: i64) -> i64 {
        self.0.get(&artist).copied().unwrap_or(artist)
    }
}

fn root(parents: &mut FxHashMap<i64, i64>, id: i64) -> i64 {
    let mut at = id;
    while let Some(&above) = parents.get(&at) {
        at = above;
    }
    if at != id {
        parents.insert(id, at);
    }
    at
}

/// The label that each label belongs to.
#[derive(Debug, Default)]
pub struct Parents(FxHashMap<i64, i64>);

impl Parents {
    /// Reads the parents of the tables in `discogs`.
    ///
    /// # Errors
    /// If the table of the dump of labels is missing or cannot be read.
    pub fn read(discogs: &Path) -> Result<Self> {
        let mut parents = FxHashMap::default();
        for rows in open(discogs, &LABELS, &["label_id", "parent_id", "parent_name"])? {
            let rows = rows?;
            let (ids, of, names) = (rows.ids("label_id"), rows.ids("parent_id"), rows.texts("parent_name"));
            for row in 0..rows.len() {
                if of.is_valid(row) && !is_no_label(of.value(row), names.value(row)) {
                    parents.insert(ids.value(row), of.value(row));
                }
            }
        }
        Ok(Parents(parents))
    }

    /// The parent of `label`.
    pub fn of(&self, label: i64) -> Option<i64> {
        self.0.get(&label).copied().filter(|&parent| parent != label)
    }
}

fn open(discogs: &Path, table: &Table, columns: &[&str]) -> Result<TableReader> {
    let path = table.path(discogs);
    if !path.exists() {
        let kind = if table.name == LABELS.name { "labels" } else { "artists" };
        let reason = format!("missing; make it of Discogs' dump of {kind} with `sleeve-train discogs`");
        return Err(Error::format(&path, reason));
    }
    TableReader::open(&path, table, columns)
}
