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
    let again = Metadata::from_json(&written).expect("what was written can be read");
    // What was written has no commas too many, and so no warning of them; the rest is the same.
    assert_eq!(again.document(), metadata.document());
    assert_eq!((again.inputs(), again.outputs()), (metadata.inputs(), metadata.outputs()));
    assert_eq!((again.classes(), again.sample_rate()), (metadata.classes(), metadata.sample_rate()));
    assert_eq!(Metadata::from_json(&again.to_json()).expect("it was read before"), again);
    if let Ok(model) = Model::from_bytes("fuzz", GRAPH, Some(text)) {
        let classes = model.classes().len();
        let predictions = model.output(sleeve::engine::Purpose::Predictions);
        assert!(classes == 0 || predictions.is_none_or(|index| model.outputs()[index].dim == classes));
        // None for a graph that takes something else than audio.
        assert!(model.patching().is_none_or(|patching| patching.hop() > 0));
    }
});
