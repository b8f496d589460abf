//! Constants of the graph, and the few operations on them that exporters leave in the graph.

use std::sync::Arc;

use crate::onnx::{Tensor, element};

/// Maximum number of elements of a constant. The largest of the networks in use has 50 million (VGGish).
const MAX_ELEMENTS: usize = 1 << 27;

/// Represents the batch size in a shape if the graph does not fix it.
pub(in crate::engine) const BATCH: i64 = i64::MIN + 1;

/// A constant tensor. Cloning shares the values.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Constant {
    pub dims: Vec<usize>,
    pub values: Values,
}

#[derive(Clone, Debug)]
pub(in crate::engine) enum Values {
    Floats(Arc<[f32]>),
    Ints(Arc<[i64]>),
    /// 8-bit integers, signed or unsigned: quantised weights. Kept small because there are many.
    Bytes(Arc<[i16]>),
}

impl Constant {
    pub fn floats(dims: Vec<usize>, values: Vec<f32>) -> Self {
        Self { dims, values: Values::Floats(values.into()) }
    }

    pub fn ints(values: Vec<i64>) -> Self {
        Self { dims: vec![values.len()], values: Values::Ints(values.into()) }
    }

    /// Reads a stored tensor; half precision is widened.
    pub fn read(tensor: &Tensor) -> Result<Self, String> {
        let name = tensor.name();
        if tensor.is_external() {
            return Err(format!("tensor {name} is stored in another file"));
        }
        let mut dims = Vec::with_capacity(tensor.dims.len().min(8));
        let mut count = 1usize;
        for &dim in &tensor.dims {
            let dim = usize::try_from(dim).map_err(|_| format!("tensor {name} has a negative dimension"))?;
            count = count
                .checked_mul(dim)
                .filter(|&count| count <= MAX_ELEMENTS)
                .ok_or_else(|| format!("tensor {name} has more elements than those of any network in use"))?;
            dims.push(dim);
        }
        let values = match tensor.data_type() {
            element::I64 | element::I32 => tensor.integers().map(Values::Ints),
            element::I8 | element::U8 => tensor.eight_bits().map(Values::Bytes),
            _ => tensor.floats().map(Values::Floats),
        };
        let values = values.map_err(|reason| format!("tensor {name} {reason}"))?;
        // An empty tensor can only be a missing list. With other dimensions, their product, from which strides are
        // computed, would not be bounded.
        if count == 0 && dims.len() > 1 {
            return Err(format!("tensor {name} is empty"));
        }
        let constant = Self { dims, values };
        if constant.len() != count {
            return Err(format!("tensor {name} holds {} values, not {count}", constant.len()));
        }
        Ok(constant)
    }

    pub fn len(&self) -> usize {
        match &self.values {
            Values::Floats(values) => values.len(),
            Values::Ints(values) => values.len(),
            Values::Bytes(values) => values.len(),
        }
    }

    pub fn as_floats(&self) -> Result<&Arc<[f32]>, String> {
        match &self.values {
            Values::Floats(values) => Ok(values),
            Values::Ints(_) | Values::Bytes(_) => Err("integers where floats are expected".into()),
        }
    }

    pub fn as_ints(&self) -> Result<&[i64], String> {
        match &self.values {
            Values::Ints(values) => Ok(values),
            Values::Floats(_) => Err("floats where integers are expected".into()),
            Values::Bytes(_) => Err("8-bit integers where wider ones are expected".into()),
        }
    }

    /// The same values with other dimensions, for the same number of values.
    pub fn with_dims(&self, dims: Vec<usize>) -> Result<Self, String> {
        let count = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
        if count != Some(self.len()) || (self.len() == 0 && dims.len() > 1) {
            return Err(format!("a constant of {:?} cannot be reshaped to {dims:?}", self.dims));
        }
        Ok(Self { dims, values: self.values.clone() })
    }

    /// ONNX's Reshape: 0 keeps a dimension, -1 is inferred.
    pub fn reshape(&self, target: &[i64]) -> Result<Self, String> {
        let wrong = || format!("a constant of {:?} cannot be reshaped to {target:?}", self.dims);
        let mut dims = Vec::with_capacity(target.len());
        for (i, &dim) in target.iter().enumerate() {
            dims.push(match dim {
                0 => *self.dims.get(i).ok_or_else(wrong)?,
                -1 => 1,
                dim => usize::try_from(dim).map_err(|_| wrong())?,
            });
        }
        if let Some(open) = target.iter().position(|&dim| dim == -1) {
            let known = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
            let known = known.filter(|&known| known > 0).ok_or_else(wrong)?;
            dims[open] = self.len() / known;
        }
        self.with_dims(dims)
    }

    /// The constant with its axes in another order.
    pub fn transpose(&self, order: &[usize]) -> Result<Self, String> {
        let rank = self.dims.len();
        let mut seen = vec![false; rank];
        if order.len() != rank
            || order.iter().any(|&axis| axis >= rank || std::mem::replace(&mut seen[axis], true))
        {
            return Err(format!("axes {order:?} do not fit a constant of {:?}", self.dims));
        }
        let mut strides = vec![1usize; rank];
        for axis in (1..rank).rev() {
            strides[axis - 1] = strides[axis] * self.dims[axis];
        }
        let dims: Vec<usize> = order.iter().map(|&axis| self.dims[axis]).collect();
        let strides: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
        let values = match &self.values {
            Values::Floats(values) => Values::Floats(permuted(values, &dims, &strides)),
            Values::Ints(values) => Values::Ints(permuted(values, &dims, &strides)),
            Values::Bytes(values) => Values::Bytes(permuted(values, &dims, &strides)),
        };
        Ok(Self { dims, values })
    }

    /// Applies `f` element by element, with ONNX's broadcasting.
    pub fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Result<Self, String> {
        let (a, b) = (self.as_floats()?, other.as_floats()?);
        if a.is_empty() || b.is_empty() {
            return Err("arithmetic on an empty constant".into());
        }
        let rank = self.dims.len().max(other.dims.len());
        let padded = |dims: &[usize]| {
            let mut full = vec![1; rank - dims.len()];
            full.extend_from_slice(dims);
            full
        };
        let (da, db) = (padded(&self.dims), padded(&other.dims));
        let mut dims = Vec::with_capacity(rank);
        let mut count = 1usize;
        for (&x, &y) in da.iter().zip(&db) {
            if x != y && x != 1 && y != 1 {
                return Err(format!("constants of {:?} and {:?} cannot be broadcast", self.dims, other.dims));
            }
            let dim = if x == 1 { y } else { x };
            count = count
                .checked_mul(dim)
                .filter(|&count| count <= MAX_ELEMENTS)
                .ok_or("a constant grows beyond those of any network in use")?;
            dims.push(dim);
        }
        let strides = |own: &[usize]| {
            let mut strides = vec![0; rank];
            let mut step = 1;
            for axis in (0..rank).rev() {
                strides[axis] = if own[axis] == 1 { 0 } else { step };
                step *= own[axis];
            }
            strides
        };
        let a = permuted(a, &dims, &strides(&da));
        let b = permuted(b, &dims, &strides(&db));
        Ok(Self::floats(dims, a.iter().zip(b.iter()).map(|(&a, &b)| f(a, b)).collect()))
    }

    pub fn map(&self, f: impl Fn(f32) -> f32) -> Result<Self, String> {
        Ok(Self::floats(self.dims.clone(), self.as_floats()?.iter().map(|&value| f(value)).collect()))
    }
}

/// Values read along `strides`, in the row-major order of `dims`.
fn permuted<T: Copy>(values: &[T], dims: &[usize], strides: &[usize]) -> Arc<[T]> {
    let count = dims.iter().product::<usize>();
    let mut index = vec![0usize; dims.len()];
    let mut at = 0usize;
    (0..count)
        .map(|_| {
            let value = values[at];
            for axis in (0..dims.len()).rev() {
                index[axis] += 1;
                at += strides[axis];
                if index[axis] < dims[axis] {
                    break;
                }
                at -= strides[axis] * dims[axis];
                index[axis] = 0;
            }
            value
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_and_broadcasting() {
        let a = Constant::floats(vec![2, 3], vec![1., 2., 3., 4., 5., 6.]);
        let t = a.transpose(&[1, 0]).unwrap();
        assert_eq!(
            (t.dims.as_slice(), &t.as_floats().unwrap()[..]),
            (&[3, 2][..], &[1., 4., 2., 5., 3., 6.][..])
        );
        let row = Constant::floats(vec![3], vec![10., 20., 30.]);
        let sum = a.zip(&row, |a, b| a + b).unwrap();
        assert_eq!(&sum.as_floats().unwrap()[..], [11., 22., 33., 14., 25., 36.]);
        assert!(a.zip(&Constant::floats(vec![2], vec![1., 2.]), |a, _| a).is_err());
        assert!(a.transpose(&[0, 0]).is_err());
        assert_eq!(a.reshape(&[-1, 2]).unwrap().dims, [3, 2]);
        assert!(a.reshape(&[4, -1]).is_err());
    }
}
