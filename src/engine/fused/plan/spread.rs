//! Plans [`crate::engine::fused::kernels::spread`]: convolutions of one channel along time, with the maximum over bands.

use std::collections::HashMap;

use super::chains::{Chain, Main};
use super::places::Place;
use super::{Kind, PlaceId, PlanOp, Planner};
use crate::engine::cpu::buffer::Buffer;
use crate::engine::fused::ir::{Conv, Id, Ir, Op};
use crate::engine::fused::kernels::MAX_FILTERS;
use crate::engine::fused::kernels::spread::{GROUP, MAX_POINTS, phase};
use crate::engine::fused::pack::padded;
use crate::engine::fused::toom::Toom;
use crate::engine::graph::Size;

pub(in crate::engine::fused) struct SpreadInputPlan {
    pub matrix: Vec<[f32; MAX_POINTS]>,
    /// Zeros before time 0.
    pub before: usize,
    pub bands: usize,
    pub places: usize,
}

impl SpreadInputPlan {
    /// Floats from one point to the next; the marks of values that are not finite follow the last point, one a band.
    pub fn point(&self) -> usize {
        self.bands * self.places
    }

    pub fn poison(&self) -> usize {
        self.matrix.len() * self.point()
    }
}

pub(in crate::engine::fused) struct SpreadPlan {
    pub points: usize,
    pub pairs: Vec<[f32; 3]>,
    pub single: Option<[f32; 3]>,
    pub taps: Vec<u32>,
    /// Filters in blocks, and where each block's weights begin.
    pub blocks: Vec<(usize, usize, usize)>,
    pub weights: Buffer,
    pub bias: Buffer,
    /// Bands of the result, of which the maximum is taken, and of the input.
    pub bands: usize,
    pub input_bands: usize,
    /// Groups of places of the transformed input in a row; where this convolution's first one is; its own.
    pub row: usize,
    pub first: usize,
    pub places: usize,
    /// Vectors of places in a tile.
    pub vectors: usize,
}

/// Which transformed inputs are shared: of a node, for a number of taps, with the first place modulo [`GROUP`].
type Key = (Id, usize, usize);

/// What the convolutions with one transformed input need of it.
#[derive(Clone, Copy, Default)]
struct Need {
    before: usize,
    /// Groups of places, counted from `before`.
    places: usize,
}

/// The transformed inputs of a network.
pub(super) struct Transforms {
    needs: HashMap<Key, Need>,
    made: HashMap<Key, PlaceId>,
}

/// Taps of a group for a filter along time.
fn taps(kernel: usize) -> usize {
    if (5..=7).contains(&kernel) { 7 } else { 4 }
}

fn key(conv: &Conv) -> Key {
    (conv.x, taps(conv.kernel[0]), conv.pads[0] % GROUP)
}

/// Groups of places of a result, padded to whole vectors.
fn places(times: usize, lanes: usize) -> usize {
    times.div_ceil(GROUP).next_multiple_of(lanes)
}

impl Transforms {
    pub fn new(ir: &Ir, chains: &[Chain], lanes: usize) -> Self {
        let convs = || {
            chains.iter().filter(|chain| chain.main == Main::Spread).filter_map(|chain| {
                let Op::Pool(pool) = ir.op(chain.node) else { return None };
                let Op::Conv(conv) = ir.op(pool.x) else { return None };
                Some((conv, ir.size(pool.x)))
            })
        };
        let mut needs: HashMap<Key, Need> = HashMap::new();
        for (conv, _) in convs() {
            let need = needs.entry(key(conv)).or_default();
            need.before = need.before.max(conv.pads[0]);
        }
        for (conv, size) in convs() {
            if let Some(need) = needs.get_mut(&key(conv)) {
                let groups = conv.kernel[0].div_ceil(taps(conv.kernel[0]));
                let last = (need.before - conv.pads[0]) / GROUP + places(size.rows, lanes) + groups - 1;
                need.places = need.places.max(last.next_multiple_of(lanes));
            }
        }
        Self { needs, made: HashMap::new() }
    }
}

impl Planner<'_> {
    pub(super) fn spread_chain(&mut self, chain: &Chain) -> Result<(), String> {
        let Op::Pool(pool) = self.ir.op(chain.node) else { return Err("not a pool".into()) };
        let Op::Conv(conv) = self.ir.op(pool.x) else { return Err("not a convolution".into()) };
        let (conv, mapped) = (conv.clone(), self.ir.size(pool.x));
        let size = self.ir.size(chain.end);
        let lanes = self.kernels.lanes;
        let key = key(&conv);
        let toom = Toom::new(key.1);
        let need = self.spread.needs[&key];
        let input = self.ir.size(conv.x);
        let transformed = match self.spread.made.get(&key) {
            Some(&place) => place,
            None => self.transform(&toom, key, need, conv.x),
        };
        let groups = conv.kernel[0].div_ceil(toom.taps);
        let columns = conv.kernel[1];
        let taps: Vec<u32> =
            (0..groups * columns).map(|tap| (tap / columns + tap % columns * need.places) as u32).collect();
        let [most, vectors] = self.kernels.spread;
        let outputs = conv.bias.len();
        let (mut blocks, mut weights) = (Vec::new(), Vec::new());
        let count = outputs.div_ceil(most.min(MAX_FILTERS));
        for block in 0..count {
            // Blocks of nearly the same size.
            let (first, last) = (block * outputs / count, (block + 1) * outputs / count);
            blocks.push((first, last - first, weights.len()));
            for point in 0..toom.points() {
                for tap in 0..groups * columns {
                    let (group, column) = (tap / columns, tap % columns);
                    for filter in first..last {
                        let own = &conv.weights[filter * conv.kernel[0] * columns..];
                        let value: f64 = (0..toom.taps)
                            .filter(|k| group * toom.taps + k < conv.kernel[0])
                            .map(|k| {
                                let weight = own[(group * toom.taps + k) * columns + column];
                                toom.filter[point][k] * f64::from(weight)
                            })
                            .sum();
                        weights.push(value as f32);
                    }
                }
            }
        }
        let places = places(mapped.rows, lanes);
        let plan = SpreadPlan {
            points: toom.points(),
            pairs: toom.pairs.clone(),
            single: toom.single,
            taps,
            blocks,
            weights: padded(&weights, weights.len()),
            bias: padded(&conv.bias, outputs),
            bands: mapped.columns,
            input_bands: input.columns,
            row: need.places,
            first: (need.before - conv.pads[0]) / GROUP,
            places,
            vectors,
        };
        let scratch = (MAX_POINTS + GROUP) * MAX_FILTERS * 3 * lanes;
        self.plan.private = self.plan.private.max(scratch);
        let pixel = self.padded(size.channels);
        let (steps, mut read) = self.steps(&chain.links, pixel, size);
        read.push(transformed);
        let needs = self.needs(read);
        let to = self.new_place(chain.end, pixel);
        self.place.insert(chain.end, to);
        let products = mapped.rows * mapped.columns * conv.weights.len();
        let label =
            format!("conv {}x{columns} 1 and maximum -> {}x{}", conv.kernel[0], size.rows, size.channels);
        self.push(PlanOp { kind: Kind::Spread(plan), x: transformed, to, steps, needs, label, products });
        Ok(())
    }

    fn transform(&mut self, toom: &Toom, key: Key, need: Need, id: Id) -> PlaceId {
        let x = self.place[&id];
        let input = self.ir.size(id);
        let plan = SpreadInputPlan {
            matrix: toom.input.clone(),
            before: need.before,
            bands: input.columns,
            places: need.places,
        };
        let floats = plan.poison() + input.columns;
        self.plan.private = self.plan.private.max(GROUP * phase(need.places) + 64);
        let size = Size { rows: 1, columns: 1, channels: floats };
        self.plan.places.push(Place::new(size, floats, [0; 4], 1));
        let to = self.plan.places.len() - 1;
        let needs = self.needs([x]);
        let label = format!("transform {} points of {}x{}", toom.points(), input.rows, input.columns);
        self.push(PlanOp { kind: Kind::SpreadInput(plan), x, to, steps: vec![], needs, label, products: 0 });
        self.spread.made.insert(key, to);
        to
    }
}
