//! The group of each recording: its release, artist, label or folder.

use std::path::Path;

use rustc_hash::FxHashMap;

use super::embeddings::Embeddings;
use crate::corpus;
use crate::discogs::tables::{RELEASE_ARTISTS, RELEASE_LABELS, RELEASES};
use crate::error::{Error, Result};
use crate::splits::SPLIT;
use crate::table::TableReader;

/// What dots of one colour have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// A release.
    Release,
    /// An artist.
    Artist,
    /// A label.
    Label,
    /// The folder of the file, whatever the metadata.
    Folder,
}

impl By {
    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            By::Release => "release",
            By::Artist => "artist",
            By::Label => "label",
            By::Folder => "folder",
        }
    }
}

/// The source of the metadata.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// A data set made by `split`, and the tables of the dump for names.
    Data(&'a Path, Option<&'a Path>),
    /// The catalogue of Debian's free music.
    Corpus,
    /// None: only the recordings' paths.
    Places,
}

/// The group of each recording, if known. If a recording has several releases, artists or labels, it is the one that
/// most recordings on the map have.
///
/// # Errors
/// If a table cannot be read, or contains none of the recordings.
pub fn groups(embeddings: &Embeddings, known: Known<'_>, by: By) -> Result<Vec<Option<String>>> {
    let all: Vec<Vec<String>> = match (by, known) {
        (By::Folder, _) | (_, Known::Places) => {
            let folder = |name: &String| match name.rsplit_once('/') {
                Some((folder, _)) => vec![folder.to_owned()],
                None => Vec::new(),
            };
            embeddings.names.iter().map(folder).collect()
        }
        (_, Known::Corpus) => of_corpus(embeddings, by)?,
        (_, Known::Data(data, discogs)) => of_data(embeddings, data, discogs, by)?,
    };
    let mut sizes: FxHashMap<&str, usize> = FxHashMap::default();
    all.iter().flatten().for_each(|group| *sizes.entry(group).or_default() += 1);
    let largest = |groups: &Vec<String>| {
        let by_size = |a: &&String, b: &&String| sizes[a.as_str()].cmp(&sizes[b.as_str()]).then(b.cmp(a));
        groups.iter().max_by(by_size).cloned()
    };
    Ok(all.iter().map(largest).collect())
}

/// Finds each recording by its path: its name among the outputs, or else the longest matching end of its source path.
fn find<'a, T>(embeddings: &Embeddings, known: &'a FxHashMap<String, T>) -> Vec<Option<&'a T>> {
    let place = |(name, source): (&String, &std::path::PathBuf)| {
        known.get(name).or_else(|| {
            let whole = source.to_str()?;
            let starts = std::iter::once(0).chain(whole.match_indices('/').map(|(at, _)| at + 1));
            starts.filter_map(|at| known.get(&whole[at..])).next()
        })
    };
    embeddings.names.iter().zip(&embeddings.sources).map(place).collect()
}

fn of_corpus(embeddings: &Embeddings, by: By) -> Result<Vec<Vec<String>>> {
    let known: FxHashMap<String, corpus::Row> =
        corpus::rows().into_iter().map(|row| (row.place(), row)).collect();
    let found = find(embeddings, &known);
    if found.iter().all(Option::is_none) {
        let reason = "none of its recordings is in the catalogue of `corpus debian`".to_owned();
        return Err(Error::Nothing { path: embeddings.folder.clone(), reason });
    }
    let groups = |row: Option<&corpus::Row>| -> Vec<String> {
        let Some(row) = row else { return Vec::new() };
        let texts = match by {
            By::Release => vec![row.release],
            By::Artist => row.artists.clone(),
            By::Label => vec![row.label],
            By::Folder => Vec::new(),
        };
        texts.into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect()
    };
    Ok(found.into_iter().map(groups).collect())
}

fn of_data(embeddings: &Embeddings, data: &Path, discogs: Option<&Path>, by: By) -> Result<Vec<Vec<String>>> {
    let path = SPLIT.path(data);
    let column = match by {
        By::Release => "releases",
        By::Artist => "artists",
        By::Label | By::Folder => "labels",
    };
    let mut known: FxHashMap<String, Vec<i64>> = FxHashMap::default();
    for rows in TableReader::open(&path, &SPLIT, &["path", column])? {
        let rows = rows?;
        for row in 0..rows.len() {
            known.insert(rows.texts("path").value(row).to_owned(), rows.id_list(column, row).to_vec());
        }
    }
    let found = find(embeddings, &known);
    if found.iter().all(Option::is_none) {
        let reason = format!("it contains none of the recordings in {}", embeddings.folder.display());
        return Err(Error::Nothing { path, reason });
    }
    let names = match discogs {
        Some(folder) => names(folder, by, found.iter().flatten().flat_map(|ids| ids.iter().copied()))?,
        None => FxHashMap::default(),
    };
    let name = |id: &i64| names.get(id).cloned().unwrap_or_else(|| format!("{} {id}", by.name()));
    Ok(found.into_iter().map(|ids| ids.map_or_else(Vec::new, |ids| ids.iter().map(name).collect())).collect())
}

/// The names of ids in the tables of a dump.
fn names(folder: &Path, by: By, ids: impl Iterator<Item = i64>) -> Result<FxHashMap<i64, String>> {
    let wanted: rustc_hash::FxHashSet<i64> = ids.collect();
    let (table, id, name) = match by {
        By::Release => (&RELEASES, "release_id", "title"),
        By::Artist => (&RELEASE_ARTISTS, "artist_id", "name"),
        By::Label | By::Folder => (&RELEASE_LABELS, "label_id", "name"),
    };
    let mut names = FxHashMap::default();
    for rows in TableReader::open(&table.path(folder), table, &[id, name])? {
        let rows = rows?;
        for row in 0..rows.len() {
            let id = rows.ids(id).value(row);
            if wanted.contains(&id) {
                names.entry(id).or_insert_with(|| rows.texts(name).value(row).to_owned());
            }
        }
    }
    Ok(names)
}
