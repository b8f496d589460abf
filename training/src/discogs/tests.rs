//! The real samples, and variations of them.

use std::path::PathBuf;

use proptest::prelude::*;

use super::boundaries::Boundaries;
use super::*;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/discogs").join(name)
}

fn unpacked(name: &str) -> Vec<u8> {
    let mut stream = open(&sample(name), &Progress::default()).unwrap().stream;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    text
}

/// The releases of a dump, one string for each line that begins with one.
fn releases(dump: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(dump).unwrap().trim_end();
    let text = text.strip_prefix("<releases>").unwrap().strip_suffix("</releases>").unwrap().trim_start();
    let boundaries = Boundaries::of(Kind::Releases);
    let (mut found, mut start) = (Vec::new(), 0);
    while start < text.len() {
        let end = boundaries.next(text.as_bytes(), start).unwrap_or(text.len());
        found.push(&text[start..end]);
        start = end;
    }
    found
}

fn tables_of(text: &str, folder: &Path) -> (Report, Vec<Damaged>) {
    let path = folder.join("dump.xml");
    std::fs::write(&path, text).unwrap();
    let mut damaged = Vec::new();
    let options = Options { threads: Some(2), chunk: 256, ..Options::default() };
    let mut note = |one: &Damaged| damaged.push(one.clone());
    let report = ingest(&path, &folder.join("out"), &options, &Progress::default(), &mut note).unwrap();
    (report, damaged)
}

#[test]
fn damaged_records_are_named_and_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let good = |id: u32| format!("<release id=\"{id}\"><title>t{id}</title></release>\n");
    let bad = [
        "<release id=\"7\"><title>unclosed</release>\n",
        "<release><title>no id</title></release>\n",
        "<release id=\"x8\"><title>no number</title></release>\n",
        "<release id=\"9\"><tracklist><track><title>half",
        "<release id=\"10\"><artists><artist><id>one</id></artist></artists></release>\n",
        "<release id=\"11\"></release> and more\n",
        // Damage in elements that are not used.
        "<release id=\"12\"><notes>a <b>bold</i> word</notes></release>\n",
        "<release id=\"13\"><images><image uri=\"\"/></image></images></release>\n",
        "<release id=\"14\"><videos><video><title>t</titel></video></videos></release>\n",
        "<release id=\"15\"><companies><company><id>1</id></companies></release>\n",
        "<release id=\"16\"><notes>R&B; &nope;</notes></release>\n",
    ];
    let mut text = "<releases>\n".to_owned();
    let mut offsets = Vec::new();
    for (at, bad) in bad.iter().enumerate() {
        text.push_str(&good(100 + at as u32));
        offsets.push(text.len() as u64);
        text.push_str(bad);
        if !bad.ends_with('\n') {
            text.push('\n');
        }
    }
    text.push_str(&good(200));
    text.push_str("</releases>");
    let (report, damaged) = tables_of(&text, folder.path());
    assert_eq!(damaged.iter().map(|one| one.offset).collect::<Vec<_>>(), offsets);
    let ids: Vec<_> = damaged.iter().map(|one| one.id).collect();
    let ids_of_skipped = [12, 13, 14, 15, 16].map(Some);
    assert_eq!(ids[..6], [Some(7), None, None, Some(9), Some(10), Some(11)]);
    assert_eq!(ids[6..], ids_of_skipped);
    // The last of the bad records is itself complete; text follows it.
    assert_eq!((report.records, report.damaged), (13, 11));
    assert_eq!(report.tables[0], ("releases", 13));
}

#[test]
fn a_truncated_dump_leaves_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let packed = std::fs::read(sample("discogs_20200806_releases.xml.gz")).unwrap();
    let text = unpacked("discogs_20200806_releases.xml.gz");
    for (name, bytes) in [("a.xml.gz", &packed[..packed.len() / 2]), ("b.xml", &text[..text.len() / 3])] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let out = folder.path().join("out");
        let error = ingest(&path, &out, &Options::default(), &Progress::default(), &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{error}");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn records_of_every_age_are_read() {
    // Since December 2024 there are no images, since 2026 no status; series and other elements may
    // appear; 0 and an empty element both mean that there is no master.
    let text = concat!(
        "<releases>\n",
        "<release id=\"1\"><artists><artist><id>194</id><name>Various</name></artist></artists>",
        "<title>New &amp; old&#13;\nlines</title><labels><label name=\"\" catno=\"\" id=\"212\"/>",
        "<label name=\"A &amp; B\" catno=\"none\"/></labels><series><series name=\"S\" catno=\"\" id=\"3\"/></series>",
        "<genres><genre>Non-Music</genre></genres><released></released><master_id>0</master_id>",
        "<tracklist><track><position/><title>Side</title><duration/></track>",
        "<track><position>A</position><title>Suite</title><duration/><sub_tracks>",
        "<track><position>A.a</position><title>I</title><duration>1:00</duration></track>",
        "<track><position></position><title>II</title><duration></duration>",
        "<artists><artist><id>5</id><name>X (2)</name><anv>Xx</anv><join>&amp;</join></artist></artists></track>",
        "</sub_tracks></track></tracklist></release>\n",
        "<release id=\"2\" status=\"Accepted\"><images/><title/>",
        "<master_id is_main_release=\"true\">9</master_id><tracklist/></release>\n</releases>\n",
    );
    let mut releases = Vec::new();
    for_each_release(text.as_bytes(), |release| releases.push(format!("{:?}", release.unwrap()))).unwrap();
    let mut found = Vec::new();
    for_each_release(text.as_bytes(), |release| {
        let release = release.unwrap();
        let track = |track: &Track| (track.entry, track.parent, track.duration, track.artists.len());
        found.push((release.master, release.is_main, release.tracks.iter().map(track).collect::<Vec<_>>()));
    })
    .unwrap();
    assert_eq!(
        found,
        [
            (
                None,
                None,
                vec![
                    (Entry::Heading, None, None, 0),
                    (Entry::Index, None, None, 0),
                    (Entry::Part, Some(2), Some(60), 0),
                    (Entry::Part, Some(2), None, 1)
                ]
            ),
            (Some(9), Some(true), vec![]),
        ]
    );
    assert!(releases[0].contains("New & old lines") && releases[0].contains("A & B"), "{}", releases[0]);
}

#[test]
fn a_new_run_sweeps_what_a_killed_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join(".tracks.parquet.77-5.tmp"), "half").unwrap();
    let (report, _) = tables_of("<releases>\n<release id=\"1\"/>\n</releases>", folder.path());
    let mut names: Vec<_> =
        std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut tables: Vec<std::ffi::OsString> =
        report.tables.iter().map(|(name, _)| format!("{name}.parquet").into()).collect();
    tables.sort();
    assert_eq!(names, tables);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Bytes are changed, inserted and removed in one of three real records: nothing panics, the records beside it are
    /// read as before, and the size of chunks makes no difference.
    #[test]
    fn damage_stays_in_its_record(
        seed in 1usize..999,
        at in 0.0f64..1.0,
        put in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(b"<>/&;\"' \n=a".to_vec())], 0..4),
        cut in prop_oneof![0usize..4, 0usize..400],
        chunk in 1usize..9000,
    ) {
        static TEXT: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| unpacked("discogs_20200806_releases.xml.gz"));
        static RECORDS: std::sync::LazyLock<Vec<&str>> =
            std::sync::LazyLock::new(|| releases(&TEXT));
        let [before, text, after] = [-1, 0, 1].map(|step| RECORDS[seed.wrapping_add_signed(step)].trim_end());
        // The tag that begins the record is kept: without it, the record would be part of the one before.
        let intact = "<release ".len();
        let at = intact + (at * (text.len() - intact) as f64) as usize;
        let mut damaged = text.as_bytes().to_vec();
        damaged.splice(at..(at + cut).min(text.len()), put);
        let mut dump = format!("<releases>\n{before}\n").into_bytes();
        dump.extend_from_slice(&damaged);
        dump.extend_from_slice(format!("\n{after}\n</releases>\n").as_bytes());

        let (mut sound, mut read) = (Vec::new(), Vec::new());
        let neighbours = format!("<releases>\n{before}\n{after}\n</releases>\n");
        for_each_release(neighbours.as_bytes(), |record| sound.push(record.unwrap())).unwrap();
        for_each_release(&dump, |record| read.extend(record.ok())).unwrap();
        prop_assert_eq!(&read[0], &sound[0]);
        prop_assert_eq!(&read[read.len() - 1], &sound[1]);

        let survey = |chunk| {
            let mut damaged = Vec::new();
            let mut note = |one: &Damaged| damaged.push(one.clone());
            survey(&dump[..], Path::new("dump"), chunk, &mut note).map(|report| (report, damaged)).unwrap()
        };
        let whole = survey(1 << 20);
        prop_assert_eq!(whole.0.records, read.len() as u64);
        prop_assert_eq!(&whole, &survey(chunk));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// What is read does not depend on where the chunks are cut, whatever the text.
    #[test]
    fn chunks_are_cut_where_records_begin(
        labels in any::<bool>(),
        parts in prop::collection::vec(0usize..16, 0..40),
        chunk in 1usize..200,
    ) {
        const RELEASES: [&str; 16] = [
            "<release id=\"1\">", "</release>", "<release id=\"2\"><title>t</title></release>", "<release/>", "<released>", "\n", "  ", "<![CDATA[",
            "]]>", "<!--", "-->", "<b>", "</b>", "text", "<release", "<release id=\"3\">\n",
        ];
        const LABELS: [&str; 16] = [
            "<label>", "</label>", "<label><id>1</id></label>", "<label/>", "<label id=\"2\">", "\n", "  ", "<![CDATA[",
            "]]>", "<!--", "-->", "<id>3</id>", "</b>", "text", "<label", "<label>\n<name>",
        ];
        let (parts_of, root) = if labels { (LABELS, "labels") } else { (RELEASES, "releases") };
        let body: String = parts.iter().map(|&part| parts_of[part]).collect();
        let first = parts_of[2];
        let text = format!("<{root}>\n{first}{body}</{root}>");
        let read = |chunk| {
            let mut damaged = Vec::new();
            let report = survey(text.as_bytes(), Path::new("x"), chunk, &mut |one| damaged.push(one.clone())).unwrap();
            (report, damaged)
        };
        prop_assert_eq!(read(chunk), read(1 << 20), "{}", text);
    }
}
