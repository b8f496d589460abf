//! Ticks at round numbers, and the scales of the pictures.

use super::canvas::{Anchor, Canvas, FAINT, INK, Rgb, WHITE};

/// A rectangle of the picture, in pixels.
#[derive(Clone, Copy)]
pub struct Area {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

/// Draws a time axis below an area that shows `seconds`.
pub fn time(canvas: &mut Canvas, area: Area, seconds: f64) {
    let bottom = area.y + area.height;
    let step = round_time_step(seconds / 10.0);
    let mut tick = 0.0;
    while tick <= seconds * (1.0 + 1e-9) {
        let x = area.x as f64 + tick / seconds.max(1e-9) * area.width as f64;
        canvas.fill((x as usize).min(area.x + area.width - 1), bottom, 1, 5, INK);
        canvas.text(&time_label(tick, step), x as f32, bottom as f32 + 15.0, 13.0, Anchor::Middle, INK);
        tick += step;
    }
    let middle = area.x as f32 + 0.5 * area.width as f32;
    let unit = if step >= 60.0 { "time (minutes:seconds)" } else { "time (s)" };
    canvas.text(unit, middle, bottom as f32 + 36.0, 13.0, Anchor::Middle, FAINT);
}

/// Draws a vertical colour scale with ticks.
pub fn colour_bar(
    canvas: &mut Canvas,
    area: Area,
    colour: impl Fn(f32) -> Rgb,
    range: (f32, f32),
    step: f32,
    title: &str,
) {
    for row in 0..area.height {
        let value = 1.0 - (row as f32 + 0.5) / area.height as f32;
        canvas.fill(area.x, area.y + row, area.width, 1, colour(value));
    }
    frame(canvas, area);
    let (low, high) = range;
    let mut tick = (low / step).ceil() * step;
    while tick <= high + 1e-6 {
        let y = area.y as f32 + area.height as f32 * (1.0 - (tick - low) / (high - low));
        let x = area.x + area.width;
        canvas.fill(x, (y as usize).min(area.y + area.height - 1), 4, 1, INK);
        let label = if step < 1.0 { format!("{tick:.1}") } else { format!("{tick:.0}") };
        canvas.text(&label, x as f32 + 8.0, y, 12.0, Anchor::Left, INK);
        tick += step;
    }
    canvas.text(title, area.x as f32 - 4.0, area.y as f32 - 12.0, 12.0, Anchor::Left, FAINT);
}

/// A thin line around an area.
pub fn frame(canvas: &mut Canvas, area: Area) {
    let Area { x, y, width, height } = area;
    canvas.fill(x, y, width, 1, FAINT);
    canvas.fill(x, y + height - 1, width, 1, FAINT);
    canvas.fill(x, y, 1, height, FAINT);
    canvas.fill(x + width - 1, y, 1, height, FAINT);
}

/// A white line between two rows.
pub fn gap(canvas: &mut Canvas, x: usize, y: usize, width: usize) {
    canvas.fill(x, y, width, 2, WHITE);
}

/// The smallest usual step of time that is at least `least` seconds.
fn round_time_step(least: f64) -> f64 {
    const STEPS: [f64; 19] = [
        0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
        3600.0, 7200.0, 14400.0,
    ];
    STEPS.iter().copied().find(|&step| step >= least).unwrap_or_else(|| (least / 14400.0).ceil() * 14400.0)
}

fn time_label(seconds: f64, step: f64) -> String {
    if step >= 60.0 {
        let whole = seconds.round() as u64;
        let (hours, minutes) = (whole / 3600, whole / 60 % 60);
        if hours > 0 { format!("{hours}:{minutes:02}:00") } else { format!("{minutes}:{:02}", whole % 60) }
    } else if step >= 1.0 {
        format!("{seconds:.0}")
    } else {
        format!("{seconds:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
