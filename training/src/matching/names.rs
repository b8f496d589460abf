//! Artist names and track titles, normalised so that different spellings are equal.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

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

/// Whether a title is so common that it needs a duration.
pub fn is_common_title(key: &str) -> bool {
    let common = [
        "untitled",
        "intro",
        "outro",
        "interlude",
        "skit",
        "track",
        "prelude",
        "introduction",
        "instrumental",
    ];
    key.len() < 3
        || key.split(' ').all(|word| common.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit()))
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

/// Lower-case words without diacritics and punctuation.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut take = |character: char, word: &mut String| match character {
        // Dropped inside words: "don't". "R.E.M." becomes three words, as it is three letters.
        '\'' | '’' | '‘' | '`' | '´' | 'ʼ' => {}
        '&' | '+' => {
            if !word.is_empty() {
                words.push(std::mem::take(word));
            }
        }
        _ if character.is_alphanumeric() => word.extend(character.to_lowercase()),
        _ => {
            if !word.is_empty() {
                words.push(std::mem::take(word));
            }
        }
    };
    if text.is_ascii() {
        text.chars().for_each(|character| take(character, &mut word));
    } else {
        for character in text.nfkd().filter(|&character| !is_combining_mark(character)) {
            match character {
                'ß' => "ss".chars().for_each(|character| take(character, &mut word)),
                'æ' | 'Æ' => "ae".chars().for_each(|character| take(character, &mut word)),
                'œ' | 'Œ' => "oe".chars().for_each(|character| take(character, &mut word)),
                'ø' | 'Ø' => take('o', &mut word),
                'ł' | 'Ł' => take('l', &mut word),
                'đ' | 'Đ' | 'ð' | 'Ð' => take('d', &mut word),
                'þ' | 'Þ' => "th".chars().for_each(|character| take(character, &mut word)),
                'ı' => take('i', &mut word),
                _ => take(character, &mut word),
            }
        }
    }
    take(' ', &mut word);
    words
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
        assert!(is_common_title(&title_key("Untitled 2")) && is_common_title(&title_key("Intro")));
        assert!(!is_common_title(&title_key("Stockholm")));
    }
}
