//! `Attention`, written out: rten has it, but not for lists of operators that leave others out.

use super::draft::{Draft, input, int, output};
use crate::onnx::{Attribute, Node, element};

/// `softmax(scale query key^T + mask) value`, for heads on an axis of their own or side by side in the last one.
pub(super) fn attention(node: Node, draft: &mut Draft) -> Result<(), String> {
    if (4..node.input.len()).any(|index| node.input_at(index).is_some()) {
        return Err("past keys and values, and lengths, are not supported".into());
    }
    if (1..node.output.len()).any(|index| draft.is_used(&node, index)) {
        return Err("only its first output is supported".into());
    }
    let mask = node.input_at(3).map(str::to_owned);
    let softcap = node.float("softcap").unwrap_or(0.0);
    if softcap != 0.0 && (mask.is_some() || node.int("is_causal").unwrap_or(0) != 0) {
        return Err("softcap and a mask together are not supported".into());
    }
    let inputs = [0, 1, 2].map(|index| input(&node, index).map(str::to_owned));
    let [query, key, value] = inputs;
    let heads = Heads::of(&node, query.as_deref()?, draft)?;
    if heads.groups > 1 && mask.as_ref().is_some_and(|mask| draft.rank(mask).is_none_or(|rank| rank > 2)) {
        return Err("a mask for each head is not supported, with heads in groups".into());
    }
    let query = heads.split(&query?, true, draft);
    let key = heads.split(&key?, false, draft);
    let value = heads.split(&value?, false, draft);

    let scale = match node.float("scale") {
        Some(scale) => draft.f32(scale),
        None => {
            let width = draft.op("Shape", &[&query], int("start", -1));
            let width = draft.op("Cast", &[&width], int("to", element::F32));
            let root = draft.op("Sqrt", &[&width], Vec::new());
            draft.op("Reciprocal", &[&root], Vec::new())
        }
    };
    let query = draft.op("Mul", &[&query, &scale], Vec::new());
    let mut order: Vec<i64> = (0..heads.rank as i64).collect();
    order.swap(heads.rank - 1, heads.rank - 2);
    let key = draft.op("Transpose", &[&key], vec![Attribute::of_ints("perm", order)]);
    let mut weights = draft.op("MatMul", &[&query, &key], Vec::new());
    if softcap != 0.0 {
        let cap = draft.f32(softcap);
        weights = draft.op("Div", &[&weights, &cap], Vec::new());
        weights = draft.op("Tanh", &[&weights], Vec::new());
        weights = draft.op("Mul", &[&weights, &cap], Vec::new());
    }
    let hides = mask.is_some() || node.int("is_causal").unwrap_or(0) != 0;
    if let Some(mask) = mask {
        weights = match draft.element(&mask) {
            element::BOOL => hide(&weights, &mask, draft),
            element::F32 | element::F16 => draft.op("Add", &[&weights, &mask], Vec::new()),
            _ => return Err("the type of its mask is not known".into()),
        };
    }
    if node.int("is_causal").unwrap_or(0) != 0 {
        let shape = draft.op("Shape", &[&weights], int("start", -2));
        let one = draft.tensor(&[1], element::I32, 1i32.to_le_bytes().to_vec());
        let ones = draft.op("Expand", &[&one, &shape], Vec::new());
        let seen = draft.op("Trilu", &[&ones], int("upper", 0));
        weights = hide(&weights, &seen, draft);
    }
    let largest = draft.op("ReduceMax", &[&weights], vec![Attribute::of_ints("axes", vec![-1])]);
    let mut weights = draft.op("Softmax", &[&weights], int("axis", -1));
    if hides {
        // A row that sees nothing is 0.
        let [nothing, zero] = [f32::NEG_INFINITY, 0.0].map(|value| draft.f32(value));
        let is_blind = draft.op("Equal", &[&largest, &nothing], Vec::new());
        weights = draft.op("Where", &[&is_blind, &zero, &weights], Vec::new());
    }
    let result = draft.op("MatMul", &[&weights, &value], Vec::new());
    heads.join(&result, output(&node)?, draft);
    Ok(())
}

/// Negative infinity where the mask is 0.
fn hide(weights: &str, mask: &str, draft: &mut Draft) -> String {
    let hidden = draft.f32(f32::NEG_INFINITY);
    draft.op("Where", &[mask, weights, &hidden], Vec::new())
}

/// Where the heads are.
struct Heads {
    /// Whether they lie side by side in the last axis.
    are_flat: bool,
    /// Heads of keys and values, and heads of queries for each of them.
    keys: i64,
    groups: i64,
    /// Dimensions while they are apart.
    rank: usize,
}

impl Heads {
    fn of(node: &Node, query: &str, draft: &Draft) -> Result<Heads, String> {
        match draft.rank(query) {
            // Heads of keys that are fewer than those of queries do not multiply, and are refused when the graph runs.
            Some(4) => Ok(Heads { are_flat: false, keys: 1, groups: 1, rank: 4 }),
            Some(3) => {
                let stated = |name: &str| node.int(name).filter(|count| (1..=1024).contains(count));
                let (Some(queries), Some(keys)) = (stated("q_num_heads"), stated("kv_num_heads")) else {
                    return Err("the number of heads is not stated, or out of range".into());
                };
                if queries % keys != 0 {
                    return Err(format!("{queries} heads of queries for {keys} of keys"));
                }
                let groups = queries / keys;
                Ok(Heads { are_flat: true, keys, groups, rank: if groups > 1 { 5 } else { 4 } })
            }
            rank => Err(format!("its input has {rank:?} dimensions, not 3 or 4")),
        }
    }

    /// `[batch, time, heads width]` to `[batch, heads, time, width]`, with another axis for groups.
    fn split(&self, x: &str, is_query: bool, draft: &mut Draft) -> String {
        if !self.are_flat {
            return x.to_owned();
        }
        let (shape, order) = if self.groups > 1 {
            let groups = if is_query { self.groups } else { 1 };
            (vec![0, 0, self.keys, groups, -1], vec![0, 2, 3, 1, 4])
        } else {
            (vec![0, 0, self.keys, -1], vec![0, 2, 1, 3])
        };
        let shape = draft.i64s(&shape);
        let apart = draft.op("Reshape", &[x, &shape], Vec::new());
        draft.op("Transpose", &[&apart], vec![Attribute::of_ints("perm", order)])
    }

    fn join(&self, x: &str, output: &str, draft: &mut Draft) {
        if !self.are_flat {
            draft.finish("Identity", &[x], output, Vec::new());
            return;
        }
        let order = if self.groups > 1 { vec![0, 3, 1, 2, 4] } else { vec![0, 2, 1, 3] };
        let x = draft.op("Transpose", &[x], vec![Attribute::of_ints("perm", order)]);
        let shape = draft.i64s(&[0, 0, -1]);
        draft.finish("Reshape", &[&x, &shape], output, Vec::new());
    }
}
