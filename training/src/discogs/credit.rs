//! Credited artists, and placeholders such as "Various".

use std::borrow::Cow;

use super::xml::{Damage, Tag, Xml, number};

/// One artist as credited on a release, a master or a track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credit<'a> {
    /// Discogs' artist id; 0 if the dump has none.
    pub artist: i64,
    /// The artist's name, with the "(2)" of homonyms.
    pub name: Cow<'a, str>,
    /// The name as printed, empty if it is the same.
    pub printed: Cow<'a, str>,
    /// What joins this name to the next one ("&", "feat.", ",").
    pub join: Cow<'a, str>,
}

/// Reads the `<artist>` children of `parent`.
pub(super) fn read_credits<'a>(xml: &mut Xml<'a>, parent: &Tag<'a>) -> Result<Vec<Credit<'a>>, Damage> {
    let mut credits = Vec::new();
    while let Some(tag) = xml.child_of(parent)? {
        if tag.name() != "artist" {
            xml.skip(&tag)?;
            continue;
        }
        let mut credit = Credit::default();
        while let Some(part) = xml.child_of(&tag)? {
            match part.name() {
                "id" => {
                    let text = xml.text(&part)?;
                    credit.artist = if text.trim().is_empty() { 0 } else { number("artist id", &text)? };
                }
                "name" => credit.name = xml.cell(&part)?,
                "anv" => credit.printed = xml.cell(&part)?,
                "join" => credit.join = xml.cell(&part)?,
                _ => xml.skip(&part)?,
            }
        }
        credits.push(credit);
    }
    Ok(credits)
}

/// Whether an artist id is a placeholder: none at all (0), Various (194), Unknown Artist (355), No Artist (118760).
pub fn is_nobody(artist: i64) -> bool {
    matches!(artist, 0 | 194 | 355 | 118_760)
}

/// Whether an artist's name is a placeholder, whatever its id.
pub fn is_nobodys_name(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    matches!(
        name.as_str(),
        "" | "various"
            | "various artists"
            | "va"
            | "v/a"
            | "v.a."
            | "unknown"
            | "unknown artist"
            | "no artist"
    )
}

/// Whether a label is a placeholder: no id, the nameless label 212, or any "Not On Label (...)".
pub fn is_no_label(label: i64, name: &str) -> bool {
    let prefix = name.trim_start().as_bytes().get(..12);
    label == 0 || label == 212 || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"not on label"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_from_somebody() {
        assert!([0, 194, 355, 118_760].into_iter().all(is_nobody));
        assert!(!is_nobody(1));
        assert!(is_nobodys_name("Various") && is_nobodys_name("unknown artist"));
        assert!(!is_nobodys_name("Various Production"));
        assert!(is_no_label(1818, "Not On Label"));
        assert!(is_no_label(99, "Not On Label (Aphex Twin Self-released)"));
        assert!(is_no_label(212, "") && is_no_label(0, "Warp"));
        assert!(!is_no_label(5, "Svek") && !is_no_label(6, "Éà"));
    }
}
