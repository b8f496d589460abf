//! Tables of retrieval by artist, release and label.

use super::Found;
use super::table::{Cell, Table, Whose};
use crate::evaluation::results::Task;
use crate::plot::{Bar, Bars};

/// What neighbours have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// An artist, on another release.
    Artist,
    /// A release.
    Release,
    /// A label, by another artist.
    Label,
}

impl Same {
    /// The prefix of its metrics and counts.
    fn prefix(self) -> &'static str {
        match self {
            Same::Artist => "artist",
            Same::Release => "release",
            Same::Label => "label",
        }
    }

    /// The name of one of its metrics or counts.
    pub fn key(self, what: &str) -> String {
        format!("{}/{what}", self.prefix())
    }
}

/// The name that [`Same::key`] gives to a metric or count which the results file calls `same_artist_map`,
/// `same_artist_precision_1`, `same_artist_map_chance` or `same_artist_queries`. Other names are unchanged.
pub fn spelt(name: &str) -> String {
    let known = || {
        let (what, measure) = name.strip_prefix("same_")?.split_once('_')?;
        let (measure, chance) = match measure.strip_suffix("_chance") {
            Some(measure) => (measure, "/chance"),
            None => (measure, ""),
        };
        let measure = match measure.strip_prefix("precision_") {
            Some(first) if first.bytes().all(|byte| byte.is_ascii_digit()) => format!("precision@{first}"),
            None if ["map", "queries", "artists"].contains(&measure) => measure.to_owned(),
            _ => return None,
        };
        Some(format!("{what}/{measure}{chance}"))
    };
    known().unwrap_or_else(|| name.to_owned())
}

/// The measures with their headings.
const MEASURES: [(&str, &str); 4] =
    [("map", "mAP"), ("precision@1", "P@1"), ("precision@5", "P@5"), ("precision@10", "P@10")];

/// The measures whose chance level has a column.
const CHANCES: [(&str, &str); 2] = [("map/chance", "mAP by chance"), ("precision@1/chance", "P@1 by chance")];

/// The rows of a kind of retrieval: those that have a figure or a count for it, the best of each data set first.
fn rows(all: &[Found], same: Same) -> Vec<&Found> {
    let begins = format!("{}/", same.prefix());
    let has = |found: &&Found| {
        let results = &found.results;
        results.task == Task::Retrieval
            && results.metrics.keys().chain(results.counts.keys()).any(|key| key.starts_with(&begins))
    };
    let mut rows: Vec<&Found> = all.iter().filter(has).collect();
    let map = |found: &Found| {
        found.results.metrics.get(&same.key("map")).map_or(f64::NEG_INFINITY, |figure| figure.value)
    };
    rows.sort_by(|a, b| a.results.dataset.cmp(&b.results.dataset).then(map(b).total_cmp(&map(a))));
    rows
}

/// Whether there are any results.
pub fn any(all: &[Found], same: Same) -> bool {
    !rows(all, same).is_empty()
}

/// The table of a kind of retrieval.
pub fn table(all: &[Found], same: Same) -> Table {
    let (file, title, about) = match same {
        Same::Artist => (
            "retrieval-same-artist",
            "Same-artist retrieval",
            "How near tracks of the same artist on another release are, by the cosine of embeddings; tracks of the \
             query's own release are left out of the ranking.",
        ),
        Same::Release => (
            "retrieval-same-release",
            "Same-release retrieval",
            "How near tracks of the same release are, by the cosine of embeddings.",
        ),
        Same::Label => (
            "retrieval-same-label",
            "Same-label retrieval",
            "How near tracks of the same label by another artist are, by the cosine of embeddings.",
        ),
    };
    let mut table = Table {
        file,
        title: title.into(),
        about: format!(
            "{about} Mean average precision and precision among the first 1, 5 and 10, in percent, with 95 % confidence \
             intervals by artist where they were measured. Our own measure, which the paper does not have."
        ),
        columns: ["data set", "encoder", "values"].map(str::to_owned).into(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    table.columns.extend(MEASURES.iter().chain(&CHANCES).map(|(_, heading)| (*heading).to_owned()));
    table.columns.extend(["queries", "artists"].map(str::to_owned));
    for found in rows(all, same) {
        let results = &found.results;
        let values: usize = results.encoders.iter().map(|encoder| encoder.dimensions).sum();
        let mut cells =
            vec![Cell::text(&*results.dataset), Cell::text(found.name()), Cell::Count(values as u64)];
        let measures = MEASURES.iter().chain(&CHANCES);
        cells.extend(measures.map(|(measure, _)| Cell::figure(found.take(&same.key(measure)))));
        cells.extend(
            ["queries", "artists"].map(|what| Cell::count(results.counts.get(&same.key(what)).copied())),
        );
        table.push(Whose::Ours, cells);
        found.remarks().for_each(|remark| table.note(remark));
    }
    if table.rows.is_empty() {
        let missing = table.columns.iter().skip(2).map(|_| Cell::NotRun);
        let cells: Vec<Cell> = [Cell::text("any"), Cell::text("any")].into_iter().chain(missing).collect();
        table.push(Whose::Ours, cells);
    }
    table
}

/// A picture of the mean average precision for each data set that has any.
pub fn pictures(all: &[Found], same: Same) -> Vec<(String, Bars)> {
    let key = same.key("map");
    let rows = rows(all, same);
    let mut pictures: Vec<(String, Bars)> = Vec::new();
    for found in rows {
        let Some(figure) = found.results.metrics.get(&key) else { continue };
        let dataset = &found.results.dataset;
        if pictures.last().is_none_or(|(last, _)| last != dataset) {
            let what = match same {
                Same::Artist => "Same artist, other release",
                Same::Release => "Same release",
                Same::Label => "Same label, other artist",
            };
            let chance = found.results.metrics.get(&same.key("map/chance")).map(|figure| figure.value);
            let title = format!("{what}: mean average precision, {dataset}");
            pictures.push((dataset.clone(), Bars { title, bars: Vec::new(), chance }));
        }
        if let Some((_, bars)) = pictures.last_mut() {
            bars.bars.push(Bar { label: found.name(), value: figure.value, interval: figure.interval });
        }
    }
    pictures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_known() {
        for (name, known) in [
            ("same_artist_map", "artist/map"),
            ("same_release_precision_10", "release/precision@10"),
            ("same_artist_precision_1_chance", "artist/precision@1/chance"),
            ("same_label_queries", "label/queries"),
            ("artist/map", "artist/map"),
            ("same_artist_map_over_mel", "same_artist_map_over_mel"),
            ("altered_mp3_same_artist_map", "altered_mp3_same_artist_map"),
        ] {
            assert_eq!(spelt(name), known);
        }
    }
}
