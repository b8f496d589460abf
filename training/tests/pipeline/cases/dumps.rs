//! Dumps in other layouts than Discogs', and damaged ones.

use std::io::{Read, Write};

use sleeve_training::discogs::tables::{RELEASE_LABELS, RELEASES, TRACKS};
use sleeve_training::discogs::{Damaged, Options, Progress, Report, ingest};
use sleeve_training::table::{Table, TableReader};

use super::{Place, Release, fails, train};

fn read(place: &Place, text: &[u8]) -> (Report, Vec<Damaged>) {
    let path = place.at("dump.xml");
    std::fs::write(&path, text).unwrap();
    let mut damaged = Vec::new();
    let options = Options { threads: Some(2), chunk: 300, ..Options::default() };
    let mut note = |one: &Damaged| damaged.push(one.clone());
    (ingest(&path, &place.at("out"), &options, &Progress::default(), &mut note).unwrap(), damaged)
}

fn texts(place: &Place, table: &Table, column: &str) -> Vec<String> {
    let rows = TableReader::open(&table.path(&place.at("out")), table, &[column]).unwrap();
    rows.flat_map(|rows| rows.unwrap().texts(column).iter().flatten().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn a_damaged_record_costs_itself_alone_in_any_layout() {
    let good =
        |id: i64| Release { id, title: "good", tracks: &[("Song", "3:20", &[])], ..Release::default() }.xml();
    let bad = [
        "<release id=\"7\"><title>bad&nosuch;</title><labels><label id=\"70\"/></labels></release>",
        "<release id='7'><title>bad<b></title></release>",
        "<release id=\"7\"><title><![CDATA[bad</title></release>",
    ];
    for bad in bad {
        for between in ["\n", "\n    ", "", " ", "\r\n\t"] {
            // On one line, a CDATA section without an end has no end that could be found.
            if bad.contains("CDATA") && !between.contains('\n') {
                continue;
            }
            let records = [good(1), good(2), bad.to_owned(), good(3), good(4)];
            let text = format!("<releases>{between}{}{between}</releases>", records.join(between));
            let place = Place::new();
            let (report, damaged) = read(&place, text.as_bytes());
            assert_eq!((report.records, damaged.len()), (4, 1), "{text}");
            assert_eq!(damaged[0].id, Some(7), "{damaged:?}");
            assert_eq!(texts(&place, &RELEASES, "title").len(), 4);
        }
    }
}

#[test]
fn real_records_in_any_layout_make_the_same_tables() {
    for kind in ["releases", "masters", "artists", "labels"] {
        let packed = crate::support::data(&format!("discogs/discogs_20200806_{kind}.xml.gz"));
        let mut text = String::new();
        let mut stream = sleeve_training::discogs::open(&packed, &Progress::default()).unwrap().stream;
        stream.read_to_string(&mut text).unwrap();
        let (record, root) = (format!("\n<{}", &kind[..kind.len() - 1]), format!("\n</{kind}"));
        // Line breaks inside texts stay.
        let laid_out = |between: &str| {
            let text = text.replace(&record, &format!("{between}{}", &record[1..]));
            text.replace(&root, &format!("{between}{}", &root[1..]))
        };
        let tables = ["\n", "", "\n      "].map(|between| {
            let place = Place::new();
            let (report, damaged) = read(&place, laid_out(between).as_bytes());
            assert!(damaged.is_empty() && report.records == 1000, "{kind} {between:?}: {damaged:?}");
            let name = |table: &str| place.at(&format!("out/{table}.parquet"));
            report.tables.iter().map(|(table, _)| std::fs::read(name(table)).unwrap()).collect::<Vec<_>>()
        });
        assert!(tables[0] == tables[1] && tables[0] == tables[2], "{kind}");
    }
}

#[test]
fn a_damaged_record_is_not_called_by_what_it_mentions() {
    let place = Place::new();
    let text =
        "<releases>\n<release><title>no id</title><labels><label id=\"70\"/></labels></release>\n</releases>";
    assert_eq!(read(&place, text.as_bytes()).1[0].id, None);
    let text =
        "<artists>\n<artist><members><id>70</id><name id=\"70\">x</name></members></artist>\n</artists>";
    assert_eq!(read(&place, text.as_bytes()).1[0].id, None);
    // Nor by the record before it.
    let text =
        "<artists>\n<artist><id>1</id></artist><artist></artist><artist><id>2</id></artist>\n</artists>";
    let (report, damaged) = read(&place, text.as_bytes());
    assert_eq!((report.records, damaged.len(), damaged[0].id, damaged[0].offset), (2, 1, None, 37));
}

#[test]
fn of_records_with_one_id_the_last_counts() {
    let place = Place::new();
    let release =
        |id, title, labels, tracks| Release { id, title, labels, tracks, ..Release::default() }.xml();
    let text = [
        release(5, "first", &[(20, "L20"), (21, "L21")], &[("Alpha", "0:06", &[]), ("Beta", "0:07", &[])]),
        release(5, "second", &[], &[("Gamma", "0:08", &[])]),
        release(6, "other", &[(22, "L22")], &[("Delta", "0:08", &[])]),
        release(5, "third", &[(23, "L23")], &[("Epsilon", "0:08", &[])]),
        "<release id=\"6\"><title>damaged</titl></release>".into(),
    ];
    let (report, damaged) = read(&place, format!("<releases>\n{}\n</releases>", text.join("\n")).as_bytes());
    assert_eq!((report.records, report.replaced, report.damaged, damaged.len()), (2, 2, 1, 1));
    assert_eq!(report.tables[0], ("releases", 2));
    assert_eq!(texts(&place, &RELEASES, "title"), ["other", "third"]);
    assert_eq!(texts(&place, &TRACKS, "title"), ["Delta", "Epsilon"]);
    assert_eq!(texts(&place, &RELEASE_LABELS, "name"), ["L22", "L23"]);
    // The program says so.
    let said = train(&[&"discogs", &place.at("dump.xml"), &"--out", &place.at("out")]);
    assert!(said.contains("2 records left out: a later one has the same id"), "{said}");
}

#[test]
fn two_dumps_of_one_kind_are_refused() {
    let place = Place::new();
    for name in ["a.xml", "b.xml"] {
        std::fs::write(place.at(name), "<releases>\n<release id=\"1\"/>\n</releases>").unwrap();
    }
    std::fs::write(place.at("c.xml"), "<labels>\n<label><id>1</id></label>\n</labels>").unwrap();
    let [a, b, c, out] = ["a.xml", "b.xml", "c.xml", "out"].map(|name| place.at(name));
    let said = fails(&[&"discogs", &a, &c, &b, &"--out", &out]);
    assert!(said.contains("b.xml") && said.contains("a.xml") && said.contains("dump of releases"), "{said}");
    assert!(!out.exists(), "nothing was read");
    train(&[&"discogs", &a, &c, &"--out", &out]);
}

#[test]
fn padding_behind_gzip_is_no_damage() {
    let place = Place::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"<releases>\n<release id=\"1\"/>\n</releases>\n").unwrap();
    let mut packed = packed.finish().unwrap();
    packed.extend([0; 700]);
    std::fs::write(place.at("dump.xml.gz"), &packed).unwrap();
    let said = train(&[&"discogs", &place.at("dump.xml.gz"), &"--out", &place.at("out")]);
    assert!(said.contains("1 releases") && said.contains("700 bytes behind the gzip stream"), "{said}");
    // A stream that is cut is still an error.
    std::fs::write(place.at("dump.xml.gz"), &packed[..packed.len() - 715]).unwrap();
    assert!(fails(&[&"discogs", &place.at("dump.xml.gz"), &"--out", &place.at("out")]).contains("truncated"));
}
