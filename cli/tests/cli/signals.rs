//! Signals, and what must not be waited for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sleeve_tests::{data, have, output_of, skip};

use super::{Place, succeeds};

/// A library of one file that only ffmpeg reads, and a script in the place of ffmpeg.
fn place(script: &str) -> Place {
    let place = Place::new();
    fs::create_dir(place.at("lib")).unwrap();
    fs::copy(data("audio/noise_wavpack.wv"), place.at("lib/song.wv")).unwrap();
    let program = place.put("ffmpeg", script.as_bytes());
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    place
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    output_of(Command::new("kill").args(["-s", name, &child.id().to_string()]));
}

/// A run that nohup started goes on when its terminal is closed.
#[test]
fn nohup_is_obeyed() {
    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let script = "#!/bin/sh\n: > started\nwhile [ ! -e go ]; do sleep 0.05; done\nexec ffmpeg \"$@\"\n";
    let run = |place: &Place, hangup: &str| {
        let arguments = ["lib", "-o", "v", "--last-patch", "repeat", "--ffmpeg", "./ffmpeg"];
        let extract = place.extract(&arguments);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap {hangup} HUP; exec \"$@\""), "sh"]);
        shell.arg(extract.get_program()).args(extract.get_args()).current_dir(place.path());
        let child = shell.stderr(Stdio::piped()).spawn().unwrap();
        wait_for("it starts ffmpeg", || place.at("started").exists());
        signal(&child, "HUP");
        // The signal is there before the file.
        std::thread::sleep(Duration::from_millis(100));
        place.put("go", b"");
        child.wait_with_output().unwrap()
    };
    let ignoring = place(script);
    let output = run(&ignoring, "''");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(ignoring.index("v/index.json")["files"].as_array().unwrap().len(), 1);
    // Without nohup, it stops. A shell cannot end what it was started with.
    if !hangup_is_ignored() {
        assert_eq!(run(&place(script), "-").status.code(), Some(130));
    }
}

/// Whether these tests themselves run under nohup, as Linux says it: signal 1 is the lowest bit.
fn hangup_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1)
}

/// An ffmpeg that hangs ends with the program, which the second Ctrl-C ends at once.
#[cfg(target_os = "linux")]
#[test]
fn the_second_interrupt_leaves_no_ffmpeg() {
    let place = place("#!/bin/sh\necho $$ > pid.part\nmv pid.part pid\nexec sleep 600\n");
    let mut command = place.extract(&["lib", "-o", "v", "--ffmpeg", "./ffmpeg"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    wait_for("it starts ffmpeg", || place.at("pid").exists());
    let ffmpeg = fs::read_to_string(place.at("pid")).unwrap();
    // What has ended has no arguments, whether somebody has waited for it or not.
    let arguments = Path::new("/proc").join(ffmpeg.trim()).join("cmdline");
    let runs = || fs::read(&arguments).is_ok_and(|arguments| !arguments.is_empty());
    assert!(runs());
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_for("ffmpeg ends", || !runs());
}

/// A pipe would be waited for, and is counted.
#[test]
fn a_pipe_in_a_folder_is_passed_over() {
    let place = Place::new();
    place.song("lib/a.wav");
    output_of(Command::new("mkfifo").arg(place.at("lib/b.wav")).arg(place.at("lib/c.ogg")));
    let said = succeeds(&mut place.extract(&["lib", "-o", "v"]));
    assert!(said.contains("1 files") && said.contains("passed over: 2 pipes: not a regular file"), "{said}");
    let passed_over = &place.index("v/index.json")["passed_over"];
    assert_eq!(passed_over[0]["reason"], "not a regular file");
    assert_eq!((&passed_over[0]["files"], passed_over[0].get("extension")), (&2.into(), None));
    let mut similar = crate::sleeve("similar");
    similar.args(["index", "i", "lib"]).current_dir(place.path());
    let said = succeeds(&mut similar);
    assert!(said.contains("2 pipes: not a regular file"), "{said}");
}
