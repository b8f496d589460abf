//! The fused engine allocates nothing during a call, on any thread of the process.

use std::sync::Arc;

use sleeve::engine::effnet::{EffnetEngine, KernelSet, Network};
use sleeve::engine::{Engine, EngineOptions};
use sleeve_tests::{output_of, peer, repository, skip};

use crate::{allocations, in_a_process_of_its_own};

#[test]
fn a_call_allocates_nothing() {
    if !in_a_process_of_its_own() {
        return;
    }
    let folder = repository().join("target/effnet-tests");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("memory.onnx");
    let Some(mut command) = peer("make_effnet.py") else { skip!("no peers; run `cargo xtask peers`") };
    output_of(command.arg(&path).args(["--style", "torch", "--seed", "8"]));
    let network = Arc::new(Network::recognise(std::fs::read(&path).unwrap()).unwrap());
    let patches = vec![0.5; 9 * 128 * 96];
    for set in KernelSet::ALL.into_iter().filter(|set| set.is_available()) {
        for threads in [1, 2] {
            let options = EngineOptions::default().threads(threads);
            let engine = EffnetEngine::with_kernels(network.clone(), &options, set).unwrap();
            let (mut projections, mut embeddings) = (vec![0.0; 9 * 512], vec![0.0; 9 * 1280]);
            for rows in [9, 1, 4] {
                let before = allocations();
                engine
                    .run(
                        &patches[..rows * 128 * 96],
                        rows,
                        &mut [(0, &mut projections[..rows * 512]), (1, &mut embeddings[..rows * 1280])],
                    )
                    .unwrap();
                let during = allocations() - before;
                assert_eq!(during, 0, "{}, {rows} rows", engine.describe());
            }
        }
    }
}
