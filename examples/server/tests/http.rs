//! The service over real HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sleeve::similarity::{Duplicates, Embedding, Library, LibraryWriter, Origin, Query, Tags, Track};

const DIM: usize = 64;

/// A library of `count` tracks. The titles have the version, so that an answer shows which file it is from.
fn library(path: &Path, count: usize, version: usize) {
    let origin = Origin::other("test-model", "0".repeat(64), DIM);
    let mut writer = LibraryWriter::create(path, "/music", &origin).unwrap();
    let mut state = 7_u32;
    for number in 0..count {
        let mut sha256 = [0; 32];
        sha256[..4].copy_from_slice(&(number as u32).to_be_bytes());
        let tags = Tags {
            title: format!("v{version} t{number}"),
            artist: format!("Artist {}", number % 50),
            year: Some(1960 + (number % 60) as i32),
            ..Tags::default()
        };
        let path = format!("{}/{number}.flac", number % 50).into();
        let track = Track { path, seconds: 100.0 + number as f64, sha256, tags, ..Track::default() };
        let vector = (0..DIM).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        });
        writer.add(&track, &Embedding { vector: vector.collect(), ..Embedding::default() }).unwrap();
    }
    writer.finish().unwrap();
}

fn id(number: u32) -> String {
    format!("{number:08x}{}", "0".repeat(24))
}

struct Server {
    child: Child,
    address: String,
    agent: ureq::Agent,
}

impl Server {
    fn start(library: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-server"));
        command.arg(library).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split(": ").next().unwrap().to_owned();
        assert!(address.starts_with("http://127.0.0.1:"), "{line}");
        Server { child, address, agent: agent() }
    }

    fn get(&self, path: &str) -> (u16, Value) {
        get(&self.agent, &format!("{}{path}", self.address))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(30))).build().new_agent()
}

fn get(agent: &ureq::Agent, url: &str) -> (u16, Value) {
    let mut response = agent.get(url).call().unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[test]
fn answers_are_those_of_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.library");
    library(&path, 300, 1);
    let server = Server::start(&path);
    let opened = Library::open(&path).unwrap();
    let number = |track: usize| format!("v1 t{track}");

    let (status, about) = server.get("/library");
    assert_eq!((status, &about["tracks"], &about["model"]), (200, &json!(300), &json!("test-model")));
    let (_, track) = server.get("/track?path=7/7.flac");
    assert_eq!((&track["id"], &track["year"]), (&json!(id(7)), &json!(1967)));
    let (_, same) = server.get(&format!("/track?id={}", id(7)));
    assert_eq!(track, same);

    let find = |query: Query| -> Vec<String> {
        let found = opened.find(&query.duplicates(Duplicates::LeaveOut)).unwrap();
        found.iter().map(|found| opened.track(found.track).title.to_owned()).collect()
    };
    let titles = |answer: &Value| -> Vec<String> {
        let tracks = answer["tracks"].as_array().unwrap_or_else(|| panic!("{answer}"));
        tracks.iter().map(|track| track["title"].as_str().unwrap().to_owned()).collect()
    };
    let seed = opened.find_path("7/7.flac").unwrap();
    let (_, similar) = server.get(&format!("/similar?id={}&count=20", id(7)));
    assert_eq!(titles(&similar), find(Query::new().track(seed).count(20)));
    let (_, few) = server.get(&format!("/similar?id={}&count=20&max_per_artist=1&from_year=1980", id(7)));
    assert_eq!(titles(&few).len(), 20);
    let years = few["tracks"].as_array().unwrap().iter().map(|track| track["year"].as_i64().unwrap());
    assert!(years.into_iter().all(|year| year >= 1980), "{few}");
    let (_, playlist) = server.get(&format!("/playlist?id={}&count=12", id(7)));
    assert_eq!(titles(&playlist).len(), 12);

    // OpenSubsonic.
    let subsonic = |path: &str| server.get(path).1["subsonic-response"].clone();
    let extensions = subsonic("/rest/getOpenSubsonicExtensions?f=json");
    assert_eq!(extensions["openSubsonicExtensions"][0]["name"], "sonicSimilarity");
    let matches = |answer: &Value| -> Vec<(String, f64)> {
        let all = answer["sonicMatch"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let one = |one: &Value| {
            (one["entry"]["title"].as_str().unwrap().to_owned(), one["similarity"].as_f64().unwrap())
        };
        all.iter().map(one).collect()
    };
    let found = subsonic(&format!(
        "/rest/getSonicSimilarTracks.view?id={}&count=5&u=a&p=b&v=1.16.1&c=t&f=json",
        id(7)
    ));
    assert_eq!((&found["status"], &found["openSubsonic"]), (&json!("ok"), &json!(true)));
    let found = matches(&found);
    assert_eq!(
        found.iter().map(|one| one.0.clone()).collect::<Vec<_>>(),
        find(Query::new().track(seed).count(5))
    );
    assert!(found.iter().all(|one| (0.0..=1.0).contains(&one.1)), "{found:?}");
    let way = subsonic(&format!("/rest/findSonicPath?startSongId={}&endSongId={}&count=8", id(7), id(200)));
    let way = matches(&way);
    assert_eq!((way.len(), &way[0].0, &way[7].0), (8, &number(7), &number(200)));
    assert!((way[0].1 - 1.0).abs() < 1e-5, "{way:?}");
}

#[test]
fn what_cannot_be_answered_is_an_error_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.library");
    library(&path, 1000, 1);
    let server = Server::start(&path);
    let error = |path: &str, status: u16, reason: &str| {
        let (got, answer) = server.get(path);
        assert_eq!(got, status, "{path}: {answer}");
        assert!(answer["error"].as_str().unwrap_or_default().contains(reason), "{path}: {answer}");
    };
    error("/similar", 400, "give either id or path");
    error("/similar?id=xyz", 404, "no such track");
    error(&format!("/similar?id={}", "ü".repeat(16)), 404, "no such track");
    error(&format!("/similar?id={}&path=7/7.flac", id(7)), 400, "give either id or path");
    error(&format!("/similar?id={}&count=-1", id(7)), 400, "count");
    error(&format!("/similar?id={}&count=many", id(7)), 400, "count");
    assert_eq!(server.get("/nothing").0, 404);
    // No client gets the whole library at once.
    let (_, many) = server.get(&format!("/similar?id={}&count=1000000", id(7)));
    assert_eq!(many["tracks"].as_array().unwrap().len(), 500);
    let failed = |path: &str, code: u8| {
        let (status, answer) = server.get(path);
        let response = &answer["subsonic-response"];
        assert_eq!(
            (status, &response["status"], &response["error"]["code"]),
            (200, &json!("failed"), &json!(code))
        );
    };
    failed("/rest/getSonicSimilarTracks", 10);
    failed("/rest/getSonicSimilarTracks?id=nobody", 70);
    failed(&format!("/rest/findSonicPath?startSongId={}", id(1)), 10);
    failed(&format!("/rest/findSonicPath?startSongId={}&endSongId={}", id(1), id(1)), 0);
    failed(&format!("/rest/getSonicSimilarTracks?id={}&count=-3", id(1)), 0);
    // A body, which no request has.
    let sent = agent().post(format!("{}/library", server.address)).send(vec![0_u8; 4096]).unwrap();
    assert!(matches!(sent.status().as_u16(), 405 | 413), "{}", sent.status());
    // What is not HTTP ends its connection and nothing else.
    let mut raw = TcpStream::connect(server.address.trim_start_matches("http://")).unwrap();
    std::io::Write::write_all(&mut raw, b"\x16\x03\x01 nonsense\r\n\r\n").unwrap();
    raw.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = Vec::new();
    let _ = raw.read_to_end(&mut answer);
    assert_eq!(server.get("/library").0, 200);
}

#[test]
fn no_answer_is_lost_while_the_library_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.library");
    library(&path, 2000, 1);
    let server = Server::start(&path);
    let (stop, times, versions) = (AtomicBool::new(false), Mutex::new(Vec::new()), AtomicUsize::new(1));
    thread::scope(|scope| {
        for client in 0..64_u32 {
            let (server, stop, times, versions) = (&server, &stop, &times, &versions);
            scope.spawn(move || {
                let agent = agent();
                let mut own = Vec::new();
                let mut turn = client;
                while !stop.load(Ordering::Relaxed) {
                    turn = (turn * 31 + 7) % 2000;
                    let begin = Instant::now();
                    let (status, answer) =
                        get(&agent, &format!("{}/similar?id={}&count=10", server.address, id(turn)));
                    own.push(begin.elapsed());
                    assert_eq!(status, 200, "{answer}");
                    let tracks = answer["tracks"].as_array().unwrap();
                    assert_eq!(tracks.len(), 10);
                    // All of one answer is from one file.
                    let version = |track: &Value| {
                        track["title"].as_str().unwrap().split(' ').next().unwrap().to_owned()
                    };
                    assert!(tracks.iter().all(|track| version(track) == version(&tracks[0])), "{answer}");
                    let number = version(&tracks[0])[1..].parse().unwrap();
                    versions.fetch_max(number, Ordering::Relaxed);
                }
                times.lock().unwrap().extend(own);
            });
        }
        for version in 2..6 {
            // In turn written by the writer, which replaces it, and moved over it.
            let beside = folder.path().join("next.library");
            library(if version % 2 == 0 { &path } else { &beside }, 2000, version);
            if version % 2 == 1 {
                fs::rename(&beside, &path).unwrap();
            }
            thread::sleep(Duration::from_millis(700));
            // And added to.
            let mut writer = LibraryWriter::open(&path).unwrap();
            let track = Track { path: "added.flac".into(), sha256: [255; 32], ..Track::default() };
            let vector = (0..DIM).map(|at| if at == 0 { 1.0 } else { 0.0 }).collect();
            let track =
                Track { tags: Tags { title: format!("v{version} added"), ..Tags::default() }, ..track };
            writer.add(&track, &Embedding { vector, ..Embedding::default() }).unwrap();
            writer.finish().unwrap();
        }
        // A damaged file changes nothing.
        fs::write(folder.path().join("next.library"), b"damaged").unwrap();
        fs::rename(folder.path().join("next.library"), &path).unwrap();
        thread::sleep(Duration::from_millis(1200));
        stop.store(true, Ordering::Relaxed);
    });
    let mut times = times.into_inner().unwrap();
    times.sort();
    let at = |part: f64| times[(part * (times.len() - 1) as f64) as usize];
    assert!(versions.load(Ordering::Relaxed) >= 4, "the library was not opened again");
    println!("64 clients, {} answers: median {:?}, p99 {:?}", times.len(), at(0.5), at(0.99));
}
