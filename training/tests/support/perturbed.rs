//! A collection made of the real releases' tracklists, with tags as in real files, and decoys that are not in the dump.
//! Scores the results of `match` by kind.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use sleeve_training::discogs::{Entry, for_each_release, is_nobody};
use sleeve_training::matching::tables::MATCHED;
use sleeve_training::matching::{Options, match_collection};
use sleeve_training::scan::COLLECTION;
use sleeve_training::table::{Builder, Cell, TableReader, write_table};

use super::{data, real_releases, tables_of};

/// Changes to the tags.
pub const KINDS: [&str; 20] = [
    "as in the dump",
    "case",
    "diacritics lost",
    "punctuation",
    "homonym's number lost",
    "name as printed (anv)",
    "guest in the artist",
    "guest in the title",
    "remastered",
    "article moved",
    "duration 3 s off",
    "no duration",
    "first of several artists",
    "no album",
    "release id only",
    "release id beside tags",
    "release id under other names",
    "several artists with a slash",
    "another artist in the field",
    "only the album's artist",
];

/// Kinds of decoys, which are not in the dump.
pub const DECOYS: [&str; 8] = [
    "live version",
    "remix",
    "other duration",
    "other artist",
    "other title",
    "another's title",
    "another release's id",
    "a part of the artist's name",
];

/// The score of one kind.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Files of this kind.
    pub files: u64,
    /// Files whose own release was found.
    pub found: u64,
    /// Releases that were found.
    pub releases: u64,
    /// Of these, releases without the recording.
    pub wrong: u64,
}

impl Score {
    pub fn recall(&self) -> f64 {
        self.found as f64 / self.files.max(1) as f64
    }

    pub fn precision(&self) -> f64 {
        1.0 - self.wrong as f64 / self.releases.max(1) as f64
    }

    fn add(&mut self, other: &Score) {
        self.files += other.files;
        self.found += other.found;
        self.releases += other.releases;
        self.wrong += other.wrong;
    }
}

/// A track of the dump.
#[derive(Clone)]
struct Source {
    release: i64,
    album: String,
    title: String,
    duration: Option<i32>,
    /// Ids, names and printed names.
    credits: Vec<(i64, String, String)>,
}

/// A file's tags.
#[derive(Clone, Default)]
struct Tags {
    artists: Vec<String>,
    title: String,
    album: String,
    duration: Option<f32>,
    release: Option<i64>,
    album_artist: String,
}

/// Scores by kind, the total over all kinds in the dump, and the total with the decoys.
pub struct Scores {
    pub kinds: Vec<(&'static str, Score)>,
    pub decoys: Vec<(&'static str, Score)>,
    /// Recall counts the kinds in the dump; precision counts decoys too.
    pub recall: f64,
    pub precision: f64,
}

pub fn measure(folder: &Path, seed: u64) -> Scores {
    let dump = folder.join("tables");
    tables_of(&data("discogs/discogs_20200806_releases.xml.gz"), &dump);
    let sources = sources();
    let truth = Truth::of(&sources);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut files: Vec<(usize, Option<&Source>, Tags)> = Vec::new();
    for source in &sources {
        for kind in 0..KINDS.len() {
            if let Some(tags) = perturbed(source, kind, &mut random) {
                files.push((kind, Some(source), tags));
            }
        }
        for decoy in 0..DECOYS.len() {
            if let Some(tags) = decoyed(source, decoy, &sources, &truth, &mut random) {
                files.push((KINDS.len() + decoy, None, tags));
            }
        }
    }
    let collection = folder.join("collection.parquet");
    write_collection(&collection, &files);
    let out = folder.join("dataset");
    match_collection(&collection, &dump, &out, &Options::default(), |_, _| ()).expect("a match");

    let mut scores = vec![Score::default(); KINDS.len() + DECOYS.len()];
    files.iter().for_each(|(kind, ..)| scores[*kind].files += 1);
    for rows in TableReader::open(&MATCHED.path(&out), &MATCHED, &["path", "releases"]).expect("a table") {
        let rows = rows.expect("rows");
        for row in 0..rows.len() {
            let number: usize = rows.texts("path").value(row)[..8].parse().expect("a number");
            let (kind, source, _) = &files[number];
            let right = source.map(|source| truth.releases(source)).unwrap_or_default();
            let score = &mut scores[*kind];
            let found = rows.id_list("releases", row);
            score.releases += found.len() as u64;
            score.wrong += found.iter().filter(|release| !right.contains(release)).count() as u64;
            score.found += u64::from(source.is_some_and(|source| found.contains(&source.release)));
        }
    }
    let (kinds, decoys) = scores.split_at(KINDS.len());
    let mut inside = Score::default();
    kinds.iter().for_each(|score| inside.add(score));
    let mut all = inside.clone();
    decoys.iter().for_each(|score| all.add(score));
    Scores {
        recall: inside.recall(),
        precision: all.precision(),
        kinds: KINDS.into_iter().zip(kinds.iter().cloned()).collect(),
        decoys: DECOYS.into_iter().zip(decoys.iter().cloned()).collect(),
    }
}

pub fn print(scores: &Scores) {
    println!("{:<26} {:>7} {:>8} {:>10}", "tags", "files", "recall", "precision");
    for (kind, score) in &scores.kinds {
        let (recall, precision) = (100.0 * score.recall(), 100.0 * score.precision());
        println!("{kind:<26} {:>7} {recall:>7.2}% {precision:>9.2}%", score.files);
    }
    println!("{:<26} {:>7} {:>8} {:>10}", "not in the dump", "files", "releases", "of them wrong");
    for (decoy, score) in &scores.decoys {
        println!("{decoy:<26} {:>7} {:>8} {:>10}", score.files, score.releases, score.wrong);
    }
    println!(
        "recall {:.2} % (wanted: at least 99.4), precision {:.2} % with decoys (wanted: at least 99.9)",
        100.0 * scores.recall,
        100.0 * scores.precision
    );
}

/// All tracks with an artist.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for_each_release(real_releases().as_bytes(), |release| {
        let release = release.expect("a sound record");
        for track in &release.tracks {
            let credits = if track.artists.is_empty() { &release.artists } else { &track.artists };
            if track.entry == Entry::Heading
                || track.title.is_empty()
                || credits.iter().all(|credit| is_nobody(credit.artist))
            {
                continue;
            }
            sources.push(Source {
                release: release.id,
                album: release.title.to_string(),
                title: track.title.to_string(),
                duration: track.duration,
                credits: credits
                    .iter()
                    .map(|credit| (credit.artist, credit.name.to_string(), credit.printed.to_string()))
                    .collect(),
            });
        }
    })
    .expect("a dump");
    sources
}

/// The releases with the recording of a source, by ids and plain comparison only: an artist in common, the same title
/// except for case, and durations that do not contradict each other.
struct Truth<'a>(HashMap<String, Vec<&'a Source>>);

impl<'a> Truth<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let mut by_title: HashMap<String, Vec<&Source>> = HashMap::new();
        for source in sources {
            by_title.entry(plain(&source.title)).or_default().push(source);
        }
        Truth(by_title)
    }

    fn titled(&self, title: &str) -> &[&'a Source] {
        self.0.get(&plain(title)).map_or(&[], Vec::as_slice)
    }

    fn releases(&self, source: &Source) -> BTreeSet<i64> {
        let artists: BTreeSet<i64> = source.credits.iter().map(|credit| credit.0).collect();
        let same = |other: &&&Source| {
            let shared =
                other.credits.iter().any(|credit| artists.contains(&credit.0) && !is_nobody(credit.0));
            let apart = match (source.duration, other.duration) {
                (Some(one), Some(other)) => (one - other).abs() > 8,
                _ => false,
            };
            shared && !apart
        };
        self.0[&plain(&source.title)].iter().filter(same).map(|other| other.release).collect()
    }
}

/// Lower case, letters and digits only.
fn plain(text: &str) -> String {
    let kept: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if kept.is_empty() { text.to_owned() } else { kept }
}

fn without_number(name: &str) -> &str {
    match name.rsplit_once(" (") {
        Some((rest, number)) if number.trim_end_matches(')').bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => name,
    }
}

fn perturbed(source: &Source, kind: usize, random: &mut impl Rng) -> Option<Tags> {
    let names: Vec<String> =
        source.credits.iter().map(|credit| without_number(&credit.1).to_owned()).collect();
    let length = source.duration.unwrap_or_else(|| random.random_range(150..400));
    let mut tags = Tags {
        artists: names.clone(),
        title: source.title.clone(),
        album: source.album.clone(),
        duration: Some(length as f32 + random.random_range(-0.9..0.9)),
        release: None,
        album_artist: String::new(),
    };
    match KINDS[kind] {
        "as in the dump" => {
            tags.artists = vec![source.credits.iter().map(|c| c.1.clone()).collect::<Vec<_>>().join(" & ")]
        }
        "case" => {
            let upper = random.random_bool(0.5);
            let change = |text: &str| if upper { text.to_uppercase() } else { text.to_lowercase() };
            tags.artists.iter_mut().for_each(|name| *name = change(name));
            tags.title = change(&tags.title);
            tags.album = change(&tags.album);
        }
        "diacritics lost" => {
            let lost = |text: &str| -> String {
                text.chars()
                    .map(|c| DIACRITICS.iter().find(|(with, _)| *with == c).map_or(c, |p| p.1))
                    .collect()
            };
            let before = (tags.artists.clone(), tags.title.clone());
            tags.artists.iter_mut().for_each(|name| *name = lost(name));
            tags.title = lost(&tags.title);
            if before == (tags.artists.clone(), tags.title.clone()) {
                return None;
            }
        }
        "punctuation" => {
            let change = |text: &str| {
                text.replace('\'', "’")
                    .replace('&', "and")
                    .replace(" - ", " – ")
                    .replace(['.', ',', '!', ':'], "")
            };
            tags.artists = vec![change(&names.join(" & "))];
            tags.title = change(&tags.title);
            if plain(&tags.title).len() < 2 || tags.artists[0].trim().is_empty() {
                return None;
            }
        }
        "homonym's number lost" => {
            let numbered = source.credits.iter().any(|credit| without_number(&credit.1) != credit.1);
            if !numbered {
                return None;
            }
        }
        "name as printed (anv)" => {
            if source.credits.iter().all(|credit| credit.2.is_empty()) {
                return None;
            }
            let printed = |c: &(i64, String, String)| if c.2.is_empty() { c.1.clone() } else { c.2.clone() };
            tags.artists = vec![source.credits.iter().map(printed).collect::<Vec<_>>().join(", ")];
        }
        "guest in the artist" => tags.artists = vec![format!("{} feat. Some Body", names.join(" & "))],
        "guest in the title" => tags.title.push_str(" (feat. Some Body)"),
        "remastered" => {
            let suffixes =
                [" (Remastered)", " - 2011 Remaster", " [2009 Digital Remaster]", " (Remastered 2015)"];
            tags.title.push_str(suffixes[random.random_range(0..suffixes.len())]);
        }
        "article moved" => {
            let name = names[0].strip_prefix("The ")?;
            tags.artists[0] = format!("{name}, The");
        }
        "duration 3 s off" => {
            source.duration?;
            tags.duration = Some(length as f32 + if random.random_bool(0.5) { 3.0 } else { -3.0 });
        }
        "no duration" => tags.duration = None,
        "first of several artists" => {
            if names.len() < 2 || is_nobody(source.credits[0].0) {
                return None;
            }
            tags.artists.truncate(1);
        }
        "no album" => tags.album.clear(),
        "release id only" => {
            tags = Tags { release: Some(source.release), ..Tags::default() };
        }
        "release id beside tags" => tags.release = Some(source.release),
        "release id under other names" => {
            // In another script: only the duration agrees.
            source.duration?;
            tags.release = Some(source.release);
            (tags.title, tags.album, tags.artists) = ("Ж".into(), "Щ".into(), vec!["Ю".into()]);
        }
        "several artists with a slash" => {
            if names.len() < 2 {
                return None;
            }
            tags.artists = vec![names.join("/")];
        }
        "another artist in the field" => {
            source.duration?;
            tags.artists = vec![format!("Some Body, {}", names[0])];
            if is_nobody(source.credits[0].0) {
                return None;
            }
        }
        "only the album's artist" => {
            source.duration?;
            tags.album_artist = names.join(" & ");
            tags.artists = vec!["Some Body".into()];
        }
        other => panic!("{other}"),
    }
    Some(tags)
}

const DIACRITICS: [(char, char); 24] = [
    ('á', 'a'),
    ('à', 'a'),
    ('â', 'a'),
    ('ä', 'a'),
    ('å', 'a'),
    ('ã', 'a'),
    ('é', 'e'),
    ('è', 'e'),
    ('ê', 'e'),
    ('ë', 'e'),
    ('í', 'i'),
    ('ï', 'i'),
    ('î', 'i'),
    ('ó', 'o'),
    ('ô', 'o'),
    ('ö', 'o'),
    ('ø', 'o'),
    ('ú', 'u'),
    ('ü', 'u'),
    ('û', 'u'),
    ('ñ', 'n'),
    ('ç', 'c'),
    ('Ö', 'O'),
    ('É', 'E'),
];

fn decoyed(
    source: &Source,
    decoy: usize,
    sources: &[Source],
    truth: &Truth,
    random: &mut impl Rng,
) -> Option<Tags> {
    let mut tags = perturbed(source, 0, random)?;
    match DECOYS[decoy] {
        "live version" => tags.title.push_str(" (Live at the Nowhere)"),
        "remix" => tags.title.push_str(" (Nobody's Remix)"),
        "other duration" => {
            // From another album: with the same one, a wrong duration would be the dump's error.
            tags.duration = Some(source.duration? as f32 * 1.3 + 15.0);
            tags.album = "Elsewhere".into();
            // Another release may have that duration.
            if truth.titled(&source.title).iter().any(|other| other.release != source.release) {
                return None;
            }
        }
        "other artist" => tags.artists = vec![format!("Zzz {} Qqq", random.random_range(0..1_000_000))],
        "other title" => tags.title = format!("Qqq Zzz {}", random.random_range(0..1_000_000)),
        "another's title" => {
            let other = &sources[random.random_range(0..sources.len())];
            let theirs: Vec<i64> = truth
                .titled(&other.title)
                .iter()
                .flat_map(|track| track.credits.iter().map(|credit| credit.0))
                .collect();
            if source.credits.iter().any(|credit| theirs.contains(&credit.0)) {
                return None;
            }
            tags.title.clone_from(&other.title);
        }
        "another release's id" => {
            tags.title = format!("Qqq Zzz {}", random.random_range(0..1_000_000));
            tags.artists = vec!["Zzz Qqq".into()];
            tags.album = "Qqq".into();
            tags.duration = Some(5000.0);
            tags.release = Some(source.release);
        }
        "a part of the artist's name" => {
            // One word of a name is another artist.
            let name = without_number(&source.credits[0].1);
            let word = name.split_whitespace().next().filter(|word| word.len() + 3 < name.len())?;
            tags.artists = vec![format!("{word} & Zzz Qqq")];
        }
        other => panic!("{other}"),
    }
    Some(tags)
}

fn write_collection(path: &Path, files: &[(usize, Option<&Source>, Tags)]) {
    let mut builder = Builder::new(&COLLECTION);
    for (number, (_, _, tags)) in files.iter().enumerate() {
        let artists: Vec<&str> = tags.artists.iter().map(String::as_str).collect();
        let some = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
        let (title, album) = (some(&tags.title), some(&tags.album));
        let release: Vec<i64> = tags.release.into_iter().collect();
        builder.push([
            Cell::Text(&format!("{number:08}.ogg")),
            Cell::Id(0),
            Cell::Id(0),
            Cell::Text(""),
            Cell::Text("vorbis"),
            Cell::Float(tags.duration),
            Cell::Int(None),
            Cell::Int(None),
            Cell::MaybeText(title.as_deref()),
            Cell::Words(&artists),
            Cell::MaybeText(album.as_deref()),
            Cell::MaybeText(some(&tags.album_artist).as_deref()),
            Cell::MaybeText(None),
            Cell::MaybeText(None),
            Cell::Words(&[]),
            Cell::Int(None),
            Cell::Int(None),
            Cell::Ids(&release),
            Cell::Ids(&[]),
            Cell::Ids(&[]),
            Cell::Ids(&[]),
            Cell::Words(&[]),
            Cell::Words(&[]),
            Cell::Words(&[]),
            Cell::Words(&[]),
            Cell::MaybeText(None),
        ]);
    }
    write_table(path, &COLLECTION, &builder.finish()).expect("a table");
}
