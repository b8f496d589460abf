//! Libraries of a million tracks beside FAISS's flat index, and what playlists and near-duplicates are worth:
//! `cargo xtask bench similar`.
//!
//! Both sides search the same unit vectors for the 10 nearest, take turns, and use the same number of threads; the
//! medians are compared. The vectors are random, in groups like albums. Then: how much smoother a playlist is than plain
//! neighbours and how many artists it has, how far a sample's tracks are from the others, precision and recall of the
//! rule for near-duplicates on re-encoded copies, and how long `sleeve similar index` takes beside the batch extractor
//! alone.
//!
//! - `--tracks N`: tracks (default 1,000,000)
//! - `--queries N`: turns of each side (default 40)
//! - `--threads N`: threads of both sides (default 2)
//! - `--music FOLDER`: recordings for near-duplicates and indexing, of which 120 are taken (default: clips of
//!   `examples/audio/`)

#[path = "similar/music.rs"]
mod music;
#[path = "similar/random.rs"]
mod random;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use random::Random;
use sleeve::similarity::{
    Embedding, Library, LibraryWriter, Match, Origin, PlaylistOptions, Precision, Query, SampleOptions, Tags,
    Track,
};
use sleeve_benches::{Peer, median, repository};

const DIM: usize = 200;
const NEAREST: usize = 10;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, folder, tracks] = &arguments[..]
        && flag == "--make"
    {
        return make(Path::new(folder), tracks.parse()?);
    }
    let text = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let value = |name: &str, default: usize| -> Result<usize> {
        text(name).map_or(Ok(default), |text| text.parse().with_context(|| format!("{name} {text}")))
    };
    let (tracks, queries) = (value("--tracks", 1_000_000)?, value("--queries", 40)?);
    let threads = value("--threads", 2)?;
    let folder = tempfile::tempdir()?;
    // In a process of its own, so that its memory is not counted here.
    let mut child = Command::new(std::env::current_exe()?);
    let status = child.arg("--make").arg(folder.path()).arg(tracks.to_string()).status()?;
    ensure!(status.success(), "the library could not be made");
    race(folder.path(), tracks, queries, threads)?;
    worth(folder.path())?;
    music::duplicates(folder.path(), text("--music").map(PathBuf::from).as_deref())?;
    music::indexing(folder.path(), text("--music").map(PathBuf::from).as_deref(), threads)
}

/// Writes a library and the same vectors as a raw file.
fn make(folder: &Path, tracks: usize) -> Result<()> {
    let mut raw = BufWriter::with_capacity(1 << 20, File::create(folder.join("vectors.f32"))?);
    let origin = Origin::other("random", "00", DIM);
    let mut writer = LibraryWriter::create(folder.join("big.library"), "/music", &origin)?;
    let mut random = Random::new(1);
    let mut middle = Vec::new();
    for number in 0..tracks {
        if number % 10 == 0 {
            middle = (0..DIM).map(|_| random.normal()).collect();
        }
        let mut vector: Vec<f32> = middle.iter().map(|value| value + random.normal()).collect();
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|value| *value /= length);
        for value in &vector {
            raw.write_all(&value.to_le_bytes())?;
        }
        let artist = number / 25;
        let track = Track {
            path: format!("Artist {artist}/Album {}/{:02} Track.flac", number / 10, number % 10).into(),
            seconds: 120.0 + f64::from((random.next() % 240_000) as u32) / 1000.0,
            tags: Tags {
                artist: format!("Artist {artist}"),
                album: format!("Album {}", number / 10),
                title: format!("Track {number}"),
                year: Some(1950 + (number / 10 % 75) as i32),
                ..Tags::default()
            },
            ..Track::default()
        };
        writer.add(&track, &Embedding { vector, ..Embedding::default() })?;
        if writer.pending() == 50_000 {
            writer.flush()?;
        }
    }
    writer.finish()?;
    raw.flush()?;
    Ok(())
}

/// Memory of this process in bytes, now.
fn memory() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? * 1024.0)
}

fn race(folder: &Path, tracks: usize, queries: usize, threads: usize) -> Result<()> {
    let started = Instant::now();
    let library = Library::open(folder.join("big.library"))?;
    let opened = started.elapsed().as_secs_f64();
    ensure!(library.len() == tracks, "the library has {} tracks", library.len());
    let python = repository().join("target/bench-faiss/bin/python");
    let mut peer = Command::new(python);
    peer.arg(repository().join("benches/peers/faiss_flat.py")).arg(folder.join("vectors.f32"));
    // One more, because the track itself is among the peer's.
    peer.args([tracks, DIM, threads, NEAREST + 1].map(|number| number.to_string()));
    let mut peer = Peer::spawn(&mut peer).context("FAISS")?;
    // The library is in the order of its paths.
    let row = |track: usize| -> Result<usize> {
        let title = library.track(track).title.trim_start_matches("Track ");
        Ok(title.parse()?)
    };
    let find = |track: usize, precision: Precision| -> Result<(f64, Vec<Match>)> {
        let query = Query::new().track(track).count(NEAREST).threads(threads).precision(precision);
        let started = Instant::now();
        let found = library.find(&query)?;
        Ok((started.elapsed().as_secs_f64(), found))
    };
    find(0, Precision::F32)?;
    let floats = memory()?;
    let mut random = Random::new(7);
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut agreeing = 0;
    find(0, Precision::Int8)?;
    for _ in 0..queries {
        let track = (random.next() % tracks as u64) as usize;
        let (seconds, found) = find(track, Precision::F32)?;
        times[0].push(seconds);
        times[1].push(find(track, Precision::Int8)?.0);
        let answer = peer.ask(&row(track)?.to_string())?;
        times[2].push(answer[0]);
        let ours: HashSet<usize> = found.iter().map(|found| row(found.track)).collect::<Result<_>>()?;
        let theirs = answer[1..]
            .iter()
            .map(|&number| number as usize)
            .filter(|&number| row(track).ok() != Some(number));
        agreeing += usize::from(ours == theirs.take(NEAREST).collect());
    }
    let [f32, int8, faiss] = times.each_ref().map(|times| 1000.0 * median(times));
    println!(
        "{tracks} tracks of {DIM} values, {threads} threads on both sides, median of {queries} queries\n"
    );
    println!("opened and checked in {opened:.2} s; memory of a search in f32: {:.2} GB", floats / 1e9);
    println!("f32   {f32:7.2} ms   FAISS {faiss:7.2} ms   ratio {:.3}", f32 / faiss);
    println!("int8  {int8:7.2} ms                      ratio {:.3}", int8 / faiss);
    println!("the same {NEAREST} as FAISS: {agreeing} of {queries}");
    let many = 1000;
    let mut same = 0;
    for number in 0..many {
        let track = (random.next() % tracks as u64) as usize;
        // Of the exact ones, a part is enough to be sure of the share.
        if number % 4 == 0 {
            let exact: Vec<usize> = find(track, Precision::F32)?.1.iter().map(|found| found.track).collect();
            let int8: Vec<usize> = find(track, Precision::Int8)?.1.iter().map(|found| found.track).collect();
            same += usize::from(exact == int8);
        }
    }
    println!(
        "int8 finds the same {NEAREST} in {:.1} % of {} queries",
        400.0 * same as f64 / many as f64,
        many / 4
    );
    Ok(())
}

/// Playlists, paths and samples beside plain neighbours, in a library whose groups overlap.
fn worth(folder: &Path) -> Result<()> {
    let path = folder.join("small.library");
    let mut writer = LibraryWriter::create(&path, "/music", &Origin::other("random", "00", 20))?;
    let mut random = Random::new(3);
    for artist in 0..400 {
        let middle: Vec<f32> = (0..20).map(|_| random.normal()).collect();
        for number in 0..25 {
            let vector = middle.iter().map(|value| value + 0.7 * random.normal()).collect();
            let tags = Tags { artist: format!("{artist}"), title: format!("{number}"), ..Tags::default() };
            let seconds = 100.0 + f64::from((random.next() % 200) as u32);
            let track =
                Track { path: format!("{artist}/{number}").into(), seconds, tags, ..Track::default() };
            writer.add(&track, &Embedding { vector, ..Embedding::default() })?;
        }
    }
    writer.finish()?;
    let library = Library::open(&path)?;
    let steps = |list: &[usize]| -> Vec<f32> {
        list.windows(2).map(|pair| library.cosine(pair[0], pair[1])).collect()
    };
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let lowest = |values: &[f32]| values.iter().copied().fold(1.0, f32::min);
    let artists =
        |list: &[usize]| list.iter().map(|&track| library.track(track).artist).collect::<HashSet<_>>().len();
    println!("\n10,000 tracks of 400 artists; 30 tracks for each of 50 seeds");
    println!("{:<24}{:>14}{:>14}{:>10}", "", "mean step", "lowest step", "artists");
    let options = PlaylistOptions::default();
    let free = PlaylistOptions { artist_gap: 0, ..options.clone() };
    type Make<'a> = Box<dyn Fn(usize) -> Result<Vec<Match>> + 'a>;
    let makes: [(&str, Make<'_>); 4] = [
        ("nearest, in their order", Box::new(|seed| Ok(library.find(&Query::new().track(seed).count(30))?))),
        (
            "playlist, any artist",
            Box::new(|seed| Ok(library.playlist(&Query::new().track(seed).count(30), &free)?)),
        ),
        ("playlist", Box::new(|seed| Ok(library.playlist(&Query::new().track(seed).count(30), &options)?))),
        ("playlist, 2 an artist", {
            Box::new(|seed| {
                Ok(library.playlist(&Query::new().track(seed).count(30).max_per_artist(2), &options)?)
            })
        }),
    ];
    for (name, make) in makes {
        let (mut means, mut lows, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for seed in (0..10_000).step_by(200) {
            let list: Vec<usize> = make(seed)?.iter().map(|found| found.track).collect();
            means.push(f64::from(mean(&steps(&list))));
            lows.push(f64::from(lowest(&steps(&list))));
            counts.push(artists(&list) as f64);
        }
        println!("{name:<24}{:>14.3}{:>14.3}{:>10.1}", median(&means), median(&lows), median(&counts));
    }
    let (mut direct, mut lows) = (Vec::new(), Vec::new());
    for number in 0..50 {
        let (from, to) = (number * 200, 9_999 - number * 150);
        let path = library.path_between(from, to, 10, &Default::default())?;
        let list: Vec<usize> = path.iter().map(|found| found.track).collect();
        direct.push(f64::from(library.cosine(from, to)));
        lows.push(f64::from(lowest(&steps(&list))));
    }
    println!("paths of 10 tracks: lowest step {:.3}; from end to end {:.3}", median(&lows), median(&direct));
    let cover = |sample: &[usize]| {
        let nearest =
            |track: usize| sample.iter().map(|&other| library.cosine(track, other)).fold(-1.0, f32::max);
        (0..library.len()).map(nearest).fold(1.0, f32::min)
    };
    let sample: Vec<usize> =
        library.sample(100, &SampleOptions::default())?.iter().map(|found| found.track).collect();
    let by_chance: Vec<usize> = (0..100).map(|_| (random.next() % 10_000) as usize).collect();
    println!(
        "a sample of 100: every track has one with a cosine of {:.3}; by chance {:.3}",
        cover(&sample),
        cover(&by_chance)
    );
    Ok(())
}
