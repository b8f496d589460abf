//! The tables of matching, which all later steps read.

use crate::table::Type::{Float, Id, Ids, Int, Ints, Text, Word, Words};
use crate::table::{Table, column, optional};

/// One row per track of the collection that was found in the dump.
pub static MATCHED: Table = Table {
    name: "matched",
    row: "a track of the collection that has editorial metadata, with what is printed on all its sleeves",
    columns: &[
        column("path", Text, "path inside the collection"),
        column("sha256", Text, "SHA-256 of the file's audio"),
        column("size", Id, "size of the file in bytes, as `scan` saw it"),
        column("modified_ns", Id, "time of its last change, in nanoseconds since 1970, as `scan` saw it"),
        optional("duration_s", Float, "duration of the file in seconds"),
        column(
            "how",
            Word,
            "`id` (by a Discogs id in its tags), `text` (by artist, title and duration), or without a dump `tags` or `table`",
        ),
        column("releases", Ids, "releases that hold the track"),
        column("versions", Ids, "other versions of those releases' masters"),
        column("masters", Ids, "masters of those releases"),
        column(
            "artists",
            Ids,
            "artists of the track over all those releases and masters; nobody (Various) left out",
        ),
        column("labels", Ids, "labels of all those releases and versions; Not On Label left out"),
        column("styles", Words, "styles of all those releases, versions and masters"),
        column("genres", Words, "genres of all those releases, versions and masters"),
        column("years", Ints, "years of all those releases, versions and masters"),
    ],
};

/// One row per style of a linked release, so that a style's releases can be counted exactly.
pub static LINKED_STYLES: Table = Table {
    name: "linked_styles",
    row: "a style of a release that a matched track is linked to",
    columns: &[
        column("release_id", crate::table::Type::Id, "Discogs' id of the release"),
        column("style", Word, "one of its styles"),
    ],
};

/// One row per track that was not found.
pub static UNMATCHED: Table = Table {
    name: "unmatched",
    row: "a track of the collection that was not found",
    columns: &[
        column("path", Text, "path inside the collection"),
        column(
            "reason",
            Word,
            "`no tags`, `not found`, `other duration`, `ambiguous` (several artists of that name, or too common a title), \
             `id contradicted` (and not found by its tags); without a dump `no artist or release`, `no row`",
        ),
        optional("track_number", Int, "track number tag"),
    ],
};
