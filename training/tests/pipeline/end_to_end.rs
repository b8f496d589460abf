//! From Debian's packages to pairs with the program itself: real recordings, every command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sleeve_training::corpus::{Row, Subset, credits, fetch_rows, near_duplicates, rows, subset};
use sleeve_training::pairs::Association;
use sleeve_training::pairs::tables::{PAIRS, Split, path};
use sleeve_training::splits::{Part, SPLIT};
use sleeve_training::table::TableReader;

use crate::support;

fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Locked while apt runs: the tests share its lists of packages.
static FETCHING: Mutex<()> = Mutex::new(());

/// The small corpus, kept between runs: existing files are not fetched again. `None` if it is out of reach, which is
/// noted as a skip of `test`.
fn small_corpus(test: &str) -> Option<PathBuf> {
    for program in ["apt-get", "dpkg-deb"] {
        if !support::have(program) {
            support::skip(test, &format!("no {program}"));
            return None;
        }
    }
    let corpus = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus-small");
    let fetching = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let fetched = Command::new(env!("CARGO_BIN_EXE_sleeve-train"))
        .args(["corpus", "debian", "--subset", "small", "--out", corpus.to_str().unwrap()])
        .output()
        .unwrap();
    drop(fetching);
    if !fetched.status.success() {
        let reason = String::from_utf8_lossy(&fetched.stderr).trim().to_owned();
        support::skip(test, &format!("packages out of reach: {reason}"));
        return None;
    }
    Some(corpus)
}

#[test]
fn from_packages_to_pairs() {
    let Some(corpus) = small_corpus("from_packages_to_pairs") else { return };
    let at = |name: &str| corpus.join(name).to_str().unwrap().to_owned();
    let rows = subset(Subset::Small);
    assert!(!corpus.join("skipped.tsv").exists());
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
                    if let Some(condition) = association.condition(&split.metadata, &split.excluded) {
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
    // The same seed gives the same bytes.
    run(&pairs);
    for (file, bytes) in files {
        assert!(std::fs::read(&file).unwrap() == bytes, "{}", file.display());
    }
    let stats = run(&["stats", &out("set")]);
    assert!(stats.contains("paper pairs") && stats.contains("846 K"), "{stats}");
    println!("{matched}{drawn}{stats}");
}

/// The catalogue as a table of names gives the same relations between tracks as in Discogs' schema, and so the same pairs.
#[test]
fn a_table_of_the_catalogue_gives_the_same_pairs() {
    let Some(corpus) = small_corpus("a_table_of_the_catalogue_gives_the_same_pairs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let at = |name: &str| corpus.join(name).to_str().unwrap().to_owned();
    let mut csv = String::from("path,artists,releases,labels,styles\n");
    for row in subset(Subset::Small) {
        let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let (artists, styles) = (row.artists.join("|"), row.styles.join("|"));
        let cells = [&row.place(), &artists, &row.release_id.to_string(), row.label, &styles].map(cell);
        csv += &(cells.join(",") + "\n");
    }
    std::fs::write(out("table.csv"), csv).unwrap();
    run(&["discogs", &at("releases.xml.gz"), "--out", &out("tables")]);
    run(&["scan", &at("audio"), "--out", &out("collection.parquet")]);
    let collection = out("collection.parquet");
    run(&["match", &collection, "--ids", &at("ids.tsv"), "--discogs", &out("tables"), "--out", &out("dump")]);
    run(&["match", &collection, "--source", "table", &out("table.csv"), "--out", &out("table")]);
    let relations = ["dump", "table"].map(|set| {
        run(&["split", &out(set), "--styles", "0", "--validation", "4", "--test", "4", "--releases", "1"]);
        let split = Split::read(Path::new(&out(set)), None).unwrap();
        let tracks = split.metadata.tracks() as u32;
        let related = |association: Association| {
            let condition = association.condition(&split.metadata, &split.excluded).unwrap();
            (0..tracks)
                .flat_map(|a| (0..tracks).map(move |b| (a, b)))
                .filter(|&(a, b)| condition.holds(a, b))
                .collect()
        };
        let all: Vec<Vec<(u32, u32)>> =
            [Association::Release, Association::Artist, Association::Label].map(related).into();
        (tracks, all)
    });
    assert_eq!(relations[0], relations[1]);
    assert!(relations[0].1.iter().all(|pairs| !pairs.is_empty()), "{relations:?}");
}

/// A package of 50 KB with one module, rendered by Debian's openmpt123 (4 MB, unless it is installed).
#[test]
fn a_module_becomes_a_recording() {
    for program in ["apt-get", "dpkg-deb"] {
        if !support::have(program) {
            return support::skip("a_module_becomes_a_recording", &format!("no {program}"));
        }
    }
    // The lists and programs of apt are those of the small subset.
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (corpus, apt) = (temporary.join("corpus-module"), temporary.join("corpus-small/apt"));
    std::fs::create_dir_all(&corpus).unwrap();
    std::fs::create_dir_all(&apt).unwrap();
    if !corpus.join("apt").exists() {
        std::os::unix::fs::symlink(&apt, corpus.join("apt")).unwrap();
    }
    let _fetching = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let pathogen: Vec<Row> = rows().into_iter().filter(|row| row.package == "pathogen").collect();
    let [row] = pathogen.as_slice() else { panic!("{pathogen:?}") };
    let recording = corpus.join("audio").join(row.place());
    let fetch = || fetch_rows(pathogen.clone(), &corpus, |_, _, _| ());
    // A killed run may leave half a recording.
    std::fs::create_dir_all(recording.parent().unwrap()).unwrap();
    std::fs::write(&recording, b"fLaC").unwrap();
    let report = match fetch() {
        Ok(report) if report.skipped.is_empty() => report,
        failed => {
            let reason = format!("packages out of reach: {failed:?}");
            return support::skip("a_module_becomes_a_recording", &reason);
        }
    };
    assert_eq!(report.tracks, 1);
    let mut reader = sleeve::audio::AudioReader::open(&recording).unwrap();
    assert_eq!((reader.info().sample_rate, reader.info().channels), (44100, 2));
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    let seconds = samples.len() as f64 / 2.0 / 44100.0;
    assert!((seconds - f64::from(row.seconds)).abs() < 1.5, "{seconds}");
    let power = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len() as f64;
    assert!(power > 1e-4, "{power}");

    // It is kept if complete, made again if missing or truncated, and always the same.
    let first = std::fs::read(&recording).unwrap();
    let modified = || recording.metadata().unwrap().modified().unwrap();
    let before = modified();
    assert_eq!(fetch().unwrap().tracks, 1);
    assert_eq!(modified(), before);
    std::fs::remove_file(&recording).unwrap();
    assert_eq!(fetch().unwrap().tracks, 1);
    assert!(std::fs::read(&recording).unwrap() == first);
    // A module that differs from the catalogue is neither rendered nor kept under its name; nor is a version that the
    // archive does not have replaced by another in silence.
    let mut other = pathogen.clone();
    let has = std::mem::replace(&mut other[0].version, "0.1-1");
    other[0].sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    let error = fetch_rows(other, &corpus, |_, _, _| ()).unwrap_err().to_string();
    assert!(error.contains("its content is not that of Debian 12's pathogen 0.1-1"), "{error}");
    assert!(error.contains(&format!("the archive no longer has; it has {has}")), "{error}");
    assert!(!recording.exists());
    // Nor one that plays for another time than in the catalogue.
    let mut longer = pathogen.clone();
    longer[0].seconds += 3;
    let error = fetch_rows(longer, &corpus, |_, _, _| ()).unwrap_err().to_string();
    assert!(error.contains("the catalogue has") && error.contains("music.s3m"), "{error}");
    assert!(!recording.exists());
}

#[test]
fn credits_name_every_recording() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("credits.tsv");
    for (name, wanted) in [("extended", Subset::Extended), ("wide", Subset::Wide)] {
        credits_of(&out, name, &subset(wanted));
    }
}

fn credits_of(out: &Path, name: &str, rows: &[Row]) {
    let arguments = ["corpus", "credits", "--subset", name, "--out", out.to_str().unwrap()];
    assert!(run(&arguments).contains(&format!("{} tracks", rows.len())));
    let text = std::fs::read_to_string(out).unwrap();
    assert_eq!(text, credits(rows));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("track\tauthor\tlicence\tsource"));
    for (line, row) in lines.by_ref().zip(rows) {
        let cells: Vec<&str> = line.split('\t').collect();
        let &[track, author, licence, source] = cells.as_slice() else { panic!("{line}") };
        assert_eq!((track, licence), (row.title, row.licence));
        assert!(!author.is_empty() && row.artists.iter().all(|artist| author.contains(artist)), "{line}");
        assert!(source.contains(row.package) && source.contains(row.version) && source.ends_with(row.path));
        assert!(source.starts_with(row.debian()), "{line}");
    }
    assert_eq!(lines.next(), None);
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

/// The guide's commands and their options exist.
#[test]
fn the_guide_says_what_the_program_does() {
    let guide = include_str!("../../GUIDE.md");
    let known = run(&["--help"]);
    let mut seen = BTreeSet::new();
    let blocks = guide.split("```").skip(1).step_by(2).flat_map(str::lines);
    let inline = guide.split('`').filter(|text| !text.contains('\n'));
    for line in blocks.chain(inline).filter_map(|line| line.trim_start().strip_prefix("sleeve-train ")) {
        let mut words = line.split_whitespace();
        let Some(command) = words.next().filter(|word| word.chars().all(char::is_lowercase)) else {
            continue;
        };
        seen.insert(command);
        assert!(known.contains(&format!("\n  {command}")), "{command}: {known}");
        let help = run(&[command, "--help"]);
        // Commands that need libtorch have their options only in builds with it.
        if help.contains("built without it") {
            continue;
        }
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{line}: {help}");
        }
    }
    let all = [
        "adapt", "corpus", "discogs", "evaluate", "export", "features", "match", "pairs", "plot", "report",
        "retrieve", "scan", "split", "stats", "targets", "train",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
    // Its configuration values can be set.
    for change in
        guide.split('`').filter(|text| text.contains('=') && text.contains('.') && !text.contains(' '))
    {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/artist.toml");
        sleeve_training::config::Config::load_with(file, &[change]).unwrap();
    }
}

/// The guide's commands, run in a folder like the root of the repository, from beginning to end. Those that need
/// libtorch say so in a program without it.
#[test]
fn the_guide_works_word_by_word() {
    let Some(corpus) = small_corpus("the_guide_works_word_by_word") else { return };
    let temporary = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["training", "models"] {
        std::os::unix::fs::symlink(root.join(name), temporary.path().join(name)).unwrap();
    }
    // The corpus is there already, so that it is not fetched twice; its folder is written to.
    let copied = Command::new("cp")
        .args(["-r".as_ref(), corpus.as_os_str()])
        .arg(temporary.path().join("corpus"))
        .status();
    assert!(copied.unwrap().success());
    let program = Path::new(env!("CARGO_BIN_EXE_sleeve-train"));
    let path = std::env::join_paths(
        std::iter::once(program.parent().unwrap().to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )
    .unwrap();
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        let output = shell
            .args(["-e", "-c", script])
            .current_dir(temporary.path())
            .env("PATH", &path)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let mut said = String::new();
    let (mut blocks, mut refused) = (0, 0);
    for block in include_str!("../../GUIDE.md").split("```").skip(1).step_by(2) {
        let (kind, script) = block.split_once('\n').unwrap();
        match kind {
            "sh" => {
                let (success, output) = shell(script);
                assert!(success, "{script}{output}");
                said += &output;
                blocks += 1;
            }
            "sh libtorch" if cfg!(feature = "torch") => {}
            "sh libtorch" => {
                let lines = script.lines().map(str::trim);
                for line in lines.filter(|line| {
                    line.starts_with("sleeve-train train") || line.starts_with("sleeve-train eval")
                }) {
                    let (success, output) = shell(line);
                    assert!(
                        !success && output.contains("needs libtorch") && output.contains("xtask libtorch"),
                        "{output}"
                    );
                    refused += 1;
                }
            }
            other => assert_eq!(other, "text", "{script}"),
        }
    }
    assert!(blocks >= 10 && (refused >= 3 || cfg!(feature = "torch")), "{blocks} {refused}");
    for expected in [
        "23 of 23 tracks matched: 23 by id",
        "11 training, 4 validation and 4 test tracks",
        "artist   train      5 pairs",
        "5 of 23 tracks have an artist or a release by tags",
        "19 recordings (0 done before)",
        "Whether it helps cannot be told",
        "mine/mine.onnx",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(std::fs::read_dir(temporary.path().join("report")).unwrap().count() > 0);
}
