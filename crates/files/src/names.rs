//! File names of any kind: not in UTF-8, with control characters, too long for another ending.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The longest file name of common file systems, in bytes.
pub const MAX_NAME: usize = 255;
/// Digits of the hash in a shortened name.
const HASH_DIGITS: usize = 16;
/// An ending up to this length, dot included, is kept when a name is shortened.
const MAX_ENDING: usize = 16;

/// A path as bytes, which [`from_bytes`] converts back. On Unix these are the path's own bytes.
#[cfg(unix)]
pub fn to_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

/// The path of [`to_bytes`].
#[cfg(unix)]
pub fn from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    OsStr::from_bytes(bytes).into()
}

/// The path in UTF-8. Windows' paths are sequences of 16-bit units, which need not be Unicode: half of a pair of
/// surrogates becomes three bytes that no UTF-8 has, as if it were a character.
#[cfg(not(unix))]
pub fn to_bytes(path: &Path) -> Vec<u8> {
    #[cfg(windows)]
    {
        use std::os::windows::ffi::OsStrExt;
        wide::to_bytes(path.as_os_str().encode_wide())
    }
    #[cfg(not(windows))]
    path.to_string_lossy().into_owned().into_bytes()
}

/// The path of [`to_bytes`]. What no path gives is replaced.
#[cfg(not(unix))]
pub fn from_bytes(bytes: &[u8]) -> PathBuf {
    #[cfg(windows)]
    {
        use std::os::windows::ffi::OsStringExt;
        OsString::from_wide(&wide::from_bytes(bytes)).into()
    }
    #[cfg(not(windows))]
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// A path as [`to_bytes`] has it, with slashes between its parts on every system: for files that other systems read.
/// Windows' verbatim paths (`\\\\?\\...`) are left as they are, for nothing else stands for them.
pub fn to_portable(path: &Path) -> Vec<u8> {
    let bytes = to_bytes(path);
    if cfg!(windows) { separated(bytes, b'\\', b'/') } else { bytes }
}

/// The path of [`to_portable`], with the separators of this system.
pub fn from_portable(bytes: &[u8]) -> PathBuf {
    if cfg!(windows) { from_bytes(&separated(bytes.to_vec(), b'/', b'\\')) } else { from_bytes(bytes) }
}

fn separated(mut bytes: Vec<u8>, from: u8, to: u8) -> Vec<u8> {
    if !bytes.starts_with(br"\\?\") {
        bytes.iter_mut().filter(|byte| **byte == from).for_each(|byte| *byte = to);
    }
    bytes
}

/// 16-bit units as bytes, and back.
#[cfg(any(windows, test))]
mod wide {
    pub fn to_bytes(units: impl Iterator<Item = u16>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for letter in char::decode_utf16(units) {
            match letter {
                Ok(letter) => bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
                Err(half) => {
                    let unit = half.unpaired_surrogate();
                    bytes.extend([0xED, 0x80 | (unit >> 6 & 0x3F) as u8, 0x80 | (unit & 0x3F) as u8]);
                }
            }
        }
        bytes
    }

    pub fn from_bytes(mut bytes: &[u8]) -> Vec<u16> {
        let mut units = Vec::new();
        while !bytes.is_empty() {
            // Half of a pair.
            if let [0xED, middle @ 0xA0..=0xBF, last @ 0x80..=0xBF, rest @ ..] = bytes {
                units.push(0xD000 | u16::from(middle & 0x3F) << 6 | u16::from(last & 0x3F));
                bytes = rest;
                continue;
            }
            let Some(chunk) = bytes.utf8_chunks().next() else { break };
            units.extend(chunk.valid().encode_utf16());
            bytes = &bytes[chunk.valid().len()..];
            let is_half = matches!(bytes, [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..]);
            if !chunk.invalid().is_empty() && !is_half {
                units.push(char::REPLACEMENT_CHARACTER as u16);
                bytes = &bytes[chunk.invalid().len()..];
            }
        }
        units
    }
}

/// Bytes as hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of [`to_hex`]; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks();
    let byte = |&[high, low]: &[u8; 2]| Some((16 * digit(high)? + digit(low)?) as u8);
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

/// A path to be printed: bytes that are not UTF-8 as `\xE9`, control characters as by [`escaped`].
pub fn shown(path: impl AsRef<Path>) -> String {
    let bytes = to_bytes(path.as_ref());
    bytes.utf8_chunks().fold(String::new(), |mut text, chunk| {
        escape(chunk.valid(), &mut text);
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
        text
    })
}

/// Text with its control characters escaped (`\n`, `\u{1b}`), so that a name can neither command a terminal nor pass for
/// another line. Characters that reverse the direction of writing count among them. A backslash stays as it is.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(text, &mut out);
    out
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.extend(letter.escape_default()),
            _ if letter.is_control() => out.extend(letter.escape_default()),
            _ => out.push(letter),
        }
    }
}

/// A file name of at most `limit` bytes: the name itself if it is short enough, or else [`hashed`].
pub fn shortened(name: &OsStr, limit: usize) -> OsString {
    if to_bytes(Path::new(name)).len() <= limit { name.to_owned() } else { hashed(name, limit) }
}

/// The beginning of a file name, `~`, 16 digits of the SHA-256 of the whole name, and its ending: at most `limit` bytes,
/// and different for different names.
pub fn hashed(name: &OsStr, limit: usize) -> OsString {
    let bytes = to_bytes(Path::new(name));
    let dot = bytes.iter().rposition(|&byte| byte == b'.');
    let dot = dot.filter(|&dot| dot > 0 && bytes.len() - dot <= MAX_ENDING).unwrap_or(bytes.len());
    let hash = to_hex(&Sha256::digest(&bytes)[..HASH_DIGITS / 2]);
    let mut keep = limit.saturating_sub(1 + HASH_DIGITS + bytes.len() - dot).min(dot);
    // Not within a character of UTF-8.
    while keep > 0 && bytes.get(keep).is_some_and(|byte| byte & 0xC0 == 0x80) {
        keep -= 1;
    }
    let name = [&bytes[..keep], b"~", hash.as_bytes(), &bytes[dot..]].concat();
    from_bytes(&name).into_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters_and_stay_different() {
        let of = |text: &str, limit| shortened(OsStr::new(text), limit).into_string().unwrap();
        assert_eq!(of("short.ogg", 9), "short.ogg");
        let (a, b) = ("日本語".repeat(30) + "a.flac", "日本語".repeat(30) + "b.flac");
        for limit in 100..110 {
            let (a, b) = (of(&a, limit), of(&b, limit));
            assert!(a.len() <= limit && a.len() > limit - 3, "{a}");
            assert!(a.starts_with("日本語") && a.ends_with(".flac") && a != b, "{a}");
        }
        // What is behind the last dot may be a sentence.
        let sentence = format!("No. {}", "x".repeat(300));
        assert!(of(&sentence, 200).starts_with("No. xxx") && of(&sentence, 200).len() == 200);
        assert!(hashed(OsStr::new("index"), 200).to_str().unwrap().starts_with("index~"));
    }

    #[test]
    fn any_units_are_kept() {
        let cases: [&[u16]; 5] =
            [&[], &[0x61, 0xD83C, 0xDFB5, 0xE9], &[0xD83C], &[0x61, 0xDFB5, 0xD83C, 0x62], &[0xDFB5; 3]];
        for units in cases {
            assert_eq!(wide::from_bytes(&wide::to_bytes(units.iter().copied())), units, "{units:x?}");
        }
        assert_eq!(wide::to_bytes("é日🎵".encode_utf16()), "é日🎵".as_bytes());
        assert_eq!(
            wide::from_bytes(b"a\xffb\xed\xa0"),
            "a\u{fffd}b\u{fffd}\u{fffd}".encode_utf16().collect::<Vec<_>>()
        );
    }

    #[test]
    fn separators_change_but_not_in_verbatim_paths() {
        let portable = |path: &[u8]| separated(path.to_vec(), b'\\', b'/');
        let native = |path: &[u8]| separated(path.to_vec(), b'/', b'\\');
        for (path, expected) in [
            (&br"Z:\music\a.ogg"[..], &b"Z:/music/a.ogg"[..]),
            (br"\\server\share\a.ogg", b"//server/share/a.ogg"),
        ] {
            assert_eq!(portable(path), expected);
            assert_eq!(native(expected), path);
        }
        assert_eq!(portable(br"\\?\Z:\music"), br"\\?\Z:\music");
        #[cfg(unix)]
        assert_eq!(from_portable(&to_portable(Path::new(r"a\b/c"))), Path::new(r"a\b/c"));
        #[cfg(windows)]
        assert_eq!(from_portable(b"a/b"), Path::new(r"a\b"));
    }

    #[cfg(unix)]
    #[test]
    fn any_bytes_are_kept_and_can_be_shown() {
        let bytes = b"/a/caf\xe9\x1b[31m\nx.ogg";
        let path = from_bytes(bytes);
        assert_eq!(to_bytes(&path), bytes);
        assert_eq!(from_hex(&to_hex(bytes)).unwrap(), bytes);
        assert_eq!(shown(&path), "/a/caf\\xE9\\u{1b}[31m\\nx.ogg");
        for wrong in ["0", "0g", "é"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
        assert_eq!(escaped("é日\u{202e}\u{9b}\\"), "é日\\u{202e}\\u{9b}\\");
        let long = [b"\xe9".repeat(300), b".ogg".to_vec()].concat();
        let short = shortened(from_bytes(&long).as_os_str(), 255);
        assert!(to_bytes(Path::new(&short)).len() == 255);
    }
}
