//! A model's JSON: no panic, the same when written and read again, and no panic when a graph is opened with it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve::model::{Metadata, Model};

#[path = "shared/panics.rs"]
mod panics;

/// A graph with two outputs and a dynamic batch, so that every kind of disagreement is possible.
const GRAPH: &[u8] = include_bytes!("../../data/graphs/channel_last.onnx");

fuzz_target!(init: panics::note_contained(), |data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(metadata) = Metadata::from_json(text) else { return };
    let written = metadata.to_json();
    assert_eq!(Metadata::from_json(&written).expect("what was written can be read"), metadata);
    if let Ok(model) = Model::from_bytes("fuzz", GRAPH, Some(text)) {
        let classes = model.classes().len();
        let predictions = model.output(sleeve::engine::Purpose::Predictions);
        assert!(classes == 0 || predictions.is_none_or(|index| model.outputs()[index].dim == classes));
        // None for a graph that takes something else than audio.
        assert!(model.patching().is_none_or(|patching| patching.hop() > 0));
    }
});
