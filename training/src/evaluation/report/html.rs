//! A self-contained page: styles and pictures inside, no scripts.

use std::fmt;

use askama::Template;
use askama::filters::Escaper;
use quick_xml::escape::escape;

use super::table::{Row, Table, Whose};
use super::{Part, Picture};

/// The page, which is also well-formed XML.
#[derive(Template)]
#[template(path = "page.html")]
pub struct Page<'a> {
    pub title: &'a str,
    pub about: &'a str,
    pub parts: &'a [Part],
}

/// The template's escaping: texts are shown literally. Control characters, which XML cannot contain, become spaces.
#[derive(Clone, Copy)]
struct Xhtml;

impl Escaper for Xhtml {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        let held = |letter: char| {
            if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') { ' ' } else { letter }
        };
        out.write_str(&escape(text.chars().map(held).collect::<String>()))
    }
}

impl Whose {
    fn class(self) -> &'static str {
        match self {
            Whose::Ours => "ours",
            Whose::Paper => "paper",
            Whose::Literature => "literature",
        }
    }
}

impl Table {
    /// The headings, each with its class.
    fn headings(&self) -> impl Iterator<Item = (&str, &str)> {
        let class = |column| if self.is_number(column) { "number" } else { "" };
        self.columns.iter().enumerate().map(move |(column, heading)| (class(column), heading.as_str()))
    }

    /// The texts of a row's cells, each with its classes.
    fn cells(&self, row: &Row) -> impl Iterator<Item = (String, String)> {
        row.cells.iter().enumerate().map(|(column, cell)| {
            let (shown, is_number) = (cell.shown(), self.is_number(column));
            let is_long = !is_number && shown.chars().count() > 40;
            let classes = [("number", is_number), ("missing", cell.is_missing()), ("long", is_long)];
            let own = classes.into_iter().filter_map(|(class, has)| has.then_some(class));
            (own.collect::<Vec<_>>().join(" "), shown)
        })
    }
}

impl Picture {
    /// The text after `<svg ` in the element, to which the page adds attributes.
    fn inside(&self) -> &str {
        self.svg.strip_prefix("<svg ").unwrap_or(&self.svg)
    }
}
