//! Makes a network smaller before it is planned: scales, shifts and borders go into the convolutions beside them, and
//! what can be done after a pool for fewer values is done there.

use std::sync::Arc;

use super::ir::{Arithmetic, Conv, Function, Id, Ir, Op, Pool, Pooling, Step};

/// The same network in fewer and cheaper operations.
pub(super) fn rewrite(mut ir: Ir) -> Result<Ir, String> {
    for _ in 0..8 {
        let mut changed = fold(&mut ir);
        ir = rebuilt(&ir, &mut changed)?;
        if !changed {
            break;
        }
    }
    Ok(ir)
}

/// How often each node is an operand or an output.
pub(super) fn uses(ir: &Ir) -> Vec<usize> {
    let mut uses = vec![0; ir.nodes.len()];
    for &output in &ir.outputs {
        uses[output] += 1;
    }
    // Operands have smaller indices, so every user of a node is seen before it.
    for id in (0..ir.nodes.len()).rev() {
        if uses[id] > 0 {
            ir.op(id).operands().into_iter().for_each(|operand| uses[operand] += 1);
        }
    }
    uses
}

/// Folds in place: a node becomes another operation with other, earlier operands.
fn fold(ir: &mut Ir) -> bool {
    let mut changed = false;
    for id in 0..ir.nodes.len() {
        let uses = uses(ir);
        if uses[id] == 0 {
            continue;
        }
        let alone = |x: Id| uses[x] == 1;
        let new = match ir.op(id) {
            Op::Step(x, Step::Affine(scale, shift)) if alone(*x) => match ir.op(*x) {
                Op::Conv(conv) => Some(Op::Conv(scaled(conv, scale, shift))),
                Op::Step(inner, Step::Affine(own_scale, own_shift)) => {
                    let scales = own_scale.iter().zip(scale.iter()).map(|(a, b)| a * b).collect();
                    let shifts = own_shift.iter().zip(scale.iter().zip(shift.iter()));
                    let shifts = shifts
                        .map(|(a, (s, t))| (f64::from(*a) * f64::from(*s) + f64::from(*t)) as f32)
                        .collect();
                    Some(Op::Step(*inner, Step::Affine(scales, shifts)))
                }
                _ => None,
            },
            Op::Conv(conv) => match ir.op(conv.x) {
                Op::Pad(x, pads) => {
                    let pads = std::array::from_fn(|i| conv.pads[i] + pads[i]);
                    Some(Op::Conv(Conv { x: *x, pads, ..conv.clone() }))
                }
                Op::Step(x, Step::Affine(scale, shift)) if alone(conv.x) => {
                    // Beside a border of zeros, a shift of the inside cannot be folded.
                    let exact = conv.pads == [0; 4] || shift.iter().all(|&value| value == 0.0);
                    exact.then(|| Op::Conv(fed_scaled(conv, *x, scale, shift)))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(op) = new {
            ir.nodes[id].0 = op;
            changed = true;
        }
    }
    changed
}

/// A convolution with the scales and shifts that follow it.
fn scaled(conv: &Conv, scale: &[f32], shift: &[f32]) -> Conv {
    let per_output = conv.weights.len() / conv.bias.len().max(1);
    let weights = conv.weights.iter().enumerate().map(|(i, weight)| weight * scale[i / per_output]).collect();
    let bias = conv.bias.iter().zip(scale.iter().zip(shift));
    let bias = bias.map(|(b, (s, t))| (f64::from(*b) * f64::from(*s) + f64::from(*t)) as f32).collect();
    Conv { weights, bias, ..conv.clone() }
}

/// A convolution with the scales and shifts of its input.
fn fed_scaled(conv: &Conv, x: Id, scale: &[f32], shift: &[f32]) -> Conv {
    let taps = conv.kernel[0] * conv.kernel[1];
    let inputs = scale.len() / conv.groups;
    let outputs = conv.bias.len() / conv.groups;
    let mut weights = conv.weights.to_vec();
    let mut bias = conv.bias.to_vec();
    for (output, bias) in bias.iter_mut().enumerate() {
        let first = output / outputs * inputs;
        let mut sum = f64::from(*bias);
        for input in 0..inputs {
            for weight in &mut weights[(output * inputs + input) * taps..][..taps] {
                sum += f64::from(*weight) * f64::from(shift[first + input]);
                *weight *= scale[first + input];
            }
        }
        *bias = sum as f32;
    }
    Conv { x, weights: weights.into(), bias: bias.into(), ..conv.clone() }
}

/// The live nodes alone, with rising steps moved from before a pool to behind it.
fn rebuilt(ir: &Ir, changed: &mut bool) -> Result<Ir, String> {
    let uses = uses(ir);
    let mut new = Ir::default();
    let mut map: Vec<Id> = vec![0; ir.nodes.len()];
    for id in (0..ir.nodes.len()).filter(|&id| uses[id] > 0) {
        let (op, size) = ir.nodes[id].clone();
        if let Op::Pool(pool) = &op
            && pool.pooling == Pooling::Max
            && let Some((source, steps, signs)) = rising(ir, &uses, pool.x)
        {
            let Op::Conv(conv) = ir.op(source) else { return Err("no convolution before a pool".into()) };
            let falls = signs.iter().any(|&sign| sign < 0.0);
            let zeros: Arc<[f32]> = vec![0.0; signs.len()].into();
            let conv = if falls { scaled(conv, &signs, &zeros) } else { conv.clone() };
            let x = new.push(Op::Conv(Conv { x: map[conv.x], ..conv }), ir.size(source))?;
            let mut x = new.push(Op::Pool(Pool { x, ..pool.clone() }), size)?;
            if falls {
                x = new.push(Op::Step(x, Step::Affine(signs.into(), zeros)), size)?;
            }
            for step in steps {
                x = new.push(Op::Step(x, step), size)?;
            }
            map[id] = x;
            *changed = true;
            continue;
        }
        map[id] = new.push(op.map(|operand| map[operand]), size)?;
    }
    new.outputs = ir.outputs.iter().map(|&output| map[output]).collect();
    Ok(new)
}

/// The convolution before a pool over `x`, the steps between, and for each channel 1 if they rise and -1 if they fall:
/// the maximum of what rises is what the maximum rises to. `None` if there is nothing to move.
fn rising(ir: &Ir, uses: &[usize], mut x: Id) -> Option<(Id, Vec<Step>, Vec<f32>)> {
    let mut steps = Vec::new();
    let mut signs = vec![1.0f32; ir.size(x).channels];
    loop {
        if uses[x] != 1 {
            return None;
        }
        match ir.op(x) {
            Op::Step(inner, step) => {
                match step {
                    Step::Function(Function::Relu | Function::Clip(..) | Function::Leaky(_)) => {}
                    Step::Affine(scale, _) => {
                        for (sign, scale) in signs.iter_mut().zip(scale.iter()) {
                            if *scale < 0.0 {
                                *sign = -*sign;
                            }
                        }
                    }
                    Step::Function(_) => return None,
                }
                steps.push(step.clone());
                x = *inner;
            }
            Op::Conv(_) => {
                steps.reverse();
                return (!steps.is_empty()).then_some((x, steps, signs));
            }
            _ => return None,
        }
    }
}

impl Arithmetic {
    pub(super) fn of(self, a: f32, b: f32) -> f32 {
        match self {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
            // Comparisons that keep NaN.
            Arithmetic::Max => {
                if a > b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Arithmetic::Min => {
                if a < b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
        }
    }
}

impl Function {
    /// The function of one value, as accurate as the standard library.
    pub(super) fn of(self, x: f32) -> f32 {
        match self {
            Function::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Function::Clip(from, to) => Arithmetic::Min.of(Arithmetic::Max.of(x, from), to),
            Function::Leaky(factor) => {
                if x < 0.0 {
                    factor * x
                } else {
                    x
                }
            }
            Function::Elu(factor) => {
                if x < 0.0 {
                    factor * x.exp_m1()
                } else {
                    x
                }
            }
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Silu => x / (1.0 + (-x).exp()),
            Function::Tanh => x.tanh(),
            Function::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Sqrt => x.sqrt(),
            Function::Reciprocal => 1.0 / x,
            Function::Abs => x.abs(),
            Function::Square => x * x,
        }
    }
}

/// The error function: Kummer's series in double precision, until nothing changes; beyond 4 it is 1 in single precision.
fn erf(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    if x.abs() > 4.0 {
        return x.signum();
    }
    let x = f64::from(x);
    // erf(x) = 2/sqrt(pi) exp(-x^2) sum over n of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1))
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    (std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum) as f32
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn the_error_function_has_its_known_values() {
        for (x, expected) in
            [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3), (3.9, 1.0)]
        {
            assert!((erf(x) - expected).abs() < 1e-7, "{x}");
            assert_eq!(erf(-x), -erf(x));
        }
        assert!(erf(f32::NAN).is_nan());
    }
}
