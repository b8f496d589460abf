//! The whole library on real music, compared with the results of Essentia's front end and the same networks.

use std::collections::BTreeMap;

use sleeve::extractor::{Extractor, Rows, run_file_together};
use sleeve::model::Model;
use sleeve::patches::LastPatch;
use sleeve_tests::{data, recording};

type Tags = BTreeMap<String, f64>;

/// Mean tags by recording and model, computed from Essentia's mel-spectrogram and the original networks.
fn golden() -> BTreeMap<String, BTreeMap<String, Tags>> {
    let text = std::fs::read(data("golden/musicnn_tags.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The bundled model of a golden file's key.
fn model(key: &str) -> Model {
    Model::bundled(match key {
        "MSD_musicnn" => "msd-musicnn-1",
        "MTT_musicnn" => "mtt-musicnn-1",
        other => panic!("no model for {other}"),
    })
    .unwrap()
}

fn extractor(key: &str) -> Extractor {
    Extractor::builder(model(key)).build().unwrap()
}

#[test]
fn mean_tags_of_real_tracks_are_those_of_the_original() {
    let golden = golden();
    assert_eq!(golden.len(), 3);
    for (name, models) in &golden {
        // MP3 decoders differ in where they start, which moves every patch a little.
        let tolerance = if name.ends_with(".mp3") { 0.02 } else { 0.005 };
        assert_eq!(models.len(), 2);
        for (key, tags) in models {
            let analysis = extractor(key).extract_file(recording(name)).unwrap();
            assert_eq!(analysis.classes().len(), tags.len());
            let mean = analysis.predictions().unwrap().mean_axis(ndarray::Axis(0)).unwrap();
            for (class, &value) in analysis.classes().iter().zip(&mean) {
                let expected = tags[class];
                let error = (f64::from(value) - expected).abs();
                assert!(error <= tolerance, "{name} {key} {class}: {value} instead of {expected}");
            }
        }
    }
}

#[test]
fn sharing_one_decoding_changes_nothing() {
    let (first, second) = (extractor("MSD_musicnn"), extractor("MTT_musicnn"));
    let alone = [&first, &second].map(|extractor| extractor.extract_file(recording("sky.ogg")).unwrap());
    let mut together = [Vec::new(), Vec::new()];
    let [a, b] = &mut together;
    let mut keep_a = |rows: &Rows<'_>| {
        a.extend(rows.outputs[0].iter().copied());
        Ok(())
    };
    let mut keep_b = |rows: &Rows<'_>| {
        b.extend(rows.outputs[0].iter().copied());
        Ok(())
    };
    run_file_together(&mut [(&first, &mut keep_a), (&second, &mut keep_b)], recording("sky.ogg")).unwrap();
    for (together, alone) in together.iter().zip(&alone) {
        assert_eq!(together, &alone.outputs()[0].values.iter().copied().collect::<Vec<f32>>());
    }
}

#[test]
fn batch_size_threads_and_source_change_no_bit() {
    let build = |batch: usize, threads: usize| {
        Extractor::builder(model("MSD_musicnn")).batch_size(batch).threads(threads).build().unwrap()
    };
    let expected = build(1, 1).extract_file(recording("sky.ogg")).unwrap();
    for (batch, threads) in [(1, 2), (3, 1), (64, 2)] {
        let analysis = build(batch, threads).extract_file(recording("sky.ogg")).unwrap();
        assert_eq!(
            analysis.embeddings().unwrap(),
            expected.embeddings().unwrap(),
            "batch {batch}, {threads} threads"
        );
        assert_eq!(analysis.predictions(), expected.predictions());
        assert_eq!(analysis.times(), expected.times());
    }
    // The same samples from memory.
    let mut samples = Vec::new();
    let mut reader = sleeve::audio::AudioReader::open(recording("sky.ogg")).unwrap();
    while reader.read(&mut samples).unwrap() > 0 {}
    assert_eq!(reader.info().channels, 1);
    let analysis = build(2, 1).extract_samples(&samples, reader.info().sample_rate).unwrap();
    assert_eq!(analysis.embeddings().unwrap(), expected.embeddings().unwrap());
}

#[test]
fn clips_shorter_than_a_patch_give_no_row_or_one_as_asked() {
    let build = |last_patch| Extractor::builder(model("MSD_musicnn")).last_patch(last_patch).build().unwrap();
    let clip: Vec<f32> = (0..16_000).map(|index| (index as f32 * 0.05).sin() * 0.3).collect();
    let none = build(LastPatch::Discard).extract_samples(&clip, 16_000).unwrap();
    assert_eq!(none.embeddings().unwrap().dim(), (0, 200));
    assert!(none.mean().is_none() && none.times().is_empty());
    let one = build(LastPatch::Repeat).extract_samples(&clip, 16_000).unwrap();
    assert_eq!(one.embeddings().unwrap().dim(), (1, 200));
    assert_eq!(one.mean().unwrap(), one.embeddings().unwrap().row(0));
    let nothing = build(LastPatch::Repeat).extract_samples(&[], 16_000).unwrap();
    assert_eq!(nothing.embeddings().unwrap().dim(), (0, 200));
}

#[test]
fn bad_samples_and_rates_are_refused_by_name() {
    let extractor = extractor("MSD_musicnn");
    let mut samples = vec![0.1_f32; 50_000];
    samples[31_234] = f32::NAN;
    let error = extractor.extract_samples(&samples, 44_100).unwrap_err().to_string();
    assert!(error.contains("31234") && error.contains("NaN"), "{error}");
    samples[31_234] = 0.0;
    for rate in [0, 1, u32::MAX] {
        assert!(extractor.extract_samples(&samples, rate).is_err(), "{rate} Hz");
    }
}

#[test]
fn a_sink_ends_the_run_with_its_own_error() {
    let mut calls = 0;
    let mut sink = |_: &Rows<'_>| {
        calls += 1;
        Err(sleeve::Error::InvalidArgument("enough".into()))
    };
    let error = extractor("MSD_musicnn").run_file(recording("sky.ogg"), &mut sink).unwrap_err();
    assert_eq!(error.to_string(), "enough");
    assert_eq!(calls, 1);
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let build = || Extractor::builder(model("MSD_musicnn"));
    assert!(build().batch_size(0).build().is_err());
    assert!(build().patch_hop(0).build().is_err());
    let error = build().output("mood").build().err().unwrap().to_string();
    assert!(error.contains("mood") && error.contains("predictions"), "{error}");
    let only = build().output("embeddings").build().unwrap();
    assert_eq!(only.outputs().len(), 1);
    let error = build().head(model("MTT_musicnn")).build().err().unwrap().to_string();
    assert!(error.contains("not a head"), "{error}");
}
