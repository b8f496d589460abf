//! Where each value is in memory, planned once.
//!
//! A value of one patch has a *slot*: its map, pixel by pixel, with the border of zeros that the convolutions after it
//! need. Values of which a later layer reads several patches at once have several slots side by side. Areas of values
//! that are never needed at the same time share memory.

use std::sync::Arc;

use crate::engine::fused::ir::Pads;
use crate::engine::graph::Size;

/// Where a value is.
#[derive(Clone, Debug)]
pub(in crate::engine::fused) struct Place {
    /// Floats from the beginning of the arena; `None` for the caller's input.
    pub offset: Option<usize>,
    /// Floats of a slot, and the number of slots.
    pub slot: usize,
    pub group: usize,
    pub size: Size,
    /// Floats from pixel to pixel, and from row to row.
    pub pixel: usize,
    pub row: usize,
    pub border: Pads,
    /// Where each pixel is in its slot.
    pub offsets: Arc<[u32]>,
}

impl Place {
    /// A place whose offset in the arena is not known yet.
    pub fn new(size: Size, pixel: usize, border: Pads, group: usize) -> Self {
        let row = (size.columns + border[1] + border[3]) * pixel;
        let slot = (size.rows + border[0] + border[2]) * row;
        let mut place = Self {
            offset: Some(0),
            slot: slot.next_multiple_of(16),
            group,
            size,
            pixel,
            row,
            border,
            offsets: Arc::default(),
        };
        place.offsets = (0..size.rows * size.columns)
            .map(|i| place.at(i / size.columns, i % size.columns) as u32)
            .collect();
        place
    }

    /// The caller's input, which has no border.
    pub fn input(size: Size) -> Self {
        let place = Self::new(size, size.channels, [0; 4], usize::MAX);
        Self { offset: None, slot: size.rows * size.columns * size.channels, ..place }
    }

    /// Where a pixel is in its slot.
    pub fn at(&self, row: usize, column: usize) -> usize {
        (row + self.border[0]) * self.row + (column + self.border[1]) * self.pixel
    }

    /// Whether all values follow each other.
    pub fn is_dense(&self) -> bool {
        self.border == [0; 4] && (self.pixel == self.size.channels || self.size.rows * self.size.columns == 1)
    }

    /// Where the window of each pixel of a result begins.
    pub fn windows(&self, result: Size, stride: [usize; 2], pads: Pads) -> Arc<[u32]> {
        let places = (0..result.rows * result.columns).map(|i| {
            let row = self.border[0] + i / result.columns * stride[0] - pads[0];
            let column = self.border[1] + i % result.columns * stride[1] - pads[1];
            (row * self.row + column * self.pixel) as u32
        });
        places.collect()
    }

    pub fn pixels(&self) -> usize {
        self.size.rows * self.size.columns
    }

    /// Floats of all slots.
    pub fn floats(&self) -> usize {
        self.slot * self.group
    }
}

/// Memory that is needed from one step to another.
pub(super) struct Area {
    pub floats: usize,
    pub first: usize,
    pub last: usize,
}

/// Floats that kernels of whole vectors may read after the last value.
const SLACK: usize = 64;

/// An offset for each area, so that those needed at the same time do not overlap; and the floats of all.
pub(super) fn arrange(areas: &[Area]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..areas.len()).collect();
    // Large ones first: small ones find room between them.
    order.sort_by_key(|&index| std::cmp::Reverse(areas[index].floats));
    let mut offsets = vec![0; areas.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for index in order {
        let area = &areas[index];
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&other| areas[other].first <= area.last && area.first <= areas[other].last)
            .map(|&other| (offsets[other], offsets[other] + areas[other].floats))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (start, end) in taken {
            if start >= at + area.floats {
                break;
            }
            at = at.max(end);
        }
        offsets[index] = at;
        total = total.max(at + area.floats);
        placed.push(index);
    }
    (offsets, total + SLACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_share_memory_unless_they_are_needed_together() {
        let area = |floats, first, last| Area { floats, first, last };
        let areas = [area(100, 0, 1), area(50, 1, 2), area(100, 2, 3), area(30, 0, 3)];
        let (offsets, total) = arrange(&areas);
        assert_eq!(total, 180 + SLACK);
        for (i, a) in areas.iter().enumerate() {
            for (j, b) in areas.iter().enumerate().skip(i + 1) {
                let apart = offsets[i] + a.floats <= offsets[j] || offsets[j] + b.floats <= offsets[i];
                assert!(apart || a.last < b.first || b.last < a.first, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_window_begins_in_the_border() {
        let size = Size { channels: 3, rows: 4, columns: 5 };
        let place = Place::new(size, 4, [1, 2, 1, 2], 1);
        assert_eq!((place.row, place.at(0, 0)), (36, 36 + 8));
        let windows = place.windows(Size { rows: 2, columns: 2, channels: 1 }, [2, 2], [1, 1, 0, 0]);
        assert_eq!(windows[..], [4, 12, 76, 84]);
    }
}
