//! One page that needs nothing else: styles inside, pictures inline, no scripts.

use std::fmt::Write;

use quick_xml::escape::escape;

use super::table::Table;
use super::{Part, Picture};

/// Wide tables and pictures scroll inside their own frames, so that a page is never wider than a phone. Pictures are
/// drawn for white paper: on a dark screen their paper, ink and grid take the page's colours, and their data keep theirs.
const STYLE: &str = r##"
:root { color-scheme: light dark; --paper: #ffffff; --ink: #26262e; --faint: #6b6b78; --line: #dcdde3; --tint: #f4f5f8; --own: #eaf3fa; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16171c; --ink: #e6e6ec; --faint: #9a9aa8; --line: #34353f; --tint: #1f2027; --own: #1b2c3a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 75rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; }
nav ul { columns: 16rem; padding-left: 1.2rem; }
a { color: inherit; }
p, li { max-width: 48rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
.scroll:focus-visible { outline: 2px solid var(--ink); }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; min-width: 100%; }
th, td { padding: 0.35rem 0.6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { background: var(--tint); vertical-align: bottom; }
tbody th { position: sticky; left: 0; background: var(--paper); font-weight: 600; max-width: 14rem; min-width: 6rem; }
.number { text-align: right; white-space: nowrap; }
.long { min-width: 16rem; }
.missing { color: var(--faint); font-style: italic; }
tr.ours > * { background: var(--own); }
tr.literature > * { color: var(--faint); }
ul.notes { color: var(--faint); font-size: 0.875rem; }
figure { margin: 1.5rem 0; }
figcaption { color: var(--faint); font-size: 0.875rem; max-width: 48rem; }
svg { display: block; width: 100%; height: auto; min-width: 34rem; max-width: 60rem; }
svg rect[fill="#ffffff"] { fill: var(--paper); }
svg text[fill="#26262e"] { fill: var(--ink); }
svg text[fill="#787882"] { fill: var(--faint); }
svg polyline[stroke="#e4e5e9"] { stroke: var(--line); }
svg polyline[stroke="#26262e"], svg polyline[stroke="#000000"] { stroke: var(--ink); }
svg polyline[stroke="#787882"] { stroke: var(--faint); }
"##;

/// The page.
pub fn page(title: &str, about: &str, parts: &[Part]) -> String {
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{0}</title>\n\
         <style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n<p>{2}</p>\n<nav aria-label=\"Tables\">\n<ul>\n",
        shown(title),
        STYLE,
        shown(about)
    );
    for part in parts {
        if let Part::Table(table) = part {
            let _ = writeln!(text, "<li><a href=\"#{}\">{}</a></li>", table.file, shown(&table.title));
        }
    }
    text += "</ul>\n</nav>\n<main>\n";
    for part in parts {
        match part {
            Part::Table(table) => section(&mut text, table),
            Part::Picture(picture) => figure(&mut text, picture),
        }
    }
    text += "</main>\n</body>\n</html>\n";
    text
}

/// A text that is shown as it is. Control characters, which XML has no way to hold, become spaces.
fn shown(text: &str) -> String {
    let holds = |letter: char| {
        if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') { ' ' } else { letter }
    };
    escape(text.chars().map(holds).collect::<String>()).into_owned()
}

/// A table; its first column names the row and stays in sight.
fn section(text: &mut String, table: &Table) {
    let numbers: Vec<bool> = (0..table.columns.len()).map(|column| table.is_number(column)).collect();
    let class = |number: bool| if number { " class=\"number\"" } else { "" };
    let title = shown(&table.title);
    let _ = writeln!(
        text,
        "<section>\n<h2 id=\"{0}\">{title}</h2>\n<p>{1}</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" \
         aria-labelledby=\"{0}\">\n<table>\n<thead>\n<tr>",
        table.file,
        shown(&table.about)
    );
    for (column, &number) in table.columns.iter().zip(&numbers) {
        let _ = writeln!(text, "<th scope=\"col\"{}>{}</th>", class(number), shown(column));
    }
    text.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in &table.rows {
        let whose = match row.whose {
            super::Whose::Ours => "ours",
            super::Whose::Paper => "paper",
            super::Whose::Literature => "literature",
        };
        let _ = writeln!(text, "<tr class=\"{whose}\">");
        for (at, (cell, &number)) in row.cells.iter().zip(&numbers).enumerate() {
            let said = cell.shown();
            let mut classes = Vec::new();
            if number {
                classes.push("number");
            }
            if cell.is_missing() {
                classes.push("missing");
            }
            if !number && said.chars().count() > 40 {
                classes.push("long");
            }
            let class =
                if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
            let _ = match at {
                0 => writeln!(text, "<th scope=\"row\"{class}>{}</th>", shown(&said)),
                _ => writeln!(text, "<td{class}>{}</td>", shown(&said)),
            };
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n</div>\n");
    if !table.notes.is_empty() {
        text.push_str("<ul class=\"notes\">\n");
        for note in &table.notes {
            let _ = writeln!(text, "<li>{}</li>", shown(note));
        }
        text.push_str("</ul>\n");
    }
    text.push_str("</section>\n");
}

fn figure(text: &mut String, picture: &Picture) {
    let caption = shown(&picture.caption);
    // Its name for those who do not see it.
    let svg = picture.svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{caption}\" "), 1);
    let _ = writeln!(
        text,
        "<figure>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n{svg}</div>\n\
         <figcaption>{caption}</figcaption>\n</figure>"
    );
}
