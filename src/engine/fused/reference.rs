//! The plain network: simple loops with sums in double precision, node by node. The oracle of planner and kernels.

use super::ir::{Conv, Id, Ir, Op, Pool, Pooling, Step};
use crate::engine::graph::Size;
use crate::engine::graph::view::Axis;

/// `[row][column][channel]`
type Map = Vec<f64>;

fn at(size: Size, row: usize, column: usize, channel: usize) -> usize {
    (row * size.columns + column) * size.channels + channel
}

/// The outputs for one row of the input.
pub(super) fn outputs(ir: &Ir, input: &[f32]) -> Vec<Vec<f32>> {
    let mut values: Vec<Map> = Vec::new();
    for (op, size) in &ir.nodes {
        let map = match op {
            Op::Input => input.iter().map(|&x| x.into()).collect(),
            Op::Conv(x) => conv(x, &values[x.x], ir.size(x.x), *size),
            Op::Pool(x) => pool(x, &values[x.x], ir.size(x.x), *size),
            Op::Channels(pooling, x) => {
                let rows = values[*x].chunks_exact(ir.size(*x).channels);
                rows.map(|row| pooled(*pooling, row.to_vec(), row.len())).collect()
            }
            Op::Step(x, Step::Function(function)) => {
                values[*x].iter().map(|&x| function.of(x as f32).into()).collect()
            }
            Op::Step(x, Step::Affine(scale, shift)) => {
                let of = |(i, x): (usize, &f64)| {
                    let channel = i % size.channels;
                    x * f64::from(scale[channel]) + f64::from(shift[channel])
                };
                values[*x].iter().enumerate().map(of).collect()
            }
            Op::Binary(operation, a, b) => {
                let other = ir.size(*b);
                let of = |(i, x): (usize, &f64)| {
                    let b = &values[*b];
                    let y = if other == *size { b[i] } else { b[i % size.channels % other.channels] };
                    f64::from(operation.of(*x as f32, y as f32))
                };
                values[*a].iter().enumerate().map(of).collect()
            }
            Op::Concat(parts, axis) => concat(ir, parts, *axis, &values, *size),
            Op::Softmax(x) => values[*x].chunks_exact(size.channels).flat_map(softmax).collect(),
            Op::Relayout(x, order) => relayout(ir.size(*x), &values[*x], *order),
            Op::Pad(x, pads) => {
                let from = ir.size(*x);
                let mut map = vec![0.0; size.rows * size.columns * size.channels];
                for row in 0..from.rows {
                    for column in 0..from.columns {
                        for c in 0..from.channels {
                            map[at(*size, row + pads[0], column + pads[1], c)] =
                                values[*x][at(from, row, column, c)];
                        }
                    }
                }
                map
            }
        };
        assert_eq!(map.len(), size.rows * size.columns * size.channels);
        // Values are stored in single precision between operations, as in the engine.
        values.push(map.into_iter().map(|x| f64::from(x as f32)).collect());
    }
    ir.outputs.iter().map(|&id| values[id].iter().map(|&x| x as f32).collect()).collect()
}

fn conv(conv: &Conv, x: &Map, from: Size, to: Size) -> Map {
    let inputs = from.channels / conv.groups;
    let outputs = to.channels / conv.groups;
    let [kernel_rows, kernel_columns] = conv.kernel;
    let mut map = Vec::new();
    for row in 0..to.rows {
        for column in 0..to.columns {
            for output in 0..to.channels {
                let mut sum = f64::from(conv.bias[output]);
                for y in 0..kernel_rows {
                    for z in 0..kernel_columns {
                        let r = (row * conv.stride[0] + y * conv.dilation[0]).wrapping_sub(conv.pads[0]);
                        let c = (column * conv.stride[1] + z * conv.dilation[1]).wrapping_sub(conv.pads[1]);
                        if r >= from.rows || c >= from.columns {
                            continue;
                        }
                        for input in 0..inputs {
                            let weight = conv.weights
                                [((output * inputs + input) * kernel_rows + y) * kernel_columns + z];
                            sum += f64::from(weight) * x[at(from, r, c, output / outputs * inputs + input)];
                        }
                    }
                }
                map.push(sum);
            }
        }
    }
    map
}

fn pooled(pooling: Pooling, values: Vec<f64>, window: usize) -> f64 {
    let sum: f64 = values.iter().sum();
    match pooling {
        Pooling::Max if values.iter().any(|x| x.is_nan()) => f64::NAN,
        Pooling::Max => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
        Pooling::Mean => sum / values.len() as f64,
        Pooling::MeanWithPads => sum / window as f64,
        Pooling::Sum => sum,
    }
}

fn pool(pool: &Pool, x: &Map, from: Size, to: Size) -> Map {
    let mut map = Vec::new();
    for row in 0..to.rows {
        for column in 0..to.columns {
            for channel in 0..to.channels {
                let mut values = Vec::new();
                for y in 0..pool.kernel[0] {
                    for z in 0..pool.kernel[1] {
                        let r = (row * pool.stride[0] + y).wrapping_sub(pool.pads[0]);
                        let c = (column * pool.stride[1] + z).wrapping_sub(pool.pads[1]);
                        if r < from.rows && c < from.columns {
                            values.push(x[at(from, r, c, channel)]);
                        }
                    }
                }
                map.push(pooled(pool.pooling, values, pool.kernel[0] * pool.kernel[1]));
            }
        }
    }
    map
}

fn concat(ir: &Ir, parts: &[Id], axis: Axis, values: &[Map], size: Size) -> Map {
    let mut map = vec![0.0; size.rows * size.columns * size.channels];
    let mut start = [0; 3];
    for &part in parts {
        let own = ir.size(part);
        for row in 0..own.rows {
            for column in 0..own.columns {
                for c in 0..own.channels {
                    map[at(size, start[0] + row, start[1] + column, start[2] + c)] =
                        values[part][at(own, row, column, c)];
                }
            }
        }
        match axis {
            Axis::Row => start[0] += own.rows,
            Axis::Column => start[1] += own.columns,
            _ => start[2] += own.channels,
        }
    }
    map
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - top).exp()).sum();
    row.iter().map(|x| (x - top).exp() / sum).collect()
}

fn relayout(from: Size, x: &Map, order: [Axis; 3]) -> Map {
    let count = |axis: Axis| match axis {
        Axis::Row => from.rows,
        Axis::Column => from.columns,
        _ => from.channels,
    };
    let mut map = Vec::new();
    for i in 0..count(order[0]) {
        for j in 0..count(order[1]) {
            for k in 0..count(order[2]) {
                let index = |axis: Axis| [i, j, k][order.iter().position(|&a| a == axis).unwrap()];
                map.push(x[at(from, index(Axis::Row), index(Axis::Column), index(Axis::Channel))]);
            }
        }
    }
    map
}
