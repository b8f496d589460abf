//! From Debian's packages to pairs, by the program itself: real recordings, every command.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use sleeve_training::corpus::{Subset, near_duplicates, subset};
use sleeve_training::pairs::Association;
use sleeve_training::pairs::tables::{PAIRS, Split, path};
use sleeve_training::splits::{Part, SPLIT};
use sleeve_training::table::TableReader;

fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn from_packages_to_pairs() {
    for program in ["apt-get", "dpkg-deb"] {
        if !support::have(program) {
            return support::skip("from_packages_to_pairs", &format!("no {program}"));
        }
    }
    // Kept between runs: what is there is not fetched again.
    let corpus = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus-small");
    let at = |name: &str| corpus.join(name).to_str().unwrap().to_owned();
    let fetched = Command::new(env!("CARGO_BIN_EXE_sleeve-train"))
        .args(["corpus", "debian", "--subset", "small", "--out", corpus.to_str().unwrap()])
        .output()
        .unwrap();
    if !fetched.status.success() {
        let reason = String::from_utf8_lossy(&fetched.stderr).trim().to_owned();
        return support::skip("from_packages_to_pairs", &format!("packages out of reach: {reason}"));
    }
    let rows = subset(Subset::Small);
    assert!(!corpus.join("skipped.tsv").exists(), "{}", String::from_utf8_lossy(&fetched.stderr));
    for row in &rows {
        assert!(corpus.join("audio").join(row.place()).is_file(), "{}", row.place());
    }
    let licences = std::fs::read_to_string(corpus.join("licences.tsv")).unwrap();
    assert_eq!(licences.lines().count(), 1 + rows.len());

    let dataset = tempfile::tempdir().unwrap();
    let out = |name: &str| dataset.path().join(name).to_str().unwrap().to_owned();
    run(&["discogs", &at("releases.xml.gz"), "--out", &out("tables")]);
    let scanned = run(&["scan", &at("audio"), "--out", &out("collection.parquet")]);
    assert!(scanned.contains("23 tracks (0 unchanged), 0 unreadable"), "{scanned}");
    let (tables, set) = (out("tables"), out("set"));
    let (collection, ids) = (out("collection.parquet"), at("ids.tsv"));
    let matched = run(&["match", &collection, "--ids", &ids, "--discogs", &tables, "--out", &set]);
    assert!(matched.contains("23 of 23 tracks matched: 23 by id"), "{matched}");
    let split =
        ["split", &out("set"), "--styles", "0", "--validation", "2", "--test", "1", "--releases", "1"];
    run(&split);
    let set = Path::new(&set);
    let read = |columns: &[&str]| {
        let mut all = TableReader::open(&SPLIT.path(set), &SPLIT, columns).unwrap();
        all.next().unwrap().unwrap()
    };
    let table = read(&["path", "part", "artists", "releases", "labels"]);
    let mut parts: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for row in 0..table.len() {
        for &artist in table.id_list("artists", row) {
            parts.entry(artist).or_default().insert(table.texts("part").value(row));
        }
    }
    assert!(parts.values().all(|parts| parts.len() == 1), "{parts:?}");
    assert_eq!(table.texts("part").iter().filter(|part| *part == Some("validation")).count(), 2);

    let pairs = ["pairs", &out("set"), "--never", &at("never.tsv"), "--seed", "7"];
    let drawn = run(&pairs);
    let split = Split::read(set, Some(Path::new(&at("never.tsv")))).unwrap();
    let near = near_duplicates();
    let mut files = BTreeMap::new();
    for association in Association::ALL {
        let mut total = 0;
        for part in Part::ALL {
            let file = path(set, association, part);
            files.insert(file.clone(), std::fs::read(&file).unwrap());
            for rows in TableReader::open(&file, &PAIRS, &["anchor", "positive"]).unwrap() {
                let rows = rows.unwrap();
                for (&a, &b) in rows.ids("anchor").values().iter().zip(rows.ids("positive").values()) {
                    total += 1;
                    assert_eq!((split.parts[a as usize], split.parts[b as usize]), (part, part));
                    if let Some(condition) = association.condition(&split.sleeves, &split.never) {
                        assert!(condition.holds(a as u32, b as u32), "{association:?} {a} {b}");
                    }
                    let place = |track: i64| table.texts("path").value(track as usize).to_owned();
                    let both = (place(a), place(b));
                    assert!(
                        !near
                            .iter()
                            .any(|(c, d)| both == (c.clone(), d.clone()) || both == (d.clone(), c.clone()))
                    );
                }
            }
        }
        assert!(total > 0, "{association:?}: {drawn}");
    }
    // The same seed, the same bytes.
    run(&pairs);
    for (file, bytes) in files {
        assert!(std::fs::read(&file).unwrap() == bytes, "{}", file.display());
    }
    let stats = run(&["stats", &out("set")]);
    assert!(stats.contains("paper pairs") && stats.contains("846 K"), "{stats}");
    println!("{matched}{drawn}{stats}");
}

#[test]
fn wrong_arguments_are_named() {
    let fails = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    for arguments in [
        &["discogs", nowhere, "--out", nowhere][..],
        &["scan", nowhere, "--out", nowhere],
        &["match", nowhere, "--discogs", nowhere, "--out", nowhere],
        &["split", nowhere],
        &["pairs", nowhere],
        &["stats", nowhere],
    ] {
        let text = fails(arguments);
        assert!(text.starts_with("error: ") && text.contains("nowhere"), "{arguments:?}: {text}");
    }
    // A table of another kind.
    let out = folder.path().join("tables");
    support::tables_of(&support::data("discogs/discogs_20200806_labels.xml.gz"), &out);
    let labels = out.join("labels.parquet");
    std::fs::rename(&labels, out.join("matched.parquet")).unwrap();
    let text = fails(&["split", out.to_str().unwrap()]);
    assert!(text.contains("matched.parquet") && text.contains("no column styles"), "{text}");
    assert!(fails(&["pairs", nowhere, "--association", "mood"]).contains("mood"));
    assert!(fails(&["discogs", nowhere, "--out", nowhere, "--threads", "0"]).contains("--threads"));
}

#[test]
fn help_explains_the_method() {
    for command in ["discogs", "scan", "match", "split", "pairs", "stats"] {
        let text = run(&[command, "--help"]);
        assert!(text.contains("section"), "{command}: {text}");
    }
    assert!(run(&["--help"]).contains("ISMIR 2022"));
}

/// The guide's commands exist, with the options that it gives them.
#[test]
fn the_guide_says_what_the_program_does() {
    let guide = include_str!("../GUIDE.md");
    let known = run(&["--help"]);
    let mut seen = BTreeSet::new();
    let blocks = guide.split("```").skip(1).step_by(2).flat_map(str::lines);
    let inline = guide.split('`').filter(|text| !text.contains('\n'));
    for line in blocks.chain(inline).filter_map(|line| line.strip_prefix("sleeve-train ")) {
        let mut words = line.split_whitespace();
        let Some(command) = words.next().filter(|word| word.chars().all(char::is_lowercase)) else {
            continue;
        };
        seen.insert(command);
        // Training is in the program where libtorch is.
        if command == "train" && !known.contains("\n  train") {
            continue;
        }
        let help = run(&[command, "--help"]);
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{line}: {help}");
        }
    }
    let all = [
        "corpus", "discogs", "export", "features", "match", "pairs", "plot", "scan", "split", "stats",
        "train",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
    // What it says of configurations can be set.
    for change in
        guide.split('`').filter(|text| text.contains('=') && text.contains('.') && !text.contains(' '))
    {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/artist.toml");
        sleeve_training::config::Config::load_with(file, &[change]).unwrap();
    }
}
