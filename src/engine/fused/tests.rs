//! Every kernel set against the plain network, on random networks whose shapes are not multiples of a vector or a tile.

use std::sync::Arc;

use super::engine::{FusedEngine, Network};
use super::ir::{Arithmetic, Conv, Function, Id, Ir, Op, Pool, Pooling, Step, extent};
use super::reference;
use crate::engine::cpu::KernelSet;
use crate::engine::graph::Size;
use crate::engine::graph::view::Axis;
use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};

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

    fn conv(&mut self, ir: &mut Ir, x: Id, is_depthwise: bool) -> Result<Id, String> {
        let size = ir.size(x);
        let kernel = [self.range(1, 5), self.range(1, 5)];
        let dilation = [self.range(1, 2), self.range(1, 2)];
        let outputs = if is_depthwise { size.channels } else { self.range(1, 70) };
        let inputs = if is_depthwise { 1 } else { size.channels };
        let depth = inputs * kernel[0] * kernel[1];
        ir.conv(Conv {
            x,
            weights: self.values(outputs * depth, (3.0 / depth as f32).sqrt()).into(),
            bias: self.values(outputs, 0.3).into(),
            kernel,
            stride: [self.range(1, 2), self.range(1, 3)],
            dilation,
            pads: [self.range(0, 2), self.range(0, 3), self.range(0, 2), self.range(0, 2)],
            groups: if is_depthwise { size.channels } else { 1 },
        })
    }

    fn pool(&mut self, ir: &mut Ir, x: Id) -> Result<Id, String> {
        let size = ir.size(x);
        let pooling = [Pooling::Max, Pooling::Max, Pooling::Mean, Pooling::MeanWithPads, Pooling::Sum];
        let pooling = pooling[self.range(0, 4)];
        let kernel = match self.range(0, 3) {
            0 => [1, size.columns],
            1 => [size.rows, size.columns],
            _ => [self.range(1, 3), self.range(1, 3)],
        };
        let stride = [self.range(1, 3), self.range(1, 3)];
        let pads: [usize; 4] = std::array::from_fn(|i| {
            if self.next().is_multiple_of(3) { kernel[i % 2].saturating_sub(1).min(1) } else { 0 }
        });
        let rows = extent(size.rows, pads[0] + pads[2], kernel[0], stride[0], 1).ok_or("too small")?;
        let columns = extent(size.columns, pads[1] + pads[3], kernel[1], stride[1], 1).ok_or("too small")?;
        let pool = Pool { x, pooling, kernel, stride, pads };
        ir.push(Op::Pool(pool), Size { rows, columns, ..size })
    }

    /// An operation on `x`, or why it does not fit.
    fn operation(&mut self, ir: &mut Ir, x: Id) -> Result<Id, String> {
        let size = ir.size(x);
        match self.range(0, 13) {
            0..4 => self.conv(ir, x, false),
            4 => self.conv(ir, x, true),
            5 | 6 => self.pool(ir, x),
            7 => {
                let functions = [
                    Function::Relu,
                    Function::Clip(-0.2, 0.6),
                    Function::Leaky(0.1),
                    Function::Elu(0.7),
                    Function::Sigmoid,
                    Function::Silu,
                    Function::Tanh,
                    Function::Gelu,
                    Function::Abs,
                    Function::Square,
                ];
                let function = functions[self.range(0, functions.len() - 1)];
                ir.function(x, function)
            }
            8 => {
                let (scale, shift) = (self.values(size.channels, 1.2), self.values(size.channels, 0.5));
                ir.affine(x, &scale, &shift)
            }
            9 => {
                // With a value of the same size, or with its own mean: an arbitrary earlier node that fits.
                let fits = |id: &Id| {
                    let other = ir.size(*id);
                    other == size
                        || other.is_vector() && (other.channels == size.channels || other.channels == 1)
                };
                let others: Vec<Id> = (0..ir.nodes.len()).filter(fits).collect();
                let other = others[self.range(0, others.len() - 1)];
                let kinds =
                    [Arithmetic::Add, Arithmetic::Sub, Arithmetic::Mul, Arithmetic::Max, Arithmetic::Min];
                ir.binary(kinds[self.range(0, 4)], x, other)
            }
            10 => {
                let parts = vec![x, x, ir.function(x, Function::Relu)?];
                let axis = [Axis::Channel, Axis::Row, Axis::Column][self.range(0, 2)];
                let mut joined = size;
                match axis {
                    Axis::Row => joined.rows *= 3,
                    Axis::Column => joined.columns *= 3,
                    _ => joined.channels *= 3,
                }
                ir.push(Op::Concat(parts, axis), joined)
            }
            11 => {
                let orders = [
                    [Axis::Row, Axis::Column, Axis::Channel],
                    [Axis::Channel, Axis::Row, Axis::Column],
                    [Axis::Column, Axis::Channel, Axis::Row],
                ];
                let order = orders[self.range(0, 2)];
                let count = |axis: Axis| match axis {
                    Axis::Row => size.rows,
                    Axis::Column => size.columns,
                    _ => size.channels,
                };
                let [rows, columns, channels] = order.map(count);
                ir.push(Op::Relayout(x, order), Size { rows, columns, channels })
            }
            12 => {
                let pads = [self.range(0, 2), self.range(0, 2), self.range(0, 2), self.range(0, 2)];
                ir.pad(x, pads)
            }
            _ => {
                let pooling = [Pooling::Max, Pooling::Mean, Pooling::Sum][self.range(0, 2)];
                ir.push(Op::Channels(pooling, x), Size { channels: 1, ..size })
            }
        }
    }

    /// A network with branches and a few outputs.
    fn network(&mut self) -> Ir {
        let mut ir = Ir::default();
        let (rows, columns) = (self.range(1, 40), self.range(1, 24));
        let channels = if self.next().is_multiple_of(2) { 1 } else { self.range(1, 20) };
        let mut x = ir.push(Op::Input, Size { rows, columns, channels }).unwrap();
        for _ in 0..self.range(1, 9) {
            if let Ok(next) = self.operation(&mut ir, x) {
                let size = ir.size(next);
                if size.rows * size.columns * size.channels > 30_000 {
                    break;
                }
                x = if self.next().is_multiple_of(6) { self.range(0, next) } else { next };
            }
        }
        // Outputs are vectors.
        for _ in 0..self.range(1, 2) {
            let id = self.range(ir.nodes.len() / 2, ir.nodes.len() - 1);
            let size = ir.size(id);
            let flat = Size { rows: 1, columns: 1, channels: size.rows * size.columns * size.channels };
            let flat = ir.push(Op::Relayout(id, [Axis::Row, Axis::Column, Axis::Channel]), flat).unwrap();
            let out = if self.next().is_multiple_of(2) {
                let outputs = self.range(1, 40);
                let inputs = ir.size(flat).channels;
                let weights = self.values(outputs * inputs, (3.0 / inputs as f32).sqrt()).into();
                let bias = self.values(outputs, 0.3).into();
                let dense = Conv {
                    x: flat,
                    weights,
                    bias,
                    kernel: [1, 1],
                    stride: [1, 1],
                    dilation: [1, 1],
                    pads: [0; 4],
                    groups: 1,
                };
                let dense = ir.conv(dense).unwrap();
                ir.push(Op::Softmax(dense), ir.size(dense)).unwrap()
            } else {
                flat
            };
            ir.outputs.push(out);
        }
        ir
    }
}

fn engine(ir: &Ir, set: KernelSet, threads: usize) -> FusedEngine {
    let outputs: Vec<(String, usize)> =
        ir.outputs.iter().enumerate().map(|(i, &id)| (i.to_string(), ir.size(id).channels)).collect();
    let specs = outputs.iter().map(|(name, dim)| OutputSpec::new(name, Purpose::Other, *dim)).collect();
    let size = ir.size(0);
    let input = InputSpec::Vector { dim: size.rows * size.columns * size.channels };
    let network = Network::planned(ir.clone(), outputs, set).unwrap();
    FusedEngine::new(Arc::new(network), input, specs, &EngineOptions { threads, ..Default::default() })
        .unwrap()
}

fn run(engine: &FusedEngine, input: &[f32], rows: usize) -> Vec<Vec<f32>> {
    let mut found: Vec<Vec<f32>> = engine.outputs().iter().map(|o| vec![f32::NAN; rows * o.dim]).collect();
    let mut wanted: Vec<(usize, &mut [f32])> = found.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
    engine.run(input, rows, &mut wanted).unwrap();
    found
}

fn f32_sets() -> impl Iterator<Item = KernelSet> {
    KernelSet::ALL.into_iter().filter(|set| set.is_available() && set.precision() == Precision::F32)
}

fn compare(ir: &Ir, random: &mut Random, what: &str) {
    let size = ir.size(0);
    let row = size.rows * size.columns * size.channels;
    let rows = random.range(1, 19);
    let input = random.values(rows * row, 1.0);
    let expected: Vec<Vec<Vec<f32>>> =
        input.chunks_exact(row).map(|row| reference::outputs(ir, row)).collect();
    for set in f32_sets() {
        let one = engine(ir, set, 1);
        let found = run(&one, &input, rows);
        for (index, found) in found.iter().enumerate() {
            let dim = one.outputs()[index].dim;
            for (at, expected) in expected.iter().enumerate() {
                let (found, expected) = (&found[at * dim..][..dim], &expected[index]);
                let sum = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
                let error = sum(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
                let scale = sum(&mut expected.iter().map(|&x| f64::from(x)));
                assert!(
                    error <= 1e-5 * scale + 1e-6,
                    "{what}, {set}, output {index}, row {at}: {error} of {scale}"
                );
            }
        }
        // The same bits alone, among others, and by a team.
        let last = rows - 1;
        for engine in [&one, &engine(ir, set, 3)] {
            let alone = run(engine, &input[last * row..], 1);
            let all = run(engine, &input, rows);
            for (index, all) in all.iter().enumerate() {
                let dim = one.outputs()[index].dim;
                let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(all), bits(&found[index]), "{what}, {set}: threads");
                assert_eq!(bits(&alone[index]), bits(&all[last * dim..]), "{what}, {set}: batch");
            }
        }
    }
}

#[test]
fn random_networks_agree_with_the_plain_one() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let ir = random.network();
        compare(&ir, &mut random, &format!("seed {seed}"));
    }
}

/// A few wide convolutions of 3x3 and 5x5 on maps that tiles do not fill, with pools and additions.
fn wide(random: &mut Random) -> Ir {
    let mut ir = Ir::default();
    let is_line = random.next().is_multiple_of(3);
    let channels = if is_line { random.range(32, 50) } else { random.range(16, 40) };
    let size = Size { rows: random.range(5, 13), columns: random.range(5, 13), channels };
    let mut x = ir.push(Op::Input, size).unwrap();
    for _ in 0..2 {
        let from = ir.size(x);
        let taps = if random.next().is_multiple_of(2) { 3 } else { 5 };
        let kernel = match random.range(0, 1) {
            _ if !is_line => [taps, taps],
            0 => [1, taps],
            _ => [taps, 1],
        };
        let keeps = random.next().is_multiple_of(2);
        let outputs = if keeps { from.channels } else { random.range(if is_line { 28 } else { 12 }, 50) };
        let pads = std::array::from_fn(|i| {
            let reach = kernel[i % 2] - 1;
            if keeps { reach / 2 } else { random.range(reach.min(1), reach) }
        });
        let depth = from.channels * kernel[0] * kernel[1];
        let weights = random.values(outputs * depth, (6.0 / depth as f32).sqrt()).into();
        let bias = random.values(outputs, 0.3).into();
        let (stride, dilation) = ([1, 1], [1, 1]);
        let conv = Conv { x, weights, bias, kernel, stride, dilation, pads, groups: 1 };
        let mut y = ir.conv(conv).unwrap();
        if keeps {
            y = ir.binary(Arithmetic::Add, y, x).unwrap();
        }
        y = ir.function(y, Function::Relu).unwrap();
        if random.next().is_multiple_of(2) && ir.size(y).rows > 1 {
            let (size, kernel) = (ir.size(y), [2, 1]);
            let pool = Pool { x: y, pooling: Pooling::Max, kernel, stride: kernel, pads: [0; 4] };
            y = ir.push(Op::Pool(pool), Size { rows: size.rows / 2, ..size }).unwrap();
        }
        x = y;
    }
    let size = ir.size(x);
    let flat = Size { rows: 1, columns: 1, channels: size.rows * size.columns * size.channels };
    let flat = ir.push(Op::Relayout(x, [Axis::Row, Axis::Column, Axis::Channel]), flat).unwrap();
    ir.outputs.push(flat);
    ir
}

#[test]
fn wide_convolutions_agree_with_the_plain_ones() {
    for seed in 0..40 {
        let mut random = Random(2000 + seed);
        let ir = wide(&mut random);
        compare(&ir, &mut random, &format!("seed {seed}"));
    }
    // A pool over a map so wide that its convolution runs band by band.
    let mut random = Random(3);
    let mut ir = Ir::default();
    let x = ir.push(Op::Input, Size { rows: 14, columns: 70, channels: 16 }).unwrap();
    let weights = random.values(20 * 16 * 9, 0.15).into();
    let bias = random.values(20, 0.3).into();
    let (kernel, stride, dilation) = ([3, 3], [1, 1], [1, 1]);
    let x = ir.conv(Conv { x, weights, bias, kernel, stride, dilation, pads: [1; 4], groups: 1 }).unwrap();
    let pool = Pool { x, pooling: Pooling::Max, kernel: [2, 2], stride: [2, 2], pads: [0; 4] };
    let pooled = ir.push(Op::Pool(pool), Size { rows: 7, columns: 35, channels: 20 }).unwrap();
    let flat = Size { rows: 1, columns: 1, channels: 7 * 35 * 20 };
    let flat = ir.push(Op::Relayout(pooled, [Axis::Channel, Axis::Row, Axis::Column]), flat).unwrap();
    ir.outputs.push(flat);
    compare(&ir, &mut random, "bands");
}

/// A convolution of one channel along time with the maximum over bands, as MusiCNN's, with rectifiers and scales before
/// the maximum.
fn spread(random: &mut Random) -> Ir {
    let mut ir = Ir::default();
    let size = Size { rows: random.range(32, 90), columns: random.range(3, 20), channels: 1 };
    let x = ir.push(Op::Input, size).unwrap();
    let x = ir.affine(x, &[1.3], &[-0.2]).unwrap();
    let mut parts = Vec::new();
    for _ in 0..random.range(1, 3) {
        let kernel = [random.range(4, 30), random.range(1, size.columns - 1)];
        let outputs = random.range(1, 20);
        let depth = kernel[0] * kernel[1];
        let before = random.range(0, kernel[0] - 1);
        let conv = Conv {
            x,
            weights: random.values(outputs * depth, (3.0 / depth as f32).sqrt()).into(),
            bias: random.values(outputs, 0.3).into(),
            kernel,
            stride: [1, 1],
            dilation: [1, 1],
            pads: [before, 0, kernel[0] - 1 - before, 0],
            groups: 1,
        };
        let mut y = ir.conv(conv).unwrap();
        if random.next().is_multiple_of(2) {
            y = ir.function(y, Function::Relu).unwrap();
            let (scale, shift) = (random.values(outputs, 1.0), random.values(outputs, 0.5));
            y = ir.affine(y, &scale, &shift).unwrap();
        }
        let kernel = [1, ir.size(y).columns];
        let pool = Pool { x: y, pooling: Pooling::Max, kernel, stride: [1, 1], pads: [0; 4] };
        let pooled = Size { columns: 1, ..ir.size(y) };
        parts.push(ir.push(Op::Pool(pool), pooled).unwrap());
    }
    let channels = parts.iter().map(|&part| ir.size(part).channels).sum();
    let joined = Size { columns: 1, channels, ..size };
    let joined = ir.push(Op::Concat(parts, Axis::Channel), joined).unwrap();
    let flat = Size { rows: 1, columns: 1, channels: size.rows * channels };
    let flat = ir.push(Op::Relayout(joined, [Axis::Channel, Axis::Row, Axis::Column]), flat).unwrap();
    ir.outputs.push(flat);
    ir
}

#[test]
fn maxima_over_bands_agree_with_the_plain_ones() {
    for seed in 0..25 {
        let mut random = Random(1000 + seed);
        let ir = spread(&mut random);
        compare(&ir, &mut random, &format!("seed {seed}"));
    }
}

#[test]
fn a_value_that_is_not_finite_gives_nan_in_its_row_alone() {
    for seed in 0..4 {
        let mut random = Random(seed);
        let ir = spread(&mut random);
        let row = ir.size(0).rows * ir.size(0).columns;
        let clean = random.values(3 * row, 1.0);
        for bad in [f32::NAN, f32::INFINITY] {
            let mut input = clean.clone();
            input[row + row / 2] = bad;
            for set in f32_sets() {
                let engine = engine(&ir, set, 1);
                let (found, before) = (run(&engine, &input, 3), run(&engine, &clean, 3));
                let dim = engine.outputs()[0].dim;
                assert!(found[0][dim..2 * dim].iter().all(|x| x.is_nan()), "{set}");
                assert_eq!(found[0][..dim], before[0][..dim], "{set}");
                assert_eq!(found[0][2 * dim..], before[0][2 * dim..], "{set}");
            }
        }
    }
}

#[test]
fn nan_passes_every_step() {
    let mut ir = Ir::default();
    let size = Size { rows: 6, columns: 6, channels: 3 };
    let mut x = ir.push(Op::Input, size).unwrap();
    for function in [
        Function::Relu,
        Function::Clip(-1.0, 1.0),
        Function::Leaky(0.1),
        Function::Sigmoid,
        Function::Silu,
        Function::Elu(1.0),
        Function::Gelu,
        Function::Abs,
    ] {
        x = ir.function(x, function).unwrap();
    }
    for pooling in [Pooling::Max, Pooling::Mean] {
        let pool = Pool { x, pooling, kernel: [6, 6], stride: [1, 1], pads: [0; 4] };
        let pooled = ir.push(Op::Pool(pool), Size { rows: 1, columns: 1, channels: 3 }).unwrap();
        let softmax = ir.push(Op::Softmax(pooled), ir.size(pooled)).unwrap();
        ir.outputs.extend([pooled, softmax]);
    }
    let mut input = vec![0.5; 6 * 6 * 3];
    input[40] = f32::NAN;
    let channel = 40 % 3;
    for set in f32_sets() {
        let found = run(&engine(&ir, set, 1), &input, 1);
        for pooled in [&found[0], &found[2]] {
            for (c, value) in pooled.iter().enumerate() {
                assert_eq!(value.is_nan(), c == channel, "{set}: {found:?}");
            }
        }
        assert!(found[1].iter().chain(&found[3]).all(|x| x.is_nan()), "{set}");
    }
}

/// A map of one channel has no vectors: the level of a patch is one logarithm.
#[test]
fn exp_and_ln_have_the_same_bits_with_and_without_vectors() {
    let mut random = Random(8);
    let values: Vec<f32> = random.values(12, 40.0);
    for function in [Function::Exp, Function::Log] {
        let mut ir = Ir::default();
        let x = ir.push(Op::Input, Size { rows: 1, columns: 1, channels: 1 }).unwrap();
        let y = ir.function(x, function).unwrap();
        ir.outputs.push(y);
        let mut wide = Ir::default();
        let x = wide.push(Op::Input, Size { rows: 1, columns: 1, channels: 12 }).unwrap();
        let y = wide.function(x, function).unwrap();
        wide.outputs.push(y);
        for set in f32_sets() {
            let thin = run(&engine(&ir, set, 1), &values, values.len());
            let wide = run(&engine(&wide, set, 1), &values, 1);
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&thin[0]), bits(&wide[0]), "{set}");
        }
    }
}

#[test]
fn steps_move_behind_a_pool_with_their_signs() {
    let mut random = Random(5);
    let mut ir = Ir::default();
    let x = ir.push(Op::Input, Size { rows: 8, columns: 20, channels: 2 }).unwrap();
    let conv = Conv {
        x,
        weights: random.values(12 * 2 * 9, 0.5).into(),
        bias: random.values(12, 0.3).into(),
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        pads: [1; 4],
        groups: 1,
    };
    let mut y = ir.conv(conv).unwrap();
    y = ir.function(y, Function::Relu).unwrap();
    let (scale, shift) = (random.values(12, 1.0), random.values(12, 0.5));
    y = ir.affine(y, &scale, &shift).unwrap();
    let pool = Pool { x: y, pooling: Pooling::Max, kernel: [2, 2], stride: [2, 2], pads: [0; 4] };
    let pooled = ir.push(Op::Pool(pool), Size { rows: 4, columns: 10, channels: 12 }).unwrap();
    let flat = Size { rows: 1, columns: 1, channels: 480 };
    let flat = ir.push(Op::Relayout(pooled, [Axis::Row, Axis::Column, Axis::Channel]), flat).unwrap();
    ir.outputs.push(flat);
    let rewritten = super::rewrite::rewrite(ir.clone()).unwrap();
    let place = |wanted: fn(&Op) -> bool| rewritten.nodes.iter().position(|(op, _)| wanted(op));
    let pool = place(|op| matches!(op, Op::Pool(_)));
    let relu = place(|op| matches!(op, Op::Step(_, Step::Function(Function::Relu))));
    assert!(pool < relu, "{rewritten:?}");
    compare(&ir, &mut random, "signs");
}
