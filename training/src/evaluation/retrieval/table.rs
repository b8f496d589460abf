//! Results as a printed table.

use std::fmt::Write;

use super::precision::MEASURES;
use super::{ASSOCIATIONS, prefix};
use crate::evaluation::results::{Figure, Results};

/// The headings of the measures, in the order of [`MEASURES`].
const TITLES: [&str; MEASURES.len()] = ["MAP", "P@1", "P@5", "P@10"];

/// Figures in percent: a block for each association, with its numbers of queries and artists, a line for each of the
/// results and one for the chance level; then differences and confounds.
pub fn text(all: &[Results]) -> String {
    let mut out = String::new();
    let Some(first) = all.first() else { return out };
    let width =
        all.iter().map(|results| results.name().chars().count()).max().unwrap_or(0).max("chance".len());
    let count = |key: &str| first.counts.get(key).copied().unwrap_or(0);
    writeln!(out, "{}: {} tracks by {} artists", first.dataset, count("tracks"), count("artists"))
        .expect("memory");
    for association in ASSOCIATIONS {
        let key = |what: &str| format!("{}_{what}", prefix(association));
        let queries = count(&key("queries"));
        if queries == 0 {
            writeln!(out, "\nsame {}: no query", association.name()).expect("memory");
            continue;
        }
        writeln!(
            out,
            "\nsame {}: {queries} queries by {} artists in {} groups (95 % intervals over groups); {} tracks have no \
             relevant track",
            association.name(),
            count(&key("artists")),
            count(&key("groups")),
            count(&key("without_relevant")),
        )
        .expect("memory");
        line(&mut out, width, "", TITLES.iter().map(|title| (*title).to_owned()));
        for results in all {
            let cell = |measure: &&str| results.metrics.get(&key(measure)).map(percent).unwrap_or_default();
            line(&mut out, width, &results.name(), MEASURES.iter().map(cell));
        }
        let chance = |measure: &&str| {
            first.metrics.get(&key(&format!("{measure}_chance"))).map(percent).unwrap_or_default()
        };
        line(&mut out, width, "chance", MEASURES.iter().map(chance));
        differences(&mut out, all, &key("map_over_"));
    }
    confounds(&mut out, all);
    let mut said: Vec<&String> = Vec::new();
    for remark in all.iter().flat_map(|results| &results.remarks) {
        if !said.contains(&remark) {
            said.push(remark);
            write!(out, "\n{remark}").expect("memory");
        }
    }
    if !said.is_empty() {
        out.push('\n');
    }
    out
}

fn line(out: &mut String, width: usize, name: &str, cells: impl Iterator<Item = String>) {
    let mut text = format!("  {name:width$}");
    for cell in cells {
        write!(text, "  {cell:<21}").expect("memory");
    }
    out.push_str(text.trim_end());
    out.push('\n');
}

/// `12.3 [10.1, 14.5]`.
fn percent(figure: &Figure) -> String {
    let value = format!("{:.1}", 100.0 * figure.value);
    match figure.interval {
        None => value,
        Some([low, high]) => format!("{value} [{:.1}, {:.1}]", 100.0 * low, 100.0 * high),
    }
}

fn differences(out: &mut String, all: &[Results], start: &str) {
    for results in all {
        for (key, figure) in &results.metrics {
            let Some(other) = key.strip_prefix(start) else { continue };
            let verdict = match figure.interval {
                Some([low, _]) if low > 0.0 => "better",
                Some([_, high]) if high < 0.0 => "worse",
                _ => "no significant difference",
            };
            let text = format!("  {} over {other}: MAP {}: {verdict}", results.name(), signed(figure));
            writeln!(out, "{text}").expect("memory");
        }
    }
}

fn signed(figure: &Figure) -> String {
    match figure.interval {
        None => format!("{:+.1}", 100.0 * figure.value),
        Some([low, high]) => {
            format!("{:+.1} [{:+.1}, {:+.1}]", 100.0 * figure.value, 100.0 * low, 100.0 * high)
        }
    }
}

fn confounds(out: &mut String, all: &[Results]) {
    let mut begun = false;
    for results in all {
        for (key, cosine) in &results.metrics {
            let Some(name) = key.strip_prefix("altered_").and_then(|rest| rest.strip_suffix("_cosine"))
            else {
                continue;
            };
            if !begun {
                out.push_str("\nqueries altered, the collection not:\n");
                begun = true;
            }
            let other = |what: &str| results.metrics.get(&format!("altered_{name}_{what}")).map(percent);
            writeln!(
                out,
                "  {}, {name}: cosine with the original {:.4}, nearest to its original {} %, same artist MAP {}",
                results.name(),
                cosine.value,
                other("found").unwrap_or_default(),
                other("same_artist_map").unwrap_or_else(|| "without queries".into()),
            )
            .expect("memory");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::results::{SCHEMA, Source, Task};
    use std::collections::BTreeMap;

    #[test]
    fn figures_are_in_percent_with_their_counts() {
        let figure =
            |value: f64, low: f64, high: f64| Figure { value, interval: Some([low, high]), seeds: vec![] };
        let results = Results {
            schema: SCHEMA,
            task: Task::Retrieval,
            dataset: "debian".into(),
            encoders: vec![Source { name: "ours".into(), identity: "1".into(), dimensions: 3 }],
            protocol: BTreeMap::new(),
            counts: [("tracks", 50), ("artists", 9), ("same_artist_queries", 12), ("same_artist_artists", 4)]
                .map(|(key, value)| (key.to_owned(), value))
                .into(),
            metrics: [
                ("same_artist_map", figure(0.25, 0.125, 0.5)),
                ("same_artist_map_chance", Figure { value: 0.0625, ..Figure::default() }),
                ("same_artist_map_over_theirs", figure(0.1, 0.05, 0.2)),
                ("altered_quieter_6_db_cosine", figure(0.98765, 0.9, 1.0)),
                ("altered_quieter_6_db_found", figure(0.5, 0.25, 0.75)),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
            remarks: vec!["a remark".into()],
        };
        let text = text(&[results]);
        for part in [
            "debian: 50 tracks by 9 artists",
            "same artist: 12 queries by 4 artists",
            "25.0 [12.5, 50.0]",
            "chance  6.2",
            "ours over theirs: MAP +10.0 [+5.0, +20.0]: better",
            "same release: no query",
            "ours, quieter_6_db: cosine with the original 0.9877, nearest to its original 50.0 [25.0, 75.0] %",
            "\na remark\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
