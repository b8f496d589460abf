//! Convolutions, dense layers, products and pooling.

use super::arithmetic::literal;
use super::{Constant, FLOAT, Kind, LARGE, Value, Writer, argument, integer, known, operator};
use crate::onnx::Node;

/// The window of a convolution or a pool, for each axis.
struct Window {
    before: Vec<i64>,
    after: Vec<i64>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
}

impl Window {
    fn of(node: &Node, kernel: &[i64]) -> Result<Window, String> {
        let axes = kernel.len();
        let listed = |name: &str, count: usize, otherwise: i64| match node.attribute(name) {
            None => Ok(vec![otherwise; count]),
            Some(it) if it.ints.len() == count => Ok(it.ints.clone()),
            Some(it) => Err(format!("{name} is {:?}", it.ints)),
        };
        let (pads, strides, dilations) =
            (listed("pads", 2 * axes, 0)?, listed("strides", axes, 1)?, listed("dilations", axes, 1)?);
        let (before, after) = pads.split_at(axes);
        let mut window = Window { before: before.to_vec(), after: after.to_vec(), strides, dilations };
        match node.string("auto_pad") {
            None | Some(b"NOTSET") => {}
            Some(b"VALID") => (window.before, window.after) = (vec![0; axes], vec![0; axes]),
            // With a stride of 1 it depends on the kernel alone.
            Some(same @ (b"SAME_UPPER" | b"SAME_LOWER"))
                if window.strides.iter().all(|&stride| stride == 1) =>
            {
                let total: Vec<i64> = kernel
                    .iter()
                    .zip(&window.dilations)
                    .map(|(size, dilation)| (size - 1) * dilation)
                    .collect();
                let small = total.iter().map(|total| total / 2).collect();
                let large = total.iter().map(|total| total - total / 2).collect();
                let upper = same == b"SAME_UPPER";
                (window.before, window.after) = if upper { (small, large) } else { (large, small) };
            }
            Some(_) => return Err("its padding depends on its input".into()),
        }
        if window.before.iter().chain(&window.after).any(|&pad| pad < 0) {
            return Err("its padding is negative".into());
        }
        Ok(window)
    }

    /// Padding that differs between the ends, as torch lists it: the last axis first.
    fn uneven(&self) -> Option<Vec<i64>> {
        let ends = self.before.iter().zip(&self.after).rev();
        (self.before != self.after).then(|| ends.flat_map(|(&before, &after)| [before, after]).collect())
    }
}

impl<'a> Writer<'a> {
    /// A convolution over one or two axes, in the type of its weights. A batch norm behind it becomes part of it.
    pub(super) fn convolution(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
        let weight_name = argument(node, 1)?;
        let Constant { dims, mut values } = self.constant(weight_name)?;
        let (axes, function) = match dims.len() {
            3 => (1, "conv1d"),
            4 => (2, "conv2d"),
            other => return Err(format!("its weights have {other} axes")),
        };
        let kernel: Vec<i64> = dims[2..].iter().map(|&size| size as i64).collect();
        let window = Window::of(node, &kernel)?;
        let group = integer(node, "group", 1)?;
        let Value { code: mut x, rank, .. } = self.first(node)?;
        if rank != axes + 2 {
            return Err(format!("its weights have {} axes, its input {rank}", axes + 2));
        }
        let mut bias = match node.input_at(2) {
            None => None,
            Some(name) => Some((self.original(name).to_owned(), self.constant(name)?)),
        };
        let mut origin = self.original(weight_name).to_owned();
        if let Some(norm) = self.norm_behind(node) {
            let (factor, offset) = self.norm_factors(norm)?;
            let filters = dims[0];
            if factor.len() != filters {
                return Err(format!("it has {filters} filters, the batch norm behind it {}", factor.len()));
            }
            let size = values.len() / filters.max(1);
            for (filter, factor) in values.chunks_exact_mut(size.max(1)).zip(&factor) {
                filter.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
            }
            let given = bias.map_or_else(|| vec![0.0; filters], |(_, bias)| bias.values);
            if given.len() != filters {
                return Err(format!("it has {filters} filters and a bias of {}", given.len()));
            }
            let sum = given.iter().zip(&factor).zip(&offset);
            let sum =
                sum.map(|((&bias, factor), offset)| (f64::from(bias) * factor + offset) as f32).collect();
            let output = norm.output[0].as_str();
            origin = format!("{output}_weight");
            bias = Some((format!("{output}_bias"), Constant { dims: vec![filters], values: sum }));
            self.written.insert(output);
        }
        let weight = self.parameter(&origin, &dims, &values);
        let bias = match bias {
            None => "None".to_owned(),
            Some((origin, Constant { dims, values })) => self.parameter(&origin, &dims, &values),
        };
        x = self.assign(&format!("torch.to({x}, {weight})"));
        let mut padding = window.before.clone();
        if let Some(both) = window.uneven() {
            x = self.assign(&format!("torch.constant_pad_nd({x}, {both:?}, 0)"));
            padding.fill(0);
        }
        let Window { strides, dilations, .. } = window;
        let code = format!(
            "torch.{function}({x}, {weight}, {bias}, {strides:?}, {padding:?}, {dilations:?}, {group})"
        );
        Ok(Value { code, kind: Kind::Parameters, rank })
    }

    /// The batch norm that alone reads a node's output.
    pub(super) fn norm_behind(&self, node: &'a Node) -> Option<&'a Node> {
        let reader = *self.readers.get(node.output[0].as_str())?;
        let is_norm = operator(reader) == "BatchNormalization" && reader.output.len() == 1;
        (is_norm && reader.input_at(0) == Some(&node.output[0])).then_some(reader)
    }

    /// A dense layer: in f32, or in the type of its weights if they are many.
    pub(super) fn dense(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["alpha", "beta", "transA", "transB"])?;
        let factor = |name| node.float(name).unwrap_or(1.0);
        if factor("alpha") != 1.0 || factor("beta") != 1.0 || integer(node, "transA", 0)? != 0 {
            return Err("it does more than a dense layer does".into());
        }
        let weight_name = argument(node, 1)?;
        let Constant { dims, values } = self.constant(weight_name)?;
        let &[rows, columns] = dims.as_slice() else {
            return Err(format!("its weights have the shape {dims:?}"));
        };
        let (dims, values) = match integer(node, "transB", 0)? {
            0 => {
                let at = |index| values[index % rows * columns + index / rows];
                ([columns, rows], (0..values.len()).map(at).collect())
            }
            _ => ([rows, columns], values),
        };
        let bias = match node.input_at(2) {
            None => None,
            Some(name) => Some((self.original(name), self.constant(name)?)),
        };
        if let Some((_, bias)) = &bias
            && bias.dims != [dims[0]]
        {
            return Err(format!("its bias has the shape {:?}", bias.dims));
        }
        let is_large = values.len() >= LARGE;
        let Value { code: x, rank, .. } =
            if is_large { self.first(node)? } else { self.exactly(argument(node, 0)?)? };
        // Has another name than the constant, because another node may use it in the other orientation.
        let origin = format!("{}_{}x{}", self.original(weight_name), dims[0], dims[1]);
        let weight = self.parameter(&origin, &dims, &values);
        let bias = bias.map(|(origin, bias)| self.parameter(origin, &bias.dims, &bias.values));
        let (code, kind) = if is_large {
            let bias = bias.unwrap_or("None".into());
            (format!("torch.linear(torch.to({x}, {weight}), {weight}, {bias})"), Kind::Parameters)
        } else {
            let bias = bias.map_or("None".into(), |bias| format!("torch.to({bias}, {FLOAT})"));
            (format!("torch.linear({x}, torch.to({weight}, {FLOAT}), {bias})"), Kind::F32)
        };
        Ok(Value { code, kind, rank })
    }

    /// A product of matrices: with few weights in f32, else in the type of the parameters.
    pub(super) fn product(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &[])?;
        let (a, b) = (argument(node, 0)?, argument(node, 1)?);
        if self.is_constant(b) && !self.is_constant(a) {
            let Constant { dims, values } = self.constant(b)?;
            let weight = self.parameter(self.original(b), &dims, &values);
            let rank = self.value(a)?.rank.max(dims.len());
            if values.len() >= LARGE {
                let x = self.value(a)?.code;
                let code = format!("torch.matmul(torch.to({x}, {weight}), {weight})");
                return Ok(Value { code, kind: Kind::Parameters, rank });
            }
            let code = format!("torch.matmul({}, torch.to({weight}, {FLOAT}))", self.exact(a)?);
            return Ok(Value { code, kind: Kind::F32, rank });
        }
        // Any parameter has the type; without parameters, there is but f32.
        let parameter = self.module.parameters.first().map(|parameter| format!("self.{}", parameter.name));
        let (a, b) = (self.exactly(a)?, self.exactly(b)?);
        let rank = a.rank.max(b.rank);
        Ok(match parameter {
            None => Value { code: format!("torch.matmul({}, {})", a.code, b.code), kind: Kind::F32, rank },
            Some(parameter) => {
                let narrow = |value: Value| format!("torch.to({}, {parameter})", value.code);
                let code = format!("torch.matmul({}, {})", narrow(a), narrow(b));
                Value { code, kind: Kind::Parameters, rank }
            }
        })
    }

    pub(super) fn max_pool(&mut self, node: &'a Node) -> Result<Value, String> {
        let (mut value, kernel, window, up) = self.pool(node, &["storage_order"])?;
        if integer(node, "storage_order", 0)? != 0 {
            return Err("it counts columns first".into());
        }
        let mut padding = window.before.clone();
        // torch pads by at most half of the kernel.
        let is_wide = padding.iter().zip(&kernel).any(|(pad, size)| 2 * pad > *size);
        if window.uneven().is_some() || is_wide {
            let ends = window.before.iter().zip(&window.after).rev();
            let both: Vec<i64> = ends.flat_map(|(&before, &after)| [before, after]).collect();
            value.code = self.assign(&format!("torch.constant_pad_nd({}, {both:?}, -inf)", value.code));
            padding.fill(0);
        }
        let Window { strides, dilations, .. } = window;
        let function = format!("max_pool{}d", kernel.len());
        let code = format!(
            "torch.{function}({}, {kernel:?}, {strides:?}, {padding:?}, {dilations:?}, {up})",
            value.code
        );
        Ok(Value { code, ..value })
    }

    /// The mean of windows, in f32.
    pub(super) fn average_pool(&mut self, node: &'a Node) -> Result<Value, String> {
        let (_, kernel, window, up) = self.pool(node, &["count_include_pad"])?;
        let mut value = self.exactly(argument(node, 0)?)?;
        let counts = integer(node, "count_include_pad", 0)? != 0;
        let mut padding = window.before.clone();
        if let Some(both) = window.uneven() {
            if !counts || up == "True" {
                return Err("its padding is uneven".into());
            }
            value.code =
                self.assign(&format!("torch.constant_pad_nd({}, {both:?}, {})", value.code, literal(0.0)));
            padding.fill(0);
        }
        if window.dilations.iter().any(|&dilation| dilation != 1) {
            return Err("it is dilated".into());
        }
        let counts = if counts { "True" } else { "False" };
        let strides = window.strides;
        let function = format!("avg_pool{}d", kernel.len());
        let code =
            format!("torch.{function}({}, {kernel:?}, {strides:?}, {padding:?}, {up}, {counts})", value.code);
        Ok(Value { code, ..value })
    }

    /// What both pools have: input, kernel, window, and whether sizes are rounded up.
    fn pool(&self, node: &'a Node, more: &[&str]) -> Result<(Value, Vec<i64>, Window, &'static str), String> {
        let names = ["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides"];
        known(node, &[&names[..], more].concat())?;
        let value = self.first(node)?;
        let kernel = node.ints("kernel_shape").unwrap_or_default().to_vec();
        if !matches!(kernel.len(), 1 | 2) || value.rank != kernel.len() + 2 {
            return Err(format!("its kernel is {kernel:?}, its input has {} axes", value.rank));
        }
        let window = Window::of(node, &kernel)?;
        let up = if integer(node, "ceil_mode", 0)? != 0 { "True" } else { "False" };
        Ok((value, kernel, window, up))
    }
}
