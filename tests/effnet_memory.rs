//! The fused engine allocates nothing in a call. A binary of its own, with one test: the counting
//! allocator sees every thread of the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sleeve::engine::effnet::{EffnetEngine, KernelSet, Network};
use sleeve::engine::{Engine, EngineOptions};
use sleeve_tests::{output_of, peer, repository, skip};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_call_allocates_nothing() {
    let folder = repository().join("target/effnet-tests");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("memory.onnx");
    let Some(mut command) = peer("make_effnet.py") else { skip!("no peers; run `cargo xtask peers`") };
    output_of(command.arg(&path).args(["--style", "torch", "--seed", "8"]));
    let network = Arc::new(Network::recognise(&std::fs::read(&path).unwrap()).unwrap().unwrap());
    let patches = vec![0.5; 9 * 128 * 96];
    for set in KernelSet::ALL.into_iter().filter(|set| set.is_available()) {
        for threads in [1, 2] {
            let options = EngineOptions { threads, ..Default::default() };
            let engine = EffnetEngine::with_kernels(network.clone(), &options, set).unwrap();
            let (mut projections, mut embeddings) = (vec![0.0; 9 * 512], vec![0.0; 9 * 1280]);
            for rows in [9, 1, 4] {
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                engine
                    .run(
                        &patches[..rows * 128 * 96],
                        rows,
                        &mut [(0, &mut projections[..rows * 512]), (1, &mut embeddings[..rows * 1280])],
                    )
                    .unwrap();
                let during = ALLOCATIONS.load(Ordering::Relaxed) - before;
                assert_eq!(during, 0, "{}, {rows} rows", engine.describe());
            }
        }
    }
}
