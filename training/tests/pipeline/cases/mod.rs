//! What dumps, taggers and collections are like outside of laboratories: cases after public reports, in small.

mod audio;
mod dumps;
mod matching;
mod steps;
mod without_dump;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lofty::config::WriteOptions;
use lofty::id3::v2::Id3v2Tag;
use lofty::tag::{Accessor, TagExt};
use sleeve_training::matching::tables::MATCHED;
use sleeve_training::table::{Rows, TableReader};

use crate::support::wav;

/// A folder with music, a dump and the tables made of them.
struct Place {
    temporary: tempfile::TempDir,
}

/// An artist as credited: id and name.
type Credit<'a> = (i64, &'a str);

/// A track: title, duration, and artists of its own.
type Entry<'a> = (&'a str, &'a str, &'a [Credit<'a>]);

/// A release of a dump.
#[derive(Clone, Copy, Default)]
struct Release<'a> {
    id: i64,
    title: &'a str,
    master: i64,
    artists: &'a [Credit<'a>],
    labels: &'a [Credit<'a>],
    styles: &'a [&'a str],
    tracks: &'a [Entry<'a>],
}

/// The tags of a file.
#[derive(Clone, Copy, Default)]
struct Tags<'a> {
    title: &'a str,
    artist: &'a str,
    album: &'a str,
    album_artist: &'a str,
    label: &'a str,
    genre: &'a str,
    number: u32,
    /// Names and values of ID3's TXXX frames.
    more: &'a [(&'a str, &'a str)],
}

fn credits(credits: &[Credit]) -> String {
    let one = |(id, name): &Credit| format!("<artist><id>{id}</id><name>{name}</name><anv/><join/></artist>");
    credits.iter().map(one).collect()
}

impl Release<'_> {
    fn xml(&self) -> String {
        let mut xml = format!(
            "<release id=\"{}\"><artists>{}</artists><title>{}</title><labels>",
            self.id,
            credits(self.artists),
            self.title
        );
        for (id, name) in self.labels {
            let _ = write!(xml, "<label name=\"{name}\" catno=\"\" id=\"{id}\"/>");
        }
        xml.push_str("</labels><genres><genre>Rock</genre></genres><styles>");
        self.styles.iter().for_each(|style| {
            let _ = write!(xml, "<style>{style}</style>");
        });
        let _ = write!(
            xml,
            "</styles><released>1999</released><master_id>{}</master_id><tracklist>",
            self.master
        );
        for (number, (title, duration, own)) in (1..).zip(self.tracks) {
            let _ = write!(
                xml,
                "<track><position>{number}</position><title>{title}</title><duration>{duration}</duration>\
                 <artists>{}</artists></track>",
                credits(own)
            );
        }
        xml + "</tracklist></release>"
    }
}

impl Place {
    fn new() -> Self {
        Place { temporary: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// Writes a file of music.
    fn song(&self, name: &str, seconds: f32, tags: Tags) {
        let path = self.at("music").join(name);
        // Another pitch for another name, so that no two are copies.
        let pitch = name.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte)) % 997;
        let tone = |at: u32| (at as f32 * (0.02 + pitch as f32 * 1e-4)).sin() * 0.3;
        wav::write(&path, 8000, &(0..(seconds * 8000.0) as u32).map(tone).collect::<Vec<_>>());
        tag(&path, tags, false);
    }

    /// Makes the tables of a dump.
    fn dump(&self, releases: &[Release]) {
        let body: Vec<String> = releases.iter().map(Release::xml).collect();
        self.dump_text("releases", &format!("<releases>\n{}\n</releases>\n", body.join("\n")));
    }

    fn dump_text(&self, kind: &str, text: &str) {
        let path = self.at(&format!("{kind}.xml"));
        std::fs::write(&path, text).unwrap();
        train(&[&"discogs", &path, &"--out", &self.at("tables")]);
    }

    fn scan(&self) -> String {
        train(&[&"scan", &self.at("music"), &"--out", &self.at("collection.parquet")])
    }

    /// Matches to the dump and returns what was printed.
    fn matched(&self, more: &[&dyn Argument]) -> String {
        let (collection, tables, set) = (self.at("collection.parquet"), self.at("tables"), self.at("set"));
        let mut arguments: Vec<&dyn Argument> =
            vec![&"match", &collection, &"--discogs", &tables, &"--out", &set];
        arguments.extend(more);
        train(&arguments)
    }

    /// The rows of the matched tracks.
    fn rows(&self) -> Vec<Row> {
        let columns: Vec<&str> = MATCHED.columns.iter().map(|column| column.name).collect();
        let mut found = Vec::new();
        for rows in TableReader::open(&MATCHED.path(&self.at("set")), &MATCHED, &columns).unwrap() {
            let rows = rows.unwrap();
            found.extend((0..rows.len()).map(|row| Row::at(&rows, row)));
        }
        found
    }

    fn row(&self, name: &str) -> Option<Row> {
        self.rows().into_iter().find(|row| row.path == name)
    }
}

fn tag(path: &Path, tags: Tags, old: bool) {
    let mut tag = Id3v2Tag::new();
    tag.set_title(tags.title.to_owned());
    tag.set_artist(tags.artist.to_owned());
    tag.set_album(tags.album.to_owned());
    tag.set_genre(tags.genre.to_owned());
    if tags.number > 0 {
        tag.set_track(tags.number);
    }
    let text = |tag: &mut Id3v2Tag, id: &str, value: &str| {
        use lofty::id3::v2::{Frame, FrameId, TextInformationFrame};
        let id = FrameId::new(id.to_owned()).unwrap();
        let frame = TextInformationFrame::new(id, lofty::TextEncoding::UTF16, value.to_owned());
        tag.insert(Frame::Text(frame));
    };
    if !tags.album_artist.is_empty() {
        text(&mut tag, "TPE2", tags.album_artist);
    }
    if !tags.label.is_empty() {
        text(&mut tag, "TPUB", tags.label);
    }
    for (key, value) in tags.more {
        tag.insert_user_text((*key).to_owned(), (*value).to_owned());
    }
    tag.save_to_path(path, WriteOptions::default().use_id3v23(old)).unwrap();
}

/// A row of `matched`.
#[derive(Debug, PartialEq)]
struct Row {
    path: String,
    how: String,
    releases: Vec<i64>,
    versions: Vec<i64>,
    artists: Vec<i64>,
    labels: Vec<i64>,
    styles: Vec<String>,
    genres: Vec<String>,
}

impl Row {
    fn at(rows: &Rows, row: usize) -> Self {
        let words = |name| rows.word_list(name, row).map(str::to_owned).collect();
        Row {
            path: rows.texts("path").value(row).to_owned(),
            how: rows.texts("how").value(row).to_owned(),
            releases: rows.id_list("releases", row).to_vec(),
            versions: rows.id_list("versions", row).to_vec(),
            artists: rows.id_list("artists", row).to_vec(),
            labels: rows.id_list("labels", row).to_vec(),
            styles: words("styles"),
            genres: words("genres"),
        }
    }
}

/// What a command takes: a text or a path.
trait Argument {
    fn text(&self) -> &str;
}

impl Argument for &str {
    fn text(&self) -> &str {
        self
    }
}

impl Argument for PathBuf {
    fn text(&self) -> &str {
        self.to_str().unwrap()
    }
}

/// Runs the program: whether it succeeded, and what it printed.
fn run(arguments: &[&dyn Argument]) -> (bool, String) {
    let arguments = arguments.iter().map(|argument| argument.text());
    let output = Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// Runs the program, which must succeed.
fn train(arguments: &[&dyn Argument]) -> String {
    let (success, said) = run(arguments);
    assert!(success, "{:?}: {said}", arguments.iter().map(|argument| argument.text()).collect::<Vec<_>>());
    said
}

/// Runs the program, which must fail.
fn fails(arguments: &[&dyn Argument]) -> String {
    let (success, said) = run(arguments);
    assert!(!success, "{said}");
    said
}
