//! A network prepared for one kernel set: operations in order, packed weights, and a place for every value.
//!
//! Operations are computed chain by chain (`chains.rs`): a main operation, and the steps that its kernel applies to each
//! tile of the result. Early layers have large maps: they run patch by patch, so that a map stays in the cache from the
//! layer that writes it to the one that reads it. Late layers have few pixels and many weights: they run for several
//! patches at once, so that weights are loaded once for all. So chains form *segments*, whose groups of patches grow:
//! for each group of a segment, the segment before it runs as often as its smaller groups need.

pub(super) mod chains;
mod layers;
mod memory;
pub(super) mod places;
mod spread;
mod winograd;

use std::collections::HashMap;
use std::ops::Range;

use super::ir::{Arithmetic, Function, Id, Ir, Op, Pooling, Step};
use super::kernels::Kernels;
use super::pack::padded;
use crate::engine::cpu::buffer::Buffer;
use crate::engine::graph::view::Axis;
use chains::{Chain, Link, Main, chains};
pub(super) use layers::{ConvPlan, Dense, DepthwisePlan, PoolPlan};
use places::Place;
pub(super) use spread::{SpreadInputPlan, SpreadPlan};
pub(super) use winograd::WinogradPlan;

/// The index of a place in its plan.
pub(super) type PlaceId = usize;

/// Floats of a map or of weights: a gigabyte.
const MAX_FLOATS: usize = 1 << 28;

/// The most patches that go through a layer together.
pub(super) const MAX_GROUP: usize = 16;

pub(super) struct Plan {
    pub kernels: &'static Kernels,
    pub ops: Vec<PlanOp>,
    pub places: Vec<Place>,
    pub segments: Vec<Segment>,
    /// Floats of a patch of the input.
    pub input: usize,
    /// The places of the outputs, and the operations that compute them (`None`: the input itself).
    pub outputs: Vec<(PlaceId, Option<usize>)>,
    /// Whether the weights are too many for a shared cache: each pass loads them from memory.
    pub is_heavy: bool,
    /// Floats of the memory that a team shares, and of each thread's own.
    pub arena: usize,
    pub private: usize,
}

/// Operations that run for the same number of patches.
pub(super) struct Segment {
    pub group: usize,
    pub ops: Range<usize>,
}

pub(super) struct PlanOp {
    pub kind: Kind,
    pub x: PlaceId,
    pub to: PlaceId,
    pub steps: Vec<StepPlan>,
    /// The operations whose results it reads.
    pub needs: Vec<usize>,
    /// For the breakdown: what it is, and its multiply-adds a patch.
    pub label: String,
    pub products: usize,
}

pub(super) enum StepPlan {
    Function(Function),
    Affine(Buffer, Buffer),
    /// With another map, or with one vector for all pixels.
    Binary {
        operation: Arithmetic,
        place: PlaceId,
        is_vector: bool,
    },
    /// With one value a patch.
    Scalar {
        operation: Arithmetic,
        place: PlaceId,
    },
}

pub(super) enum Kind {
    Conv(ConvPlan),
    Winograd(WinogradPlan),
    Depthwise(DepthwisePlan),
    Pool(Box<PoolPlan>),
    SpreadInput(SpreadInputPlan),
    Spread(SpreadPlan),
    Element,
    /// [`Kind::Element`] for maps of one channel without gaps.
    Thin,
    /// The parts and where each begins: row, column, channel.
    Concat(Vec<(PlaceId, [usize; 3])>),
    Softmax,
    Channels(Pooling),
    /// For each value of the result, where it is in the input's slot.
    Relayout(Vec<u32>),
    /// The first row and column of the inside.
    Pad([usize; 2]),
}

/// The planner's state.
struct Planner<'a> {
    ir: &'a Ir,
    kernels: &'static Kernels,
    plan: Plan,
    /// The place of each node's value, and the operation that writes it.
    place: HashMap<Id, PlaceId>,
    producer: HashMap<PlaceId, usize>,
    /// The input inside of a border or padded to whole vectors.
    copied: HashMap<Id, PlaceId>,
    borders: HashMap<Id, [usize; 4]>,
    /// Nodes that kernels of whole vectors read.
    by_vector: Vec<bool>,
    /// The transformed inputs of [`Kind::Spread`].
    spread: spread::Transforms,
}

impl Plan {
    pub fn new(ir: &Ir, kernels: &'static Kernels) -> Result<Self, String> {
        let chains = chains(ir)?;
        let plan = Plan {
            kernels,
            ops: Vec::new(),
            places: Vec::new(),
            segments: Vec::new(),
            input: 0,
            outputs: Vec::new(),
            is_heavy: false,
            arena: 0,
            private: 0,
        };
        let mut planner = Planner {
            ir,
            kernels,
            plan,
            place: HashMap::new(),
            producer: HashMap::new(),
            copied: HashMap::new(),
            borders: HashMap::new(),
            by_vector: vec![false; ir.nodes.len()],
            spread: spread::Transforms::new(ir, &chains, kernels.lanes),
        };
        planner.look_ahead(&chains);
        planner.check_sizes()?;
        for (id, (op, size)) in ir.nodes.iter().enumerate() {
            if matches!(op, Op::Input) {
                planner.plan.input = size.rows * size.columns * size.channels;
                planner.plan.places.push(Place::input(*size));
                planner.place.insert(id, planner.plan.places.len() - 1);
            }
        }
        for chain in &chains {
            planner.chain(chain)?;
        }
        planner.finish()
    }

    /// The phases of a pass, at most.
    pub fn phases(&self) -> usize {
        let most = self.group();
        self.segments.iter().map(|segment| 2 * segment.ops.len() * most.div_ceil(segment.group)).sum()
    }

    /// Patches in a pass, at most.
    pub fn group(&self) -> usize {
        self.segments.last().map_or(1, |segment| segment.group)
    }

    /// Whether all operations use their weights once a row: the more rows together, the better.
    pub fn is_of_vectors(&self) -> bool {
        self.segments.first().is_some_and(|segment| segment.group == MAX_GROUP)
    }

    /// Marks the operations that the outputs need.
    pub fn mark_needed(&self, outputs: impl Iterator<Item = usize>, needed: &mut [bool]) {
        for output in outputs {
            if let Some(op) = self.outputs[output].1 {
                needed[op] = true;
            }
        }
        for op in (0..self.ops.len()).rev() {
            if needed[op] {
                self.ops[op].needs.iter().for_each(|&other| needed[other] = true);
            }
        }
    }
}

impl Planner<'_> {
    /// The borders that convolutions need around values, and which values are read by vector.
    fn look_ahead(&mut self, chains: &[Chain]) {
        for chain in chains {
            let mut part = Some(chain);
            while let Some(chain) = part {
                part = chain.feeder.as_deref();
                if let (Op::Conv(conv), Main::Conv | Main::Depthwise) = (self.ir.op(chain.node), &chain.main)
                {
                    let border = self.borders.entry(conv.x).or_default();
                    let (size, from) = (self.ir.size(chain.node), self.ir.size(conv.x));
                    let pads = match winograd::side(conv, size, from) {
                        Some(side) => winograd::border(conv, size, from, side),
                        None => conv.pads,
                    };
                    *border = std::array::from_fn(|i| border[i].max(pads[i]));
                    self.by_vector[conv.x] |= chain.main == Main::Depthwise;
                }
                if let (Op::Pool(pool), Main::Pool) = (self.ir.op(chain.node), &chain.main) {
                    self.by_vector[pool.x] |= chain.feeder.is_none();
                }
                if chain.main == Main::Element {
                    self.by_vector[chain.node] |= !self.is_thin(chain);
                }
                for link in &chain.links {
                    if let Link::Binary(_, other) = link {
                        self.by_vector[*other] = true;
                    }
                }
            }
        }
    }

    /// Refuses maps and weights that would take more memory than any network that is meant.
    fn check_sizes(&self) -> Result<(), String> {
        for (id, (op, size)) in self.ir.nodes.iter().enumerate() {
            let [above, left, below, right] = self.border(id);
            let (rows, columns) = (size.rows + above + below, size.columns + left + right);
            let padded = rows.saturating_mul(columns).saturating_mul(self.padded(size.channels));
            let weights = match op {
                Op::Conv(conv) => {
                    (conv.weights.len() / conv.bias.len().max(1)).saturating_mul(self.padded(conv.bias.len()))
                }
                _ => 0,
            };
            if padded.max(weights) > MAX_FLOATS {
                return Err(format!("a map of {size:?} with its border, or weights, of too many values"));
            }
        }
        Ok(())
    }

    /// Whether a chain of steps can run on a map of one channel without gaps. (If the map turns out to have gaps, it does
    /// not.)
    fn is_thin(&self, chain: &Chain) -> bool {
        self.ir.size(chain.node).channels == 1 && chain.links.iter().all(|link| matches!(link, Link::Step(_)))
    }

    fn border(&self, id: Id) -> [usize; 4] {
        self.borders.get(&id).copied().unwrap_or_default()
    }

    /// Floats of a pixel of `channels` channels that vectors are written to.
    fn padded(&self, channels: usize) -> usize {
        channels.next_multiple_of(self.kernels.lanes)
    }

    /// A new place for a node's value.
    fn new_place(&mut self, id: Id, pixel: usize) -> PlaceId {
        let place = Place::new(self.ir.size(id), pixel, self.border(id), 1);
        self.plan.places.push(place);
        self.plan.places.len() - 1
    }

    /// Adds an operation that writes a place.
    fn push(&mut self, op: PlanOp) {
        self.producer.insert(op.to, self.plan.ops.len());
        self.plan.ops.push(op);
    }

    fn needs(&self, places: impl IntoIterator<Item = PlaceId>) -> Vec<usize> {
        places.into_iter().filter_map(|place| self.producer.get(&place).copied()).collect()
    }

    /// Where a value is for kernels that read whole vectors or a border: a value that lacks them is copied first.
    fn read(&mut self, id: Id) -> PlaceId {
        let place = self.place[&id];
        let is_raw = self.plan.places[place].offset.is_none();
        if !is_raw || self.border(id) == [0; 4] && !self.by_vector[id] {
            return place;
        }
        if let Some(&copy) = self.copied.get(&id) {
            return copy;
        }
        let size = self.ir.size(id);
        let pixel = if size.channels == 1 { 1 } else { self.padded(size.channels) };
        let to = self.new_place(id, pixel);
        if size.channels == 1 {
            let needs = self.needs([place]);
            let label = format!("copy {}x{}", size.rows, size.columns);
            self.push(PlanOp { kind: Kind::Thin, x: place, to, steps: vec![], needs, label, products: 0 });
        } else {
            self.relayout(place, to, [Axis::Row, Axis::Column, Axis::Channel], "copy");
        }
        self.copied.insert(id, to);
        to
    }

    /// The values of `x` in the order of the axes, as the map of `to`.
    fn relayout(&mut self, x: PlaceId, to: PlaceId, order: [Axis; 3], label: &str) {
        let from = &self.plan.places[x];
        let count = |axis: Axis| match axis {
            Axis::Row => from.size.rows,
            Axis::Column => from.size.columns,
            _ => from.size.channels,
        };
        let mut sources = Vec::new();
        let [n0, n1, n2] = order.map(count);
        for i in 0..n0 {
            for j in 0..n1 {
                for k in 0..n2 {
                    let mut at = [0; 3];
                    for (axis, index) in order.iter().zip([i, j, k]) {
                        at[match axis {
                            Axis::Row => 0,
                            Axis::Column => 1,
                            _ => 2,
                        }] = index;
                    }
                    sources.push((from.at(at[0], at[1]) + at[2]) as u32);
                }
            }
        }
        let needs = self.needs([x]);
        let label = format!("{label} {}", sources.len());
        self.push(PlanOp { kind: Kind::Relayout(sources), x, to, steps: vec![], needs, label, products: 0 });
    }

    fn steps(
        &mut self,
        links: &[Link],
        channels: usize,
        size: crate::engine::graph::Size,
    ) -> (Vec<StepPlan>, Vec<PlaceId>) {
        let mut read = Vec::new();
        let steps = links
            .iter()
            .map(|link| match link {
                Link::Step(Step::Function(function)) => StepPlan::Function(*function),
                Link::Step(Step::Affine(scale, shift)) => {
                    StepPlan::Affine(padded(scale, channels), padded(shift, channels))
                }
                Link::Binary(operation, other) => {
                    let place = self.read(*other);
                    read.push(place);
                    let own = self.ir.size(*other);
                    let operation = *operation;
                    if own == size {
                        StepPlan::Binary { operation, place, is_vector: false }
                    } else if own.channels == size.channels {
                        StepPlan::Binary { operation, place, is_vector: true }
                    } else {
                        StepPlan::Scalar { operation, place }
                    }
                }
            })
            .collect();
        (steps, read)
    }

    fn chain(&mut self, chain: &Chain) -> Result<(), String> {
        let size = self.ir.size(chain.end);
        match chain.main {
            Main::Copy => return self.copy(chain.node),
            Main::Spread => self.spread_chain(chain)?,
            Main::Element => {
                let place = self.place[&chain.node];
                let is_thin = self.is_thin(chain) && self.plan.places[place].pixel == 1;
                let x = if is_thin { place } else { self.read(chain.node) };
                let pixel = if is_thin { 1 } else { self.padded(size.channels) };
                let (steps, mut read) = self.steps(&chain.links, pixel, size);
                read.push(x);
                let needs = self.needs(read);
                let to = self.new_place(chain.end, pixel);
                self.place.insert(chain.end, to);
                let kind = if is_thin { Kind::Thin } else { Kind::Element };
                let label = format!("steps {}x{}x{}", size.rows, size.columns, size.channels);
                self.push(PlanOp { kind, x, to, steps, needs, label, products: 0 });
            }
            Main::Conv | Main::Depthwise | Main::Pool => self.layer(chain)?,
        }
        Ok(())
    }

    /// What is copied value by value.
    fn copy(&mut self, id: Id) -> Result<(), String> {
        let size = self.ir.size(id);
        let op = self.ir.op(id).clone();
        if let Op::Relayout(x, order) = op {
            let place = self.place[&x];
            if self.border(id) == [0; 4]
                && !self.by_vector[id]
                && self.plan.places[place].is_dense()
                && in_order(self.ir, x, order)
            {
                // The same memory, seen as another map.
                let from = &self.plan.places[place];
                let mut alias = Place::new(size, size.channels, [0; 4], from.group);
                (alias.offset, alias.slot) = (from.offset, from.slot);
                self.plan.places.push(alias);
                let alias = self.plan.places.len() - 1;
                if let Some(&producer) = self.producer.get(&place) {
                    self.producer.insert(alias, producer);
                }
                self.place.insert(id, alias);
                return Ok(());
            }
            let pixel = if size.channels == 1 { 1 } else { self.padded(size.channels) };
            let to = self.new_place(id, pixel);
            self.place.insert(id, to);
            self.relayout(place, to, order, "relayout");
            return Ok(());
        }
        let pixel = match op {
            Op::Channels(..) => 1,
            _ if size.channels == 1 => 1,
            _ => self.padded(size.channels),
        };
        let operands: Vec<PlaceId> = op.operands().iter().map(|operand| self.place[operand]).collect();
        let to = self.new_place(id, pixel);
        self.place.insert(id, to);
        let x = *operands.first().ok_or("an operation without operands")?;
        let needs = self.needs(operands.iter().copied());
        let (kind, what) = match op {
            Op::Concat(_, axis) => {
                let mut at = 0;
                let parts = operands.iter().map(|&part| {
                    let own = self.plan.places[part].size;
                    let (start, extent) = match axis {
                        Axis::Row => ([at, 0, 0], own.rows),
                        Axis::Column => ([0, at, 0], own.columns),
                        _ => ([0, 0, at], own.channels),
                    };
                    at += extent;
                    (part, start)
                });
                (Kind::Concat(parts.collect()), "concat")
            }
            Op::Softmax(_) => (Kind::Softmax, "softmax"),
            Op::Channels(pooling, _) => (Kind::Channels(pooling), "over channels"),
            Op::Pad(_, pads) => (Kind::Pad([pads[0], pads[1]]), "pad"),
            _ => return Err("an operation that is not copied".into()),
        };
        let label = format!("{what} {}x{}x{}", size.rows, size.columns, size.channels);
        self.push(PlanOp { kind, x, to, steps: vec![], needs, label, products: 0 });
        Ok(())
    }
}

/// Whether the values of a dense map are already in this order.
fn in_order(ir: &Ir, x: Id, order: [Axis; 3]) -> bool {
    let size = ir.size(x);
    let rank = |axis: &Axis| match axis {
        Axis::Row => (size.rows > 1).then_some(0),
        Axis::Column => (size.columns > 1).then_some(1),
        _ => (size.channels > 1).then_some(2),
    };
    let ranks: Vec<i32> = order.iter().filter_map(rank).collect();
    ranks.is_sorted()
}
