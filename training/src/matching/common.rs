//! Titles that many recordings have.

/// Words of which titles consist that say little about the recording.
const COMMON: &[&str] = &[
    "untitled",
    "intro",
    "outro",
    "interlude",
    "skit",
    "track",
    "prelude",
    "introduction",
    "instrumental",
    // Movements: their tempi, what qualifies these, and their forms.
    "adagietto",
    "adagio",
    "allegretto",
    "allegro",
    "andante",
    "andantino",
    "grave",
    "largo",
    "larghetto",
    "lento",
    "moderato",
    "presto",
    "prestissimo",
    "vivace",
    "vivacissimo",
    "animato",
    "appassionato",
    "agitato",
    "assai",
    "brio",
    "cantabile",
    "con",
    "del",
    "di",
    "dolce",
    "e",
    "ed",
    "energico",
    "espressivo",
    "fuoco",
    "giusto",
    "giocoso",
    "grazioso",
    "il",
    "in",
    "la",
    "ma",
    "maestoso",
    "marcato",
    "meno",
    "molto",
    "moto",
    "mosso",
    "non",
    "piu",
    "poco",
    "quasi",
    "sostenuto",
    "spirito",
    "tanto",
    "tempo",
    "tranquillo",
    "troppo",
    "un",
    "vivo",
    "movement",
    "mvt",
    "satz",
    "number",
    "part",
    "allemande",
    "aria",
    "bourree",
    "capriccio",
    "chorale",
    "chorus",
    "courante",
    "credo",
    "finale",
    "fugue",
    "gavotte",
    "gigue",
    "gloria",
    "kyrie",
    "menuet",
    "menuetto",
    "minuet",
    "overture",
    "recitative",
    "rondo",
    "sanctus",
    "sarabande",
    "scherzo",
    "toccata",
    "trio",
    "variation",
    "waltz",
];

/// Whether a title is so common (untitled, an interlude, a movement of a larger work, a number) that it needs more than
/// the title: the album, or a duration that only one release has.
pub fn is_common_title(key: &str) -> bool {
    let numeral = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_digit())
            || (word.len() <= 5 && word.bytes().all(|byte| matches!(byte, b'i' | b'v' | b'x')))
    };
    let letters = key.chars().count();
    letters < 2
        || (letters < 3 && key.is_ascii())
        || key.split(' ').all(|word| {
            COMMON.contains(&word)
                || numeral(word)
                || word.strip_suffix('s').is_some_and(|one| COMMON.contains(&one))
        })
}

#[cfg(test)]
mod tests {
    use super::super::names::title_key;
    use super::*;

    #[test]
    fn movements_and_interludes_are_common() {
        assert!(is_common_title(&title_key("Untitled 2")) && is_common_title(&title_key("Intro")));
        for title in [
            "Allegro",
            "II. Allegro ma non troppo",
            "Adagio con moto",
            "Menuetto - Trio",
            "No. 3",
            "Variations",
            "春",
        ] {
            assert!(is_common_title(&title_key(title)), "{title}");
        }
        for title in ["Stockholm", "Allegro Barbaro", "Adagio for Strings", "Trio Lescano", "春よ", "バス"]
        {
            assert!(!is_common_title(&title_key(title)), "{title}");
        }
    }
}
