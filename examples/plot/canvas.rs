//! An RGB picture with rectangles and text.

use std::io::{self, Write};

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

pub type Rgb = [u8; 3];

pub const WHITE: Rgb = [255, 255, 255];
pub const INK: Rgb = [38, 38, 46];
pub const FAINT: Rgb = [120, 120, 130];

const FONT: &[u8] = include_bytes!("DejaVuSans-subset.ttf");

/// Where a text's given x is: at its left end, its middle or its right end.
#[derive(Clone, Copy)]
pub enum Anchor {
    Left,
    Middle,
    Right,
}

pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
    font: FontRef<'static>,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        let font = FontRef::try_from_slice(FONT).expect("the embedded font is whole");
        Canvas { width, height, pixels: vec![WHITE; width * height], font }
    }

    pub fn set(&mut self, x: usize, y: usize, colour: Rgb) {
        if x < self.width && y < self.height {
            self.pixels[y * self.width + x] = colour;
        }
    }

    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Rgb) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                self.pixels[row * self.width + column] = colour;
            }
        }
    }

    /// How wide a text is, in pixels.
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

    /// A text cut with an ellipsis so that it fits.
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
