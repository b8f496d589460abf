//! Files that are cut, corrupt, of other formats, or tagged anew.

use std::path::Path;

use arrow_array::Array;
use lofty::config::{ParseOptions, WriteOptions};
use lofty::file::AudioFile;
use lofty::ogg::VorbisFile;
use sleeve_training::features::FEATURES;
use sleeve_training::scan::{COLLECTION, audio_sha256};
use sleeve_training::table::TableReader;

use super::{Place, Tags, tag, train};

fn recording(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/audio").join(name)
}

/// A FLAC stream of silence: constant subframes, so that it needs no encoder. 16 bits, one channel.
fn flac(frames: u8) -> Vec<u8> {
    const BLOCK: u16 = 4096;
    let mut bytes = b"fLaC\x80\0\0\x22".to_vec();
    bytes.extend([BLOCK.to_be_bytes(), BLOCK.to_be_bytes()].concat());
    bytes.extend([0; 6]);
    // 16 kHz, one channel, 16 bits, so many samples.
    let samples = u64::from(frames) * u64::from(BLOCK);
    bytes.extend((16_000u64 << 44 | 15 << 36 | samples).to_be_bytes());
    bytes.extend([0; 16]);
    for number in 0..frames {
        // Block of 4096 samples, the stream's rate, mono, 16 bits; the frame's number; a constant of another value each.
        let mut frame = vec![0xff, 0xf8, 0xc0, 0x08, number];
        frame.push(crc(&frame, 8, 0x07) as u8);
        frame.extend([0, number, 1]);
        frame.extend(crc(&frame, 16, 0x8005).to_be_bytes());
        bytes.extend(frame);
    }
    bytes
}

fn crc(bytes: &[u8], width: u32, polynomial: u16) -> u16 {
    let mask = if width == 16 { 0xffff } else { 0xff };
    bytes.iter().fold(0u16, |crc, byte| {
        let start = crc ^ (u16::from(*byte) << (width - 8));
        (0..8).fold(start, |crc, _| {
            let carry = crc >> (width - 1) & 1;
            ((crc << 1) ^ (carry * polynomial)) & mask
        })
    })
}

/// FLAC in Ogg: a packet a page.
fn flac_in_ogg(frames: u8) -> Vec<u8> {
    let plain = flac(frames);
    let (info, frames) = plain.split_at(42);
    let field = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let fields = ["TITLE=Song", "ARTIST=Band", "DISCOGS_RELEASE_ID=7"].map(field).concat();
    let comments = [&field("sleeve")[..], &3u32.to_le_bytes(), &fields].concat();
    let mut packets = vec![[b"\x7fFLAC\x01\0\0\x01", info].concat()];
    packets.push([&[0x84, 0, 0, comments.len() as u8][..], &comments].concat());
    packets.extend(frames.chunks(11).map(<[u8]>::to_vec));
    let mut file = Vec::new();
    let last = packets.len() - 1;
    for (number, packet) in packets.iter().enumerate() {
        let kind = if number == 0 { 2 } else { u8::from(number == last) * 4 };
        let samples = (number as u64).saturating_sub(1) * 4096;
        let mut page = [
            b"OggS\0",
            &[kind][..],
            &samples.to_le_bytes(),
            &7u32.to_le_bytes(),
            &(number as u32).to_le_bytes(),
            &[0; 4],
        ]
        .concat();
        page.extend([1, packet.len() as u8]);
        page.extend(packet);
        let checksum = page.iter().fold(0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| (crc << 1) ^ ((crc >> 31) * 0x04c1_1db7))
        });
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        file.extend(page);
    }
    file
}

#[test]
fn cut_audio_is_listed_by_scan_and_features() {
    let place = Place::new();
    let music = place.at("music");
    std::fs::create_dir(&music).unwrap();
    let whole = flac(20);
    std::fs::write(music.join("whole.flac"), &whole).unwrap();
    std::fs::write(music.join("cut.flac"), &whole[..whole.len() - 5 * 11 - 4]).unwrap();
    let mut corrupt = whole.clone();
    corrupt[100..130].fill(0x55);
    std::fs::write(music.join("corrupt.flac"), corrupt).unwrap();
    std::fs::write(music.join("ogg.oga"), flac_in_ogg(20)).unwrap();
    // Tags are read of WavPack, but its audio is not decoded.
    let wavpack = [&b"wvpk"[..], &[24, 0, 0, 0, 0x10, 4, 0, 0], &[0; 20]].concat();
    std::fs::write(music.join("p.wv"), wavpack).unwrap();

    let (table, features) = (place.at("collection.parquet"), place.at("features"));
    let said = place.scan();
    assert!(said.contains("4 tracks (0 unchanged), 1 unreadable") && said.contains("p.wv: "), "{said}");
    let said = train(&[&"scan", &music, &"--out", &table, &"--verify"]);
    assert!(said.contains("4 tracks (4 unchanged)") && said.contains("2 of them damaged"), "{said}");
    assert!(said.contains("cut.flac: ") && said.contains("corrupt.flac: "), "{said}");
    let listed = std::fs::read_to_string(place.at("collection.parquet.damaged.tsv")).unwrap();
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let rows = TableReader::open(
        &table,
        &COLLECTION,
        &["path", "damage", "title", "discogs_releases", "duration_s"],
    );
    let rows = rows.unwrap().next().unwrap().unwrap();
    let damage: Vec<bool> = rows.texts("damage").iter().map(|damage| !damage.unwrap().is_empty()).collect();
    assert_eq!(damage, [true, true, false, false]);
    assert_eq!((rows.texts("title").value(2), rows.id_list("discogs_releases", 2)), ("Song", &[7][..]));
    assert!((rows.floats("duration_s").value(2) - 20.0 * 4096.0 / 16_000.0).abs() < 0.01);

    let said = train(&[&"features", &music, &"--collection", &table, &"--out", &features]);
    assert!(said.contains("4 recordings (0 done before)") && said.contains("2 of them damaged"), "{said}");
    assert!(said.contains("cut.flac: "), "{said}");
    // What was wrong is remembered.
    let said = train(&[&"features", &music, &"--collection", &table, &"--out", &features]);
    assert!(said.contains("4 recordings (4 done before)") && said.contains("2 of them damaged"), "{said}");
    let rows = TableReader::open(&features.join("features.parquet"), &FEATURES, &["path", "warning"]);
    let rows = rows.unwrap().next().unwrap().unwrap();
    assert_eq!(rows.texts("warning").null_count(), 2);
}

#[test]
fn new_tags_leave_the_audio_as_it_is() {
    let place = Place::new();
    let new = Tags {
        title: "A much longer title than before",
        artist: "Band",
        more: &[("X", "y")],
        ..Tags::default()
    };
    place.song("a.wav", 1.0, Tags { title: "x", ..Tags::default() });
    let music = place.at("music");
    std::fs::copy(recording("idle_tune.mp3"), music.join("b.mp3")).unwrap();
    std::fs::copy(recording("ground.ogg"), music.join("c.ogg")).unwrap();
    std::fs::write(music.join("d.flac"), flac(20)).unwrap();
    let names = ["a.wav", "b.mp3", "c.ogg", "d.flac"];
    let hashes = || names.map(|name| audio_sha256(&music.join(name)).unwrap());
    let before = hashes();
    place.scan();
    let (table, features) = (place.at("collection.parquet"), place.at("features"));
    train(&[&"features", &music, &"--collection", &table, &"--out", &features]);

    tag(&music.join("a.wav"), new, false);
    tag(&music.join("b.mp3"), new, false);
    let ogg = music.join("c.ogg");
    let mut file =
        VorbisFile::read_from(&mut std::fs::File::open(&ogg).unwrap(), ParseOptions::new()).unwrap();
    // More than a page holds, so that all pages behind it get other numbers.
    file.vorbis_comments_mut().push("LYRICS".into(), "la ".repeat(60_000));
    file.save_to_path(&ogg, WriteOptions::default()).unwrap();
    // A block of comments before the frames.
    let mut flac = flac(20);
    flac[4] = 0;
    flac.splice(42..42, [0x84, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    std::fs::write(music.join("d.flac"), flac).unwrap();
    assert_eq!(hashes(), before);

    let said = place.scan();
    assert!(said.contains("4 tracks (0 unchanged)"), "{said}");
    let said = train(&[&"features", &music, &"--collection", &table, &"--out", &features]);
    assert!(said.contains("4 recordings, 4 of them done; to do: 0.0 hours"), "{said}");
    // Other audio is another recording.
    place.song("a.wav", 1.5, new);
    let mut other = std::fs::read(music.join("d.flac")).unwrap();
    let last = other.len() - 4;
    other[last] ^= 1;
    std::fs::write(music.join("d.flac"), other).unwrap();
    let after = hashes();
    assert!(after[0] != before[0] && after[3] != before[3]);
    // Every format has its own hash: none is that of no bytes at all.
    let empty = place.at("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(before.iter().all(|hash| *hash != audio_sha256(&empty).unwrap()));
}
