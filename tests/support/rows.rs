//! Rows of an extractor, as bits.

use sleeve::extractor::{Analysis, Rows, Sink};

/// All rows of a recording, to compare bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowBits {
    /// The times of the patches.
    pub times: Vec<u64>,
    /// One row per patch: the values of all outputs.
    pub values: Vec<Vec<u32>>,
}

impl RowBits {
    /// The rows of an analysis.
    pub fn of(analysis: &Analysis) -> Self {
        let times = analysis.times().iter().map(|time| time.to_bits()).collect::<Vec<u64>>();
        let row = |row: usize| {
            let outputs = analysis.outputs().iter();
            outputs.flat_map(|output| output.values.row(row).to_vec()).map(f32::to_bits).collect()
        };
        RowBits { values: (0..times.len()).map(row).collect(), times }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether `self` begins with all rows of `other`.
    pub fn starts_with(&self, other: &RowBits) -> bool {
        self.times.starts_with(&other.times) && self.values.starts_with(&other.values)
    }
}

impl Sink for RowBits {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        assert_eq!(rows.first, self.len() as u64, "rows are in order");
        for (row, time) in rows.times.iter().enumerate() {
            self.times.push(time.to_bits());
            let values = rows.outputs.iter().flat_map(|values| values.row(row).to_vec());
            self.values.push(values.map(f32::to_bits).collect());
        }
        Ok(())
    }
}
