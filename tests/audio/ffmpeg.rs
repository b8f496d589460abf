//! ffmpeg as a decoder: what it may see, and when it ends.

use std::process::Command;

use sleeve::audio::{AudioReader, Ffmpeg};
use sleeve_tests::audio::{encode, music, play};
use sleeve_tests::{data, have, output_of, skip};

/// Files in memory are decoded as those on disk are, by ffmpeg too.
#[test]
fn ffmpeg_reads_memory_and_hostile_names() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let path = data("audio").join("noise_wavpack.wv");
    let expected = play(&path, &Ffmpeg::Auto).unwrap();
    assert!(expected.format.starts_with("WavPack (ffmpeg "), "{}", expected.format);
    let mut reader =
        AudioReader::from_bytes_with("song", std::fs::read(&path).unwrap(), &Ffmpeg::Auto).unwrap();
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    assert_eq!(samples, expected.samples);
    let folder = tempfile::tempdir().unwrap();
    for name in ["-i.wv", "a b\n\"c\".wv", "%03d.wv", "http:x.wv", "concat:a|b.wv", "pipe:0"] {
        let hostile = folder.path().join(name);
        std::fs::copy(&path, &hostile).unwrap();
        assert_eq!(play(&hostile, &Ffmpeg::Auto).unwrap().samples, expected.samples, "{name:?}");
    }
    // What ffmpeg cannot decode either is refused with its reason.
    let broken = folder.path().join("broken.wv");
    std::fs::write(&broken, b"wvpk and no more than that").unwrap();
    let error = play(&broken, &Ffmpeg::Auto).err().unwrap();
    assert!(error.contains("is WavPack, and ffmpeg cannot decode it: "), "{error}");
    let missing = play(&path, &Ffmpeg::Path("/no/such/ffmpeg".into())).err().unwrap();
    assert!(missing.contains("/no/such/ffmpeg is not a program"), "{missing}");
}

/// An ffmpeg that does not tell its version, and a container that is damaged where it begins.
#[cfg(unix)]
#[test]
fn ffmpeg_may_be_quiet_and_helps_where_a_container_cannot_be_opened() {
    use std::os::unix::fs::PermissionsExt;
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("ffmpeg");
    std::fs::write(&program, "#!/bin/sh\nexec ffmpeg -hide_banner \"$@\"\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = data("audio").join("noise_wavpack.wv");
    let played = play(&path, &Ffmpeg::Path(program)).unwrap();
    assert_eq!(played.format, "WavPack (ffmpeg of unknown version)");
    assert_eq!(played.samples, play(&path, &Ffmpeg::Auto).unwrap().samples);

    // What kind of Matroska it is stands at its beginning.
    let path = folder.path().join("a.mkv");
    encode(&music(44_100, 1, 4.0), 44_100, 1, &["-c:a", "flac"], &path);
    let mut bytes = std::fs::read(&path).unwrap();
    let kind = bytes.windows(8).position(|kind| kind == b"matroska").unwrap();
    bytes[kind] ^= 0x20;
    std::fs::write(&path, bytes).unwrap();
    assert!(play(&path, &Ffmpeg::Never).err().unwrap().contains("not a matroska"));
    let played = play(&path, &Ffmpeg::Auto).unwrap();
    assert!(
        played.format.starts_with("Matroska (ffmpeg ") && played.samples.len() > 44_100,
        "{}",
        played.format
    );
}

/// A reader that is dropped early takes its ffmpeg with it, and one whose ffmpeg is killed reports that.
#[cfg(target_os = "linux")]
#[test]
fn ffmpeg_ends_with_its_reader() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wv");
    let source = folder.path().join("long.wav");
    encode(&music(44_100, 2, 60.0), 44_100, 2, &["-c:a", "pcm_s16le"], &source);
    output_of(
        Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&source).args(["-c:a", "wavpack"]).arg(&path),
    );
    // Children of this process that have the file's name among their arguments.
    let children = || -> Vec<u32> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let name = path.to_str().unwrap().as_bytes();
            if arguments.windows(name.len()).any(|part| part == name) {
                found.extend(entry.file_name().to_string_lossy().parse::<u32>());
            }
        }
        found
    };
    let mut reader = AudioReader::open_with(&path, &Ffmpeg::Auto).unwrap();
    let mut samples = Vec::new();
    reader.read(&mut samples).unwrap();
    assert_eq!(children().len(), 1, "it waits for its reader");
    drop(reader);
    assert!(children().is_empty(), "it ended");

    // A script that does not become ffmpeg, but waits for it.
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/bin/sh\nffmpeg \"$@\"\nexit $?\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut reader = AudioReader::open_with(&path, &Ffmpeg::Path(script)).unwrap();
    reader.read(&mut samples).unwrap();
    drop(reader);
    let started = std::time::Instant::now();
    while !children().is_empty() {
        assert!(started.elapsed().as_secs() < 20, "it still runs");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }

    let mut reader = AudioReader::open_with(&path, &Ffmpeg::Auto).unwrap();
    reader.read(&mut samples).unwrap();
    output_of(Command::new("kill").args(["-9", &children()[0].to_string()]));
    let error = loop {
        match reader.read(&mut samples) {
            Ok(0) => panic!("the recording is not over"),
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("long.wv") && error.contains("ffmpeg ended before the file did"), "{error}");
}
