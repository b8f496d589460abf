//! The size of a feature map.

/// The size of a feature map; a vector has one row and one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Size {
    pub channels: usize,
    pub rows: usize,
    pub columns: usize,
}

impl Size {
    pub fn is_vector(self) -> bool {
        self.rows == 1 && self.columns == 1
    }
}
