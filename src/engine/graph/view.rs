//! How an ONNX tensor's axes map to those of a feature map.
//!
//! Exporters move between NCHW, NHWC and flattened vectors by transposing, squeezing and reshaping. None of this
//! computes anything: it only changes the list of axes.

use super::constant::BATCH;
use super::size::Size;

/// What one axis of a tensor runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Axis {
    Batch,
    Channel,
    Row,
    Column,
    /// An axis of one element.
    Unit,
}

/// The axes of one tensor, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct View(pub Vec<Axis>);

/// An axis number of ONNX, which counts from the end when negative.
pub(in crate::engine) fn axis_index(axis: i64, rank: usize) -> Result<usize, String> {
    let index = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    index
        .and_then(|index| usize::try_from(index).ok())
        .filter(|&index| index < rank)
        .ok_or_else(|| format!("axis {axis} of a tensor of rank {rank}"))
}

impl View {
    /// The view with only the axes of more than one element, in NCHW order.
    pub fn canonical(size: Size) -> Self {
        let unless_one = |n: usize, axis| if n == 1 { Axis::Unit } else { axis };
        Self(vec![
            Axis::Batch,
            unless_one(size.channels, Axis::Channel),
            unless_one(size.rows, Axis::Row),
            unless_one(size.columns, Axis::Column),
        ])
    }

    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The axes of more than one element, and the batch.
    fn essential(&self) -> Vec<Axis> {
        self.0.iter().copied().filter(|&axis| axis != Axis::Unit).collect()
    }

    /// Whether this is NCHW. An axis of one element matches any other such axis.
    pub fn is_nchw(&self, size: Size) -> bool {
        *self == Self::canonical(size)
    }

    /// Whether this is one row of values per patch.
    pub fn is_rows(&self) -> bool {
        matches!(self.essential().as_slice(), [Axis::Batch] | [Axis::Batch, Axis::Channel])
    }

    /// The tensor's dimensions; the batch is [`BATCH`] unless the graph fixes it.
    pub fn dims(&self, size: Size, batch: Option<i64>) -> Vec<i64> {
        let dim = |axis: &Axis| match axis {
            Axis::Batch => batch.unwrap_or(BATCH),
            Axis::Channel => size.channels as i64,
            Axis::Row => size.rows as i64,
            Axis::Column => size.columns as i64,
            Axis::Unit => 1,
        };
        self.0.iter().map(dim).collect()
    }

    pub fn transpose(&self, order: &[i64]) -> Result<Self, String> {
        if order.len() != self.rank() {
            return Err(format!("a transpose of {} axes of a tensor of rank {}", order.len(), self.rank()));
        }
        let mut taken = vec![false; self.rank()];
        let mut axes = Vec::with_capacity(self.rank());
        for &axis in order {
            let index = axis_index(axis, self.rank())?;
            if std::mem::replace(&mut taken[index], true) {
                return Err("a transpose that has an axis twice".into());
            }
            axes.push(self.0[index]);
        }
        Ok(Self(axes))
    }

    /// Without the given axes, or without every axis of one element.
    pub fn squeeze(&self, axes: Option<&[i64]>) -> Result<Self, String> {
        let Some(axes) = axes else { return Ok(Self(self.essential())) };
        let mut keep = vec![true; self.rank()];
        for &axis in axes {
            let index = axis_index(axis, self.rank())?;
            if self.0[index] != Axis::Unit {
                return Err(format!("a squeeze of axis {axis}, which is {:?}", self.0[index]));
            }
            keep[index] = false;
        }
        Ok(Self(self.0.iter().zip(keep).filter(|(_, keep)| *keep).map(|(&axis, _)| axis).collect()))
    }

    pub fn unsqueeze(&self, axes: &[i64]) -> Result<Self, String> {
        let rank = self.rank() + axes.len();
        if rank > 8 {
            return Err("a tensor of more than 8 axes".into());
        }
        let mut unit = vec![false; rank];
        for &axis in axes {
            unit[axis_index(axis, rank)?] = true;
        }
        let mut own = self.0.iter();
        let axes: Option<Vec<Axis>> =
            unit.into_iter().map(|unit| if unit { Some(Axis::Unit) } else { own.next().copied() }).collect();
        axes.map(Self).ok_or_else(|| "an unsqueeze that has an axis twice".into())
    }

    /// A reshape that keeps every axis whole and in order: it may only add and drop axes of one element.
    pub fn reshape(&self, target: &[i64], size: Size, batch: Option<i64>) -> Result<Self, String> {
        if target.len() > 8 {
            return Err("a tensor of more than 8 axes".into());
        }
        let own = self.dims(size, batch);
        let axes = self.essential();
        let dims = Self(axes.clone()).dims(size, batch);
        let mut at = 0;
        let mut result = Vec::with_capacity(target.len());
        let open = target.iter().filter(|&&dim| dim == -1).count();
        // The meaning of -1: one element, or the axis that no other number stands for.
        let named = target.iter().enumerate().filter(|&(i, &dim)| {
            let dim = if dim == 0 { own.get(i).copied().unwrap_or(1) } else { dim };
            dim != 1 && dim != -1
        });
        let open_is_axis = open == 1 && named.count() < dims.iter().filter(|&&dim| dim != 1).count();
        for (i, &dim) in target.iter().enumerate() {
            let dim = if dim == 0 { own.get(i).copied().unwrap_or(1) } else { dim };
            let matches =
                at < axes.len() && (dims[at] == dim || (dim == -1 && (open_is_axis || dims[at] == 1)));
            if matches {
                result.push(axes[at]);
                at += 1;
            } else if dim == 1 || dim == -1 {
                result.push(Axis::Unit);
            } else {
                return Err(format!("a reshape from {own:?} to {target:?}"));
            }
        }
        if at != axes.len() || open > 1 {
            return Err(format!("a reshape from {own:?} to {target:?}"));
        }
        Ok(Self(result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: Size = Size { channels: 40, rows: 4, columns: 3 };
    const VECTOR: Size = Size { channels: 40, rows: 1, columns: 1 };

    #[test]
    fn reshapes_that_compute_nothing_pass() {
        let pooled = View::canonical(VECTOR);
        for target in [&[-1, 40][..], &[0, -1], &[0, 40], &[BATCH, 40], &[-1, 40, 1, 1], &[0, 1, 1, -1]] {
            let view = pooled.reshape(target, VECTOR, None).unwrap();
            assert!(view.is_rows(), "{target:?}");
        }
        assert!(pooled.reshape(&[64, 40], VECTOR, Some(64)).unwrap().is_rows());
        assert!(pooled.reshape(&[64, -1], VECTOR, Some(64)).unwrap().is_rows());
        assert!(pooled.reshape(&[-1], VECTOR, None).is_err());
        assert!(pooled.reshape(&[-1, 20, 2], VECTOR, None).is_err());
        assert!(View::canonical(MAP).reshape(&[0, 40, 12], MAP, None).is_err());
        assert!(View::canonical(MAP).reshape(&[0, 4, 3, 40], MAP, None).is_err());
    }

    #[test]
    fn squeezing_takes_only_axes_of_one_element() {
        assert!(View::canonical(VECTOR).squeeze(Some(&[2, 3])).unwrap().is_rows());
        assert!(View::canonical(MAP).squeeze(Some(&[2])).is_err());
        let view = View(vec![Axis::Batch, Axis::Row, Axis::Column]).unsqueeze(&[-1]).unwrap();
        let size = Size { channels: 1, rows: 128, columns: 96 };
        assert!(view.transpose(&[0, 3, 1, 2]).unwrap().is_nchw(size));
        assert!(View::canonical(MAP).unsqueeze(&[0, 0]).is_err());
    }
}
