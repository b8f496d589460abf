//! Choices of rows of the catalogue.

use super::catalogue::{Row, rows};
use super::fresh::is_fresh;

/// The packages of the small subset: 23 tracks, 19 MB to download.
const SMALL: [&str; 7] = [
    "a7xpg-data",
    "angrydd",
    "csmash-demosong",
    "seahorse-adventures",
    "tumiki-fighters-data",
    "val-and-rick-data",
    "vonsh",
];

/// A choice of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subset {
    /// Seven small packages, 23 tracks.
    Small,
    /// All 87 packages of the first table, 755 tracks, 4 GB.
    Full,
    /// Those of `Full` that may also be sold: 85 packages, 719 tracks.
    Free,
    /// The tracks of the first two tables that may also be sold, with larger packages and tracker modules: 148
    /// packages, 1119 tracks, 9 GB. The published models are trained on these.
    Extended,
    /// The third table: what Debian 13 and later have and the first two tables lack: 19 packages, 124 tracks, 1.4 GB.
    Wide,
    /// The 75 tracks of `Wide` by artists that are not in `Extended`: no model may be trained, tuned or selected on
    /// them.
    Fresh,
    /// `Extended` and the other 49 tracks of `Wide`: all that may be trained on.
    Trainable,
}

/// The rows of a subset.
pub fn subset(subset: Subset) -> Vec<Row> {
    let mut rows = rows();
    let is_fresh = is_fresh(&rows);
    let mut at = 0;
    rows.retain(|row| {
        let fresh = is_fresh[at];
        at += 1;
        match subset {
            Subset::Small => SMALL.contains(&row.package),
            Subset::Full => row.table == 1,
            Subset::Free => row.table == 1 && row.is_free(),
            Subset::Extended => row.table < 3 && row.is_free(),
            Subset::Wide => row.table == 3,
            Subset::Fresh => fresh,
            Subset::Trainable => row.is_free() && !fresh,
        }
    });
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::corpus::catalogue::NOT_FOR_SALE;

    #[test]
    fn subsets_are_what_they_are_called() {
        let count = |wanted: Subset| {
            let rows = subset(wanted);
            let packages: HashSet<&str> = rows.iter().map(|row| row.package).collect();
            (packages.len(), rows.len())
        };
        assert_eq!(count(Subset::Small), (7, 23));
        assert_eq!(count(Subset::Full), (87, 755));
        assert_eq!(count(Subset::Free), (85, 719));
        assert_eq!(count(Subset::Extended), (148, 719 + 400));
        assert_eq!((count(Subset::Wide), count(Subset::Fresh)), ((19, 124), (12, 75)));
        let (wide, fresh) = (subset(Subset::Wide), subset(Subset::Fresh));
        assert_eq!(subset(Subset::Trainable).len(), 719 + 400 + wide.len() - fresh.len());
        assert!(fresh.iter().all(|row| wide.contains(row) && !subset(Subset::Trainable).contains(row)));
        // The second table was added later, and only with music that may be sold; the first is unchanged.
        let rows = rows();
        assert!(rows[..755].iter().all(|row| row.table == 1 && !row.is_module()));
        assert!(rows[755..1155].iter().all(|row| row.table == 2 && row.is_free()));
        assert!(rows[1155..].iter().all(|row| row.table == 3 && row.is_free() && !row.suite.is_empty()));
        // The same file may be in the first table under two names, but not again in a later one.
        let hashes = |rows: &[Row]| rows.iter().map(|row| row.sha256).collect::<HashSet<_>>();
        assert_eq!(hashes(&rows[755..]).len(), rows.len() - 755);
        assert!(hashes(&rows[755..]).is_disjoint(&hashes(&rows[..755])));
        for licence in NOT_FOR_SALE {
            assert!(rows.iter().any(|row| row.licence == licence), "no recording has the licence {licence}");
            assert!(subset(Subset::Extended).iter().all(|row| row.licence != licence));
        }
    }

    /// Licences that let anybody sell the music; a row with another one needs a person who reads it.
    const LICENCES: [&str; 14] = [
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-3.0+ or GPL-2+",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "Free Art License",
        "GPL-2+",
        "GPL-2+ / CC-BY-SA",
        "GPL-3+",
        "OGA-BY-3.0",
        "Unlicense",
        "public-domain",
        "zlib",
    ];

    #[test]
    fn the_third_table_is_well_formed_and_free() {
        let table = include_str!("../../corpus/wide.tsv");
        let first = include_str!("../../corpus/corpus.tsv").lines().next().unwrap();
        let mut lines = table.lines();
        let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
        assert_eq!(header.join("\t"), format!("{first}\tsuite"));
        let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
        for line in lines {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), header.len(), "{line}");
            assert!(LICENCES.contains(&cells[column("licence")]), "{line}");
            assert!(["trixie", "trixie-backports", "forky"].contains(&cells[column("suite")]), "{line}");
            // What is known has a source, and what is not has none.
            for name in ["title", "artists", "release", "label", "licence", "styles"] {
                let source = cells[column(&format!("src_{name}"))];
                assert_eq!(cells[column(name)].is_empty(), source.is_empty(), "{name}: {line}");
            }
            assert!(cells[column("duration_s")].parse::<f64>().unwrap() >= 20.0, "{line}");
        }
        let rows = subset(Subset::Wide);
        assert!(rows.iter().all(|row| row.debian().starts_with("Debian 1")));
    }
}
