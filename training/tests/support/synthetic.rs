//! A synthetic collection: audible artists, labels, releases and styles, tags, and the dump of its releases.
//!
//! An artist has an instrument (its partials, register, vibrato and attack) and a drone of three tones, a release a
//! scale and a tempo, a label the spectrum of its hiss, a style a rhythm and a bell; a track has its own melody.

use std::f32::consts::TAU;
use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lofty::config::WriteOptions;
use lofty::tag::{Accessor, ItemKey, Tag, TagExt, TagType};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::wav;

/// Number of labels; every artist is on two of them.
pub const LABELS: usize = 6;
/// The styles; every release has one or two.
pub const STYLES: [&str; 8] = ["Acid", "Ambient", "Drone", "Dub", "House", "Minimal", "Synth-pop", "Techno"];

/// The size of the collection.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Artists.
    pub artists: usize,
    /// Releases of an artist on each of its two labels.
    pub releases: usize,
    /// Tracks of a release.
    pub tracks: usize,
    /// Length of a track.
    pub seconds: u32,
    /// Samples per second.
    pub rate: u32,
}

/// Large enough that every association has 60 training pairs and 30 validation pairs.
pub const SIZE: Size = Size { artists: 24, releases: 3, tracks: 4, seconds: 10, rate: 16_000 };

/// One track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its artist, from 0.
    pub artist: usize,
    /// Its label.
    pub label: usize,
    /// Its release, over all artists.
    pub release: usize,
    /// Its position on the release, from 0.
    pub place: usize,
}

impl Size {
    /// All tracks, release by release.
    pub fn all(self) -> Vec<Track> {
        let mut tracks = Vec::new();
        let mut release = 0;
        for artist in 0..self.artists {
            // Two different labels; artists who share one share the other only by chance.
            let first = artist % LABELS;
            let labels = [first, (first + 1 + artist / LABELS % (LABELS - 1)) % LABELS];
            for label in labels {
                for _ in 0..self.releases {
                    tracks.extend((0..self.tracks).map(|place| Track { artist, label, release, place }));
                    release += 1;
                }
            }
        }
        tracks
    }
}

impl Track {
    /// Path in the folder of music.
    pub fn path(self) -> String {
        format!("{}/{}/{:02}.wav", name("artist", self.artist), name("release", self.release), self.place + 1)
    }

    /// Title.
    pub fn title(self) -> String {
        name("title", self.release * 100 + self.place)
    }

    /// The styles of its release, independent of the artist.
    pub fn styles(self) -> Vec<&'static str> {
        let mut styles =
            vec![self.release % STYLES.len(), (self.release * 3 + self.release / 8) % STYLES.len()];
        styles.sort_unstable();
        styles.dedup();
        styles.into_iter().map(|style| STYLES[style]).collect()
    }
}

/// A name made of syllables, one for each number.
fn name(what: &str, number: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "wu", "ze"];
    let mut name = String::from(match what {
        "artist" => "A",
        "release" => "R",
        "label" => "L",
        _ => "T",
    });
    let mut rest = number;
    for _ in 0..4 {
        name.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    name
}

/// The random generator of an object.
fn random(what: &str, number: usize) -> Xoshiro256PlusPlus {
    let kind = what.bytes().fold(7u64, |sum, byte| sum * 31 + u64::from(byte));
    Xoshiro256PlusPlus::seed_from_u64(kind << 32 | number as u64)
}

/// The sound of a track.
pub fn samples(size: Size, track: Track) -> Vec<f32> {
    const WAVE: usize = 1024;
    const SCALES: [[i32; 5]; 4] = [[0, 2, 4, 7, 9], [0, 3, 5, 7, 10], [0, 1, 5, 7, 8], [0, 2, 6, 7, 11]];
    let rate = size.rate as f32;
    let count = (size.seconds * size.rate) as usize;

    // The artist: one period of its instrument, and how it is played.
    let mut artist = random("artist", track.artist);
    let partials: Vec<f32> =
        (1..=12).map(|n| artist.random_range(0.0f32..1.0).powi(3) / (n as f32).sqrt()).collect();
    let total: f32 = partials.iter().sum();
    let wave: Vec<f32> = (0..WAVE)
        .map(|at| {
            let phase = TAU * at as f32 / WAVE as f32;
            partials.iter().zip(1..).map(|(level, n)| level * (phase * n as f32).sin()).sum::<f32>() / total
        })
        .collect();
    let register = artist.random_range(38..66);
    let (vibrato, depth) = (artist.random_range(2.0f32..9.0), artist.random_range(0.0f32..0.02));
    let (attack, decay) = (artist.random_range(0.005f32..0.12), artist.random_range(0.1f32..0.9));
    // Its drone: the tones of a validation artist occur in training too.
    const DRONES: [f32; 8] = [105.0, 190.0, 340.0, 600.0, 1080.0, 1900.0, 3100.0, 5000.0];
    let threes: Vec<[f32; 3]> = (0..8)
        .flat_map(|a| {
            (a + 1..8).flat_map(move |b| (b + 1..8).map(move |c| [a, b, c].map(|tone| DRONES[tone])))
        })
        .collect();
    let drone = threes[track.artist * 11 % threes.len()];

    // The release: scale and tempo. The label: the band of its hiss. The styles: the times of the drum.
    let mut release = random("release", track.release);
    let root = release.random_range(0..12);
    let scale = SCALES[release.random_range(0..SCALES.len())];
    let beat = release.random_range(0.16f32..0.42);
    let hiss = [260.0f32, 620.0, 1300.0, 2500.0, 4200.0, 6400.0][track.label];
    let styles: Vec<usize> = track
        .styles()
        .iter()
        .map(|style| STYLES.iter().position(|other| other == style).expect("one of them"))
        .collect();
    let strokes: Vec<usize> =
        styles.iter().flat_map(|style| [style % 4, 4 + style / 2, (style * 3) % 8]).collect();
    // And the pitches of the bell, on every other beat.
    const BELLS: [f32; STYLES.len()] = [140.0, 250.0, 440.0, 790.0, 1400.0, 2400.0, 3900.0, 6100.0];

    // The track: its melody.
    let mut own = random("track", track.release * 100 + track.place);
    let mut step: i32 = own.random_range(0..5);
    let notes: Vec<f32> = (0..(size.seconds as f32 / beat) as usize + 1)
        .map(|_| {
            step = (step + own.random_range(-2..=2)).clamp(-2, 8);
            let key = register + root + scale[step.rem_euclid(5) as usize] + 12 * step.div_euclid(5);
            440.0 * ((key - 69) as f32 / 12.0).exp2()
        })
        .collect();

    let mut noise = own.random_range(1..u32::MAX);
    let mut phase = 0.0f32;
    // A resonance around the label's band.
    let turn = 2.0 * 0.97 * (TAU * hiss / rate).cos();
    let (mut one, mut two) = (0.0f32, 0.0f32);
    (0..count)
        .map(|at| {
            let time = at as f32 / rate;
            let (number, since) = ((time / beat) as usize, time % beat);
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let white = noise as f32 / u32::MAX as f32 - 0.5;
            let bend = 1.0 + depth * (TAU * vibrato * time).sin();
            phase = (phase + notes[number] * bend / rate).fract();
            let envelope = (since / attack).min(1.0) * (-since / (decay * beat)).exp();
            let coloured = white + turn * one - 0.97 * 0.97 * two;
            (two, one) = (one, coloured);
            let struck = if strokes.contains(&(number % 8)) { (-since * 40.0).exp() } else { 0.0 };
            let ringing = styles.iter().filter(|style| (number + **style).is_multiple_of(2));
            let bells: f32 = ringing.map(|&style| (TAU * BELLS[style] * since).sin()).sum();
            let tones: f32 = drone.iter().map(|tone| (TAU * (tone * time).fract()).sin()).sum();
            0.5 * envelope * wave[(phase * WAVE as f32) as usize % WAVE]
                + 0.03 * tones
                + 0.012 * coloured
                + 0.25 * struck * white
                + 0.2 * (-since * 8.0).exp() * bells
        })
        .collect()
}

/// Writes the music with its tags into `folder/audio`, and the dump `folder/releases.xml.gz`.
pub fn write(folder: &Path, size: Size) {
    let tracks = size.all();
    tracks.par_iter().for_each(|&track| {
        let path = folder.join("audio").join(track.path());
        wav::write(&path, size.rate, &samples(size, track));
        let mut tag = Tag::new(TagType::Id3v2);
        tag.set_artist(name("artist", track.artist));
        tag.set_title(track.title());
        tag.set_album(name("release", track.release));
        tag.insert_text(ItemKey::Label, name("label", track.label));
        tag.save_to_path(&path, WriteOptions::default()).expect("a tag");
    });
    let file = std::fs::File::create(folder.join("releases.xml.gz")).expect("room");
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed.write_all(dump(size, &tracks).as_bytes()).expect("room");
    packed.finish().expect("room");
}

/// The releases in Discogs' schema.
fn dump(size: Size, tracks: &[Track]) -> String {
    let mut xml = String::from("<releases>\n");
    for release in tracks.chunk_by(|a, b| a.release == b.release) {
        let Track { artist, label, release: number, .. } = release[0];
        let _ = write!(
            xml,
            "<release id=\"{}\" status=\"Accepted\"><artists><artist><id>{}</id><name>{}</name><anv/><join/><role/>\
             <tracks/></artist></artists><title>{}</title><labels><label name=\"{}\" catno=\"{number}\" id=\"{}\"/>\
             </labels><genres><genre>Electronic</genre></genres><styles>",
            number + 1,
            10_000 + artist,
            name("artist", artist),
            name("release", number),
            name("label", label),
            20_000 + label
        );
        release[0].styles().iter().for_each(|style| {
            let _ = write!(xml, "<style>{style}</style>");
        });
        xml.push_str("</styles><released>2001</released><data_quality>Correct</data_quality><tracklist>");
        for track in release {
            let _ = write!(
                xml,
                "<track><position>{}</position><title>{}</title><duration>0:{:02}</duration></track>",
                track.place + 1,
                track.title(),
                size.seconds
            );
        }
        xml.push_str("</tracklist></release>\n");
    }
    xml + "</releases>\n"
}

/// Runs the program and returns its output.
pub fn train(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().expect("it is built");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Makes the collection in `folder` and runs every step before training with the program itself. Returns the folder of
/// the data set, which has the features in its folder `features`.
pub fn data_set(folder: &Path, size: Size) -> PathBuf {
    write(folder, size);
    let at = |name: &str| folder.join(name).to_str().expect("Unicode").to_owned();
    let (tables, collection, set) = (at("tables"), at("collection.parquet"), at("set"));
    train(&["discogs", &at("releases.xml.gz"), "--out", &tables]);
    train(&["scan", &at("audio"), "--out", &collection]);
    train(&["match", &collection, "--discogs", &tables, "--out", &set]);
    // A third of the artists is for validation, one or two for test.
    let tracks = size.all().len();
    let of_artist = tracks / size.artists;
    let validation = (size.artists / 3 * of_artist).to_string();
    let test = (size.artists.div_ceil(16) * of_artist).to_string();
    train(&["split", &set, "--validation", &validation, "--test", &test, "--releases", "1"]);
    train(&["pairs", &set]);
    train(&[
        "features",
        &at("audio"),
        "--collection",
        &at("set/split.parquet"),
        "--out",
        &at("set/features"),
    ]);
    folder.join("set")
}
