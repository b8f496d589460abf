//! A model that several threads use: its weights are loaded once. Tested with loom, which runs every interleaving, and
//! with real threads.

use std::sync::Arc as StdArc;

use sleeve::engine::EngineOptions;
use sleeve::extractor::Extractor;
use sleeve::model::Model;

#[allow(dead_code)]
#[path = "../../src/model/load_once.rs"]
mod load_once;

/// What `load_once` imports from its parent.
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{Arc, Mutex};
}

use load_once::LoadOnce;
use loom::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn whoever_asks_first_loads() {
    loom::model(|| {
        let shared = loom::sync::Arc::new((LoadOnce::new(), AtomicUsize::new(0)));
        let ask = |shared: &(LoadOnce<usize>, AtomicUsize)| {
            let load = || Ok::<_, ()>(shared.1.fetch_add(1, Ordering::Relaxed) + 7);
            *shared.0.get(load).unwrap()
        };
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = shared.clone();
                loom::thread::spawn(move || ask(&shared))
            })
            .collect();
        let own = ask(&shared);
        for other in others {
            assert_eq!(other.join().unwrap(), own);
        }
        assert_eq!((own, shared.1.load(Ordering::Relaxed)), (7, 1));
    });
}

#[test]
fn a_failed_load_is_tried_again() {
    loom::model(|| {
        let shared = loom::sync::Arc::new((LoadOnce::new(), AtomicUsize::new(0)));
        // The first load fails, on whichever thread; a second one succeeds.
        let ask = |shared: &(LoadOnce<usize>, AtomicUsize)| {
            shared.0.get(|| match shared.1.fetch_add(1, Ordering::Relaxed) {
                0 => Err("not yet"),
                tries => Ok(tries),
            })
        };
        let other = {
            let shared = shared.clone();
            loom::thread::spawn(move || ask(&shared).map(|value| *value))
        };
        let own = ask(&shared).map(|value| *value);
        let mut both = [own, other.join().unwrap()];
        both.sort();
        assert_eq!(both, [Ok(1), Err("not yet")]);
    });
}

/// Real threads create engines of one model at the same time, with two kinds of options, and get the same bits.
#[test]
fn extractors_of_one_model_agree_whoever_makes_them() {
    let samples: Vec<f32> = (0..16_000 * 4).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
    let expected = {
        let model = Model::bundled("msd-musicnn-1").unwrap();
        let extractor = Extractor::builder(model).threads(1).build().unwrap();
        extractor.extract_samples(&samples, 16_000).unwrap().embeddings().unwrap().to_owned()
    };
    for _ in 0..10 {
        let model = StdArc::new(Model::bundled("msd-musicnn-1").unwrap());
        let barrier = StdArc::new(std::sync::Barrier::new(4));
        let threads: Vec<_> = (0..4)
            .map(|index| {
                let (model, barrier) = (model.clone(), barrier.clone());
                let samples = samples.clone();
                std::thread::spawn(move || {
                    barrier.wait();
                    if index % 2 == 0 {
                        model.engine(&EngineOptions::default().threads(2)).unwrap();
                    }
                    let extractor = Extractor::builder((*model).clone()).threads(1).build().unwrap();
                    extractor.extract_samples(&samples, 16_000).unwrap().embeddings().unwrap().to_owned()
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    }
}
