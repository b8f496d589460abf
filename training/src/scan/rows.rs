//! The rows of the table of a collection.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{DiscogsIds, Found, MusicBrainzIds, Tags, audio_sha256, read_tags};
use crate::hear;
use crate::table::{Builder, Cell, Rows};

/// One row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub path: String,
    pub size: i64,
    pub modified: i64,
    pub sha256: String,
    pub format: String,
    pub tags: Tags,
    /// What verifying found.
    pub damage: Option<String>,
}

impl Row {
    pub(super) fn push(&self, builder: &mut Builder) {
        let tags = &self.tags;
        fn words(texts: &[String]) -> Vec<&str> {
            texts.iter().map(String::as_str).collect()
        }
        let brainz = &tags.musicbrainz;
        builder.push([
            Cell::Text(&self.path),
            Cell::Id(self.size),
            Cell::Id(self.modified),
            Cell::Text(&self.sha256),
            Cell::Text(&self.format),
            Cell::Float(tags.duration),
            Cell::Int(tags.sample_rate),
            Cell::Int(tags.channels),
            Cell::MaybeText(tags.title.as_deref()),
            Cell::Words(&words(&tags.artists)),
            Cell::MaybeText(tags.album.as_deref()),
            Cell::MaybeText(tags.album_artist.as_deref()),
            Cell::MaybeText(tags.label.as_deref()),
            Cell::MaybeText(tags.catalogue.as_deref()),
            Cell::Words(&words(&tags.genres)),
            Cell::Int(tags.year),
            Cell::Int(tags.track_number),
            Cell::Ids(&tags.discogs.releases),
            Cell::Ids(&tags.discogs.masters),
            Cell::Ids(&tags.discogs.artists),
            Cell::Ids(&tags.discogs.labels),
            Cell::Words(&words(&brainz.releases)),
            Cell::Words(&words(&brainz.groups)),
            Cell::Words(&words(&brainz.artists)),
            Cell::Words(&words(&brainz.recordings)),
            Cell::MaybeText(self.damage.as_deref()),
        ]);
    }

    pub(super) fn at(rows: &Rows, row: usize) -> Self {
        use arrow_array::Array;
        let text = |name| rows.texts(name).is_valid(row).then(|| rows.texts(name).value(row).to_owned());
        let int = |name| rows.ints(name).is_valid(row).then(|| rows.ints(name).value(row));
        let durations = rows.floats("duration_s");
        let words = |name| rows.word_list(name, row).map(str::to_owned).collect();
        Row {
            path: rows.texts("path").value(row).to_owned(),
            size: rows.ids("size").value(row),
            modified: rows.ids("modified_ns").value(row),
            sha256: rows.texts("sha256").value(row).to_owned(),
            format: rows.texts("format").value(row).to_owned(),
            tags: Tags {
                format: "",
                duration: durations.is_valid(row).then(|| durations.value(row)),
                sample_rate: int("sample_rate"),
                channels: int("channels"),
                title: text("title"),
                artists: words("artists"),
                album: text("album"),
                album_artist: text("album_artist"),
                label: text("label"),
                catalogue: text("catalogue_number"),
                genres: words("genres"),
                year: int("year"),
                track_number: int("track_number"),
                discogs: DiscogsIds {
                    releases: rows.id_list("discogs_releases", row).to_vec(),
                    masters: rows.id_list("discogs_masters", row).to_vec(),
                    artists: rows.id_list("discogs_artists", row).to_vec(),
                    labels: rows.id_list("discogs_labels", row).to_vec(),
                },
                musicbrainz: MusicBrainzIds {
                    releases: words("mb_releases"),
                    groups: words("mb_groups"),
                    artists: words("mb_artists"),
                    recordings: words("mb_recordings"),
                },
            },
            damage: text("damage"),
        }
    }

    /// Whether the file has not changed since.
    pub(super) fn is_of(&self, file: &Found) -> bool {
        self.path == file.path && self.size == file.size && self.modified == file.modified
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The reason, in words, why it cannot be used: it has no tags to read, or Sleeve cannot decode it.
    pub(super) fn read(folder: &Path, file: &Found) -> Result<Self, String> {
        let path = folder.join(&file.path);
        let tags = read_tags(&path)?;
        // Otherwise it would be matched and paired, and found out only when its features are made.
        hear::can_open(&path)?;
        let sha256 = audio_sha256(&path).map_err(|error| error.to_string())?;
        Ok(Row {
            path: file.path.clone(),
            size: file.size,
            modified: file.modified,
            sha256,
            format: tags.format.to_owned(),
            tags,
            damage: None,
        })
    }
}
