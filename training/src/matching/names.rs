//! Artist names and track titles, normalised so that different spellings are equal.

use super::words::words;
use crate::discogs::is_nobodys_name;

/// A name without the "(2)" that Discogs gives to homonyms.
pub fn without_homonym(name: &str) -> &str {
    let name = name.trim();
    let number = name.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    match number {
        Some((rest, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            rest.trim_end()
        }
        _ => name,
    }
}

/// The words of an artist's name in alphabetical order, so that "Coltrane, John" equals John Coltrane, and "B & A"
/// equals "A and B". Joining words and a leading "The" are left out. Never empty unless the name is.
pub fn artist_key(name: &str) -> String {
    let mut words = words(without_homonym(name));
    // "Little Feat" ends with a word that usually joins names.
    let last = words.len().saturating_sub(1);
    let mut at = 0;
    words.retain(|word| {
        at += 1;
        match word.as_str() {
            "and" | "the" => false,
            "feat" | "ft" | "featuring" | "vs" | "versus" | "with" => at > last,
            _ => true,
        }
    });
    words.sort_unstable();
    or_as_it_is(words.join(" "), name)
}

/// The part of a name before "feat." or a similar word.
pub fn main_artist(name: &str) -> &str {
    name[..featuring(name).unwrap_or(name.len())].trim().trim_end_matches(['(', '[']).trim()
}

/// The part of a name behind "feat." or a similar word.
pub fn guests(name: &str) -> Option<&str> {
    let rest = &name[featuring(name)?..];
    let rest = rest.split_once([' ', '.']).map_or("", |(_, rest)| rest);
    let rest = rest.trim_start_matches('.').trim().trim_end_matches([')', ']']).trim();
    (!rest.is_empty()).then_some(rest)
}

/// The words of a title, without guests and without words that do not mean another recording ("remastered", "album
/// version"); words that do (live, remix, instrumental) stay. Never empty unless the title is.
pub fn title_key(title: &str) -> String {
    let mut kept = Vec::new();
    for (at, part) in parts(title).into_iter().enumerate() {
        let part = match featuring(part) {
            Some(start) => &part[..start],
            None => part,
        };
        let mut words = words(part);
        if at > 0 {
            drop_edition(&mut words);
        }
        kept.extend(words);
    }
    kept.retain(|word| word != "and");
    for word in &mut kept {
        let long = match word.as_str() {
            "pt" | "pts" | "parts" => "part",
            "vol" => "volume",
            "no" | "nr" => "number",
            "rmx" => "remix",
            _ => continue,
        };
        *word = long.to_owned();
    }
    or_as_it_is(kept.join(" "), title)
}

/// The names that a field may contain beside each other: "A/B", "A; B", "A, B", "A & B", "A feat. B". Empty if it is one
/// name. A name may contain such a mark itself ("AC/DC"), so what is found by a part needs more evidence than what is
/// found by the whole.
pub fn joined_names(name: &str) -> Vec<&str> {
    const WORDS: [&str; 17] = [
        " and ",
        " feat. ",
        " feat ",
        " ft. ",
        " ft ",
        " featuring ",
        " vs. ",
        " vs ",
        " with ",
        " x ",
        " meets ",
        " pres. ",
        " presents ",
        " und ",
        " et ",
        " y ",
        " con ",
    ];
    let mut parts: Vec<&str> = [Some(main_artist(name)), guests(name)].into_iter().flatten().collect();
    for word in WORDS {
        let mut found = Vec::new();
        for part in parts {
            let mut rest = part;
            while let Some(at) = find_ignoring_case(rest, word) {
                found.push(&rest[..at]);
                rest = &rest[at + word.len()..];
            }
            found.push(rest);
        }
        parts = found;
    }
    let parts = parts.into_iter().flat_map(|part| {
        part.split(['/', ';', ',', '&', '+', '|', '\\', '\0', '／', '；', '，', '、', '＆', '×'])
    });
    let parts: Vec<&str> = parts
        .map(|part| part.trim().trim_matches(['(', ')', '[', ']']).trim())
        .map(main_artist)
        .filter(|part| !is_nobodys_name(part) && part.chars().any(char::is_alphanumeric))
        .collect();
    if parts.len() < 2 { Vec::new() } else { parts }
}

/// Where `word`, of ASCII letters, occurs in `text`.
fn find_ignoring_case(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len()).position(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

fn or_as_it_is(key: String, text: &str) -> String {
    // "!!!" and "???" have no words.
    if key.is_empty() { text.trim().to_lowercase() } else { key }
}

/// The position of "feat." or a similar word.
fn featuring(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let starts_word = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] >= 0x80);
        if starts_word && matches!(bytes[at], b'f' | b'F') {
            let rest = &bytes[at..];
            for word in [&b"featuring"[..], b"feat", b"ft"] {
                // A name must follow: "Little Feat" is a name.
                let follows = matches!(rest.get(word.len()), Some(b'.' | b' '));
                if follows && rest[..word.len()].eq_ignore_ascii_case(word) {
                    return Some(at);
                }
            }
        }
        at += 1;
    }
    None
}

/// A title cut at its brackets and at " - ".
fn parts(title: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, character) in title.char_indices() {
        let cut = match character {
            '(' | ')' | '[' | ']' | '{' | '}' => true,
            '-' | '–' | '—' => {
                title[..at].ends_with(' ') && title[at + character.len_utf8()..].starts_with(' ')
            }
            _ => false,
        };
        if cut {
            parts.push(&title[start..at]);
            start = at + character.len_utf8();
        }
    }
    parts.push(&title[start..]);
    parts
}

/// Removes the words of a bracket that describe the edition, not the recording.
fn drop_edition(words: &mut Vec<String>) {
    let remastered = words.iter().any(|word| word.starts_with("remaster"));
    if remastered {
        words.retain(|word| {
            let about_it = ["digital", "digitally", "version", "edition", "anniversary", "album"]
                .contains(&word.as_str());
            let year = word.bytes().all(|byte| byte.is_ascii_digit());
            let ordinal = word.ends_with("th") && word.as_bytes()[0].is_ascii_digit();
            !(word.starts_with("remaster") || about_it || year || ordinal)
        });
    }
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    let edition = matches!(
        all[..],
        ["original"]
            | ["original", "mix" | "version" | "recording"]
            | ["album" | "lp", "version" | "mix"]
            | ["bonus"]
            | ["bonus", "track"]
            | ["explicit"]
            | ["explicit", "version"]
    );
    if edition {
        words.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artists_however_printed() {
        let same = [
            ("The Persuader", "Persuader, The"),
            ("Björk", "BJORK"),
            ("Björk", "Bjo\u{308}rk"),
            ("Simon & Garfunkel", "Simon and Garfunkel"),
            ("John Coltrane", "Coltrane, John"),
            ("Nirvana (2)", "nirvana"),
            ("Guns N' Roses", "Guns N’ Roses"),
            ("Røyksopp", "Royksopp"),
            ("A feat. B", "A Featuring B"),
            ("Sigur Rós", "sigur ros"),
        ];
        for (a, b) in same {
            assert_eq!(artist_key(a), artist_key(b), "{a} {b}");
        }
        let different = [("Nirvana", "Nirvana UK"), ("!!!", "???"), ("Prince", "Princess"), ("Can", "Cant")];
        for (a, b) in different {
            assert_ne!(artist_key(a), artist_key(b), "{a} {b}");
        }
        assert_eq!(main_artist("Jay-Z feat. Alicia Keys"), "Jay-Z");
        assert_eq!(main_artist("Jay-Z (ft. Alicia Keys)"), "Jay-Z");
        assert_eq!(main_artist("Daft Punk"), "Daft Punk");
        assert_eq!(main_artist("Little Feat"), "Little Feat");
        assert_ne!(artist_key("Little Feat"), artist_key("Little"));
        assert_eq!(without_homonym("UB40 (band)"), "UB40 (band)");
        assert_eq!(guests("Jay-Z (feat. Alicia Keys)"), Some("Alicia Keys"));
        assert_eq!((guests("A Featuring B & C"), guests("Daft Punk")), (Some("B & C"), None));
    }

    #[test]
    fn titles_however_printed() {
        let same = [
            ("Song (Remastered 2011)", "Song"),
            ("Song - 2011 Remaster", "Song"),
            ("Song (2011 Digital Remaster) [Live]", "Song (Live)"),
            ("Song (feat. Somebody)", "song"),
            ("Song ft. Somebody", "song"),
            ("Song (Original Mix)", "Song"),
            ("Song [Album Version]", "Song"),
            ("Don't Stop", "Dont stop!"),
            ("Rock & Roll", "Rock and Roll"),
            ("Östermalm", "Ostermalm"),
            ("Suite, Pt. 2", "Suite (Part 2)"),
            ("Song - Live", "Song (Live)"),
        ];
        for (a, b) in same {
            assert_eq!(title_key(a), title_key(b), "{a} {b}");
        }
        let different = [
            ("Song (Live)", "Song"),
            ("Song (Somebody Remix)", "Song"),
            ("Song (Somebody Remix)", "Song (Other Remix)"),
            ("Song (Instrumental)", "Song"),
            ("Song (Dub)", "Song (Live)"),
            ("Part 1", "Part 2"),
            ("???", "!!!"),
            ("Original", "Mix"),
        ];
        for (a, b) in different {
            assert_ne!(title_key(a), title_key(b), "{a} {b}");
        }
        assert!(!title_key("Remastered").is_empty());
    }

    #[test]
    fn names_in_one_field_are_taken_apart() {
        for joined in [
            "A One/B Two",
            "A One; B Two",
            "A One, B Two",
            "A One & B Two",
            "A One feat. B Two",
            "A One FT B Two",
            "A One and B Two",
            "A One (feat. B Two)",
            "A One x B Two",
            "A One、B Two",
        ] {
            assert_eq!(joined_names(joined), ["A One", "B Two"], "{joined}");
        }
        assert_eq!(joined_names("A, B & C feat. D"), ["A", "B", "C", "D"]);
        for one in ["Little Feat", "Daft Punk", "Brand X", "Various / A", "!!! & A"] {
            assert!(joined_names(one).is_empty(), "{one}");
        }
    }
}
