//! Discogs ids in the tags of music files.
//!
//! Every tagger uses other names for the same ids: beets writes `discogs_albumid`, Mp3tag and foobar2000
//! `DISCOGS_RELEASE_ID`, Picard and others the URL of the release's page. Names with other separators, in MP4's
//! freeform atoms or in ID3's TXXX frames, count as the same.

/// Ids found in the tags of one file; each list ascending, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscogsIds {
    /// The release that the file was ripped from.
    pub releases: Vec<i64>,
    /// Its master.
    pub masters: Vec<i64>,
    /// Artists.
    pub artists: Vec<i64>,
    /// Labels.
    pub labels: Vec<i64>,
}

/// The kind of an id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Release,
    Master,
    Artist,
    Label,
}

impl DiscogsIds {
    /// Adds the ids of the tag `key`, if it is one of Discogs'.
    pub fn note(&mut self, key: &str, value: &str) {
        let key: String = key
            .rsplit(':')
            .next()
            .unwrap_or(key)
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|character| character.to_ascii_uppercase())
            .collect();
        let of = match key.as_str() {
            "DISCOGSRELEASEID"
            | "DISCOGSALBUMID"
            | "DISCOGSRELEASE"
            | "DISCOGSID"
            | "URLDISCOGSRELEASESITE"
            | "WWWDISCOGSRELEASE" => Some(Of::Release),
            "DISCOGSMASTERID" | "DISCOGSMASTERRELEASEID" | "DISCOGSMASTER" | "URLDISCOGSMASTERSITE" => {
                Some(Of::Master)
            }
            "DISCOGSARTISTID"
            | "DISCOGSARTISTIDS"
            | "DISCOGSARTISTSID"
            | "DISCOGSARTIST"
            | "URLDISCOGSARTISTSITE" => Some(Of::Artist),
            "DISCOGSLABELID" | "DISCOGSLABELIDS" | "DISCOGSLABEL" | "URLDISCOGSLABELSITE" => Some(Of::Label),
            _ => None,
        };
        // A value may have several ids; a URL has its own kind.
        for part in value.split([';', ',', '\\', '|', '\0', ' ', '\n']) {
            if let Some((of, id)) = address(part) {
                self.insert(of, id);
            } else if let Some((of, id)) = of.and_then(|of| Some((of, bare_id(of, part)?))) {
                self.insert(of, id);
            }
        }
    }

    fn insert(&mut self, of: Of, id: i64) {
        let list = match of {
            Of::Release => &mut self.releases,
            Of::Master => &mut self.masters,
            Of::Artist => &mut self.artists,
            Of::Label => &mut self.labels,
        };
        if let Err(at) = list.binary_search(&id) {
            list.insert(at, id);
        }
    }
}

/// `123`, or as in Discogs' markup `r123`, `[r123]`, `m123`, `a123`, `l123`.
fn bare_id(of: Of, text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let letter = match of {
        Of::Release => 'r',
        Of::Master => 'm',
        Of::Artist => 'a',
        Of::Label => 'l',
    };
    positive(text.strip_prefix(letter).unwrap_or(text))
}

/// The id in a URL of discogs.com: `.../release/123-Name`, `.../artist/45`, also with a language or the old form
/// `Artist-Title/release/123`.
fn address(text: &str) -> Option<(Of, i64)> {
    let (_, path) = text.split_once("discogs.com/")?;
    let mut parts = path.split(['/', '?', '#']);
    while let Some(part) = parts.next() {
        let of = match part {
            "release" | "releases" => Of::Release,
            "master" | "masters" => Of::Master,
            "artist" | "artists" => Of::Artist,
            "label" | "labels" => Of::Label,
            _ => continue,
        };
        return Some((of, positive(parts.next()?.split('-').next()?)?));
    }
    None
}

fn positive(digits: &str) -> Option<i64> {
    let only_digits = !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit());
    only_digits.then(|| digits.parse().ok()).flatten().filter(|&id| id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_taggers_names() {
        for (key, value) in [
            ("discogs_albumid", "123"),
            ("DISCOGS_RELEASE_ID", "123"),
            ("Discogs Release ID", " 123 "),
            ("----:com.apple.iTunes:DISCOGS_RELEASE_ID", "r123"),
            ("DISCOGS_RELEASE", "https://www.discogs.com/release/123-Someone-Something"),
            ("URL_DISCOGS_RELEASE_SITE", "http://www.discogs.com/Someone-Something/release/123"),
            ("COMMENT", "ripped from https://www.discogs.com/de/release/123?ev=rr today"),
        ] {
            let mut ids = DiscogsIds::default();
            ids.note(key, value);
            assert_eq!(ids, DiscogsIds { releases: vec![123], ..DiscogsIds::default() }, "{key}={value}");
        }
        let mut ids = DiscogsIds::default();
        ids.note("DISCOGS_ARTIST_ID", "7; 5,7");
        ids.note("discogs_labelid", "9");
        ids.note("DISCOGS_MASTER_RELEASE_ID", "m11");
        assert_eq!((ids.artists, ids.labels, ids.masters), (vec![5, 7], vec![9], vec![11]));
    }

    #[test]
    fn what_is_no_id() {
        let mut ids = DiscogsIds::default();
        for (key, value) in [
            ("DISCOGS_RELEASE_ID", ""),
            ("DISCOGS_RELEASE_ID", "0"),
            ("DISCOGS_RELEASE_ID", "-5"),
            ("DISCOGS_RELEASE_ID", "99999999999999999999"),
            ("MUSICBRAINZ_ALBUMID", "123"),
            ("COMMENT", "see discogs.com/release/"),
            ("DISCOGS_COUNTRY", "123"),
        ] {
            ids.note(key, value);
        }
        assert_eq!(ids, DiscogsIds::default());
    }
}
