//! The fused engine for convolutional networks allocates nothing during a call, on any thread of the process.

use std::sync::Arc;

use sleeve::engine::effnet::KernelSet;
use sleeve::engine::fused::{FusedEngine, Network};
use sleeve::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};
use sleeve_tests::repository;

use crate::{allocations, in_a_process_of_its_own};

#[test]
fn a_call_of_the_fused_engine_allocates_nothing() {
    if !in_a_process_of_its_own() {
        return;
    }
    let row = 187 * 96;
    let patches = vec![0.5; 9 * row];
    for name in ["msd-musicnn-1", "msd-vgg-1"] {
        let file = std::fs::read(repository().join("models").join(format!("{name}.onnx"))).unwrap();
        for set in
            KernelSet::ALL.into_iter().filter(|set| set.precision() == Precision::F32 && set.is_available())
        {
            let network = Arc::new(Network::read(file.clone(), &[187, 96], set).unwrap());
            let outputs: Vec<OutputSpec> = network
                .outputs()
                .iter()
                .map(|(name, dim)| OutputSpec::new(name, Purpose::Other, *dim))
                .collect();
            for threads in [1, 2] {
                let options = EngineOptions::default().threads(threads);
                let input = InputSpec::Patch { frames: 187, bands: 96 };
                let engine = FusedEngine::new(network.clone(), input, outputs.clone(), &options).unwrap();
                let mut found = vec![0.0; 9 * outputs[0].dim];
                for rows in [9, 1, 4] {
                    let before = allocations();
                    let wanted = &mut found[..rows * outputs[0].dim];
                    engine.run(&patches[..rows * row], rows, &mut [(0, wanted)]).unwrap();
                    let during = allocations() - before;
                    assert_eq!(during, 0, "{name}, {}, {rows} rows", engine.describe());
                }
            }
        }
    }
}
