//! A synthetic data set of the paper's size: four million tracks, five releases per track, 58 % on more than one,
//! 257,000 artists and 142,000 labels with long-tailed sizes, and a label with 100,000 tracks.

use std::path::Path;

use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use sleeve_training::splits::{Part, SPLIT};
use sleeve_training::table::{Builder, Cell, TableWriter};

const ARTISTS: usize = 257_000;
const LABELS: usize = 142_000;

/// Numbers from 0 whose frequency is a power law of their rank.
struct LongTail {
    cumulated: Vec<f64>,
}

impl LongTail {
    fn new(count: usize, exponent: f64, offset: f64) -> Self {
        let mut total = 0.0;
        let cumulated = (0..count)
            .map(|rank| {
                total += (rank as f64 + offset).powf(-exponent);
                total
            })
            .collect();
        LongTail { cumulated }
    }

    fn draw(&self, random: &mut impl Rng) -> usize {
        let at = random.random_range(0.0..*self.cumulated.last().expect("not empty"));
        self.cumulated.partition_point(|&sum| sum <= at).min(self.cumulated.len() - 1)
    }
}

/// Writes `split.parquet` with `tracks` tracks into `folder`.
pub fn write_split(folder: &Path, tracks: usize, seed: u64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let artists = LongTail::new(ARTISTS, 0.7, 20.0);
    let labels = LongTail::new(LABELS, 0.75, 30.0);
    let mut writer = TableWriter::create(&SPLIT.path(folder), &SPLIT).expect("room");
    let mut builder = Builder::new(&SPLIT);
    let mut next_release = 0i64;
    let mut written = 0;
    let mut albums = 0usize;
    while written < tracks {
        // Every artist has at least one album.
        let artist = if albums < ARTISTS { albums } else { artists.draw(&mut random) };
        albums += 1;
        let own_label = match random.random_range(0..1000) {
            // One large label.
            0..26 => 0,
            _ if albums <= LABELS => albums - 1,
            _ => labels.draw(&mut random),
        };
        // 42 % of albums have one version, the others eight on average.
        let versions = if random.random_bool(0.42) {
            1
        } else {
            let mut count = 2;
            while count < 60 && random.random_bool(0.855) {
                count += 1;
            }
            count
        };
        let releases: Vec<i64> = (next_release..next_release + versions).collect();
        next_release += versions;
        let mut label_ids = vec![own_label as i64 + 1000];
        for _ in 1..versions {
            if random.random_bool(0.3) {
                label_ids.push(labels.draw(&mut random) as i64 + 1000);
            }
        }
        label_ids.sort_unstable();
        label_ids.dedup();
        // A new artist's first album is short, so that all artists fit.
        let length = if albums <= ARTISTS { random.random_range(1..=8) } else { random.random_range(1..=20) };
        for _ in 0..length.min(tracks - written) {
            let mut artist_ids = vec![artist as i64 + 1_000_000];
            if random.random_bool(0.08) {
                artist_ids.push(artists.draw(&mut random) as i64 + 1_000_000);
                artist_ids.sort_unstable();
                artist_ids.dedup();
            }
            // 2 % have no known artist, 3 % no label.
            let artist_ids = if random.random_bool(0.02) { &[][..] } else { &artist_ids };
            let label_ids = if random.random_bool(0.03) { &[][..] } else { &label_ids };
            let part = match random.random_range(0..80) {
                0 => Part::Validation,
                1 => Part::Test,
                _ => Part::Train,
            };
            let name = format!("{written:08}.ogg");
            builder.push([
                Cell::Id(written as i64),
                Cell::Text(&name),
                Cell::Text(&format!("{:032x}{:032x}", random.random::<u128>(), written)),
                Cell::Id(0),
                Cell::Id(0),
                Cell::Float(Some(200.0)),
                Cell::Text(part.name()),
                Cell::Ids(&releases),
                Cell::Ids(&[]),
                Cell::Ids(artist_ids),
                Cell::Ids(label_ids),
                Cell::Words(&[]),
                Cell::Words(&[]),
                Cell::Ints(&[]),
            ]);
            written += 1;
        }
        if builder.len() >= 1 << 16 {
            writer.write(&builder.finish()).expect("room");
        }
    }
    writer.write(&builder.finish()).expect("room");
    writer.finish().expect("room").persist().expect("room");
}
