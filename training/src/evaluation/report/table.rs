//! Tables, written as Markdown and CSV.

use std::fmt::Write;

use crate::evaluation::results::Figure;
use crate::numerals::thousands;

/// The text of cells without a measurement.
pub const NOT_RUN: &str = "not run";
/// The text of cells for which the paper gives no figure.
pub const NOT_GIVEN: &str = "not given";

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A count.
    Count(u64),
    /// A ratio, shown in percent with its interval.
    Ratio(Figure),
    /// A figure quoted in percent, with its printed number of digits.
    Printed(f64, usize),
    /// The same, measured on other data, so that it cannot be compared.
    Elsewhere(f64, usize),
    /// Not measured.
    NotRun,
    /// Not given in the quoted source.
    NotGiven,
}

impl Cell {
    /// A cell of text.
    pub fn text(text: impl Into<String>) -> Self {
        Cell::Text(text.into())
    }

    /// A figure, or [`Cell::NotRun`].
    pub fn figure(figure: Option<&Figure>) -> Self {
        figure.map_or(Cell::NotRun, |figure| Cell::Ratio(figure.clone()))
    }

    /// A count, or [`Cell::NotRun`].
    pub fn count(count: Option<u64>) -> Self {
        count.map_or(Cell::NotRun, Cell::Count)
    }

    /// Whether it is aligned to the right.
    pub fn is_number(&self) -> bool {
        !matches!(self, Cell::Text(_))
    }

    /// Whether it has no content.
    pub fn is_missing(&self) -> bool {
        matches!(self, Cell::NotRun | Cell::NotGiven)
    }

    /// Its text for readers.
    pub fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => thousands(*count),
            Cell::Ratio(figure) => ratio(figure),
            Cell::Printed(value, digits) => format!("{value:.digits$}"),
            Cell::Elsewhere(value, digits) => format!("{value:.digits$}*"),
            Cell::NotRun => NOT_RUN.into(),
            Cell::NotGiven => NOT_GIVEN.into(),
        }
    }

    /// Its values for programs: value, deviation over seeds, low and high end of the interval.
    fn plain(&self) -> [String; 4] {
        let rest = || ["NA", "NA", "NA"].map(str::to_owned);
        let (value, [deviation, low, high]) = match self {
            Cell::Text(text) => (text.clone(), rest()),
            Cell::Count(count) => (count.to_string(), rest()),
            Cell::Printed(value, digits) | Cell::Elsewhere(value, digits) => {
                (format!("{value:.digits$}"), rest())
            }
            Cell::NotRun => (NOT_RUN.into(), rest()),
            Cell::NotGiven => (NOT_GIVEN.into(), rest()),
            Cell::Ratio(figure) => {
                let percent = |value: f64| format!("{:.3}", 100.0 * value);
                let or = |value: Option<f64>| value.map_or_else(|| "NA".to_owned(), percent);
                let rest = [
                    deviation(&figure.seeds),
                    figure.interval.map(|interval| interval[0]),
                    figure.interval.map(|interval| interval[1]),
                ];
                (percent(figure.value), rest.map(or))
            }
        };
        [value, deviation, low, high]
    }
}

/// `41.2 ± 0.3 [38.0, 44.5]`, in percent.
fn ratio(figure: &Figure) -> String {
    let mut text = format!("{:.1}", 100.0 * figure.value);
    if let Some(deviation) = deviation(&figure.seeds) {
        let _ = write!(text, " ± {:.1}", 100.0 * deviation);
    }
    if let Some([low, high]) = figure.interval {
        let _ = write!(text, " [{:.1}, {:.1}]", 100.0 * low, 100.0 * high);
    }
    text
}

/// The standard deviation over seeds, if there are several.
fn deviation(seeds: &[f64]) -> Option<f64> {
    if seeds.len() < 2 {
        return None;
    }
    let mean = seeds.iter().sum::<f64>() / seeds.len() as f64;
    let squares: f64 = seeds.iter().map(|seed| (seed - mean).powi(2)).sum();
    Some((squares / (seeds.len() - 1) as f64).sqrt())
}

/// The source of a row's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Measured here.
    Ours,
    /// The paper's own.
    Paper,
    /// Quoted by the paper from the literature.
    Literature,
}

impl Whose {
    /// The text in the column `source`.
    pub fn name(self) -> &'static str {
        match self {
            Whose::Ours => "ours",
            Whose::Paper => "paper",
            Whose::Literature => "quoted",
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The source of its figures.
    pub whose: Whose,
    /// A cell for every column.
    pub cells: Vec<Cell>,
}

/// A table with the text above and below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The name of its file, without extension.
    pub file: &'static str,
    /// Its title.
    pub title: String,
    /// The text above it.
    pub about: String,
    /// The headings.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Lines below it.
    pub notes: Vec<String>,
}

impl Table {
    /// Adds a row and fills the column `source`.
    pub fn push(&mut self, whose: Whose, cells: impl IntoIterator<Item = Cell>) {
        let row = Row { whose, cells: cells.into_iter().collect() };
        debug_assert_eq!(row.cells.len(), self.columns.len(), "{}", self.title);
        self.rows.push(row);
    }

    /// Adds a line below it, if it is not there already.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whether a column holds numbers.
    pub fn is_number(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row.cells[column].is_number() && !row.cells[column].is_missing())
    }

    /// As a section in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", escaped(&self.title), escaped(&self.about));
        let line = |cells: &mut dyn Iterator<Item = String>| {
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        text += &line(&mut self.columns.iter().map(|column| escaped(column)));
        text += &line(
            &mut (0..self.columns.len()).map(|at| if self.is_number(at) { "--:" } else { "---" }.to_owned()),
        );
        for row in &self.rows {
            text += &line(&mut row.cells.iter().map(|cell| escaped(&cell.shown())));
        }
        if self.rows.is_empty() {
            text += &format!("\n{NOT_RUN}\n");
        }
        for note in &self.notes {
            let _ = write!(text, "\n- {}", escaped(note));
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        text
    }

    /// As comma-separated values: figures in percent without rounding to a tenth, with columns `_deviation`, `_low` and
    /// `_high` if there are any.
    pub fn csv(&self) -> String {
        let plain: Vec<Vec<[String; 4]>> =
            self.rows.iter().map(|row| row.cells.iter().map(Cell::plain).collect()).collect();
        let kept: Vec<Vec<usize>> = (0..self.columns.len())
            .map(|column| {
                let has = |part: &usize| *part == 0 || plain.iter().any(|row| row[column][*part] != "NA");
                (0..4).filter(has).collect()
            })
            .collect();
        let headings = self.columns.iter().zip(&kept).flat_map(|(column, kept)| {
            kept.iter().map(move |part| format!("{column}{}", ["", "_deviation", "_low", "_high"][*part]))
        });
        let mut file = csv::Writer::from_writer(Vec::new());
        let written = file.write_record(headings).and_then(|()| {
            plain.iter().try_for_each(|row| {
                let cells = row.iter().zip(&kept);
                file.write_record(cells.flat_map(|(cell, kept)| kept.iter().map(|&part| &cell[part])))
            })
        });
        written.expect("every row has a cell for each column");
        String::from_utf8(file.into_inner().expect("memory has room")).expect("texts are UTF-8")
    }
}

/// Text escaped for Markdown, on one line.
pub fn escaped(text: &str) -> String {
    let letters: Vec<char> =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut out = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let inside =
            |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|next| next.is_alphanumeric());
        let special = match letter {
            '\\' | '`' | '[' | ']' | '<' | '>' | '|' | '~' | '&' => true,
            // A single star between words and an underscore inside a word need no escape.
            '*' => letters.get(at + 1).is_some_and(|next| !next.is_whitespace()),
            '_' => !(inside(at.checked_sub(1)) && inside(Some(at + 1))),
            '#' => at == 0,
            _ => false,
        };
        // Brackets of intervals are not links: no parenthesis follows them.
        let interval = matches!(letter, '[' | ']') && !text.contains("](") && !text.contains("][");
        if special && !interval {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, interval: Option<[f64; 2]>, seeds: &[f64]) -> Cell {
        Cell::Ratio(Figure { value, interval, seeds: seeds.into() })
    }

    #[test]
    fn figures_are_shown_with_what_is_known_of_them() {
        for (cell, shown) in [
            (figure(0.4123, Some([0.38, 0.445]), &[0.41, 0.4146]), "41.2 ± 0.3 [38.0, 44.5]"),
            (figure(0.5, None, &[0.5]), "50.0"),
            (Cell::Count(1_234_567), "1,234,567"),
            (Cell::Count(12), "12"),
            (Cell::Printed(90.93, 2), "90.93"),
            (Cell::Elsewhere(91.3, 1), "91.3*"),
            (Cell::NotRun, "not run"),
        ] {
            assert_eq!(cell.shown(), shown);
        }
    }

    #[test]
    fn hostile_names_stay_in_their_cells() {
        let mut table = Table {
            file: "t",
            title: "T".into(),
            about: "What.".into(),
            columns: vec!["name".into(), "x".into()],
            rows: vec![],
            notes: vec![],
        };
        table.push(
            Whose::Ours,
            [Cell::text("a|b\n<i>\"c\", [d](e) _f_ g_h"), figure(0.25, Some([0.2, 0.3]), &[])],
        );
        table.push(Whose::Ours, [Cell::text("plain"), Cell::NotRun]);
        let markdown = table.markdown();
        let row = r#"| a\|b \<i\>"c", \[d\](e) \_f\_ g_h | 25.0 [20.0, 30.0] |"#;
        assert!(markdown.lines().any(|line| line == row), "{markdown}");
        assert!(markdown.contains("| --- | --: |") && markdown.contains("| plain | not run |"));
        let csv = "name,x,x_low,x_high\n\"a|b\n<i>\"\"c\"\", [d](e) _f_ g_h\",25.000,20.000,30.000\nplain,not run,NA,NA\n";
        assert_eq!(table.csv(), csv);
    }
}
