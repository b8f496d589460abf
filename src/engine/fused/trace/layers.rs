//! Layers: convolutions, dense layers, batch norms and pools.

use std::sync::Arc;

use super::shapes::{MAX_BORDER, count};
use super::{Trace, Value, floats, weights_of};
use crate::engine::fused::ir::{Conv, Id, Op, Pads, Pool, Pooling, extent};
use crate::engine::graph::Size;
use crate::engine::graph::constant::Constant;
use crate::engine::graph::view::{Axis, View};
use crate::onnx::Node;

/// Kernel, stride, dilation and border of a layer with a window, in two dimensions.
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    pads: Pads,
}

impl Window {
    /// That of a node with `kernel` over `size`: one dimension counts as rows.
    fn of(node: &Node, kernel: &[usize], size: Size) -> Result<Self, String> {
        let list = |name: &str, otherwise: i64| -> Result<Vec<usize>, String> {
            let values = node.ints(name).map_or_else(|| vec![otherwise; kernel.len()], <[i64]>::to_vec);
            let values =
                values.iter().map(|&value| usize::try_from(value).ok().filter(|&value| value <= MAX_BORDER));
            values.collect::<Option<Vec<_>>>().ok_or_else(|| format!("its {name} are out of range"))
        };
        let pair = |values: Vec<usize>, name: &str, missing: usize| match values[..] {
            [rows, columns] if kernel.len() == 2 => Ok([rows, columns]),
            [rows] if kernel.len() == 1 => Ok([rows, missing]),
            _ => Err(format!("its {name} do not fit {} dimensions", kernel.len())),
        };
        let kernel_rank = kernel.len();
        let stride = pair(list("strides", 1)?, "strides", 1)?;
        let dilation = pair(list("dilations", 1)?, "dilations", 1)?;
        let kernel = pair(kernel.to_vec(), "kernel", 1)?;
        if [stride, dilation, kernel].iter().flatten().any(|&n| n == 0 || n > MAX_BORDER) {
            return Err("a window of nothing".into());
        }
        if node.int("ceil_mode").unwrap_or(0) != 0 {
            return Err("windows that reach beyond the border".into());
        }
        let automatic = node.string("auto_pad").unwrap_or(b"NOTSET");
        let pads = match automatic {
            b"NOTSET" => {
                let mut values = node.ints("pads").map_or_else(Vec::new, <[i64]>::to_vec);
                if values.is_empty() {
                    values = vec![0; 2 * kernel_rank];
                }
                if values.len() != 2 * kernel_rank {
                    return Err("a border of other dimensions".into());
                }
                let values: Option<Vec<usize>> = values
                    .iter()
                    .map(|&value| usize::try_from(value).ok().filter(|&value| value <= MAX_BORDER))
                    .collect();
                match values.ok_or("a border that is out of range")?[..] {
                    [above, left, below, right] => [above, left, below, right],
                    [before, after] => [before, 0, after, 0],
                    _ => return Err("a border of other dimensions".into()),
                }
            }
            b"VALID" => [0; 4],
            b"SAME_UPPER" | b"SAME_LOWER" => {
                let missing = |n: usize, i: usize| {
                    let reach = (n.div_ceil(stride[i]) - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1;
                    reach.saturating_sub(n)
                };
                let [rows, columns] = [missing(size.rows, 0), missing(size.columns, 1)];
                let before = |n: usize| if automatic == b"SAME_UPPER" { n / 2 } else { n.div_ceil(2) };
                [before(rows), before(columns), rows - before(rows), columns - before(columns)]
            }
            other => return Err(format!("padding {}", String::from_utf8_lossy(other))),
        };
        Ok(Self { kernel, stride, dilation, pads })
    }
}

impl Trace<'_> {
    /// The tensor as a map, for a layer over its axes after the second; and the view of the layer's result.
    pub(super) fn map(&mut self, id: Id, view: &View) -> Result<(Id, usize), String> {
        let axes = match view.0[..] {
            [Axis::Batch, channel, row, column] => [channel, row, column],
            [Axis::Batch, channel, row] => [channel, row, Axis::Unit],
            _ => return Err(format!("a layer over axes {:?}", view.0)),
        };
        Ok((self.arranged(id, axes)?, view.rank() - 2))
    }

    /// A map with `dimensions` axes behind the channels.
    fn map_value(&self, id: Id, dimensions: usize) -> Value {
        let mut view = View::canonical(self.size(id));
        view.0.truncate(2 + dimensions);
        Value::Tensor { id, view }
    }

    pub(super) fn conv(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: &View,
    ) -> Result<Value, String> {
        let weights = weights_of(inputs, 1)?;
        let (id, dimensions) = self.map(id, view)?;
        let [outputs, _, ref kernel @ ..] = weights.dims[..] else {
            return Err("weights without axes".into());
        };
        if kernel.len() != dimensions {
            return Err(format!("a kernel of {kernel:?} over {dimensions} dimensions"));
        }
        let window = Window::of(node, kernel, self.size(id))?;
        let stated = node.ints("kernel_shape").unwrap_or_default();
        if !stated.is_empty() && stated.iter().map(|&n| n as usize).ne(kernel.iter().copied()) {
            return Err("a kernel_shape that is not its weights'".into());
        }
        let bias =
            if inputs.get(2).is_some_and(Option::is_some) { floats(inputs, 2)? } else { vec![0.0; outputs] };
        if bias.len() != outputs {
            return Err("a bias that does not fit".into());
        }
        let groups = node.int("group").unwrap_or(1);
        let id = self.ir.conv(Conv {
            x: id,
            weights: weights.as_floats()?.clone(),
            bias: bias.into(),
            kernel: window.kernel,
            stride: window.stride,
            dilation: window.dilation,
            pads: window.pads,
            groups: usize::try_from(groups).unwrap_or(0),
        })?;
        Ok(self.map_value(id, dimensions))
    }

    /// A dense layer on the last axis: `[inputs, outputs]` weights.
    fn dense(
        &mut self,
        weights: &Constant,
        transposed: bool,
        id: Id,
        view: View,
    ) -> Result<(Id, View), String> {
        let [rows, columns] = weights.dims[..] else {
            return Err(format!("weights of {:?}", weights.dims));
        };
        let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
        let mut view = view;
        let (mut id, last) = (id, *view.0.last().ok_or("a scalar")?);
        if view.rank() < 2 || view.0[0] != Axis::Batch || last == Axis::Batch {
            return Err(format!("a product over axes {:?}", view.0));
        }
        if last != Axis::Channel && !(last == Axis::Unit && self.size(id).channels == 1) {
            // The last axis becomes the channels; the others keep their order.
            let others: Vec<Axis> =
                view.0[1..view.rank() - 1].iter().copied().filter(|&axis| axis != Axis::Unit).collect();
            let (row, column) = match others[..] {
                [] => (Axis::Unit, Axis::Unit),
                [row] => (row, Axis::Unit),
                [row, column] => (row, column),
                _ => return Err(format!("a product over axes {:?}", view.0)),
            };
            id = self.arranged(id, [last, row, column])?;
            let mut names = [Axis::Row, Axis::Column].into_iter();
            let place = view.rank() - 1;
            for axis in view.0[1..place].iter_mut().filter(|axis| **axis != Axis::Unit) {
                *axis = names.next().unwrap_or(Axis::Unit);
            }
            view.0[place] = Axis::Channel;
        }
        let size = self.size(id);
        if size.channels != inputs {
            return Err(format!("{inputs} inputs, but {} channels", size.channels));
        }
        let own = weights.as_floats()?;
        let own: Arc<[f32]> = if transposed {
            own.clone()
        } else {
            (0..inputs * outputs).map(|i| own[i % inputs * outputs + i / inputs]).collect()
        };
        let id = self.ir.conv(Conv {
            x: id,
            weights: own,
            bias: vec![0.0; outputs].into(),
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            pads: [0; 4],
            groups: 1,
        })?;
        let place = view.rank() - 1;
        view.0[place] = if outputs == 1 { Axis::Unit } else { Axis::Channel };
        Ok((id, view))
    }

    pub(super) fn matmul(&mut self, weights: &Constant, id: Id, view: View) -> Result<Value, String> {
        let (id, view) = self.dense(weights, false, id, view)?;
        Ok(Value::Tensor { id, view })
    }

    pub(super) fn gemm(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: View,
    ) -> Result<Value, String> {
        let one = |name: &str| node.float(name).unwrap_or(1.0) == 1.0;
        if node.int("transA").unwrap_or(0) != 0 || !one("alpha") || !one("beta") || view.rank() != 2 {
            return Err("factors or transposed inputs".into());
        }
        let weights = weights_of(inputs, 1)?;
        let (mut id, view) = self.dense(&weights, node.int("transB").unwrap_or(0) != 0, id, view)?;
        if inputs.get(2).is_some_and(Option::is_some) {
            let bias = weights_of(inputs, 2)?;
            let values = self.per_channel(id, &view, &bias)?;
            id = self.ir.affine(id, &[1.0], &values)?;
        }
        Ok(Value::Tensor { id, view })
    }

    pub(super) fn batch_norm(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: View,
    ) -> Result<Value, String> {
        let (mut id, mut view) = (id, view);
        if view.0.get(1).is_some_and(|&axis| axis != Axis::Channel && axis != Axis::Unit) && view.rank() <= 4
        {
            let (arranged, dimensions) = self.map(id, &view)?;
            (id, view) = (arranged, View::canonical(self.size(arranged)));
            view.0.truncate(2 + dimensions);
        }
        let channels = self.size(id).channels;
        let second = view.0.get(1);
        if second != Some(&Axis::Channel) && !(second == Some(&Axis::Unit) && channels == 1)
            || node.int("training_mode").unwrap_or(0) != 0
        {
            return Err("a batch norm over an axis other than the channels, or in training mode".into());
        }
        let [scale, shift, mean, variance] =
            [floats(inputs, 1)?, floats(inputs, 2)?, floats(inputs, 3)?, floats(inputs, 4)?];
        if [&scale, &shift, &mean, &variance].iter().any(|values| values.len() != channels) {
            return Err(format!("a batch norm that does not fit {channels} channels"));
        }
        let epsilon = f64::from(node.float("epsilon").unwrap_or(1e-5));
        let factors: Vec<f64> = scale
            .iter()
            .zip(&variance)
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + epsilon).sqrt())
            .collect();
        let shifts: Vec<f32> =
            (0..channels).map(|c| (f64::from(shift[c]) - f64::from(mean[c]) * factors[c]) as f32).collect();
        let factors: Vec<f32> = factors.into_iter().map(|factor| factor as f32).collect();
        Ok(Value::Tensor { id: self.ir.affine(id, &factors, &shifts)?, view })
    }

    pub(super) fn pool(&mut self, node: &Node, id: Id, view: &View) -> Result<Value, String> {
        let (id, dimensions) = self.map(id, view)?;
        let kernel = node.ints("kernel_shape").ok_or("its kernel_shape is missing")?;
        let kernel: Option<Vec<usize>> = kernel.iter().map(|&n| usize::try_from(n).ok()).collect();
        let kernel =
            kernel.filter(|kernel| kernel.len() == dimensions).ok_or("its kernel_shape does not fit")?;
        let size = self.size(id);
        let window = Window::of(node, &kernel, size)?;
        if window.dilation != [1, 1] || node.int("storage_order").unwrap_or(0) != 0 {
            return Err("a pool with dilation".into());
        }
        let pooling = match (node.op_type(), node.int("count_include_pad").unwrap_or(0)) {
            ("MaxPool", _) => Pooling::Max,
            (_, 0) => Pooling::Mean,
            _ => Pooling::MeanWithPads,
        };
        let Window { kernel, stride, pads, .. } = window;
        let is_same = matches!(node.string("auto_pad"), Some(b"SAME_LOWER" | b"SAME_UPPER"));
        if is_same && (0..2).any(|axis| stride[axis] >= kernel[axis] + 2) {
            return Err("a pool with padding less than none".into());
        }
        let id = self.window(Pool { x: id, pooling, kernel, stride, pads })?;
        Ok(self.map_value(id, dimensions))
    }

    pub(super) fn global_pool(&mut self, node: &Node, id: Id, view: &View) -> Result<Value, String> {
        let (id, dimensions) = self.map(id, view)?;
        let pooling = if node.op_type() == "GlobalMaxPool" { Pooling::Max } else { Pooling::Mean };
        let size = self.size(id);
        let kernel = [count(size, Axis::Row), count(size, Axis::Column)];
        let id = self.window(Pool { x: id, pooling, kernel, stride: [1, 1], pads: [0; 4] })?;
        Ok(self.map_value(id, dimensions))
    }

    /// A pool whose every window has a value of the map.
    pub(super) fn window(&mut self, pool: Pool) -> Result<Id, String> {
        let size = self.size(pool.x);
        let [kernel_rows, kernel_columns] = pool.kernel;
        let pads = pool.pads;
        if pads[0].max(pads[2]) >= kernel_rows || pads[1].max(pads[3]) >= kernel_columns {
            return Err("a pool with windows outside of its map".into());
        }
        let rows = extent(size.rows, pads[0] + pads[2], kernel_rows, pool.stride[0], 1);
        let columns = extent(size.columns, pads[1] + pads[3], kernel_columns, pool.stride[1], 1);
        let (Some(rows), Some(columns)) = (rows, columns) else {
            return Err("a window larger than its input".into());
        };
        self.ir.push(Op::Pool(pool), Size { channels: size.channels, rows, columns })
    }
}
