//! The tables of a dump.

use crate::table::Type::{Flag, Id, Int, Text, Word};
use crate::table::{Table, column, optional};

const RELEASE_ID: crate::table::Column = column("release_id", Id, "Discogs' id of the release");
const MASTER_ID: crate::table::Column = column("master_id", Id, "Discogs' id of the master");
const ARTIST_ID: crate::table::Column =
    column("artist_id", Id, "Discogs' id of the artist; 0, 194, 355 and 118760 are nobody");
const NAME: crate::table::Column =
    column("name", Text, "the artist's name, with \"(2)\" and so on for homonyms");
const ANV: crate::table::Column = column("anv", Text, "the name as printed, empty where it is the name");
const JOIN: crate::table::Column = column("join", Word, "what joins the name to the next one");
const QUALITY: crate::table::Column = column("data_quality", Word, "how sure Discogs' editors are");

/// One row per release.
pub static RELEASES: Table = Table {
    name: "releases",
    row: "a release, in the order of the dump",
    columns: &[
        RELEASE_ID,
        column("title", Text, "title"),
        column("country", Word, "country or region of release, perhaps empty"),
        column("released", Text, "date as printed: `YYYY`, `YYYY-MM-DD`, `YYYY-MM-00`, or empty"),
        optional("year", Int, "year, where known"),
        optional("month", Int, "month, where known"),
        optional("day", Int, "day, where known"),
        optional("master_id", Id, "the master that it is a version of"),
        optional("is_main_release", Flag, "whether it is the main one of its master's versions"),
        optional("status", Word, "editorial status; dumps since 2026 have none"),
        QUALITY,
    ],
};

/// One row per main artist of a release.
pub static RELEASE_ARTISTS: Table = Table {
    name: "release_artists",
    row: "a main artist of a release",
    columns: &[
        RELEASE_ID,
        column("place", Int, "place among the artists, from 1"),
        ARTIST_ID,
        NAME,
        ANV,
        JOIN,
    ],
};

/// One row per label and catalogue number of a release.
pub static RELEASE_LABELS: Table = Table {
    name: "release_labels",
    row: "a label and catalogue number of a release",
    columns: &[
        RELEASE_ID,
        column("place", Int, "place among the labels, from 1"),
        column("label_id", Id, "Discogs' id of the label, 0 where there is none"),
        column("name", Text, "the label's name; \"Not On Label (...)\" is none"),
        column("catno", Text, "catalogue number"),
    ],
};

/// One row per genre of a release.
pub static RELEASE_GENRES: Table = Table {
    name: "release_genres",
    row: "a genre of a release",
    columns: &[RELEASE_ID, column("genre", Word, "one of Discogs' fifteen genres, or Non-Music")],
};

/// One row per style of a release.
pub static RELEASE_STYLES: Table = Table {
    name: "release_styles",
    row: "a style of a release",
    columns: &[RELEASE_ID, column("style", Word, "one of Discogs' styles")],
};

/// One row per entry of a tracklist.
pub static TRACKS: Table = Table {
    name: "tracks",
    row: "an entry of a release's tracklist, parts of index tracks included",
    columns: &[
        RELEASE_ID,
        column("track", Int, "place in document order, from 1, parents before their parts"),
        optional("parent", Int, "`track` of the index track that it is a part of"),
        column(
            "entry",
            Word,
            "`track`, `heading` (a line without position or duration), `index` (has parts) or `part`",
        ),
        // Compression took a twelfth of the time of reading a dump and saved a fifth of the space.
        column("position", Text, "position as printed, perhaps empty").uncompressed(),
        column("title", Text, "title").uncompressed(),
        optional("duration_s", Int, "duration in seconds, where given"),
    ],
};

/// One row per artist of a track that has its own artists.
pub static TRACK_ARTISTS: Table = Table {
    name: "track_artists",
    row: "an artist of a track that has artists of its own, which replace the release's",
    columns: &[
        RELEASE_ID,
        column("track", Int, "the track's place in document order"),
        column("place", Int, "place among the artists, from 1"),
        ARTIST_ID,
        NAME,
        ANV,
        JOIN,
    ],
};

/// One row per master.
pub static MASTERS: Table = Table {
    name: "masters",
    row: "a master, of which releases are versions",
    columns: &[
        MASTER_ID,
        optional("main_release", Id, "the release that represents it"),
        column("title", Text, "title"),
        optional("year", Int, "year of its first version, where known"),
        QUALITY,
    ],
};

/// One row per artist of a master.
pub static MASTER_ARTISTS: Table = Table {
    name: "master_artists",
    row: "an artist of a master",
    columns: &[
        MASTER_ID,
        column("place", Int, "place among the artists, from 1"),
        ARTIST_ID,
        NAME,
        ANV,
        JOIN,
    ],
};

/// One row per genre of a master.
pub static MASTER_GENRES: Table = Table {
    name: "master_genres",
    row: "a genre of a master",
    columns: &[MASTER_ID, column("genre", Word, "genre")],
};

/// One row per style of a master.
pub static MASTER_STYLES: Table = Table {
    name: "master_styles",
    row: "a style of a master",
    columns: &[MASTER_ID, column("style", Word, "style")],
};

/// One row per artist.
pub static ARTISTS: Table = Table {
    name: "artists",
    row: "an artist",
    columns: &[ARTIST_ID, NAME, column("real_name", Text, "name in civil life, perhaps empty"), QUALITY],
};

/// One row per other name of an artist.
pub static ARTIST_NAMES: Table = Table {
    name: "artist_names",
    row: "another name that belongs to an artist",
    columns: &[
        ARTIST_ID,
        column("relation", Word, "`variation` (the name written otherwise), `alias`, `member` or `group`"),
        optional("other_id", Id, "id of the artist of that name; variations have none"),
        column("name", Text, "that name"),
    ],
};

/// One row per label.
pub static LABELS: Table = Table {
    name: "labels",
    row: "a label",
    columns: &[
        column("label_id", Id, "Discogs' id of the label"),
        column("name", Text, "name, perhaps empty"),
        optional("parent_id", Id, "the label that it belongs to"),
        column("parent_name", Text, "that label's name, empty without one"),
        QUALITY,
    ],
};

/// All tables of a dump.
pub static ALL: [&Table; 14] = [
    &RELEASES,
    &RELEASE_ARTISTS,
    &RELEASE_LABELS,
    &RELEASE_GENRES,
    &RELEASE_STYLES,
    &TRACKS,
    &TRACK_ARTISTS,
    &MASTERS,
    &MASTER_ARTISTS,
    &MASTER_GENRES,
    &MASTER_STYLES,
    &ARTISTS,
    &ARTIST_NAMES,
    &LABELS,
];
