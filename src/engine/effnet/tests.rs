//! Every kernel set against the plain network, on shapes that are not multiples of a vector or a tile.

use std::sync::Arc;

use super::engine::{EffnetEngine, Network};
use super::network::{Block, Depthwise, Gate, Linear, Stem, Weights, Window};
use super::reference;
use super::tables::{Tables, silu};
use super::tail::{Step, Tail};
use crate::engine::cpu::KernelSet;
use crate::engine::{Engine, EngineOptions, OutputSpec, Precision, Purpose};

/// A small random number generator: a failure can be reproduced from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// In `from..=to`.
    fn range(&mut self, from: usize, to: usize) -> usize {
        from + self.next() as usize % (to - from + 1)
    }

    fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| (self.next() as f32 / (1u64 << 30) as f32 - 1.0) * scale).collect()
    }

    fn linear(&mut self, inputs: usize, outputs: usize) -> Linear {
        let scale = (3.0 / inputs as f32).sqrt();
        Linear {
            inputs,
            outputs,
            weights: self.values(inputs * outputs, scale),
            bias: self.values(outputs, 0.3),
        }
    }

    fn window(&mut self, kernel: usize, stride: usize) -> Window {
        Window { kernel, stride, pads: std::array::from_fn(|_| self.range(0, kernel - 1)) }
    }

    /// A block; with a residual only where its shapes allow one.
    fn block(&mut self, inputs: usize, expands: bool) -> Block {
        let kernel = if self.next().is_multiple_of(2) { 3 } else { 5 };
        let stride = self.range(1, 2);
        let mut window = self.window(kernel, stride);
        let keeps = expands && stride == 1 && self.next().is_multiple_of(2);
        if keeps {
            window.pads = [kernel / 2; 4];
        }
        let wide = if expands { self.range(1, 130) } else { inputs };
        let outputs = if keeps { inputs } else { self.range(1, 70) };
        let squeezed = self.range(1, 9);
        Block {
            expand: expands.then(|| self.linear(inputs, wide)),
            depthwise: Depthwise {
                window,
                weights: self.values(wide * kernel * kernel, 1.5 / kernel as f32),
                bias: self.values(wide, 0.3),
            },
            gate: Gate { reduce: self.linear(wide, squeezed), excite: self.linear(squeezed, wide) },
            project: self.linear(wide, outputs),
            residual: keeps,
        }
    }

    /// A network of a stem, a block that does not expand, and a few that do.
    fn network(&mut self) -> Weights {
        let (rows, columns) = (self.range(20, 70), self.range(20, 70));
        let channels = self.range(1, 40);
        let stem = Stem {
            window: self.window(3, 2),
            channels,
            weights: self.values(9 * channels, 0.7),
            bias: self.values(channels, 0.3),
            scale: 1.3,
            shift: -0.2,
        };
        let mut blocks = vec![self.block(channels, false)];
        for _ in 0..self.range(1, 3) {
            let inputs = blocks.last().map_or(0, |block| block.project.outputs);
            blocks.push(self.block(inputs, true));
        }
        let inputs = blocks.last().map_or(0, |block| block.project.outputs);
        let outputs = self.range(1, 150);
        let head = self.linear(inputs, outputs);
        let tail =
            Tail { steps: vec![Step::Pooled], dims: vec![outputs], outputs: vec![0], ..Tail::default() };
        let spec = OutputSpec { name: "pooled".into(), purpose: Purpose::Embeddings, dim: outputs };
        Weights { rows, columns, stem, blocks, head, tail, outputs: vec![spec] }
    }
}

#[test]
fn no_two_kernel_sets_share_a_plan_but_those_of_bfloat16() {
    let network = Network::from_weights(Random(1).network());
    let sets = KernelSet::ALL.into_iter().filter(|set| set.is_available());
    let plans: Vec<_> =
        sets.map(|set| (set, network.plan(set, Tables::of(set).expect("it is available")))).collect();
    for (set, plan) in &plans {
        for (other, of_other) in &plans {
            let same = set == other || [set, other].iter().all(|set| set.precision() == Precision::Bf16);
            assert_eq!(Arc::ptr_eq(plan, of_other), same, "{set} and {other}");
        }
    }
}

#[test]
fn kernels_agree_with_the_plain_network_on_odd_shapes() {
    for seed in 0..25 {
        let mut random = Random(seed);
        let weights = random.network();
        let patch = weights.rows * weights.columns;
        let dim = weights.head.outputs;
        let rows = random.range(1, 19);
        let input = random.values(rows * patch, 1.0);
        let expected: Vec<f32> =
            input.chunks_exact(patch).flat_map(|patch| reference::pooled(&weights, patch)).collect();
        let scale = expected.iter().map(|value| value * value).sum::<f32>().sqrt();
        let network = Arc::new(Network::from_weights(weights));
        for set in KernelSet::ALL.into_iter().filter(|set| set.is_available()) {
            for threads in [1, 3] {
                let options = EngineOptions { threads, ..Default::default() };
                let engine = EffnetEngine::with_kernels(network.clone(), &options, set).unwrap();
                let mut found = vec![f32::NAN; rows * dim];
                engine.run(&input, rows, &mut [(0, &mut found)]).unwrap();
                let error = found.iter().zip(&expected).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                let most = if set.precision() == Precision::F32 { 1e-5 } else { 4e-2 };
                assert!(error <= most * scale, "seed {seed}, {set}, {threads} threads: {}", error / scale);
            }
        }
    }
}

#[test]
fn silu_is_exact_enough_everywhere() {
    for set in KernelSet::ALL.into_iter().filter(|set| set.is_available()) {
        let most = if set.precision() == Precision::F32 { 3e-7 } else { 3e-4 };
        for i in -4000..4000 {
            let x = i as f32 * 0.025;
            let (found, expected) = (silu(set, x), reference::silu(x));
            let error = (found - expected).abs();
            // For large |x| the exponent itself is rounded: the relative error grows, the absolute error does not.
            let most = most * (1.0 + x.abs() / 4.0);
            assert!(error <= most * expected.abs() + 1e-30, "{set}: silu({x}) = {found}, not {expected}");
        }
        for x in [f32::NAN, -f32::NAN] {
            assert!(silu(set, x).is_nan(), "{set}");
        }
        assert_eq!(silu(set, 0.0), 0.0);
        assert!(silu(set, -1e30).abs() < 1e-5 && (silu(set, 1e30) - 1e30).abs() <= most * 1e30, "{set}");
    }
}
