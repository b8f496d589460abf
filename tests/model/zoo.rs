//! Every family of models that Essentia's authors publish, with their names, shapes and metadata and with random weights:
//! what a recording gives here, and what Essentia's front ends with onnxruntime give.

use ndarray::{Array2, Axis, s};
use ndarray_npy::read_npy;
use sleeve::extractor::Extractor;
use sleeve::model::{Meaning, Model};
use sleeve_tests::zoo::{self, ZOO, assert_close, music, zoo};
use sleeve_tests::{output_of, program, skip};

#[test]
fn every_family_gives_what_essentia_and_onnxruntime_give() {
    let Some(folder) = zoo() else { skip!("no peers: run `cargo xtask peers`") };
    for (stem, front_end, rate, heads) in ZOO {
        let model = Model::open(folder.join(stem)).unwrap();
        assert_eq!(model.front_end().map(|front_end| front_end.name()), Some(front_end), "{stem}");
        assert_eq!(model.sample_rate(), rate, "{stem}");
        let expected = zoo::expected(&folder, stem);
        let mut builder = Extractor::builder(model).threads(1);
        for name in expected.keys() {
            // All tokens, where there are such.
            builder = builder.output(name);
        }
        for head in heads {
            builder = builder.head(Model::open(folder.join(head)).unwrap());
        }
        let analysis = builder.build().unwrap().extract_file(music(stem)).unwrap();
        let outputs = analysis.outputs();
        for ((name, values), found) in expected.iter().zip(outputs) {
            assert_eq!(&found.info.tensor, name);
            assert_close(&format!("{stem} {name}"), &found.values, values);
        }
        for (head, found) in heads.iter().zip(&outputs[expected.len()..]) {
            let values: Array2<f32> = read_npy(folder.join("expected").join(format!("{head}.npy"))).unwrap();
            assert_close(head, &found.values, &values);
        }
    }
}

#[test]
fn heads_say_what_their_values_are() {
    let Some(folder) = zoo() else { skip!("no peers: run `cargo xtask peers`") };
    for (head, meaning, range) in [
        ("mood_happy-msd-musicnn-1", Meaning::Classes, Some((0.0, 1.0))),
        ("nsynth_instrument-discogs-effnet-1", Meaning::Classes, Some((0.0, 1.0))),
        ("genre_discogs400-discogs-effnet-1", Meaning::Labels, Some((0.0, 1.0))),
        ("mtg_jamendo_genre-discogs-effnet-1", Meaning::Labels, Some((0.0, 1.0))),
        ("deam-msd-musicnn-2", Meaning::Quantities, Some((1.0, 9.0))),
        ("approachability_regression-discogs-effnet-1", Meaning::Quantities, None),
    ] {
        let model = Model::open(folder.join(head)).unwrap();
        assert!(model.is_head(), "{head}");
        let index = model.output(sleeve::engine::Purpose::Predictions).unwrap();
        assert_eq!(model.meaning(index), meaning, "{head}");
        assert_eq!(meaning.range(model.classes()), range, "{head}: {:?}", model.classes());
    }
}

#[test]
fn a_head_of_another_model_is_refused_by_name() {
    let Some(folder) = zoo() else { skip!("no peers: run `cargo xtask peers`") };
    let open = |stem: &str| Model::open(folder.join(stem)).unwrap();
    let build = |model: &str, head: &str| Extractor::builder(open(model)).head(open(head)).threads(1).build();
    // As wide, and trained on another network.
    let refusal =
        build("discogs_artist_embeddings-effnet-bs64-1", "genre_electronic-discogs-effnet-1").err().unwrap();
    let refusal = refusal.to_string();
    assert!(
        refusal.contains("genre_electronic-discogs-effnet-1") && refusal.contains("discogs-effnet-bs64-1"),
        "{refusal}"
    );
    assert!(refusal.contains("discogs_artist_embeddings-effnet-bs64-1"), "{refusal}");
    // The same network for another batch size, and by permission.
    assert!(build("discogs-effnet-bsdynamic-1", "genre_electronic-discogs-effnet-1").is_ok());
    let head = open("genre_electronic-discogs-effnet-1");
    let builder = Extractor::builder(open("discogs_artist_embeddings-effnet-bs64-1")).head(head).threads(1);
    assert!(builder.clone().any_embedding_model(true).build().is_ok());
    let chosen = builder.any_embedding_model(true).head_input("PartitionedCall:0").build().err().unwrap();
    assert!(chosen.to_string().contains("1280") && chosen.to_string().contains("512"), "{chosen}");
}

#[test]
fn tokens_are_selected_by_name() {
    let Some(folder) = zoo() else { skip!("no peers: run `cargo xtask peers`") };
    let model = Model::open(folder.join("discogs-maest-5s-pw-2")).unwrap();
    let layer = "PartitionedCall/Identity_7";
    let (count, width) = model.tokens(model.output_named(layer).unwrap()).unwrap();
    assert_eq!(count, 281);
    // The published mistake, once, and nothing about the number of all values.
    let [warning] = model.warnings() else { panic!("{:#?}", model.warnings()) };
    assert!(
        warning.contains("(and 11 others) 786 values") && warning.contains(&width.to_string()),
        "{warning}"
    );
    let mut builder = Extractor::builder(model).threads(1);
    for part in ["", ":cls", ":dist", ":mean", ":stack", ":tokens"] {
        builder = builder.output(format!("{layer}{part}"));
    }
    let recording = music("discogs-maest-5s-pw-2");
    let analysis = builder.build().unwrap().extract_file(recording).unwrap();
    // The whole by both of its names.
    let [all, cls, dist, mean, stack] = analysis.outputs() else {
        panic!("{} outputs", analysis.outputs().len())
    };
    let tokens = all.values.to_shape((all.values.nrows(), count, width)).unwrap();
    assert_eq!(cls.values, tokens.index_axis(Axis(1), 0));
    assert_eq!(dist.values, tokens.index_axis(Axis(1), 1));
    let rest = tokens.slice(s![.., 2.., ..]).mean_axis(Axis(1)).unwrap();
    assert!(mean.values.iter().zip(&rest).all(|(a, b)| (a - b).abs() < 1e-4));
    assert_eq!(stack.values.slice(s![.., ..width]), cls.values);
    assert_eq!(stack.values.slice(s![.., width..2 * width]), dist.values);
    assert_eq!(stack.values.slice(s![.., 2 * width..]), mean.values);
    assert_eq!(stack.info.tensor, format!("{layer}:stack"));
}

#[test]
fn the_program_gives_the_bits_of_the_library_and_readings() {
    let Some(folder) = zoo() else { skip!("no peers: run `cargo xtask peers`") };
    let out = tempfile::tempdir().unwrap();
    let extract = |stems: &[&str], name: &str, options: &[&str]| -> String {
        let mut command = std::process::Command::new(program());
        command.arg("extract").arg(music(stems[0]));
        for stem in stems {
            command.arg("--model").arg(folder.join(stem));
        }
        if !name.is_empty() {
            command.arg("--output").arg(out.path().join(name));
        }
        String::from_utf8(output_of(command.args(options))).unwrap()
    };
    // Five front ends at three sample rates in one run.
    let stems =
        ["deepsquare-k16-3", "crepe-tiny-1", "fsd-sinet-vgg41-tlpf-1", "audioset-yamnet-1", "msd-musicnn-1"];
    extract(&stems, "all", &[]);
    for stem in stems {
        let extractor =
            Extractor::builder(Model::open(folder.join(stem)).unwrap()).threads(1).build().unwrap();
        let analysis = extractor.extract_file(music(stems[0])).unwrap();
        let file = |label: &str| out.path().join("all").join(format!("long.wav.{stem}.{label}.npy"));
        let predictions: Array2<f32> = read_npy(file("predictions")).unwrap();
        assert_eq!(predictions, analysis.predictions().unwrap(), "{stem}");
        if let Some(reading) = analysis.outputs().iter().find(|output| output.info.dim == 2) {
            let values: Array2<f32> = read_npy(file(&reading.info.tensor)).unwrap();
            assert_eq!(values, reading.values, "{stem}");
        }
    }
    let text = extract(&["deepsquare-k16-3"], "", &[]);
    assert!(text.contains("BPM") && text.contains("11025 Hz, 40 bands"), "{text}");
    let text = extract(&["crepe-tiny-1"], "", &[]);
    assert!(text.contains("pitch"), "{text}");
    extract(&["deepsquare-k16-3"], "csv", &["--format", "csv"]);
    let csv = std::fs::read_to_string(out.path().join("csv/long.wav.csv")).unwrap();
    let columns = csv.lines().next().unwrap();
    assert!(columns.ends_with("tempo:bpm,tempo:probability"), "{columns}");
    // Forced, and the index says so.
    extract(
        &["discogs-effnet-bsdynamic-1"],
        "forced",
        &["--front-end", "musicnn-mel", "--only", "embeddings"],
    );
    let index = std::fs::read(out.path().join("forced/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let settings = &index["settings"]["models"][0];
    assert_eq!(
        (&settings["front_end"], &settings["front_end_overridden"]),
        (&"musicnn".into(), &true.into())
    );
    assert_eq!(settings["patch_hop"], 64);
}
