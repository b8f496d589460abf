//! Plans [`crate::engine::fused::kernels::winograd`].

use super::places::Place;
use crate::engine::cpu::buffer::Buffer;
use crate::engine::fused::ir::{Conv, Pads};
use crate::engine::fused::kernels::winograd::{AXIS, INFINITY, WINDOW};
use crate::engine::fused::pack::{Packed, Panel, Run, padded};
use crate::engine::graph::Size;

pub(in crate::engine::fused) struct WinogradPlan {
    /// Results of a tile along rows and along columns: 1 where the kernel has one tap.
    pub side: [usize; 2],
    /// Points of a window: pairs of those along rows and along columns, or those along one.
    pub points: usize,
    /// Floats from pixel to pixel of a window that is a line; 0 for a square.
    pub line: usize,
    /// Rows and columns of tiles.
    pub tiles: [usize; 2],
    /// Where the window of each tile begins.
    pub windows: Vec<u32>,
    pub run: Run,
    pub panels: Vec<Panel>,
    /// The weights of each point, `point` floats a point.
    pub weights: Buffer,
    pub point: usize,
    pub bias: Buffer,
    /// The bias of the products.
    pub zeros: Buffer,
    /// Channels, padded to whole vectors.
    pub inputs: usize,
    pub outputs: usize,
    /// Tiles that go through all points together, at most; and where each one's row is among the transformed windows and
    /// among the sums.
    pub most: usize,
    pub input_rows: Vec<u32>,
    pub output_rows: Vec<u32>,
}

/// Results of a tile along rows and along columns, if a convolution of this size is faster this way.
pub(super) fn side(conv: &Conv, size: Size, from: Size) -> Option<[usize; 2]> {
    let side = match conv.kernel {
        [3, 3] => [4, 4],
        [5, 5] => [2, 2],
        [1, 3] => [1, 4],
        [3, 1] => [4, 1],
        [1, 5] => [1, 2],
        [5, 1] => [2, 1],
        _ => return None,
    };
    let plain = conv.groups == 1 && conv.stride == [1, 1] && conv.dilation == [1, 1];
    // The transforms cost as much as a few tens of products for each channel.
    let least = if side.contains(&1) { 32 } else { 16 };
    let wide = from.channels >= least && conv.bias.len() >= least - 4;
    let tiles = size.rows.div_ceil(side[0]) * size.columns.div_ceil(side[1]);
    let direct = conv.kernel[0] * conv.kernel[1] * size.rows * size.columns;
    let pairs = from.channels * conv.bias.len();
    (plain && wide && pairs <= MAX_PAIRS && 4 * points(side) * tiles < 3 * direct).then_some(side)
}

fn points(side: [usize; 2]) -> usize {
    side.iter().map(|&side| if side > 1 { WINDOW } else { 1 }).product()
}

/// The border that the windows of all tiles need: more than the convolution's where the last tiles are not full.
pub(super) fn border(conv: &Conv, size: Size, from: Size, side: [usize; 2]) -> Pads {
    let after = |results: usize, inside: usize, before: usize, side: usize| {
        let window = if side > 1 { WINDOW } else { 1 };
        let reach = results.div_ceil(side) * side + window - side;
        reach.saturating_sub(before + inside)
    };
    let [above, left, below, right] = conv.pads;
    [
        above,
        left,
        below.max(after(size.rows, from.rows, above, side[0])),
        right.max(after(size.columns, from.columns, left, side[1])),
    ]
}

/// Weights at the six points of an axis.
fn at_points(weights: &[f64]) -> [f64; WINDOW] {
    let mut values = [0.0; WINDOW];
    for (value, (point, factor)) in values.iter_mut().zip(AXIS) {
        *value = weights.iter().rev().fold(0.0, |sum, weight| sum * point + weight) * factor;
    }
    values[WINDOW - 1] = weights.last().copied().unwrap_or(0.0) * INFINITY;
    values
}

/// Weights of a kernel at all points.
fn at_all_points(weights: &[f64], kernel: [usize; 2]) -> Vec<f64> {
    if kernel.contains(&1) {
        return at_points(weights).to_vec();
    }
    let rows: Vec<[f64; WINDOW]> = weights.chunks_exact(kernel[1]).map(at_points).collect();
    let mut values = vec![0.0; WINDOW * WINDOW];
    for x in 0..WINDOW {
        let column: Vec<f64> = rows.iter().map(|row| row[x]).collect();
        for (y, value) in at_points(&column).into_iter().enumerate() {
            values[y * WINDOW + x] = value;
        }
    }
    values
}

impl WinogradPlan {
    pub fn new(conv: &Conv, place: &Place, size: Size, side: [usize; 2], lanes: usize, three: bool) -> Self {
        let outputs = conv.bias.len();
        let inputs = place.size.channels;
        let points = points(side);
        let tiles = [size.rows.div_ceil(side[0]), size.columns.div_ceil(side[1])];
        let windows = (0..tiles[0] * tiles[1]).map(|tile| {
            let row = place.border[0] + tile / tiles[1] * side[0] - conv.pads[0];
            let column = place.border[1] + tile % tiles[1] * side[1] - conv.pads[1];
            (row * place.row + column * place.pixel) as u32
        });
        let windows = windows.collect();
        // All points of each weight at once, then packed point by point.
        let mut transformed = vec![0.0f32; points * outputs * inputs];
        let taps = conv.kernel[0] * conv.kernel[1];
        for (pair, own) in conv.weights.chunks_exact(taps).enumerate() {
            let own: Vec<f64> = own.iter().map(|&weight| weight.into()).collect();
            for (point, value) in at_all_points(&own, conv.kernel).into_iter().enumerate() {
                transformed[point * outputs * inputs + pair] = value as f32;
            }
        }
        let padded_outputs = outputs.next_multiple_of(lanes);
        let point = padded_outputs * inputs;
        let mut weights = Buffer::new(points * point);
        let mut panels = Vec::new();
        for (to, own) in
            weights.as_mut_slice().chunks_exact_mut(point).zip(transformed.chunks_exact(outputs * inputs))
        {
            let flat = Conv {
                weights: own.into(),
                kernel: [1, 1],
                pads: [0; 4],
                ..Conv { bias: vec![0.0; outputs].into(), ..conv.clone() }
            };
            let packed = Packed::new(&flat, lanes, three);
            to.copy_from_slice(&packed.weights.as_slice()[..point]);
            panels = packed.panels;
        }
        let padded_inputs = inputs.next_multiple_of(lanes);
        // More tiles for each load of large weights.
        let many = points * point > MANY_WEIGHTS;
        let most = if many { MOST_TILES } else { TILES * if points > WINDOW { 1 } else { 2 } };
        let rows = |stride: usize| (0..most).map(|tile| (tile * stride) as u32).collect();
        Self {
            side,
            points,
            line: match side {
                [_, 1] => place.row,
                [1, _] => place.pixel,
                _ => 0,
            },
            tiles,
            windows,
            run: Run { first: 0, last: inputs },
            panels,
            weights,
            point,
            bias: padded(&conv.bias, padded_outputs),
            zeros: Buffer::new(padded_outputs),
            inputs: padded_inputs,
            outputs: padded_outputs,
            most,
            input_rows: rows(padded_inputs),
            output_rows: rows(padded_outputs),
        }
    }

    /// Tiles of a patch.
    pub fn count(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Floats of the transformed windows, and of the sums.
    pub fn scratch(&self) -> [usize; 2] {
        [self.points * self.most * self.inputs, self.points * self.most * self.outputs]
    }

    /// Patches at which the operation is fastest.
    pub fn group(&self) -> usize {
        let wanted = if self.most == MOST_TILES { MOST_TILES } else { TILES / 2 };
        super::memory::wanted_div(wanted, self.count())
    }
}

/// Pairs of input and output channels: 36 transformed weights each.
const MAX_PAIRS: usize = 1 << 21;
/// Tiles that go through all points together: whole tiles of the products, and few enough for the second cache.
const TILES: usize = 56;
const MOST_TILES: usize = 98;
/// Floats of weights that are better loaded once for more tiles.
const MANY_WEIGHTS: usize = 0x20_0000;
