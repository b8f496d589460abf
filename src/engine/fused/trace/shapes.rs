//! Nodes that move axes: reshapes, concatenation, borders; and reductions over axes.

use super::{Trace, Value, optional_ints};
use crate::engine::fused::ir::{Id, Op, Pool, Pooling};
use crate::engine::graph::Size;
use crate::engine::graph::constant::BATCH;
use crate::engine::graph::view::{Axis, View, axis_index};
use crate::onnx::Node;

/// Rows of a shape as a map, and the names of their axes after the batch.
pub(super) fn named(row: &[usize]) -> Result<(Size, View), String> {
    let longer: Vec<usize> = row.iter().copied().filter(|&n| n != 1).collect();
    let names: &[Axis] = match longer.len() {
        0 | 1 => &[Axis::Channel],
        2 => &[Axis::Row, Axis::Column],
        3 => &[Axis::Row, Axis::Column, Axis::Channel],
        _ => return Err(format!("more than three axes of more than one element: {row:?}")),
    };
    let mut size = Size { channels: 1, rows: 1, columns: 1 };
    for (&axis, &n) in names.iter().zip(&longer) {
        match axis {
            Axis::Row => size.rows = n,
            Axis::Column => size.columns = n,
            _ => size.channels = n,
        }
    }
    let mut names = names.iter();
    let mut view = vec![Axis::Batch];
    view.extend(row.iter().map(|&n| if n == 1 { Axis::Unit } else { *names.next().unwrap_or(&Axis::Unit) }));
    Ok((size, View(view)))
}

/// The elements along an axis.
pub(super) fn count(size: Size, axis: Axis) -> usize {
    match axis {
        Axis::Channel => size.channels,
        Axis::Row => size.rows,
        Axis::Column => size.columns,
        Axis::Batch | Axis::Unit => 1,
    }
}

/// All three axes, those of one element wherever: the given ones in their order, then the others.
fn complete(order: &[Axis]) -> [Axis; 3] {
    let mut all: Vec<Axis> = order.to_vec();
    for axis in [Axis::Row, Axis::Column, Axis::Channel] {
        if !all.contains(&axis) {
            all.push(axis);
        }
    }
    [all[0], all[1], all[2]]
}

impl Trace<'_> {
    /// The axes of more than one element, without the batch, which must be first.
    fn own_axes(&self, view: &View) -> Result<Vec<Axis>, String> {
        if view.0.first() != Some(&Axis::Batch) {
            return Err("the batch is not the first axis".into());
        }
        Ok(view.0[1..].iter().copied().filter(|&axis| axis != Axis::Unit).collect())
    }

    /// The values of a tensor, in its order, as a vector.
    pub(super) fn flat(&mut self, id: Id, view: &View) -> Result<Id, String> {
        let order = self.own_axes(view)?;
        let size = self.size(id);
        if size.is_vector() {
            return Ok(id);
        }
        let channels = size.rows * size.columns * size.channels;
        self.ir.push(Op::Relayout(id, complete(&order)), Size { channels, rows: 1, columns: 1 })
    }

    /// The tensor as a map whose channels, rows and columns are the axes at these places of its view.
    pub(super) fn arranged(&mut self, id: Id, axes: [Axis; 3]) -> Result<Id, String> {
        let size = self.size(id);
        let [channel, row, column] = axes;
        let is_as_named =
            |axis: Axis, name: Axis| axis == name || axis == Axis::Unit && count(size, name) == 1;
        if is_as_named(channel, Axis::Channel)
            && is_as_named(row, Axis::Row)
            && is_as_named(column, Axis::Column)
        {
            return Ok(id);
        }
        let order: Vec<Axis> =
            [row, column, channel].into_iter().filter(|&axis| axis != Axis::Unit).collect();
        let new =
            Size { channels: count(size, channel), rows: count(size, row), columns: count(size, column) };
        self.ir.push(Op::Relayout(id, complete(&order)), new)
    }

    pub(super) fn reshape(&mut self, id: Id, view: View, target: &[i64]) -> Result<Value, String> {
        let size = self.size(id);
        if let Ok(view) = view.reshape(target, size, self.batch) {
            return Ok(Value::Tensor { id, view });
        }
        let own = view.dims(size, self.batch);
        let order = self.own_axes(&view)?;
        let total: i64 = own[1..].iter().product();
        let refused = || format!("a reshape from {own:?} to {target:?}");
        let (&first, rest) = target.split_first().ok_or_else(refused)?;
        let mut dims: Vec<i64> = Vec::new();
        for (index, &dim) in rest.iter().enumerate() {
            dims.push(if dim == 0 { *own.get(index + 1).ok_or_else(refused)? } else { dim });
        }
        // Exactly one of the batch and the rest may be open.
        if let Some(open) = dims.iter().position(|&dim| dim == -1) {
            let known: i64 = dims
                .iter()
                .filter(|&&dim| dim != -1)
                .try_fold(1i64, |product, &dim| product.checked_mul(dim).filter(|&product| product > 0))
                .ok_or_else(refused)?;
            let is_batch = first == 0 || first == BATCH || Some(first) == self.batch;
            if !is_batch || total % known != 0 {
                return Err(refused());
            }
            dims[open] = total / known;
        } else {
            let is_batch = matches!(first, 0 | -1 | BATCH) || Some(first) == self.batch;
            if !is_batch {
                return Err(refused());
            }
        }
        let product =
            dims.iter().try_fold(1i64, |product, &dim| product.checked_mul(dim).filter(|_| dim > 0));
        if product != Some(total) || dims.len() > 7 {
            return Err(refused());
        }
        let dims: Vec<usize> = dims.iter().map(|&dim| dim as usize).collect();
        let (new, view) = named(&dims)?;
        let id = self.ir.push(Op::Relayout(id, complete(&order)), new)?;
        Ok(Value::Tensor { id, view })
    }

    pub(super) fn concat(&mut self, node: &Node, inputs: &[Option<Value>]) -> Result<Value, String> {
        let mut parts: Vec<(Id, View)> = Vec::new();
        for input in inputs {
            match input {
                Some(Value::Tensor { id, view }) => parts.push((*id, view.clone())),
                _ => return Err("a part that is constant".into()),
            }
        }
        let (first, view) = parts.first().cloned().ok_or("nothing to concatenate")?;
        let at = axis_index(node.int("axis").ok_or("its axis is missing")?, view.rank())?;
        let axis = match parts.iter().map(|(_, view)| view.0.get(at)).find(|&axis| axis != Some(&Axis::Unit))
        {
            Some(axis) => *axis.ok_or("parts of other ranks")?,
            // A new axis: one that no part uses.
            None => [Axis::Column, Axis::Row, Axis::Channel]
                .into_iter()
                .find(|&axis| parts.iter().all(|(id, _)| count(self.size(*id), axis) == 1))
                .ok_or("no axis is left for it")?,
        };
        if axis == Axis::Batch {
            return Err("a concatenation of batches".into());
        }
        let mut joined = view.clone();
        joined.0[at] = axis;
        let mut size = self.size(first);
        let mut total = 0;
        for (id, part) in &parts {
            let own = self.size(*id);
            let others = [Axis::Row, Axis::Column, Axis::Channel].into_iter().filter(|&other| other != axis);
            let mut part = part.clone();
            if part.0.get(at).is_some_and(|&own| own == Axis::Unit) {
                part.0[at] = axis;
            }
            if part != joined || others.into_iter().any(|other| count(own, other) != count(size, other)) {
                return Err(format!("parts of other shapes: {size:?}, {own:?}"));
            }
            total += count(own, axis);
        }
        match axis {
            Axis::Row => size.rows = total,
            Axis::Column => size.columns = total,
            _ => size.channels = total,
        }
        let parts = parts.into_iter().map(|(id, _)| id).collect();
        if total == 1 {
            joined.0[at] = Axis::Unit;
        }
        Ok(Value::Tensor { id: self.ir.push(Op::Concat(parts, axis), size)?, view: joined })
    }

    pub(super) fn pad(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: View,
    ) -> Result<Value, String> {
        if node.string("mode").is_some_and(|mode| mode != b"constant") {
            return Err("a border that is not constant".into());
        }
        let value = match inputs.get(2).and_then(Option::as_ref) {
            Some(Value::Constant(constant)) => constant.as_floats()?.first().copied().unwrap_or(0.0),
            Some(Value::Tensor { .. }) => return Err("a border that depends on the input".into()),
            None => node.float("value").unwrap_or(0.0),
        };
        if value != 0.0 {
            return Err(format!("a border of {value}, not of zeros"));
        }
        let pads = optional_ints(node, inputs, "pads")?.ok_or("its border is missing")?;
        if pads.len() != 2 * view.rank() || inputs.get(3).is_some_and(Option::is_some) {
            return Err("a border that does not fit its tensor".into());
        }
        let (mut id, mut view) = (id, view);
        if view
            .0
            .iter()
            .enumerate()
            .any(|(i, &axis)| axis == Axis::Unit && pads[i] + pads[view.rank() + i] != 0)
        {
            // An axis of one element grows: it must be a named one.
            let (map, dimensions) = self.map(id, &view)?;
            id = map;
            view = View([Axis::Batch, Axis::Channel, Axis::Row, Axis::Column][..2 + dimensions].to_vec());
        }
        let mut border = [0usize; 4];
        for (i, &axis) in view.0.iter().enumerate() {
            for (side, pad) in [(0, pads[i]), (2, pads[view.rank() + i])] {
                let pad = usize::try_from(pad).map_err(|_| "a negative border")?;
                if pad > MAX_BORDER {
                    return Err(format!("a border of {pad}"));
                }
                match axis {
                    Axis::Row => border[side] = pad,
                    Axis::Column => border[side + 1] = pad,
                    _ if pad == 0 => {}
                    _ => return Err(format!("a border along {axis:?}")),
                }
            }
        }
        let id = self.ir.pad(id, border)?;
        let size = self.size(id);
        let axes = view.0.iter().map(|&axis| {
            let is_one = !matches!(axis, Axis::Batch) && count(size, axis) == 1;
            if is_one { Axis::Unit } else { axis }
        });
        Ok(Value::Tensor { id, view: View(axes.collect()) })
    }

    pub(super) fn reduce(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: View,
    ) -> Result<Value, String> {
        let pooling = match node.op_type() {
            "ReduceMax" => Pooling::Max,
            "ReduceMean" => Pooling::Mean,
            _ => Pooling::Sum,
        };
        let axes = optional_ints(node, inputs, "axes")?.filter(|axes| !axes.is_empty());
        let axes = axes.ok_or("a reduction over everything")?;
        let mut over = Vec::new();
        let mut left = view.clone();
        let mut keep = vec![true; view.rank()];
        for &axis in &axes {
            let index = axis_index(axis, view.rank())?;
            match view.0[index] {
                Axis::Batch => return Err("a reduction over the batch".into()),
                Axis::Unit => {}
                axis => over.push(axis),
            }
            left.0[index] = Axis::Unit;
            keep[index] = false;
        }
        if node.int("keepdims") == Some(0) {
            left = View(left.0.iter().zip(keep).filter(|(_, keep)| *keep).map(|(&axis, _)| axis).collect());
        }
        let mut id = id;
        let size = self.size(id);
        let kernel =
            [Axis::Row, Axis::Column].map(|axis| if over.contains(&axis) { count(size, axis) } else { 1 });
        if kernel != [1, 1] {
            id = self.window(Pool { x: id, pooling, kernel, stride: [1, 1], pads: [0; 4] })?;
        }
        if over.contains(&Axis::Channel) {
            let size = Size { channels: 1, ..self.size(id) };
            id = self.ir.push(Op::Channels(pooling, id), size)?;
        }
        Ok(Value::Tensor { id, view: left })
    }
}

/// More than the border of any layer.
pub(super) const MAX_BORDER: usize = 4096;
