//! The catalogue of free-licensed music in Debian 12, as rows and as a dump in Discogs' schema.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use quick_xml::escape::escape;

const CORPUS: &str = include_str!("../../corpus/corpus.tsv");
const NEAR_DUPLICATES: &str = include_str!("../../corpus/near_duplicates.tsv");

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

/// Licences that forbid selling the music.
const NOT_FOR_SALE: [&str; 3] = ["Battle-Tanks-License", "Drascula-License", "ETHYMONICS-FREE-MUSIC-LICENSE"];

/// Which packages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subset {
    /// Seven small packages, 23 tracks.
    Small,
    /// All 87 packages, 755 tracks, 4 GB.
    Full,
    /// What of them anybody may sell, too: 85 packages, 719 tracks. Published models learn from these.
    Free,
}

/// One track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Debian package.
    pub package: &'static str,
    /// Its version in Debian 12.
    pub version: &'static str,
    /// Path in the package; `a.pk3!/b.ogg` is a member of a zip archive.
    pub path: &'static str,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: &'static str,
    /// Duration in seconds, rounded.
    pub seconds: u32,
    /// Title.
    pub title: &'static str,
    /// Artists; empty if unknown.
    pub artists: Vec<&'static str>,
    /// Title of the release.
    pub release: &'static str,
    /// Label, perhaps empty.
    pub label: &'static str,
    /// Licence of the recording.
    pub licence: &'static str,
    /// Styles.
    pub styles: Vec<&'static str>,
    /// Date as Discogs writes it, perhaps empty.
    pub date: &'static str,
    /// Id of the release: rows of the same release and label share it.
    pub release_id: u32,
    /// Place in the tracklist of the release, from 1.
    pub number: u32,
}

impl Row {
    /// Where the file goes in the unpacked corpus.
    pub fn place(&self) -> String {
        place(self.package, self.path)
    }
}

fn place(package: &str, path: &str) -> String {
    format!("{package}/{}", path.replace("!/", "/"))
}

/// All rows, in the order of the catalogue.
pub fn rows() -> Vec<Row> {
    let mut lines = CORPUS.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split('\t').collect();
    let mut releases: HashMap<(&str, &str), (u32, u32)> = HashMap::new();
    let mut rows = Vec::new();
    for line in lines {
        let cells: Vec<&'static str> = line.split('\t').collect();
        let cell = |name: &str| {
            let at = header.iter().position(|column| *column == name);
            at.and_then(|at| cells.get(at)).copied().unwrap_or("")
        };
        let list = |name| cell(name).split('|').filter(|item| !item.is_empty()).collect();
        let next = releases.len() as u32 + 1;
        let (release_id, number) = releases.entry((cell("release"), cell("label"))).or_insert((next, 0));
        *number += 1;
        rows.push(Row {
            package: cell("package"),
            version: cell("version"),
            path: cell("path"),
            sha256: cell("sha256"),
            seconds: cell("duration_s").parse::<f64>().unwrap_or(0.0).round() as u32,
            title: cell("title"),
            artists: list("artists"),
            release: cell("release"),
            label: cell("label"),
            licence: cell("licence"),
            styles: list("styles"),
            date: cell("date"),
            release_id: *release_id,
            number: *number,
        });
    }
    rows
}

/// The rows of a subset.
pub fn subset(subset: Subset) -> Vec<Row> {
    let mut rows = rows();
    rows.retain(|row| match subset {
        Subset::Small => SMALL.contains(&row.package),
        Subset::Full => true,
        Subset::Free => !row.licence.is_empty() && !NOT_FOR_SALE.contains(&row.licence),
    });
    rows
}

/// Pairs of places whose recordings sound the same or nearly so: whoever learns from pairs is better off
/// without the doubtful ones, too.
pub fn near_duplicates() -> Vec<(String, String)> {
    let pair = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let &[_, _, package, path, other_package, other_path] = cells.as_slice() else { return None };
        Some((place(package, path), place(other_package, other_path)))
    };
    NEAR_DUPLICATES.lines().skip(1).filter_map(pair).collect()
}

/// A dump of releases in Discogs' schema. Ids are the same for every subset.
pub fn dump(rows: &[Row]) -> String {
    // Numbered over the whole catalogue, clear of the ids that mean nobody and no label.
    let (mut artists, mut labels) = (BTreeMap::new(), BTreeMap::new());
    let all = self::rows();
    for row in &all {
        for &artist in &row.artists {
            let next = 1_000_000 + artists.len() as u32;
            artists.entry(artist).or_insert(next);
        }
        let next = 1_000 + labels.len() as u32;
        labels.entry(row.label).or_insert(next);
    }
    let mut releases: BTreeMap<u32, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| releases.entry(row.release_id).or_default().push(row));
    let credits = |names: &[&str]| {
        let mut xml = String::from("<artists>");
        let credit = |xml: &mut String, id: u32, name: &str, join: &str| {
            let name = escape(name);
            let _ = write!(
                xml,
                "<artist><id>{id}</id><name>{name}</name><anv/><join>{join}</join><role/><tracks/></artist>"
            );
        };
        if names.is_empty() {
            credit(&mut xml, 355, "Unknown Artist", "");
        }
        for (at, name) in names.iter().enumerate() {
            credit(&mut xml, artists[name], name, if at + 1 < names.len() { "&amp;" } else { "" });
        }
        xml + "</artists>"
    };
    let mut xml = String::from("<releases>\n");
    for (id, tracks) in releases {
        let first = tracks[0];
        let common = tracks.iter().all(|track| track.artists == first.artists);
        let _ = write!(xml, "<release id=\"{id}\">");
        if common {
            xml.push_str(&credits(&first.artists));
        } else {
            xml.push_str("<artists><artist><id>194</id><name>Various</name><anv/><join/><role/><tracks/></artist></artists>");
        }
        let _ = write!(xml, "<title>{}</title><labels>", escape(first.release));
        if first.label.is_empty() {
            xml.push_str("<label name=\"Not On Label\" catno=\"none\" id=\"1818\"/>");
        } else {
            let _ = write!(
                xml,
                "<label name=\"{}\" catno=\"\" id=\"{}\"/>",
                escape(first.label),
                labels[first.label]
            );
        }
        xml.push_str("</labels>");
        let styles: std::collections::BTreeSet<&str> =
            tracks.iter().flat_map(|track| track.styles.iter().copied()).collect();
        if !styles.is_empty() {
            xml.push_str("<styles>");
            for style in styles {
                let _ = write!(xml, "<style>{}</style>", escape(style));
            }
            xml.push_str("</styles>");
        }
        let date = tracks.iter().map(|track| track.date).filter(|date| !date.is_empty()).min().unwrap_or("");
        let _ = write!(
            xml,
            "<released>{}</released><data_quality>Correct</data_quality><tracklist>",
            escape(date)
        );
        for track in &tracks {
            let (minutes, seconds) = (track.seconds / 60, track.seconds % 60);
            let _ = write!(
                xml,
                "<track><position>{}</position><title>{}</title><duration>{minutes}:{seconds:02}</duration>",
                track.number,
                escape(track.title)
            );
            if !common {
                xml.push_str(&credits(&track.artists));
            }
            xml.push_str("</track>");
        }
        xml.push_str("</tracklist></release>\n");
    }
    xml + "</releases>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discogs::for_each_release;

    #[test]
    fn the_catalogue_is_whole() {
        let rows = rows();
        assert_eq!(rows.len(), 755);
        assert!(rows.iter().all(|row| row.sha256.len() == 64 && row.seconds > 0 && !row.licence.is_empty()));
        assert_eq!(subset(Subset::Small).len(), 23);
        let places: std::collections::HashSet<String> = rows.iter().map(Row::place).collect();
        assert_eq!(places.len(), 755);
        let near = near_duplicates();
        assert_eq!(near.len(), NEAR_DUPLICATES.lines().count() - 1);
        assert_eq!(near.len(), 16);
        assert!(near.iter().all(|(a, b)| places.contains(a) && places.contains(b)));
    }

    #[test]
    fn the_dump_parses_to_the_catalogue() {
        let rows = rows();
        let text = dump(&rows);
        let (mut tracks, mut releases) = (0, 0);
        for_each_release(text.as_bytes(), |release| {
            let release = release.unwrap();
            let own: Vec<&Row> = rows.iter().filter(|row| i64::from(row.release_id) == release.id).collect();
            assert_eq!(release.tracks.len(), own.len());
            for (track, row) in release.tracks.iter().zip(own) {
                assert_eq!(
                    (track.title.trim(), track.duration),
                    (row.title.trim(), Some(row.seconds as i32))
                );
                tracks += 1;
            }
            releases += 1;
        })
        .unwrap();
        assert_eq!(tracks, 755);
        assert_eq!(releases, rows.iter().map(|row| row.release_id).max().unwrap());
        let small = dump(&subset(Subset::Small));
        for line in small.lines().filter(|line| line.contains("Kenta Cho")) {
            assert!(text.contains(line), "a subset has the ids of the whole: {line}");
        }
    }
}
