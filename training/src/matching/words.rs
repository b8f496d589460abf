//! The words of a name or title, so that different spellings are equal.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Lower-case words without accents and punctuation.
pub(super) fn words(text: &str) -> Vec<String> {
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
        // Marks that are left are letters of their scripts.
        _ if character.is_alphanumeric() || is_combining_mark(character) => {
            word.extend(character.to_lowercase())
        }
        _ => {
            if !word.is_empty() {
                words.push(std::mem::take(word));
            }
        }
    };
    if text.is_ascii() {
        text.chars().for_each(|character| take(character, &mut word));
    } else {
        for character in without_accents(text).chars() {
            match character {
                'ß' | 'ẞ' => "ss".chars().for_each(|character| take(character, &mut word)),
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

/// The text with compatibility characters replaced (full-width letters, half-width kana, ligatures) and without marks
/// that writers leave out. In other scripts than Latin and Greek, marks make another letter: the voicing marks of kana
/// (バ is not ハ), the vowel signs of Indic scripts and Thai, the breve of й. Vowel points of Hebrew and Arabic are left
/// out in most print, so they do not count.
fn without_accents(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut base = ' ';
    // The standalone voicing marks are typed as well.
    let joined = text.chars().map(|character| match character {
        '゛' => '\u{3099}',
        '゜' => '\u{309a}',
        other => other,
    });
    for character in joined.nfkd() {
        if !is_combining_mark(character) {
            base = character;
            kept.push(character);
        } else if !is_accent(base, character) {
            kept.push(character);
        }
    }
    // Letters that a script has of its own come back whole.
    kept.nfc().collect()
}

/// Whether `mark` on `base` is an accent or a vowel point, which spellings leave out.
fn is_accent(base: char, mark: char) -> bool {
    match mark {
        '\u{300}'..='\u{36f}' => match base {
            // И with a breve and И are different letters, as are Ў and У; Ё is mostly printed as Е.
            'и' | 'И' | 'у' | 'У' => mark != '\u{306}',
            // Ї is not І.
            'і' | 'І' => mark != '\u{308}',
            // Ѓ and Ќ.
            'г' | 'Г' | 'к' | 'К' => mark != '\u{301}',
            _ => true,
        },
        // Variation selectors, and marks for emoji.
        '\u{fe00}'..='\u{fe0f}' | '\u{20d0}'..='\u{20f0}' | '\u{e0100}'..='\u{e01ef}' => true,
        // Hebrew points and cantillation, Arabic short vowels.
        '\u{591}'..='\u{5c7}'
        | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{652}'
        | '\u{670}'
        | '\u{6d6}'..='\u{6ed}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        words(text).join(" ")
    }

    #[test]
    fn accents_do_not_count_and_letters_do() {
        let same = [
            ("Ｂｊöｒｋ", "Björk"),
            ("ﾊﾞｽ", "バス"),
            ("ハ\u{3099}ス", "バス"),
            ("ハ゛ス", "バス"),
            ("Ελλάδα", "Ελλαδα"),
            ("Ёлка", "Елка"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
            ("한국", "\u{1112}\u{1161}\u{11ab}국"),
            ("Tiếng Việt", "Tieng Viet"),
            ("ﬁn", "fin"),
            ("DON’T", "dont"),
            ("Žižek", "Zizek"),
        ];
        for (a, b) in same {
            assert_eq!(key(a), key(b), "{a} {b}");
        }
        let different = [
            ("バス", "ハス"),
            ("パン", "ハン"),
            ("ガラス", "カラス"),
            ("दिल", "दाल"),
            ("दिल", "दल"),
            ("कम", "क्म"),
            ("ปลา", "ปล"),
            ("ที่", "ที"),
            ("Май", "Маи"),
            ("Київ", "Киів"),
            ("தமிழ்", "தமழ"),
            ("আমি", "আম"),
            ("กา", "กี"),
            ("한", "하"),
            ("あい", "アイ"),
        ];
        for (a, b) in different {
            assert_ne!(key(a), key(b), "{a} {b}");
        }
        // A mark is inside its word.
        assert_eq!(words("हिन्दी गीत").len(), 2);
        assert_eq!(words("バス・ストップ").len(), 2);
    }
}
