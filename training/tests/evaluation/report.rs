//! `sleeve-train report` on synthetic results, runs and a data set.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sleeve_training::evaluation::results::{Figure, Results, SCHEMA, Source, Task};
use sleeve_training::runlog::{Entry, RunLog};

use crate::support;

fn report(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sleeve-train")).arg("report").args(arguments).output().unwrap()
}

#[track_caller]
fn complaint(arguments: &[&str]) -> String {
    let output = report(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn figure(value: f64, interval: Option<[f64; 2]>, seeds: &[f64]) -> Figure {
    Figure { value, interval, seeds: seeds.into() }
}

fn results(task: Task, dataset: &str, encoders: &[(&str, usize)], metrics: &[(&str, Figure)]) -> Results {
    let source = |(name, dimensions): &(&str, usize)| Source {
        name: (*name).into(),
        identity: "0".into(),
        dimensions: *dimensions,
    };
    Results {
        schema: SCHEMA,
        task,
        dataset: dataset.into(),
        encoders: encoders.iter().map(source).collect(),
        protocol: BTreeMap::from([("hop".into(), 64.into())]),
        counts: BTreeMap::new(),
        metrics: metrics.iter().map(|(name, figure)| ((*name).into(), figure.clone())).collect(),
        remarks: Vec::new(),
    }
}

/// Retrieval of two encoders, tags of two models and a stack.
fn evaluations(folder: &Path) {
    let same = |map: f64, interval, release: f64| {
        vec![
            ("artist/map", figure(map, interval, &[])),
            ("artist/precision@1", figure(0.5, None, &[])),
            ("artist/precision@5", figure(0.25, None, &[])),
            ("artist/precision@10", figure(0.125, None, &[])),
            ("artist/map/chance", figure(0.02, None, &[])),
            ("artist/codec/map", figure(0.3, None, &[])),
            ("release/map", figure(release, None, &[])),
        ]
    };
    let mut ours =
        results(Task::Retrieval, "debian", &[("artist-run", 1280)], &same(0.2, Some([0.15, 0.25]), 0.4));
    ours.counts = BTreeMap::from([("artist/queries".into(), 1234), ("artist/artists".into(), 56)]);
    ours.remarks.push("held-out artists".into());
    ours.save(folder).unwrap();
    let other = results(Task::Retrieval, "debian", &[("msd-musicnn-1", 200)], &same(0.3, None, 0.1));
    // With the other spelling of names.
    let mut other = other;
    let spell = |name: &String| {
        let (what, measure) = name.split_once('/').unwrap();
        format!("same_{what}_{}", measure.replace(['@', '/'], "_"))
    };
    other.metrics.remove("artist/codec/map");
    other.metrics = other.metrics.iter().map(|(name, figure)| (spell(name), figure.clone())).collect();
    other.metrics.insert("same_label_map".into(), figure(0.0625, None, &[]));
    other.save(folder).unwrap();
    let tags = |roc: f64, pr: f64| {
        [
            ("roc_auc", figure(roc, Some([roc - 0.01, roc + 0.01]), &[roc - 0.002, roc + 0.002])),
            ("pr_auc", figure(pr, None, &[])),
        ]
    };
    let mut genre = results(Task::Downstream, "mtg-jamendo-genre", &[("artist-run", 1280)], &tags(0.8, 0.15));
    genre.protocol.insert("crops".into(), "cached".into());
    genre.save(folder).unwrap();
    results(Task::Downstream, "magnatagatune", &[("msd-musicnn-1", 200)], &tags(0.9, 0.3))
        .save(folder)
        .unwrap();
    let stack = [("artist-run", 1280), ("label-run", 1280)];
    results(Task::Downstream, "magnatagatune", &stack, &tags(0.909, 0.4)).save(folder).unwrap();
}

/// A run of two epochs; the first has the lower validation loss.
fn run(folder: &Path, name: &str, shipped: &str, changes: &[&str]) -> PathBuf {
    let folder = folder.join(name);
    let config = support::dataset::config(shipped, changes);
    let what = shipped;
    let mut log = RunLog::open(&folder, 0, 0).unwrap();
    for (epoch, loss, accuracy) in [(1, 1.0, 0.25), (2, 1.5, 0.5)] {
        let entry = Entry::new(epoch, 10 * epoch)
            .with("seconds", 100.0)
            .with(&format!("train/{what}/loss"), loss)
            .with(&format!("train/{what}/accuracy"), accuracy + 0.125)
            .with(&format!("validation/{what}/loss"), loss)
            .with(&format!("validation/{what}/accuracy"), accuracy);
        log.write(&entry).unwrap();
    }
    fs::write(folder.join("config.toml"), config.to_toml().unwrap()).unwrap();
    folder
}

/// The text of an XML page, or why it is not well-formed.
fn text_of(page: &str) -> Result<String, String> {
    let mut reader = quick_xml::Reader::from_str(page);
    reader.config_mut().check_end_names = true;
    let mut text = String::new();
    let mut open = 0;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            quick_xml::events::Event::Start(tag) => {
                tag.attributes().try_for_each(|one| one.map(drop)).map_err(|error| error.to_string())?;
                open += 1;
            }
            quick_xml::events::Event::End(_) => open -= 1,
            quick_xml::events::Event::Text(piece) => text += &piece,
            quick_xml::events::Event::GeneralRef(reference) => {
                text += match &*reference {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    "quot" => "\"",
                    "apos" => "'",
                    other => return Err(format!("&{other};")),
                }
            }
            quick_xml::events::Event::Eof if open == 0 => return Ok(text),
            quick_xml::events::Event::Eof => return Err(format!("{open} tags are open")),
            _ => {}
        }
    }
}

fn section<'a>(markdown: &'a str, title: &str) -> &'a str {
    let start = markdown.find(&format!("## {title}\n")).unwrap_or_else(|| panic!("no {title} in {markdown}"));
    let rest = &markdown[start + 3..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The rows of a section's table.
fn rows(section: &str) -> Vec<&str> {
    section.lines().filter(|line| line.starts_with("| ")).skip(2).collect()
}

#[test]
fn everything_stands_beside_the_paper_s() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    evaluations(&at("results"));
    support::dataset::write(&at("set"), &[]);
    run(&at("runs"), "artist-run", "artist", &["run.groups=1", "objective.associations.artist.pairs=8"]);
    run(&at("runs"), "artist-other", "artist", &["model.name=\"other\"", "data.crops=4"]);
    run(&at("runs"), "label-run", "label", &[]);
    let [results, runs, set, out] =
        ["results", "runs", "set", "out"].map(|name| at(name).to_str().unwrap().to_owned());
    let first = format!("{runs}/artist-run");
    let output = report(&["--results", &results, "--runs", &first, &runs, "--data", &set, "--out", &out]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("5 evaluations and 3 runs; "), "{said}");
    let markdown = fs::read_to_string(at("out/report.md")).unwrap();

    let table = rows(section(&markdown, "Table 1: associations"));
    let pairs_of = |name, part| {
        let path = at(&format!("set/pairs_{name}_{part}.parquet"));
        let columns = ["anchor"];
        let table = sleeve_training::table::TableReader::open(
            &path,
            &sleeve_training::pairs::tables::PAIRS,
            &columns,
        );
        table.unwrap().rows()
    };
    let pairs = |name| pairs_of(name, "train");
    assert_eq!(table.len(), 8);
    let among = pairs_of("artist", "validation");
    let note = format!("that of the lowest validation loss, {among} validation pairs");
    let artist = markdown.lines().find(|line| line.starts_with("- ours, artist: the run artist-run; "));
    assert!(artist.is_some_and(|line| line.ends_with(&note)), "{artist:?}, {note}");
    assert_eq!(table[0], "| track | paper | 3.3 M | 3.3 M | 63 h | 88.7 | 200 |");
    assert_eq!(table[1], "| track | ours | 64 | 96 | not run | not run | not run |");
    assert_eq!(table[4], "| artist | paper | 1.2 M | 257 K | 33 h | 41.1 | 200 |");
    assert_eq!(table[5], format!("| artist | ours | {} | 24 | 3 min | 25.0 | 8 |", pairs("artist")));
    assert!(table[7].starts_with(&format!("| label | ours | {} | 4 | 3 min | 25.0 | 200 |", pairs("label"))));

    let table = rows(section(&markdown, "Table 3: tags and genres from frozen embeddings"));
    let find = |start: &str| {
        *table.iter().find(|row| row.starts_with(start)).unwrap_or_else(|| panic!("{start}: {table:#?}"))
    };
    let nothing = " not run |".repeat(11);
    assert_eq!(find("| track | ours |"), format!("| track | ours |{nothing}"));
    let genre = " 80.0 ± 0.3 [79.0, 81.0] | 15.0 |";
    let row = format!("| artist-run (cached crops) | ours |{genre}{}", " not run |".repeat(9));
    assert_eq!(find("| artist-run (cached"), row);
    let place = |row: &str| table.iter().position(|other| *other == row).unwrap();
    assert_eq!(place(find("| artist | paper |")) + 1, place(&row));
    assert!(find("| multi-task | paper |").ends_with(" 90.8 | 37.8 | 60.0 |"));
    assert!(find("| msd-musicnn-1 | ours |").contains("| 90.0 ± 0.3 [89.0, 91.0] | 30.0 | not run |"));
    assert!(find("| Harmonic CNN | quoted |").contains("| 83.2 | 29.8 | 91.3* | 45.9* | not given |"));
    for name in ["Lileonardo", "MusiCNN", "MuLaP", "CALM"] {
        find(&format!("| {name} | quoted |"));
    }
    // A stack for Table 4 has no row in Table 3.
    assert!(!table.iter().any(|row| row.contains("label-run")));

    let table = rows(section(&markdown, "Table 4: stacks of models on MagnaTagATune"));
    assert_eq!(table.len(), 6);
    assert_eq!(table[0], "| track + artist + label + style tags | paper | 90.93 | 38.75 |");
    assert_eq!(table[3], "| artist-run + label-run | ours | 90.9 ± 0.3 [89.9, 91.9] | 40.0 |");

    let same = section(&markdown, "Same-artist retrieval");
    let best =
        "| debian | msd-musicnn-1 | 200 | 30.0 | 50.0 | 25.0 | 12.5 | 2.0 | not run | not run | not run |";
    let ours = "| debian | artist-run | 1,280 | 20.0 [15.0, 25.0] | 50.0 | 25.0 | 12.5 | 2.0 | not run | 1,234 | 56 |";
    assert_eq!(rows(same), [best, ours]);
    assert!(same.contains("\n- artist-run, debian: held-out artists\n"));
    assert!(
        rows(section(&markdown, "Same-release retrieval"))[0]
            .starts_with("| debian | artist-run | 1,280 | 40.0 |")
    );

    let attempts = rows(section(&markdown, "Every training run"));
    let changes = "objective.associations.artist.pairs=8, run.groups=1";
    let artists = attempts[0].split(" | ").nth(4).unwrap();
    assert!((1..=16).contains(&artists.parse::<u32>().unwrap()), "{attempts:#?}");
    assert_eq!(
        attempts[0],
        format!(
            "| artist-run | artist | {changes} | {} | {artists} | 8 × 1 | 2 of 100 | 1 | 25.0 | 20.0 [15.0, 25.0] |",
            pairs("artist")
        )
    );
    assert!(
        attempts[1].starts_with("| artist-other | artist | data.crops=4 |")
            && attempts[1].ends_with("| not run |")
    );
    assert!(attempts[2].starts_with("| label-run | label | as shipped |"));

    // Without --out, the same tables are printed.
    let printed = report(&["--results", &results, "--runs", &first, &runs, "--data", &set]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    let titles: Vec<&str> = markdown.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(titles.len() >= 9, "{titles:?}");
    for title in titles {
        assert_eq!(rows(section(&printed, title)), rows(section(&markdown, title)));
    }
    assert!(!printed.contains(".svg"));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-train"));
    let output = command.args(["report", "--results", &results]).stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: standard output: No space left"), "{said}");
    assert_eq!(output.status.code(), Some(1));

    // Other metrics are in a further table.
    let further = section(&markdown, "Further figures");
    assert!(further.contains("| retrieval | debian | artist-run | artist/codec/map | 0.3000 | none | one |"));
    assert_eq!(rows(further).len(), 1, "{further}");
    assert!(
        rows(section(&markdown, "Same-label retrieval"))[0]
            .starts_with("| debian | msd-musicnn-1 | 200 | 6.2 |")
    );
    assert!(section(&markdown, "How it was measured").contains("crops=cached, hop=64"));

    // Every table has a file, every picture has a file and is in the page, and the page is well-formed.
    let csv = fs::read_to_string(at("out/retrieval-same-artist.csv")).unwrap();
    let line = "debian,artist-run,1280,20.000,15.000,25.000,50.000,25.000,12.500,2.000,not run,1234,56";
    assert!(csv.lines().any(|other| other == line), "{csv}");
    let page = fs::read_to_string(at("out/report.html")).unwrap();
    let shown = text_of(&page).unwrap();
    for said in ["90.8", "not run", "20.0 [15.0, 25.0]", "Further figures", "chance", "prefers-color-scheme"]
    {
        assert!(shown.contains(said), "{said}");
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("url("));
    let pictures = [
        "figure-2",
        "retrieval-same-artist-1",
        "retrieval-same-release-1",
        "retrieval-same-label-1",
        "validation-accuracy",
    ];
    for picture in pictures {
        let svg = fs::read_to_string(at(&format!("out/{picture}.svg"))).unwrap();
        assert!(text_of(&svg).is_ok() && markdown.contains(&format!("({picture}.svg)")), "{picture}");
    }
    assert_eq!(page.matches("<svg ").count(), pictures.len());
    // The figure shows the first run of an association.
    let figure = text_of(&fs::read_to_string(at("out/figure-2.svg")).unwrap()).unwrap();
    assert!(
        figure.contains("artist") && figure.contains("label") && !figure.contains("artist-other"),
        "{figure}"
    );
}

#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    run(folder.path(), "label-run", "label", &[]);
    // A run without a complete epoch.
    let begun = folder.path().join("begun");
    fs::create_dir(&begun).unwrap();
    fs::write(begun.join("config.toml"), support::dataset::config("tags", &[]).to_toml().unwrap()).unwrap();
    let output = report(&["--runs", folder.path().to_str().unwrap(), "--out", &at("out")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let markdown = fs::read_to_string(at("out/report.md")).unwrap();
    for (title, row) in [
        ("Table 1: associations", "| label | ours | not run | not run | 3 min | 25.0 | 200 |"),
        ("Table 4: stacks of models on MagnaTagATune", "| any | ours | not run | not run |"),
        (
            "Every training run",
            "| begun | tags | as shipped | not run | not run | 400 patches × 6 | 0 of 100 | not run | not run | not run |",
        ),
    ] {
        assert!(section(&markdown, title).lines().any(|line| line == row), "{}", section(&markdown, title));
    }
    assert!(section(&markdown, "Same-artist retrieval").contains("| any | any | not run |"));
    assert!(!markdown.contains("|  |") && !markdown.contains("Further figures"));
    assert!(text_of(&fs::read_to_string(at("out/report.html")).unwrap()).is_ok());

    assert!(complaint(&["--out", &at("out")]).contains("--results"));
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(
        complaint(&["--results", &at("empty"), "--out", &at("out")])
            .contains("empty: it contains no results")
    );
    assert!(complaint(&["--runs", &at("empty"), "--out", &at("out")]).contains("empty: it contains no run"));
    assert!(complaint(&["--data", &at("empty"), "--out", &at("out")]).contains("split.parquet"));
    for option in ["--results", "--runs", "--data"] {
        assert!(complaint(&[option, &at("nowhere"), "--out", &at("out")]).contains("nowhere"));
    }
    fs::write(folder.path().join("empty/broken.json"), "{\"schema\": 1").unwrap();
    assert!(complaint(&["--results", &at("empty"), "--out", &at("out")]).contains("broken.json: "));
    fs::write(folder.path().join("label-run/config.toml"), "[model").unwrap();
    assert!(complaint(&["--runs", &at("label-run"), "--out", &at("out")]).contains("config.toml: "));
    run(folder.path(), "label-run", "label", &[]);
    fs::write(folder.path().join("label-run/log.jsonl"), "{}\n").unwrap();
    assert!(complaint(&["--runs", &at("label-run"), "--out", &at("out")]).contains("log.jsonl: line 1"));
}

#[test]
fn hostile_names_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let name = "<script>alert(\"1\")</script> & ]]> |\u{1}\u{fffe}*x*";
    let mut hostile = results(
        Task::Retrieval,
        "d\"><b>",
        &[(name, 3)],
        &[("artist/map", figure(0.5, None, &[])), ("<m>", figure(f64::MAX, None, &[]))],
    );
    hostile.remarks.push("</li></ul></body>".into());
    // Too long for a file name.
    fs::create_dir(folder.path().join("results")).unwrap();
    fs::write(folder.path().join("results/a.json"), serde_json::to_string(&hostile).unwrap()).unwrap();
    run(folder.path(), "run <i>&\u{7}", "artist", &[]);
    let output = report(&[
        "--results",
        &at("results"),
        "--runs",
        folder.path().to_str().unwrap(),
        "--out",
        &at("out"),
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(at("out/report.html")).unwrap();
    let shown = text_of(&page).unwrap();
    assert!(
        shown.contains("<script>alert(\"1\")</script> & ]]> |") && shown.contains("</li></ul></body>"),
        "{shown}"
    );
    assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<i>"));
    assert!(page.chars().all(|letter| letter == '\n' || !letter.is_control()));
    let markdown = fs::read_to_string(at("out/report.md")).unwrap();
    let escaped = markdown.matches(r"\<script\>").count();
    assert!(escaped > 0 && escaped == markdown.matches("<script").count(), "{markdown}");
}
