//! Playlists: M3U and M3U8, PLS, XSPF.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use sleeve_files::names;

/// Longer files are not playlists.
const MAX_BYTES: u64 = 64 << 20;

/// An entry, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// `line 3`, `track 3`.
    pub place: String,
    /// The path, or why it has none.
    pub path: Result<PathBuf, String>,
}

/// Whether a name is that of a playlist.
pub fn is_playlist(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["m3u", "m3u8", "pls", "xspf"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Reads a playlist. Paths are relative to its folder.
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    let cannot = || names::shown(path);
    let mut bytes = Vec::new();
    File::open(path)
        .with_context(cannot)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{}: too large for a playlist", names::shown(path));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        bail!("{}: a playlist in UTF-16, which is not supported; save it in UTF-8", names::shown(path));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let folder = path.parent().unwrap_or(Path::new(""));
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("xspf") => xspf(bytes, folder).with_context(cannot),
        Some("pls") => Ok(lines(bytes, folder, pls)),
        _ => Ok(lines(bytes, folder, m3u)),
    }
}

fn lines(bytes: &[u8], folder: &Path, entry: impl Fn(&[u8]) -> Option<&[u8]>) -> Vec<Entry> {
    // Old Macintoshes ended lines by CR alone.
    let end = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
    let lines = bytes.split(|&byte| byte == end);
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).enumerate();
    let entries = lines.filter_map(|(at, line)| Some((at, entry(line)?)));
    entries
        .map(|(at, text)| Entry { place: format!("line {}", at + 1), path: resolve(text, folder, false) })
        .collect()
}

/// The path in a line of an M3U file.
fn m3u(line: &[u8]) -> Option<&[u8]> {
    (!line.trim_ascii().is_empty() && !line.trim_ascii_start().starts_with(b"#")).then_some(line)
}

/// The path in a line `File3=PATH` of a PLS file.
fn pls(line: &[u8]) -> Option<&[u8]> {
    let equals = line.iter().position(|&byte| byte == b'=')?;
    let key = line[..equals].trim_ascii();
    let (word, number) = key.split_at_checked(4)?;
    let is_file = word.eq_ignore_ascii_case(b"file") && number.iter().all(u8::is_ascii_digit);
    (is_file && !line[equals + 1..].trim_ascii().is_empty()).then_some(&line[equals + 1..])
}

/// The locations of an XSPF file, which are URLs. Of several locations of a track, the first that exists counts, or
/// else the first.
fn xspf(bytes: &[u8], folder: &Path) -> Result<Vec<Entry>> {
    let text = std::str::from_utf8(bytes).context("not in UTF-8")?;
    let mut reader = Reader::from_str(text);
    let mut entries: Vec<Entry> = Vec::new();
    let (mut tracks, mut in_track, mut location) = (0, false, None::<String>);
    loop {
        match reader.read_event().context("not well-formed XML")? {
            Event::Start(tag) if tag.local_name().into_inner() == "track" => {
                (tracks, in_track) = (tracks + 1, true);
            }
            Event::Start(tag) if in_track && tag.local_name().into_inner() == "location" => {
                location = Some(String::new());
            }
            Event::Text(part) => location.iter_mut().for_each(|text| text.push_str(&part)),
            Event::CData(part) => location.iter_mut().for_each(|text| text.push_str(&part)),
            Event::GeneralRef(reference) => {
                if let Some(text) = &mut location {
                    match reference.resolve_char_ref().context("not well-formed XML")? {
                        Some(letter) => text.push(letter),
                        None => text.push_str(
                            resolve_predefined_entity(&reference)
                                .with_context(|| format!("unknown entity &{};", &*reference))?,
                        ),
                    }
                }
            }
            Event::End(tag) if tag.local_name().into_inner() == "track" => in_track = false,
            Event::End(tag) if tag.local_name().into_inner() == "location" => {
                let Some(text) = location.take() else { continue };
                let entry = Entry {
                    place: format!("track {tracks}"),
                    path: resolve(text.trim().as_bytes(), folder, true),
                };
                match entries.last_mut().filter(|last| last.place == entry.place) {
                    Some(last) => {
                        if !last.path.as_ref().is_ok_and(|path| path.exists()) && entry.path.is_ok() {
                            *last = entry;
                        }
                    }
                    None => entries.push(entry),
                }
            }
            Event::Eof if in_track => bail!("it ends within a track"),
            Event::Eof => return Ok(entries),
            _ => {}
        }
    }
}

/// The path that an entry means. Playlists are written by many programs: of all that it could mean, what exists counts,
/// or else the first.
fn resolve(text: &[u8], folder: &Path, is_url: bool) -> Result<PathBuf, String> {
    let decode = |text: &[u8]| percent_encoding::percent_decode(text).collect::<Vec<u8>>();
    let trimmed = text.trim_ascii();
    let mut meanings = match scheme(trimmed) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"file") => vec![decode(local(rest)?)],
        Some(_) => return Err(format!("{} is not a file on this machine", String::from_utf8_lossy(trimmed))),
        None if is_url => vec![decode(trimmed), trimmed.to_vec()],
        None => vec![text.to_vec(), trimmed.to_vec()],
    };
    for at in 0..meanings.len() {
        // What is not UTF-8 may be the bytes of the name, or Latin-1, which is Windows-1252 in practice.
        if std::str::from_utf8(&meanings[at]).is_err() {
            let text = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&meanings[at]).0;
            meanings.push(text.into_owned().into_bytes());
        }
    }
    for at in 0..meanings.len() {
        if cfg!(unix) && meanings[at].contains(&b'\\') {
            let slashes = |&byte: &u8| if byte == b'\\' { b'/' } else { byte };
            meanings.push(meanings[at].iter().map(slashes).collect());
        }
    }
    let mut paths: Vec<PathBuf> =
        meanings.iter().map(|bytes| folder.join(names::from_bytes(bytes))).collect();
    let chosen = paths.iter().position(|path| path.exists()).unwrap_or_default();
    Ok(paths.swap_remove(chosen))
}

/// The scheme of a URL, and what follows the colon. One letter is the drive of a Windows path.
fn scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
    let is_scheme = scheme.len() > 1
        && scheme[0].is_ascii_alphabetic()
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let is_file = scheme.eq_ignore_ascii_case(b"file") && rest.starts_with(b"/");
    (is_scheme && (is_file || rest.starts_with(b"//"))).then_some((scheme, rest))
}

/// The path of a `file:` URL, still encoded.
fn local(rest: &[u8]) -> Result<&[u8], String> {
    let path = match rest.strip_prefix(b"//") {
        None => rest,
        Some(rest) => {
            let slash = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
            let host = &rest[..slash];
            if !host.is_empty() && !host.eq_ignore_ascii_case(b"localhost") {
                return Err(format!("a file on the machine {}", String::from_utf8_lossy(host)));
            }
            &rest[slash..]
        }
    };
    // file:///C:/music
    Ok(if cfg!(windows) { path.strip_prefix(b"/").unwrap_or(path) } else { path })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// The entries of a playlist in a folder with the files `a b.ogg`, `é.ogg`, `#1.ogg` and `sub/c.ogg`.
    fn entries(name: &str, content: &[u8]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for file in ["a b.ogg", "é.ogg", "#1.ogg", "sub/c.ogg"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let root = folder.path().to_str().unwrap();
        // ROOT stands for the folder; a playlist with other bytes than UTF-8 does not need it.
        let content = match std::str::from_utf8(content) {
            Ok(text) => text.replace("ROOT", root).into_bytes(),
            Err(_) => content.to_vec(),
        };
        std::fs::write(folder.path().join(name), content).unwrap();
        let shown = |entry: Entry| {
            let path = entry.path.map(|path| {
                let exists = if path.exists() { "" } else { " missing" };
                names::shown(path.strip_prefix(root).unwrap_or(&path)) + exists
            });
            format!("{}: {}", entry.place, path.unwrap_or_else(|reason| format!("({reason})")))
        };
        match read(&folder.path().join(name)) {
            Ok(entries) => entries.into_iter().map(shown).collect(),
            Err(error) => vec![format!("{error:#}").replace(root, "")],
        }
    }

    #[test]
    fn m3u_of_any_kind() {
        assert_eq!(
            entries(
                "l.m3u8",
                "\u{feff}#EXTM3U\r\n#EXTINF:1,x\r\na b.ogg\r\n\r\né.ogg\r\nnone.ogg\r\n".as_bytes()
            ),
            ["line 3: a b.ogg", "line 5: é.ogg", "line 6: none.ogg missing"]
        );
        assert_eq!(
            entries("l.m3u", b"\xe9.ogg\n./#1.ogg\nsub\\c.ogg \n# a comment\n"),
            ["line 1: é.ogg", "line 2: #1.ogg", "line 3: sub/c.ogg"]
        );
        assert_eq!(
            entries(
                "l.M3U",
                b"ROOT/sub/c.ogg\nfile://ROOT/a%20b.ogg\nfile://localhostROOT/%C3%A9.ogg\nfile:ROOT/%e9.ogg\n\
                  http://radio.example/live.ogg\nfile://nas/music/x.ogg\nfile:///none%2"
            ),
            [
                "line 1: sub/c.ogg",
                "line 2: a b.ogg",
                "line 3: é.ogg",
                "line 4: é.ogg",
                "line 5: (http://radio.example/live.ogg is not a file on this machine)",
                "line 6: (a file on the machine nas)",
                "line 7: /none%2 missing",
            ]
        );
        assert_eq!(entries("l.m3u", b"a b.ogg\rsub/c.ogg\r"), ["line 1: a b.ogg", "line 2: sub/c.ogg"]);
        assert!(entries("l.m3u", b"\xff\xfea\0")[0].contains("l.m3u: a playlist in UTF-16"));
        assert!(entries("l.m3u", b"").is_empty());
    }

    #[test]
    fn pls_and_xspf() {
        let pls = b"[playlist]\r\nfile1=a b.ogg\r\nTitle1=x\r\nFile2=http://radio\r\nFILE10=sub/c.ogg\r\nFile3=\r\nFiles=x";
        let expected =
            ["line 2: a b.ogg", "line 4: (http://radio is not a file on this machine)", "line 5: sub/c.ogg"];
        assert_eq!(entries("l.pls", pls), expected);
        let xspf = r##"<?xml version="1.0" encoding="UTF-8"?>
            <playlist version="1" xmlns="http://xspf.org/ns/0/"><location>http://where/this/is</location><trackList>
              <track><location>file://ROOT/a%20b.ogg</location><title>A &amp; B</title></track>
              <track><location> %C3%A9.ogg </location></track>
              <track><location>http://x/y</location><location>sub/&#99;.ogg</location></track>
              <track><location><![CDATA[%231.ogg]]></location></track>
              <track><title>none</title></track>
              <track><location>http://x/y?a&amp;b</location></track>
              <track><location>gone.ogg</location></track>
            </trackList></playlist>"##;
        assert_eq!(
            entries("l.xspf", xspf.as_bytes()),
            [
                "track 1: a b.ogg",
                "track 2: é.ogg",
                "track 3: sub/c.ogg",
                "track 4: #1.ogg",
                "track 6: (http://x/y?a&b is not a file on this machine)",
                "track 7: gone.ogg missing",
            ]
        );
        for (broken, reason) in [
            (&b"<playlist><trackList><track><location>a"[..], "it ends within"),
            (b"<playlist></track>", "not well-formed"),
            (b"<track><location>&nothing;</location></track>", "unknown entity"),
            (b"<track>\xe9</track>", "not in UTF-8"),
        ] {
            let error = entries("l.xspf", broken).remove(0);
            assert!(error.contains("l.xspf: ") && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn no_bytes_are_too_odd() {
        let seeds = [
            ("l.m3u", &b"#EXTM3U\r\nfile://h/%C3%A9.ogg\n\xe9\\a.ogg\nhttp://x\n"[..]),
            ("l.pls", b"[playlist]\nFile1=a.ogg\nFile22=file:/b%2\n"),
            ("l.xspf", b"<playlist><trackList><track><location>a&amp;&#x62;<![CDATA[c]]></location></track></trackList>"),
        ];
        let folder = tempfile::tempdir().unwrap();
        let mut state = 1_u64;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..3000 {
            let (name, seed) = seeds[round % seeds.len()];
            let mut bytes = seed.to_vec();
            for _ in 0..=draw(4) {
                let at = draw(bytes.len());
                match draw(3) {
                    0 => bytes[at] = draw(256) as u8,
                    1 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, b"%&<>/:\\\0\n\xff"[draw(10)]),
                }
            }
            std::fs::write(folder.path().join(name), &bytes).unwrap();
            // An answer, whichever; entries are never more than there are bytes.
            if let Ok(entries) = read(&folder.path().join(name)) {
                assert!(entries.len() <= bytes.len());
            }
        }
    }
}
