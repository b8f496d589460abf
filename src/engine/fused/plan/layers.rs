//! Plans convolutions and pools.

use std::sync::Arc;

use super::chains::{Chain, Main};
use super::places::Place;
use super::winograd::{WinogradPlan, side};
use super::{Kind, PlanOp, Planner, StepPlan};
use crate::engine::cpu::buffer::Buffer;
use crate::engine::fused::ir::{Op, Pool, Pooling};
use crate::engine::fused::pack::{Packed, Run, pack_taps, padded, runs};

pub(in crate::engine::fused) struct ConvPlan {
    pub packed: Packed,
    pub runs: Vec<Run>,
    /// Where the window of each pixel begins.
    pub windows: Arc<[u32]>,
}

pub(in crate::engine::fused) struct DepthwisePlan {
    pub taps: Vec<u32>,
    /// For pixels of one row: 0 for a kernel of 3x3, 1 for one of 5x5; `None` for others.
    pub row: Option<usize>,
    pub weights: Buffer,
    pub bias: Buffer,
    pub windows: Arc<[u32]>,
    /// Channels, padded to whole vectors.
    pub channels: usize,
}

pub(in crate::engine::fused) struct PoolPlan {
    /// First and last row (excluded) of each row of the result, and columns alike.
    pub rows: Vec<[u32; 2]>,
    pub columns: Vec<[u32; 2]>,
    pub is_max: bool,
    pub factor: Option<f32>,
    pub channels: usize,
    pub feeder: Option<Feeder>,
}

/// A dense convolution, in one way or the other.
pub(in crate::engine::fused) enum Dense {
    Direct(ConvPlan),
    Winograd(WinogradPlan),
}

/// A convolution that computes the input of a pool, some rows at a time.
pub(in crate::engine::fused) struct Feeder {
    pub conv: Dense,
    pub steps: Vec<StepPlan>,
    /// The whole result's layout, of which there are only `rows` rows at a time.
    pub place: Place,
    /// Rows of the pool's result for one band.
    pub rows: usize,
    /// Floats of the private memory before the band.
    pub scratch: usize,
}

/// Pixels of a band, at least, if the map has as many.
const BAND: usize = 84;

impl Planner<'_> {
    fn dense(&mut self, chain: &Chain) -> Result<(Dense, usize, usize), String> {
        let Op::Conv(conv) = self.ir.op(chain.node).clone() else { return Err("not a convolution".into()) };
        let x = self.read(conv.x);
        let place = &self.plan.places[x];
        let size = self.ir.size(chain.node);
        let (lanes, three) = (self.kernels.lanes, self.kernels.tile(3) > 0);
        let products = size.rows * size.columns * conv.weights.len();
        let plan = match side(&conv, size, self.ir.size(conv.x)) {
            Some(side) => {
                let plan = WinogradPlan::new(&conv, place, size, side, lanes, three);
                self.plan.private = self.plan.private.max(plan.scratch().iter().sum());
                Dense::Winograd(plan)
            }
            None => Dense::Direct(ConvPlan {
                packed: Packed::new(&conv, lanes, three),
                runs: runs(&conv, place.size.channels, place.pixel, place.row),
                windows: place.windows(size, conv.stride, conv.pads),
            }),
        };
        Ok((plan, x, products))
    }

    pub(super) fn layer(&mut self, chain: &Chain) -> Result<(), String> {
        let size = self.ir.size(chain.end);
        let channels = self.padded(size.channels);
        let (kind, x, products, what) = match (&chain.main, self.ir.op(chain.node).clone()) {
            (Main::Conv, Op::Conv(conv)) => {
                let (plan, x, products) = self.dense(chain)?;
                let inputs = self.ir.size(conv.x).channels;
                let (kind, what) = match plan {
                    Dense::Direct(plan) => (Kind::Conv(plan), "conv"),
                    Dense::Winograd(plan) => (Kind::Winograd(plan), "winograd"),
                };
                (kind, x, products, format!("{what} {}x{} {inputs}", conv.kernel[0], conv.kernel[1]))
            }
            (Main::Depthwise, Op::Conv(conv)) => {
                let x = self.read(conv.x);
                let place = &self.plan.places[x];
                let taps = (0..conv.kernel[0] * conv.kernel[1]).map(|tap| {
                    let (row, column) = (tap / conv.kernel[1], tap % conv.kernel[1]);
                    (row * conv.dilation[0] * place.row + column * conv.dilation[1] * place.pixel) as u32
                });
                let plain = conv.stride == [1, 1] && conv.dilation == [1, 1];
                let plan = DepthwisePlan {
                    row: [[3, 3], [5, 5]].iter().position(|kernel| plain && *kernel == conv.kernel),
                    taps: taps.collect(),
                    weights: pack_taps(&conv, channels),
                    bias: padded(&conv.bias, channels),
                    windows: place.windows(size, conv.stride, conv.pads),
                    channels,
                };
                let products = size.rows * size.columns * conv.weights.len();
                (
                    Kind::Depthwise(plan),
                    x,
                    products,
                    format!("depthwise {}x{}", conv.kernel[0], conv.kernel[1]),
                )
            }
            (Main::Pool, Op::Pool(pool)) => {
                let (feeder, x, products, what) = match chain.feeder.as_deref() {
                    Some(before) => {
                        let (feeder, x, products) = self.feeder(before, &pool)?;
                        (Some(feeder), x, products, "conv and ")
                    }
                    None => (None, self.read(pool.x), 0, ""),
                };
                let plan = PoolPlan { feeder, ..pool_plan(&pool, self.ir.size(pool.x), size, channels) };
                let [rows, columns] = pool.kernel;
                (
                    Kind::Pool(Box::new(plan)),
                    x,
                    products,
                    format!("{what}{:?} pool {rows}x{columns}", pool.pooling),
                )
            }
            _ => return Err("a chain without a layer".into()),
        };
        let (steps, mut read) = self.steps(&chain.links, channels, size);
        read.push(x);
        let needs = self.needs(read);
        let to = self.new_place(chain.end, channels);
        self.place.insert(chain.end, to);
        let label = format!("{what} -> {}x{}x{}", size.rows, size.columns, size.channels);
        self.push(PlanOp { kind, x, to, steps, needs, label, products });
        Ok(())
    }

    fn feeder(&mut self, before: &Chain, pool: &Pool) -> Result<(Feeder, usize, usize), String> {
        let (conv, x, products) = self.dense(before)?;
        let size = self.ir.size(pool.x);
        let channels = self.padded(size.channels);
        let (steps, _) = self.steps(&before.links, channels, size);
        let place = Place::new(size, channels, [0; 4], 1);
        // Whole rows of tiles, in either way; behind what the tiles need for themselves.
        let (band, side, scratch) = match &conv {
            Dense::Direct(_) => (BAND, 1, 0),
            Dense::Winograd(plan) => {
                let band = 28 * plan.side[0] * plan.side[1];
                (band, plan.side[0], plan.scratch().iter().sum())
            }
        };
        let mut rows = band.div_ceil(pool.stride[0] * size.columns).max(1);
        while !(rows * pool.stride[0]).is_multiple_of(side) {
            rows += 1;
        }
        let needed = ((rows - 1) * pool.stride[0] + pool.kernel[0]).next_multiple_of(side) * place.row;
        self.plan.private = self.plan.private.max(scratch + needed);
        Ok((Feeder { conv, steps, place, rows, scratch }, x, products))
    }
}

fn pool_plan(
    pool: &Pool,
    from: crate::engine::graph::Size,
    to: crate::engine::graph::Size,
    channels: usize,
) -> PoolPlan {
    let windows = |count: usize, i: usize, inside: usize| {
        let window = |index: usize| {
            let start = index * pool.stride[i];
            let end = (start + pool.kernel[i]).saturating_sub(pool.pads[i]).min(inside);
            [start.saturating_sub(pool.pads[i]) as u32, end as u32]
        };
        (0..count).map(window).collect()
    };
    PoolPlan {
        rows: windows(to.rows, 0, from.rows),
        columns: windows(to.columns, 1, from.columns),
        is_max: pool.pooling == Pooling::Max,
        factor: match pool.pooling {
            Pooling::Sum => Some(1.0),
            Pooling::MeanWithPads => Some(1.0 / (pool.kernel[0] * pool.kernel[1]) as f32),
            Pooling::Max | Pooling::Mean => None,
        },
        channels,
        feeder: None,
    }
}
