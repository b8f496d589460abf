//! Finds the EfficientNet-B0 in what a graph computes, from the pooled features back to the input.

use super::expression::{Arena, Conv, Expression, Function, Id, Operation};
use crate::engine::effnet::network::{
    Block, Depthwise, Gate, HEAD_CHANNELS, Linear, STAGES, STEM_CHANNELS, Stem, Window,
};

/// The convolutional part of a network.
pub(super) struct Features {
    pub stem: Stem,
    pub blocks: Vec<Block>,
    pub head: Linear,
}

/// Matches the features whose mean over the map is the expression `pooled`.
pub(super) fn features(arena: &Arena, pooled: Id) -> Result<Features, String> {
    let Expression::Pool(x) = *arena.get(pooled) else { return Err("no pooling over a map".into()) };
    let (head, mut x) = pointwise_silu(arena, x, "the last convolution")?;
    if head.outputs != HEAD_CHANNELS {
        return Err(format!("the last convolution has {} channels, not {HEAD_CHANNELS}", head.outputs));
    }
    let mut blocks = Vec::new();
    for (stage, &(repeats, kernel, stride, expansion, outputs)) in STAGES.iter().enumerate().rev() {
        let stage_inputs = if stage == 0 { STEM_CHANNELS } else { STAGES[stage - 1].4 };
        for repeat in (0..repeats).rev() {
            let first = repeat == 0;
            let expected = Expected {
                kernel,
                stride: if first { stride } else { 1 },
                expansion,
                inputs: if first { stage_inputs } else { outputs },
                outputs,
            };
            let (block, input) = block(arena, x, &expected)
                .map_err(|why| format!("block {}.{}: {why}", stage + 1, repeat + 1))?;
            blocks.push(block);
            x = input;
        }
    }
    blocks.reverse();
    Ok(Features { stem: stem(arena, x)?, blocks, head })
}

struct Expected {
    kernel: usize,
    stride: usize,
    expansion: usize,
    inputs: usize,
    outputs: usize,
}

fn block(arena: &Arena, output: Id, expected: &Expected) -> Result<(Block, Id), String> {
    let has_residual = expected.stride == 1 && expected.inputs == expected.outputs;
    let (projected, added) = match *arena.get(output) {
        Expression::Binary(Operation::Add, a, b) if has_residual => {
            // The projection is the operand that is a convolution of a gated map. The other is the input, which can
            // itself be a convolution.
            if gated(arena, a).is_some() && projects_onto(arena, a, b) { (a, Some(b)) } else { (b, Some(a)) }
        }
        _ if has_residual => return Err("its input is not added to its output".into()),
        _ => (output, None),
    };
    let project = conv(arena, projected).ok_or("its output is not a convolution")?;
    let (map, gate) = gated(arena, projected).ok_or("no squeeze-and-excite before its last convolution")?;
    let project = linear(project, "its projection")?;
    check("channels out", project.outputs, expected.outputs)?;

    let depthwise_id = silu(arena, map).ok_or("no SiLU after its depthwise convolution")?;
    let depthwise = conv(arena, depthwise_id).ok_or("no depthwise convolution")?;
    let wide = expected.inputs * expected.expansion;
    let (window, weights, bias) = depthwise_weights(depthwise)?;
    check("depthwise channels", bias.len(), wide)?;
    check("depthwise kernel", window.kernel, expected.kernel)?;
    check("depthwise stride", window.stride, expected.stride)?;
    let depthwise_block = Depthwise { window, weights, bias };

    let gate = squeeze_and_excite(arena, gate, map)?;
    let (expand, input) = if expected.expansion == 1 {
        (None, depthwise.x)
    } else {
        let (expand, input) = pointwise_silu(arena, depthwise.x, "its expansion")?;
        check("expanded channels", expand.outputs, wide)?;
        (Some(expand), input)
    };
    check("channels in", arena.size(input).channels, expected.inputs)?;
    if let Some(added) = added
        && added != input
    {
        return Err("what is added to its output is not its input".into());
    }
    Ok((Block { expand, depthwise: depthwise_block, gate, project, residual: has_residual }, input))
}

/// Whether the input of the block that ends in `projected` is `input`.
fn projects_onto(arena: &Arena, projected: Id, input: Id) -> bool {
    let begin = || {
        let (map, _) = gated(arena, projected)?;
        let depthwise = conv(arena, silu(arena, map)?)?;
        let expand = conv(arena, silu(arena, depthwise.x)?)?;
        Some(expand.x)
    };
    begin() == Some(input)
}

/// The map and the gate whose product is the input of a convolution.
fn gated(arena: &Arena, id: Id) -> Option<(Id, Id)> {
    let project = conv(arena, id)?;
    match *arena.get(project.x) {
        // A product has the map first and the gate, a vector, second.
        Expression::Binary(Operation::Mul, map, gate) if arena.size(gate).is_vector() => Some((map, gate)),
        _ => None,
    }
}

fn squeeze_and_excite(arena: &Arena, gate: Id, map: Id) -> Result<Gate, String> {
    let Expression::Function(Function::Sigmoid, x) = *arena.get(gate) else {
        return Err("its gate does not end in a sigmoid".into());
    };
    let excite = conv(arena, x).ok_or("no second layer in its gate")?;
    let reduced = silu(arena, excite.x).ok_or("no SiLU in its gate")?;
    let reduce = conv(arena, reduced).ok_or("no first layer in its gate")?;
    match *arena.get(reduce.x) {
        Expression::Pool(x) if x == map => {}
        _ => return Err("its gate does not begin with the mean of what it gates".into()),
    }
    let gate = Gate {
        reduce: linear(reduce, "its gate's first layer")?,
        excite: linear(excite, "its gate's second layer")?,
    };
    if gate.reduce.outputs > 1024 {
        return Err(format!("its gate is {} channels wide", gate.reduce.outputs));
    }
    Ok(gate)
}

fn stem(arena: &Arena, id: Id) -> Result<Stem, String> {
    let x = silu(arena, id).ok_or("stem: no SiLU")?;
    let conv = conv(arena, x).ok_or("stem: no convolution")?;
    let [kernel, columns] = conv.kernel;
    if kernel != 3 || columns != 3 || conv.stride != [2, 2] || conv.groups != 1 {
        return Err(format!("stem: a kernel of {:?} at stride {:?}", conv.kernel, conv.stride));
    }
    check("stem: channels", conv.scale.len(), STEM_CHANNELS)?;
    check_pads(conv)?;
    let (scale, shift) = match arena.get(conv.x) {
        Expression::Input => (1.0, 0.0),
        Expression::Affine { x, scale, shift } if matches!(arena.get(*x), Expression::Input) => {
            (scale[0], shift[0])
        }
        _ => return Err("stem: its input is not the network's".into()),
    };
    Ok(Stem {
        window: Window { kernel, stride: 2, pads: conv.pads },
        channels: conv.scale.len(),
        weights: folded(conv),
        bias: conv.shift.to_vec(),
        scale,
        shift,
    })
}

fn pointwise_silu(arena: &Arena, id: Id, what: &str) -> Result<(Linear, Id), String> {
    let x = silu(arena, id).ok_or_else(|| format!("no SiLU after {what}"))?;
    let conv = conv(arena, x).ok_or_else(|| format!("{what} is not a convolution"))?;
    Ok((linear(conv, what)?, conv.x))
}

fn silu(arena: &Arena, id: Id) -> Option<Id> {
    match *arena.get(id) {
        Expression::Function(Function::Silu, x) => Some(x),
        _ => None,
    }
}

fn conv(arena: &Arena, id: Id) -> Option<&Conv> {
    match arena.get(id) {
        Expression::Conv(conv) => Some(conv),
        _ => None,
    }
}

/// A convolution as a linear layer.
pub(super) fn linear(conv: &Conv, what: &str) -> Result<Linear, String> {
    if conv.kernel != [1, 1] || conv.stride != [1, 1] || conv.pads != [0; 4] {
        return Err(format!("{what} is not a 1x1 convolution"));
    }
    if conv.groups != 1 {
        return Err(format!("{what} has {} groups", conv.groups));
    }
    Ok(Linear {
        inputs: conv.inputs_per_group,
        outputs: conv.scale.len(),
        weights: folded(conv),
        bias: conv.shift.to_vec(),
    })
}

fn depthwise_weights(conv: &Conv) -> Result<(Window, Vec<f32>, Vec<f32>), String> {
    if conv.inputs_per_group != 1 || conv.groups != conv.scale.len() {
        return Err(format!(
            "{} groups in its depthwise convolution of {} channels",
            conv.groups,
            conv.scale.len()
        ));
    }
    let [kernel, columns] = conv.kernel;
    if kernel != columns || conv.stride[0] != conv.stride[1] {
        return Err("a depthwise kernel that is not square".into());
    }
    check_pads(conv)?;
    let window = Window { kernel, stride: conv.stride[0], pads: conv.pads };
    Ok((window, folded(conv), conv.shift.to_vec()))
}

fn check_pads(conv: &Conv) -> Result<(), String> {
    let fits = |pad: usize, kernel: usize| pad < kernel;
    let [above, left, below, right] = conv.pads;
    let [rows, columns] = conv.kernel;
    if [above, below].iter().all(|&pad| fits(pad, rows))
        && [left, right].iter().all(|&pad| fits(pad, columns))
    {
        return Ok(());
    }
    Err(format!("a border of {:?} around a kernel of {:?}", conv.pads, conv.kernel))
}

/// The weights multiplied by each output channel's scale.
fn folded(conv: &Conv) -> Vec<f32> {
    let per_output = conv.weights.len() / conv.scale.len().max(1);
    let rows = conv.weights.chunks_exact(per_output.max(1)).zip(conv.scale.iter());
    rows.flat_map(|(row, &scale)| row.iter().map(move |&weight| weight * scale)).collect()
}

fn check(what: &str, found: usize, expected: usize) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found}, not {expected}")) }
}
