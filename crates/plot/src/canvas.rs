//! An RGB picture with rectangles and text.

use std::io::{self, Write};

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

/// Red, green and blue.
pub type Rgb = [u8; 3];

/// The background.
pub const WHITE: Rgb = [255, 255, 255];
/// Titles, labels and curves.
pub const INK: Rgb = [38, 38, 46];
/// Frames and units.
pub const FAINT: Rgb = [120, 120, 130];

const FONT: &[u8] = include_bytes!("DejaVuSans-subset.ttf");

/// Where a text's given x is: at its left end, its middle or its right end.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// At its left end.
    Left,
    /// At its middle.
    Middle,
    /// At its right end.
    Right,
}

/// A picture of `width` x `height` pixels, white at first. Drawing outside of it is clipped.
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
    font: FontRef<'static>,
}

impl Canvas {
    /// A white picture.
    pub fn new(width: usize, height: usize) -> Self {
        let font = FontRef::try_from_slice(FONT).expect("the embedded font is valid");
        Canvas { width, height, pixels: vec![WHITE; width * height], font }
    }

    /// Colours one pixel.
    pub fn set(&mut self, x: usize, y: usize, colour: Rgb) {
        if x < self.width && y < self.height {
            self.pixels[y * self.width + x] = colour;
        }
    }

    /// Fills a rectangle whose upper left corner is (`x`, `y`).
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Rgb) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                self.pixels[row * self.width + column] = colour;
            }
        }
    }

    /// Draws a line through points, `width` pixels wide.
    pub fn line(&mut self, points: &[(f32, f32)], width: f32, colour: Rgb) {
        // Each pixel is drawn once, by the segment that covers it most, so that joints are not darker.
        let mut covered = vec![0.0_f32; self.width * self.height];
        let reach = 0.5 * width + 1.0;
        for ends in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (ends[0], ends[1]);
            let pixels = |one: f32, other: f32, most: usize| {
                let first = (one.min(other) - reach).max(0.0) as usize;
                first..((one.max(other) + reach).max(0.0) as usize + 1).min(most)
            };
            let (dx, dy) = (x1 - x0, y1 - y0);
            let length = (dx * dx + dy * dy).max(1e-12);
            for y in pixels(y0, y1, self.height) {
                for x in pixels(x0, x1, self.width) {
                    let (px, py) = (x as f32 + 0.5 - x0, y as f32 + 0.5 - y0);
                    let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                    let distance = (px - along * dx).hypot(py - along * dy);
                    let pixel = &mut covered[y * self.width + x];
                    *pixel = pixel.max((0.5 * width + 0.5 - distance).clamp(0.0, 1.0));
                }
            }
        }
        for (at, coverage) in covered.into_iter().enumerate().filter(|(_, coverage)| *coverage > 0.0) {
            self.blend(at % self.width, at / self.width, colour, coverage);
        }
    }

    /// The width of a text in pixels.
    pub fn text_width(&self, text: &str, size: f32) -> f32 {
        let font = self.font.as_scaled(PxScale::from(size));
        let mut last = None;
        let mut width = 0.0;
        for glyph in text.chars().map(|letter| font.glyph_id(letter)) {
            width += last.map_or(0.0, |last| font.kern(last, glyph)) + font.h_advance(glyph);
            last = Some(glyph);
        }
        width
    }

    /// Writes a text whose vertical middle is at `y`.
    pub fn text(&mut self, text: &str, x: f32, y: f32, size: f32, anchor: Anchor, colour: Rgb) {
        let width = self.text_width(text, size);
        let scale = PxScale::from(size);
        let font = self.font.as_scaled(scale);
        let baseline = y + 0.36 * size;
        let mut pen = match anchor {
            Anchor::Left => x,
            Anchor::Middle => x - 0.5 * width,
            Anchor::Right => x - width,
        };
        let mut outlines = Vec::new();
        let mut last = None;
        for id in text.chars().map(|letter| font.glyph_id(letter)) {
            pen += last.map_or(0.0, |last| font.kern(last, id));
            let glyph = Glyph { id, scale, position: point(pen, baseline) };
            outlines.extend(self.font.outline_glyph(glyph));
            pen += font.h_advance(id);
            last = Some(id);
        }
        for outline in outlines {
            let bounds = outline.px_bounds();
            outline.draw(|dx, dy, coverage| {
                let (x, y) = (bounds.min.x + dx as f32, bounds.min.y + dy as f32);
                if x >= 0.0 && y >= 0.0 {
                    self.blend(x as usize, y as usize, colour, coverage);
                }
            });
        }
    }

    /// A text truncated with an ellipsis to fit.
    pub fn fitted(&self, text: &str, size: f32, width: f32) -> String {
        if self.text_width(text, size) <= width {
            return text.to_owned();
        }
        let mut letters: Vec<char> = text.chars().collect();
        while letters.pop().is_some() {
            let cut = letters.iter().collect::<String>() + "…";
            if self.text_width(&cut, size) <= width {
                return cut;
            }
        }
        String::new()
    }

    /// Writes the picture as PNG.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(to, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        Ok(writer.finish()?)
    }

    fn blend(&mut self, x: usize, y: usize, colour: Rgb, coverage: f32) {
        if x < self.width && y < self.height {
            let pixel = &mut self.pixels[y * self.width + x];
            for (old, new) in pixel.iter_mut().zip(colour) {
                *old =
                    (f32::from(*old) + (f32::from(new) - f32::from(*old)) * coverage.min(1.0)).round() as u8;
            }
        }
    }
}
