//! Colours for values: equal steps of value are equal steps of lightness.

use super::canvas::Rgb;

/// Black, purple, orange, pale yellow; for sound.
const DARK: [Rgb; 9] = [
    [2, 2, 8],
    [27, 16, 68],
    [78, 18, 123],
    [129, 37, 129],
    [181, 54, 122],
    [229, 80, 100],
    [251, 135, 97],
    [254, 194, 135],
    [252, 253, 191],
];

/// Nearly white, teal, deep blue; for activations.
const LIGHT: [Rgb; 6] =
    [[246, 247, 249], [204, 226, 229], [131, 193, 203], [58, 147, 176], [32, 96, 146], [26, 42, 92]];

/// The colour of a value from 0 to 1 in a picture of sound.
pub fn sound(value: f32) -> Rgb {
    along(&DARK, value)
}

/// The colour of an activation from 0 to 1.
pub fn activation(value: f32) -> Rgb {
    along(&LIGHT, value)
}

fn along(colours: &[Rgb], value: f32) -> Rgb {
    let position = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) } * (colours.len() - 1) as f32;
    let index = (position as usize).min(colours.len() - 2);
    let share = position - index as f32;
    std::array::from_fn(|channel| {
        let (from, to) = (f32::from(colours[index][channel]), f32::from(colours[index + 1][channel]));
        (from + (to - from) * share).round() as u8
    })
}
