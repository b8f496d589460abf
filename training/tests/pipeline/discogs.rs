//! The real samples, with exact counts. The expected numbers were counted in the same files with another XML parser
//! (Python's ElementTree).

use std::collections::BTreeSet;
use std::path::Path;

use arrow_array::Array;
use sleeve_training::discogs::tables::{
    ALL, ARTIST_NAMES, ARTISTS, LABELS, MASTERS, RELEASE_ARTISTS, RELEASE_LABELS, RELEASE_STYLES, RELEASES,
    TRACKS,
};
use sleeve_training::discogs::{
    Damaged, Kind, Options, Progress, for_each_release, ingest, is_no_label, survey,
};
use sleeve_training::table::{Rows, Table, TableReader};

use crate::support;

fn rows_of(folder: &Path, table: &Table, columns: &[&str]) -> Vec<Rows> {
    TableReader::open(&table.path(folder), table, columns).unwrap().map(Result::unwrap).collect()
}

fn words(folder: &Path, table: &Table, column: &str) -> Vec<String> {
    let rows = rows_of(folder, table, &[column]);
    rows.iter()
        .flat_map(|rows| rows.texts(column).iter().flatten().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn ids(folder: &Path, table: &Table, column: &str) -> Vec<i64> {
    rows_of(folder, table, &[column])
        .iter()
        .flat_map(|rows| rows.ids(column).iter().flatten().collect::<Vec<_>>())
        .collect()
}

fn count(words: &[String], word: &str) -> usize {
    words.iter().filter(|other| *other == word).count()
}

#[test]
fn releases_parse_to_exact_counts() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let report = support::tables_of(&support::data("discogs/discogs_20200806_releases.xml.gz"), out);
    assert_eq!((report.kind, report.records, report.damaged), (Kind::Releases, 1000, 0));
    let expected = [
        ("releases", 1000),
        ("release_artists", 1242),
        ("release_labels", 1135),
        ("release_genres", 1302),
        ("release_styles", 1496),
        ("tracks", 9178 + 252),
        ("track_artists", 1723),
    ];
    assert_eq!(report.tables, expected);

    let entries = words(out, &TRACKS, "entry");
    let kinds = ["index", "part", "heading", "track"].map(|kind| count(&entries, kind));
    assert_eq!(kinds, [57, 252, 186, 9178 - 57 - 186]);
    let (mut timed, mut seconds) = (0, 0);
    for rows in rows_of(out, &TRACKS, &["duration_s"]) {
        let durations = rows.ints("duration_s");
        timed += durations.len() - durations.null_count();
        seconds += durations.iter().flatten().sum::<i32>();
    }
    assert_eq!((timed, seconds), (4757, 1_271_019));

    let artists = ids(out, &RELEASE_ARTISTS, "artist_id");
    assert_eq!(artists.iter().sum::<i64>(), 1_492_040_063);
    assert_eq!(artists.iter().collect::<BTreeSet<_>>().len(), 1026);
    assert_eq!(artists.iter().filter(|&&id| id == 194).count(), 60);
    assert_eq!(words(out, &RELEASE_ARTISTS, "anv").iter().filter(|anv| !anv.is_empty()).count(), 131);
    let labels = words(out, &RELEASE_LABELS, "name");
    assert_eq!(labels.iter().filter(|name| is_no_label(1, name)).count(), 53);
    assert_eq!(ids(out, &RELEASE_LABELS, "label_id").iter().collect::<BTreeSet<_>>().len(), 734);
    assert_eq!(words(out, &RELEASE_STYLES, "style").iter().collect::<BTreeSet<_>>().len(), 247);
    assert_eq!(ids(out, &RELEASES, "master_id").len(), 615);
    let years: usize = rows_of(out, &RELEASES, &["year"])
        .iter()
        .map(|rows| rows.ints("year").len() - rows.ints("year").null_count())
        .sum();
    // 882 begin with four digits, but one of them is 0000.
    assert_eq!(years, 881);
    let first = &rows_of(out, &TRACKS, &["title"])[0];
    assert_eq!(first.texts("title").value(0), "Östermalm");
}

#[test]
fn the_other_dumps_parse_to_exact_counts() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let dump = |kind: &str| {
        let report =
            support::tables_of(&support::data(&format!("discogs/discogs_20200806_{kind}.xml.gz")), out);
        assert_eq!((report.records, report.damaged), (1000, 0), "{kind}");
        report.tables
    };
    let masters =
        [("masters", 1000), ("master_artists", 1174), ("master_genres", 1315), ("master_styles", 1705)];
    assert_eq!(dump("masters"), masters);
    let dated: usize =
        rows_of(out, &MASTERS, &["year"]).iter().map(|rows| rows.ints("year").iter().flatten().count()).sum();
    assert_eq!(dated, 962);
    assert_eq!(dump("artists"), [("artists", 1000), ("artist_names", 893 + 548 + 218 + 308)]);
    let relations = words(out, &ARTIST_NAMES, "relation");
    let kinds = ["variation", "alias", "member", "group"].map(|kind| count(&relations, kind));
    assert_eq!(kinds, [893, 548, 218, 308]);
    assert_eq!(words(out, &ARTISTS, "real_name").iter().filter(|name| !name.is_empty()).count(), 134);
    assert_eq!(dump("labels"), [("labels", 1000)]);
    assert_eq!(ids(out, &LABELS, "parent_id").len(), 83);
}

#[test]
fn threads_and_chunks_do_not_change_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let dump = support::data("discogs/discogs_20200806_releases.xml.gz");
    let mut tables = Vec::new();
    for (threads, chunk) in [(1, 1 << 24), (3, 10_000), (2, 300)] {
        let out = folder.path().join(format!("{threads}"));
        let options = Options { threads: Some(threads), chunk, ..Options::default() };
        ingest(&dump, &out, &options, &Progress::default(), &mut |damaged| panic!("{damaged:?}")).unwrap();
        tables.push((
            words(&out, &TRACKS, "title"),
            ids(&out, &RELEASE_LABELS, "label_id"),
            ids(&out, &RELEASES, "release_id"),
        ));
    }
    assert!(tables.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(tables[0].2.is_sorted());
}

/// The seeds of the fuzz target `discogs`, complete and truncated at every length, and the inputs that it has found.
#[test]
fn inputs_of_fuzzing_are_survived() {
    let mut files = 0;
    for entry in std::fs::read_dir(support::data("fuzz/discogs")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let survey = |bytes: &[u8], chunk: usize| {
            let mut damaged = Vec::new();
            let mut note = |one: &Damaged| damaged.push(one.clone());
            survey(bytes, Path::new("seed"), chunk, &mut note).ok().map(|report| (report, damaged))
        };
        for length in (0..=bytes.len()).rev() {
            let part = &bytes[..length];
            assert_eq!(survey(part, 1 << 20), survey(part, 64));
            let _ = for_each_release(part, |_| ());
        }
        files += 1;
    }
    assert!(files >= 4);
}

/// `TABLES.md` matches the program's tables. With `SLEEVE_WRITE_TABLES=1` this test writes it.
#[test]
fn every_column_is_documented() {
    let mut text = String::from(
        "# The tables of `sleeve-train`\n\n\
         All tables are Parquet (snappy) and open in DuckDB, Polars and pandas. Lists are Parquet lists.\n\
         A column is never null unless its type ends with `?`.\n\
         This page is made from the program's own description of its tables; a test compares them.\n",
    );
    let others: [&Table; 8] = [
        &sleeve_training::scan::COLLECTION,
        &sleeve_training::matching::tables::MATCHED,
        &sleeve_training::matching::tables::LINKED_STYLES,
        &sleeve_training::matching::tables::UNMATCHED,
        &sleeve_training::splits::SPLIT,
        &sleeve_training::splits::STYLES,
        &sleeve_training::pairs::tables::PAIRS,
        &sleeve_training::features::FEATURES,
    ];
    let commands = ["scan", "match", "match", "match", "split", "split", "pairs", "features"];
    let all = ALL.into_iter().map(|table| (table, "discogs")).chain(others.into_iter().zip(commands));
    for (table, command) in all {
        text += &format!("\n## {}.parquet\nFrom `{command}`. A row is {}.\n\n", table.name, table.row);
        text += "| column | type | meaning |\n|---|---|---|\n";
        for column in table.columns {
            let mark = if column.nullable { "?" } else { "" };
            text += &format!("| `{}` | {}{mark} | {} |\n", column.name, column.holds.name(), column.meaning);
        }
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("TABLES.md");
    if std::env::var_os("SLEEVE_WRITE_TABLES").is_some() {
        std::fs::write(&page, &text).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(written == text, "TABLES.md is stale: run this test with SLEEVE_WRITE_TABLES=1");
}
