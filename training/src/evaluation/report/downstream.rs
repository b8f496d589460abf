//! Tables 3 and 4: tags and genres predicted from frozen embeddings.

use super::Found;
use super::paper::{COLUMNS, Kind, LITERATURE, Quoted, TABLE_3, TABLE_4};
use super::table::{Cell, Table, Whose};
use crate::evaluation::results::Task;

/// The data set on which the stacks of Table 4 are evaluated.
const STACKS: &str = "magnatagatune";

/// The paper's kind of model for a results file.
fn kind(found: &Found) -> Option<Kind> {
    match found.results.encoders.as_slice() {
        [one] => Kind::of(&one.name),
        _ => Some(Kind::Stack),
    }
}

/// Table 3: every model on every data set of the paper.
pub fn table_3(all: &[Found]) -> Table {
    let mut table = Table {
        file: "table-3-downstream",
        title: "Table 3: tags and genres from frozen embeddings".into(),
        about: "Macro ROC-AUC and PR-AUC, and accuracy on FMA-small, in percent; a 95 % confidence interval in brackets \
                where one was measured, ± the standard deviation over seeds. Our rows stand below the paper's row of the \
                same kind."
            .into(),
        columns: ["model", "source"].map(str::to_owned).into(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    table.columns.extend(COLUMNS.iter().map(|column| column.heading.to_owned()));
    let own: Vec<&Found> = all.iter().filter(|found| is_of_paper(found)).collect();
    // One row per model, however many data sets it was evaluated on. A stack that was evaluated only for Table 4 is not
    // repeated here.
    let mut names: Vec<(Option<Kind>, String)> = Vec::new();
    let elsewhere =
        |name: &str| own.iter().any(|found| found.name() == name && found.results.dataset != STACKS);
    for found in own.iter().filter(|found| found.results.encoders.len() == 1 || elsewhere(&found.name())) {
        let name = (kind(found), found.name());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let ours = |table: &mut Table, name: &str| {
        let cells = COLUMNS.iter().map(|column| {
            let of = |found: &&&Found| found.name() == name && found.results.dataset == column.dataset;
            let found = own.iter().find(of);
            Cell::figure(found.and_then(|found| found.take(column.metric)))
        });
        let cells: Vec<Cell> = cells.collect();
        table.push(Whose::Ours, [Cell::text(name), Cell::text(Whose::Ours.name())].into_iter().chain(cells));
    };
    for (kind, figures) in &TABLE_3 {
        let paper = figures.iter().map(|&figure| Cell::Printed(figure, 1));
        table.push(
            Whose::Paper,
            [Cell::text(kind.name()), Cell::text(Whose::Paper.name())].into_iter().chain(paper),
        );
        let of_kind: Vec<&str> =
            names.iter().filter(|(of, _)| *of == Some(*kind)).map(|(_, name)| name.as_str()).collect();
        of_kind.iter().for_each(|name| ours(&mut table, name));
        if of_kind.is_empty() {
            let missing = COLUMNS.iter().map(|_| Cell::NotRun);
            table.push(
                Whose::Ours,
                [Cell::text(kind.name()), Cell::text(Whose::Ours.name())].into_iter().chain(missing),
            );
        }
    }
    names.iter().filter(|(kind, _)| kind.is_none()).for_each(|(_, name)| ours(&mut table, name));
    let cell = |figure: &Quoted| match figure {
        None => Cell::NotGiven,
        Some((value, false)) => Cell::Printed(*value, 1),
        Some((value, true)) => Cell::Elsewhere(*value, 1),
    };
    for (name, figures) in &LITERATURE {
        table.push(
            Whose::Literature,
            [Cell::text(*name), Cell::text(Whose::Literature.name())]
                .into_iter()
                .chain(figures.iter().map(cell)),
        );
    }
    table.note("paper: Alonso-Jiménez, Serra and Bogdanov, ISMIR 2022. quoted: from the literature by that paper, measured with other protocols.".into());
    table.note("* on a cleaned version of MagnaTagATune, not comparable.".into());
    own.iter()
        .filter(|found| names.iter().any(|(_, name)| *name == found.name()))
        .flat_map(|found| found.remarks())
        .for_each(|remark| table.note(remark));
    table
}

/// Whether Table 3 has a column for any of it.
fn is_of_paper(found: &Found) -> bool {
    found.results.task == Task::Downstream
        && COLUMNS.iter().any(|column| {
            column.dataset == found.results.dataset && found.results.metrics.contains_key(column.metric)
        })
}

/// Table 4: stacks of models on MagnaTagATune, the best first.
pub fn table_4(all: &[Found]) -> Table {
    let mut table = Table {
        file: "table-4-stacks",
        title: "Table 4: stacks of models on MagnaTagATune".into(),
        about: "Macro ROC-AUC and PR-AUC in percent, the best first: the paper's five best of every combination of two to \
                five out of track, release, artist, label and style tags, and ours."
            .into(),
        columns: ["stack", "source", "ROC-AUC", "PR-AUC"].map(str::to_owned).into(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    let mut rows: Vec<(f64, Whose, Vec<Cell>)> = Vec::new();
    for (kinds, roc, pr) in TABLE_4 {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let cells =
            [Cell::text(names.join(" + ")), Cell::text("paper"), Cell::Printed(roc, 2), Cell::Printed(pr, 2)];
        rows.push((roc, Whose::Paper, cells.into()));
    }
    let stacks = all.iter().filter(|found| {
        found.results.task == Task::Downstream
            && found.results.dataset == STACKS
            && found.results.encoders.len() > 1
    });
    for found in stacks {
        let names: Vec<&str> = found.results.encoders.iter().map(|encoder| encoder.name.as_str()).collect();
        let roc = found.take("roc_auc");
        let key = roc.map_or(f64::NEG_INFINITY, |figure| 100.0 * figure.value);
        let figures = [Cell::figure(roc), Cell::figure(found.take("pr_auc"))];
        let cells = [Cell::text(names.join(" + ")), Cell::text("ours")].into_iter().chain(figures);
        rows.push((key, Whose::Ours, cells.collect()));
        found.remarks().for_each(|remark| table.note(remark));
    }
    rows.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    if !rows.iter().any(|(_, whose, _)| *whose == Whose::Ours) {
        rows.push((
            0.0,
            Whose::Ours,
            vec![Cell::text("any"), Cell::text("ours"), Cell::NotRun, Cell::NotRun],
        ));
    }
    rows.into_iter().for_each(|(_, whose, cells)| table.push(whose, cells));
    table
}
