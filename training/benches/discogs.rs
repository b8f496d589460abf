//! Reads a Discogs dump, compared in one run with disco-quick (which only walks the records of the same file) and with
//! decompression alone. `--records N` sets the size (default 200,000).

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::time::Instant;

use disco_quick::DiscogsReader;
use sleeve_training::discogs::{Progress, open};

fn main() {
    let records = option("--records").unwrap_or(200_000);
    let rounds = option("--rounds").unwrap_or(3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain = folder.path().join("releases.xml");
    let packed = folder.path().join("releases.xml.gz");
    let bytes = repeat_releases(&plain, records);
    pack(&plain, &packed);
    println!("{records} releases, {:.0} MB of XML, {:.0} MB packed", mega(bytes), mega(size(&packed)));

    // The measurements alternate, so that other load on the machine affects all of them.
    let mut times: [Vec<Cost>; 4] = Default::default();
    for _ in 0..rounds {
        times[0].push(timed(|| assert_eq!(walk_with_disco_quick(&plain), records)));
        times[1].push(timed(|| assert_eq!(read_dump(&plain, folder.path()), records)));
        times[2].push(timed(|| assert_eq!(unpack(&packed), bytes)));
        times[3].push(timed(|| assert_eq!(read_dump(&packed, folder.path()), records)));
    }
    let [walk, tables, unpacking, packed_tables] = times.map(median);
    let line = |what: &str, cost: Cost| {
        let Cost { wall, cpu } = cost;
        let hours = (70u64 << 30) as f64 / (bytes as f64 / wall) / 3600.0;
        let rate = mega(bytes) / wall;
        println!("{what:<42} {wall:6.2} s {rate:6.0} MB/s {hours:5.2} h for 70 GiB, {cpu:6.2} s of CPU");
    };
    line("disco-quick, walking the records of .xml", walk);
    line("sleeve-train discogs, tables from .xml", tables);
    line("decompression of .xml.gz alone", unpacking);
    line("sleeve-train discogs, tables from .xml.gz", packed_tables);
    println!("ratio to disco-quick          {:.2} x (goal: at least 1.6)", walk.wall / tables.wall);
    println!("ratio to decompression alone  {:.2} x", packed_tables.wall / unpacking.wall);
    if let Some(peak) = support::peak_memory() {
        println!("peak memory of all the above  {:.0} MB (goal: at most 400)", mega(peak));
    }
}

fn option(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}

/// The 1,000 real releases repeated, each with its own id.
fn repeat_releases(path: &Path, records: u64) -> u64 {
    let text = support::real_releases();
    let body = text.trim_end().strip_prefix("<releases>\n").expect("a root");
    let body = body.strip_suffix("</releases>").expect("a root").trim_end();
    // The text after the id of every record.
    let tails: Vec<&str> = body
        .split("\n<release id=\"")
        .map(|record| record.strip_prefix("<release id=\"").unwrap_or(record))
        .map(|record| &record[record.find('"').expect("an id")..])
        .collect();
    assert_eq!(tails.len(), 1000);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("room on the disk"));
    writeln!(file, "<releases>").expect("room");
    for id in 1..=records {
        writeln!(file, "<release id=\"{id}{}", tails[(id % 1000) as usize]).expect("room on the disk");
    }
    writeln!(file, "</releases>").expect("room");
    file.into_inner().expect("room").metadata().expect("a file").len()
}

fn pack(plain: &Path, packed: &Path) {
    let file = File::create(packed).expect("room on the disk");
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    std::io::copy(&mut File::open(plain).expect("just written"), &mut encoder).expect("room on the disk");
    encoder.finish().expect("room on the disk");
}

fn walk_with_disco_quick(path: &Path) -> u64 {
    match DiscogsReader::from_path(path).expect("a dump") {
        DiscogsReader::Releases(reader) => reader.map(|release| u64::from(release.id > 0)).sum(),
        _ => panic!("not releases"),
    }
}

fn read_dump(path: &Path, folder: &Path) -> u64 {
    support::tables_of(path, &folder.join("tables")).records
}

fn unpack(path: &Path) -> u64 {
    // With the same decompressor and buffer size as for the tables.
    let mut stream = open(path, &Progress::default()).expect("just written").stream;
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).expect("sound gzip") {
            0 => return total,
            count => total += count as u64,
        }
    }
}

/// The time of one measurement in seconds. Other load on the machine affects the wall clock, but not CPU time.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall: f64,
    cpu: f64,
}

fn timed(work: impl FnOnce()) -> Cost {
    let (start, cpu) = (Instant::now(), support::cpu_seconds());
    work();
    Cost { wall: start.elapsed().as_secs_f64(), cpu: support::cpu_seconds() - cpu }
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    costs[costs.len() / 2]
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("just written").len()
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
