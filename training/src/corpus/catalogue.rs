//! The catalogue of free-licensed music in Debian, as rows and as a dump in Discogs' schema.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

use quick_xml::escape::escape;

use crate::splits::Part;

/// The tables, in order; the numbers of releases, artists and labels in the first must not change.
const TABLES: [&str; 3] = [
    include_str!("../../corpus/corpus.tsv"),
    include_str!("../../corpus/extended.tsv"),
    include_str!("../../corpus/wide.tsv"),
];
const NEAR_DUPLICATES: &str = include_str!("../../corpus/near_duplicates.tsv");

/// Licences that forbid selling the music.
pub(super) const NOT_FOR_SALE: [&str; 3] =
    ["Battle-Tanks-License", "Drascula-License", "ETHYMONICS-FREE-MUSIC-LICENSE"];

/// File extensions of tracker modules, which are scores with their sounds and must be rendered.
const MODULES: [&str; 5] = ["it", "mod", "s3m", "stm", "xm"];

/// One track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Debian package.
    pub package: &'static str,
    /// Its version.
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
    /// Position in the tracklist of the release, from 1.
    pub number: u32,
    /// The suite of Debian that has the package; empty for Debian 12.
    pub suite: &'static str,
    /// The table that has the row: 1, 2 or 3.
    pub table: usize,
}

impl Row {
    /// The recording's path in the folder `audio` of the corpus.
    pub fn place(&self) -> String {
        place(self.package, self.path)
    }

    /// The path of the package's file in the corpus: the recording itself, or the module that it is rendered from.
    pub fn source(&self) -> String {
        let folder = if self.is_module() { "modules" } else { "audio" };
        format!("{folder}/{}/{}", self.package, self.path.replace("!/", "/"))
    }

    /// The name of the release of Debian that has the package.
    pub fn debian(&self) -> &'static str {
        match self.suite {
            "" => "Debian 12",
            "trixie" => "Debian 13",
            "trixie-backports" => "Debian 13 (backports)",
            "forky" => "Debian 14 (testing)",
            other => other,
        }
    }

    /// Whether the package has a tracker module, from which the recording is rendered.
    pub fn is_module(&self) -> bool {
        is_module(self.path)
    }

    /// Whether the music may be sold.
    pub fn is_free(&self) -> bool {
        !self.licence.is_empty() && !NOT_FOR_SALE.contains(&self.licence)
    }
}

fn is_module(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| MODULES.contains(&&*ending))
}

fn place(package: &str, path: &str) -> String {
    let ending = if is_module(path) { ".flac" } else { "" };
    format!("{package}/{}{ending}", path.replace("!/", "/"))
}

/// All rows, in the order of the catalogue.
pub fn rows() -> Vec<Row> {
    let mut releases = HashMap::new();
    let mut rows = Vec::new();
    for (at, table) in TABLES.into_iter().enumerate() {
        read(table, at + 1, &mut releases, &mut rows);
    }
    rows
}

/// Adds the rows of a table; `releases` are those numbered so far, with their numbers of tracks.
fn read(
    text: &'static str,
    table: usize,
    releases: &mut HashMap<(&'static str, &'static str), (u32, u32)>,
    rows: &mut Vec<Row>,
) {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split('\t').collect();
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
            suite: cell("suite"),
            table,
        });
    }
}

/// The kind of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// `module`, rendered from a tracker module, or `recording`.
    Origin,
    /// Styles that are on at least two releases in training and in test.
    Style,
}

/// A table of path, split and labels (between `|`) of the recordings in `parts`. Recordings without a label are left out.
pub fn labelled(rows: &[Row], parts: &[(String, Part)], by: By) -> String {
    let known: HashMap<String, &Row> = rows.iter().map(|row| (row.place(), row)).collect();
    let found = || parts.iter().filter_map(|(path, part)| Some((path, *part, *known.get(path)?)));
    let mut releases: HashMap<(&str, Part), HashSet<u32>> = HashMap::new();
    for (_, part, row) in found() {
        for style in &row.styles {
            releases.entry((style, part)).or_default().insert(row.release_id);
        }
    }
    let enough = |style: &str| {
        [Part::Train, Part::Test]
            .iter()
            .all(|&part| releases.get(&(style, part)).is_some_and(|releases| releases.len() >= 2))
    };
    let mut text = String::from("path,split,labels\n");
    for (path, part, row) in found() {
        let labels = match by {
            By::Origin => if row.is_module() { "module" } else { "recording" }.to_owned(),
            By::Style => {
                let styles: Vec<&str> = row.styles.iter().copied().filter(|style| enough(style)).collect();
                styles.join("|")
            }
        };
        if !labels.is_empty() {
            // Quoted, because a path may contain commas.
            let _ = writeln!(text, "\"{}\",{},\"{labels}\"", path.replace('"', "\"\""), part.name());
        }
    }
    text
}

/// The authors and licences of the recordings: a table of track, author, licence and source. For an unknown author, it
/// refers to the package's copyright file.
pub fn credits(rows: &[Row]) -> String {
    let mut text = String::from("track\tauthor\tlicence\tsource\n");
    for row in rows {
        let author = if row.artists.is_empty() {
            format!("unknown; see the copyright file of {}", row.package)
        } else {
            row.artists.join(", ")
        };
        let (title, licence) = (row.title, row.licence);
        let source = format!("{}, {} {}: {}", row.debian(), row.package, row.version, row.path);
        let _ = writeln!(text, "{title}\t{author}\t{licence}\t{source}");
    }
    text
}

/// Pairs of paths whose recordings are the same or nearly so, also the doubtful ones: it is better not to train on
/// these as pairs.
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
    // Numbered over the whole catalogue, apart from the ids that stand for no artist and no label.
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
    use std::collections::HashSet;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::corpus::{Subset, subset};
    use crate::discogs::for_each_release;

    #[test]
    fn labels_are_those_of_the_catalogue() {
        let rows = rows();
        let parts: Vec<(String, Part)> =
            rows.iter().map(|row| (row.place(), Part::ALL[row.release_id as usize % 2 * 2])).collect();
        let origin = labelled(&rows, &parts, By::Origin);
        assert_eq!(origin.lines().count(), rows.len() + 1);
        assert_eq!(origin.lines().filter(|line| line.ends_with(",\"module\"")).count(), 188);
        let styles = labelled(&rows, &parts, By::Style);
        let count = styles.lines().count() - 1;
        assert!(count > 20 && count < rows.iter().filter(|row| !row.styles.is_empty()).count(), "{count}");
        // Paths with commas and quotes are one cell.
        let mut reader = csv::Reader::from_reader(origin.as_bytes());
        let places: HashSet<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
        assert!(rows.iter().all(|row| places.contains(&row.place())));
        assert_eq!(labelled(&rows, &[("nobody.ogg".into(), Part::Test)], By::Origin).lines().count(), 1);
    }

    #[test]
    fn the_catalogue_is_whole() {
        let rows = rows();
        assert_eq!(rows.len(), 755 + 400 + 124);
        for row in &rows {
            assert!(row.sha256.len() == 64 && row.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let filled = [row.package, row.version, row.path, row.title, row.release, row.licence];
            assert!(filled.iter().all(|cell| !cell.trim().is_empty()), "{row:?}");
            assert!(row.seconds >= 20, "{row:?}");
        }
        let unique = |of: fn(&Row) -> String| rows.iter().map(of).collect::<HashSet<_>>();
        let places = unique(Row::place);
        assert_eq!((places.len(), unique(Row::source).len()), (rows.len(), rows.len()));
        // A package is unpacked once, so it must have one version in a suite.
        let packages = unique(|row| format!("{} {}", row.suite, row.package));
        assert_eq!(
            unique(|row| format!("{} {} {}", row.suite, row.package, row.version)).len(),
            packages.len()
        );
        let near = near_duplicates();
        assert_eq!(near.len(), NEAR_DUPLICATES.lines().count() - 1);
        assert_eq!(near.len(), 21);
        assert!(near.iter().all(|(a, b)| a != b && places.contains(a) && places.contains(b)));
    }

    /// Releases, artists and labels of the first table must keep their numbers, for those who have trained on it.
    #[test]
    fn numbers_of_the_first_table_are_for_good() {
        let digest = Sha256::digest(dump(&subset(Subset::Full)));
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "c304d27c6110868f6da0c702adb155dbb974bf2ac8ac694305c58ea0dbf7723f");
    }

    #[test]
    fn modules_become_recordings() {
        let rows = rows();
        let modules: Vec<&Row> = rows.iter().filter(|row| row.is_module()).collect();
        assert_eq!(modules.len(), 188);
        for row in modules {
            assert_eq!(row.place(), format!("{}/{}.flac", row.package, row.path));
            assert_eq!(row.source(), format!("modules/{}/{}", row.package, row.path));
        }
        let ogg = rows.iter().find(|row| row.path.contains("!/")).unwrap();
        assert_eq!(ogg.source(), format!("audio/{}", ogg.place()));
        assert!(!ogg.place().contains('!') && !is_module("it") && is_module("a/B.MOD"));
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
        assert_eq!(tracks, rows.len());
        assert_eq!(releases, rows.iter().map(|row| row.release_id).max().unwrap());
        let small = dump(&subset(Subset::Small));
        for line in small.lines().filter(|line| line.contains("Kenta Cho")) {
            assert!(text.contains(line), "a subset has the ids of the whole: {line}");
        }
    }
}
