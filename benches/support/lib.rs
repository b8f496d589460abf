//! What the benchmarks share: fair timing, medians, a line of figures.

/// The median of some measurements.
///
/// # Panics
/// If there are none.
pub fn median(values: &[f64]) -> f64 {
    assert!(!values.is_empty(), "no measurements");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}
