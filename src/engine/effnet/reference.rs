//! The plain network: simple loops with f64 sums. The oracle of the kernels.

use super::network::{Block, Depthwise, Linear, Stem, Weights, Window};

/// `[row][column][channel]`
#[derive(Clone)]
pub(super) struct Map {
    pub rows: usize,
    pub columns: usize,
    pub channels: usize,
    pub values: Vec<f32>,
}

impl Map {
    fn new(rows: usize, columns: usize, channels: usize) -> Self {
        Self { rows, columns, channels, values: vec![0.0; rows * columns * channels] }
    }

    /// The value of a pixel; zero in the border around the map.
    fn at(&self, row: isize, column: isize, channel: usize) -> f32 {
        if row < 0 || column < 0 || row as usize >= self.rows || column as usize >= self.columns {
            return 0.0;
        }
        self.values[(row as usize * self.columns + column as usize) * self.channels + channel]
    }

    fn set(&mut self, row: usize, column: usize, channel: usize, value: f32) {
        self.values[(row * self.columns + column) * self.channels + channel] = value;
    }

    fn means(&self) -> Vec<f32> {
        let pixels = self.rows * self.columns;
        let sum = |c: usize| (0..pixels).map(|p| f64::from(self.values[p * self.channels + c])).sum::<f64>();
        (0..self.channels).map(|c| (sum(c) / pixels as f64) as f32).collect()
    }

    fn map(mut self, f: impl Fn(f32) -> f32) -> Self {
        self.values.iter_mut().for_each(|value| *value = f(*value));
        self
    }
}

fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + f64::from(-x).exp())) as f32
}

pub(super) fn silu(x: f32) -> f32 {
    (f64::from(x) / (1.0 + f64::from(-x).exp())) as f32
}

fn row_of(linear: &Linear, x: &[f32]) -> Vec<f32> {
    let rows = linear.weights.chunks_exact(linear.inputs).zip(&linear.bias);
    rows.map(|(weights, &bias)| {
        let sum: f64 = weights.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
        (sum + f64::from(bias)) as f32
    })
    .collect()
}

fn pointwise(linear: &Linear, x: &Map) -> Map {
    let mut out = Map::new(x.rows, x.columns, linear.outputs);
    let pixels = x.values.chunks_exact(x.channels).zip(out.values.chunks_exact_mut(linear.outputs));
    for (x, out) in pixels {
        out.copy_from_slice(&row_of(linear, x));
    }
    out
}

/// The sum over a window of `weights[tap] * x`, for one channel.
fn window_sum(x: &Map, window: Window, weights: &[f32], channel: usize, row: usize, column: usize) -> f64 {
    let mut sum = 0.0;
    for y in 0..window.kernel {
        for z in 0..window.kernel {
            let at_row = (row * window.stride + y) as isize - window.pads[0] as isize;
            let at_column = (column * window.stride + z) as isize - window.pads[1] as isize;
            let value = f64::from(x.at(at_row, at_column, channel));
            sum += f64::from(weights[y * window.kernel + z]) * value;
        }
    }
    sum
}

fn stem(stem: &Stem, patch: &Map) -> Map {
    let x = patch.clone().map(|value| value * stem.scale + stem.shift);
    let (rows, columns) = stem.window.output(x.rows, x.columns);
    let taps = stem.window.kernel * stem.window.kernel;
    let mut out = Map::new(rows, columns, stem.channels);
    for channel in 0..stem.channels {
        let weights = &stem.weights[channel * taps..][..taps];
        for row in 0..rows {
            for column in 0..columns {
                let sum = window_sum(&x, stem.window, weights, 0, row, column);
                out.set(row, column, channel, silu((sum + f64::from(stem.bias[channel])) as f32));
            }
        }
    }
    out
}

fn depthwise(depthwise: &Depthwise, x: &Map) -> Map {
    let (rows, columns) = depthwise.window.output(x.rows, x.columns);
    let taps = depthwise.window.kernel * depthwise.window.kernel;
    let mut out = Map::new(rows, columns, x.channels);
    for channel in 0..x.channels {
        let weights = &depthwise.weights[channel * taps..][..taps];
        for row in 0..rows {
            for column in 0..columns {
                let sum = window_sum(x, depthwise.window, weights, channel, row, column);
                out.set(row, column, channel, silu((sum + f64::from(depthwise.bias[channel])) as f32));
            }
        }
    }
    out
}

fn block(block: &Block, x: &Map) -> Map {
    let expanded = match &block.expand {
        Some(expand) => pointwise(expand, x).map(silu),
        None => x.clone(),
    };
    let mut wide = depthwise(&block.depthwise, &expanded);
    let squeezed: Vec<f32> = row_of(&block.gate.reduce, &wide.means()).into_iter().map(silu).collect();
    let scales: Vec<f32> = row_of(&block.gate.excite, &squeezed).into_iter().map(sigmoid).collect();
    let channels = wide.channels;
    for pixel in wide.values.chunks_exact_mut(channels) {
        pixel.iter_mut().zip(&scales).for_each(|(value, scale)| *value *= scale);
    }
    let mut out = pointwise(&block.project, &wide);
    if block.residual {
        out.values.iter_mut().zip(&x.values).for_each(|(out, x)| *out += x);
    }
    out
}

/// The pooled features of one patch.
pub(super) fn pooled(weights: &Weights, patch: &[f32]) -> Vec<f32> {
    let patch = Map { rows: weights.rows, columns: weights.columns, channels: 1, values: patch.to_vec() };
    let mut x = stem(&weights.stem, &patch);
    for part in &weights.blocks {
        x = block(part, &x);
    }
    pointwise(&weights.head, &x).map(silu).means()
}
