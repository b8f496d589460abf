//! An ONNX file: an error or a network that runs; no panic, no endless loop, no excessive memory.
//!
//! The engine catches panics of the runtime, so only those that escape it count.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve::engine::{EngineChoice, EngineOptions};
use sleeve::model::Model;

#[path = "shared/panics.rs"]
mod panics;

fuzz_target!(init: panics::note_contained(), |data: &[u8]| open_and_run(data));

fn open_and_run(data: &[u8]) {
    let Ok(model) = Model::from_bytes("fuzz", data, None) else { return };
    for choice in [EngineChoice::Auto, EngineChoice::Onnx] {
        let options = EngineOptions::default().engine(choice).threads(1);
        let Ok(engine) = model.engine(&options) else { continue };
        let width = engine.input().len();
        if width > 1 << 16 || engine.outputs().iter().any(|output| output.dim > 1 << 16) {
            continue;
        }
        let rows = 2;
        let input: Vec<f32> = (0..rows * width).map(|index| (index % 7) as f32 - 3.0).collect();
        let mut buffers: Vec<Vec<f32>> =
            engine.outputs().iter().map(|output| vec![0.0; rows * output.dim]).collect();
        let mut wanted: Vec<(usize, &mut [f32])> =
            buffers.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
        let _ = engine.run(&input, rows, &mut wanted);
        // Where no engine of ours was chosen, the second would be the same one.
        if engine.name() == "onnx" {
            break;
        }
    }
}
