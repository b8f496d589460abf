//! The output of drawings: a vector picture or pixels.

use std::fmt::Write;

use quick_xml::escape::escape;

use sleeve_plot::canvas::{Anchor, Canvas, Rgb};

/// A drawing surface; coordinates are pixels from the upper left corner.
pub trait Surface {
    /// A line through points.
    fn line(&mut self, points: &[(f64, f64)], width: f64, colour: Rgb);
    /// A text whose vertical middle is at `y`.
    fn text(&mut self, text: &str, at: (f64, f64), size: f64, anchor: Anchor, colour: Rgb);
    /// A text, truncated to fit into the width.
    fn fitted(&self, text: &str, size: f64, width: f64) -> String;
}

/// A vector picture.
pub(super) struct Svg {
    text: String,
    /// Measures the width of texts.
    ruler: Canvas,
}

impl Svg {
    pub fn new(width: usize, height: usize) -> Self {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
        );
        Svg { text, ruler: Canvas::new(1, 1) }
    }

    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

impl Surface for Svg {
    fn line(&mut self, points: &[(f64, f64)], width: f64, colour: Rgb) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"/>",
            points.join(" "),
            hex(colour)
        );
    }

    fn text(&mut self, text: &str, (x, y): (f64, f64), size: f64, anchor: Anchor, colour: Rgb) {
        // XML cannot contain most control characters.
        let text: String =
            text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let anchor = match anchor {
            Anchor::Left => "start",
            Anchor::Middle => "middle",
            Anchor::Right => "end",
        };
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{}\">{}</text>",
            y + 0.36 * size,
            hex(colour),
            escape(text.as_str())
        );
    }

    fn fitted(&self, text: &str, size: f64, width: f64) -> String {
        self.ruler.fitted(text, size as f32, width as f32)
    }
}

/// A bitmap.
pub(super) struct Pixels(Canvas);

impl Pixels {
    pub fn new(width: usize, height: usize) -> Self {
        Pixels(Canvas::new(width, height))
    }

    /// As PNG.
    pub fn finish(self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.write(&mut bytes)?;
        Ok(bytes)
    }
}

impl Surface for Pixels {
    fn line(&mut self, points: &[(f64, f64)], width: f64, colour: Rgb) {
        let points: Vec<(f32, f32)> = points.iter().map(|&(x, y)| (x as f32, y as f32)).collect();
        self.0.line(&points, width as f32, colour);
    }

    fn text(&mut self, text: &str, (x, y): (f64, f64), size: f64, anchor: Anchor, colour: Rgb) {
        self.0.text(text, x as f32, y as f32, size as f32, anchor, colour);
    }

    fn fitted(&self, text: &str, size: f64, width: f64) -> String {
        self.0.fitted(text, size as f32, width as f32)
    }
}
