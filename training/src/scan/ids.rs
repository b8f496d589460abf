//! Ids in the tags of music files.
//!
//! Every tagger uses other names for the same ids: beets writes `discogs_albumid`, Mp3tag and foobar2000
//! `DISCOGS_RELEASE_ID`, Picard and others the URL of the release's page. Names with other separators, in MP4's
//! freeform atoms or in ID3's TXXX frames, count as the same. MusicBrainz' ids are UUIDs; beets writes those of Discogs
//! into the same fields (`MUSICBRAINZ_ALBUMID=123`) where it has matched with Discogs, which their form shows.

use serde::{Deserialize, Serialize};

/// Ids found in the tags of one file; each list ascending, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// MusicBrainz' ids found in the tags of one file, in lower case; each list sorted, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MusicBrainzIds {
    /// The release.
    pub releases: Vec<String>,
    /// Its release group: what Discogs calls a master.
    pub groups: Vec<String>,
    /// Artists of the track, in the order of the tags, which is that of their names.
    pub artists: Vec<String>,
    /// The recording.
    pub recordings: Vec<String>,
}

/// All ids found in the tags of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Discogs'.
    pub discogs: DiscogsIds,
    /// MusicBrainz'.
    pub musicbrainz: MusicBrainzIds,
}

/// The kind of an id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Release,
    Master,
    Artist,
    Label,
}

/// The name of a tag without separators, its place in MP4, and case.
fn plain(key: &str) -> String {
    let name = key.rsplit(':').next().unwrap_or(key);
    name.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_uppercase()).collect()
}

impl Ids {
    /// Adds the ids of the tag `key`, if it has any.
    pub fn note(&mut self, key: &str, value: &str) {
        let key = plain(key);
        // In ID3v2.3 and many fields, values are joined.
        let parts = || {
            value.split([';', ',', '\\', '|', '\0', ' ', '\n']).flat_map(|part| {
                let cut = if part.contains("discogs.com") { '\0' } else { '/' };
                part.split(cut)
            })
        };
        self.discogs.note(&key, parts());
        let list = match key.as_str() {
            "MUSICBRAINZALBUMID" | "MUSICBRAINZRELEASEID" => &mut self.musicbrainz.releases,
            "MUSICBRAINZRELEASEGROUPID" => &mut self.musicbrainz.groups,
            "MUSICBRAINZARTISTID" => &mut self.musicbrainz.artists,
            // Picard calls the recording's id that of the track.
            "MUSICBRAINZTRACKID" | "MUSICBRAINZRECORDINGID" => &mut self.musicbrainz.recordings,
            _ => return,
        };
        for id in parts().filter_map(uuid) {
            if !list.contains(&id) {
                list.push(id);
            }
        }
    }

    /// Adds the id in an ID3 frame UFID, whose owner says whose it is.
    pub fn note_unique(&mut self, owner: &str, id: &[u8]) {
        if owner.contains("musicbrainz.org") {
            self.note("MUSICBRAINZ_TRACKID", &String::from_utf8_lossy(id));
        }
    }
}

/// A UUID, in lower case.
fn uuid(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let is_one =
        lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    is_one.then_some(text)
}

impl DiscogsIds {
    /// Adds the ids of the tag `key`, if it is one of Discogs'.
    fn note<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a str>) {
        let of = match key {
            "DISCOGSRELEASEID"
            | "DISCOGSALBUMID"
            | "DISCOGSRELEASE"
            | "DISCOGSRELEASEURL"
            | "DISCOGSID"
            | "URLDISCOGSRELEASESITE"
            | "WWWDISCOGSRELEASE"
            // beets, where it matches with Discogs; a UUID is not a number.
            | "MUSICBRAINZALBUMID" => Some(Of::Release),
            "DISCOGSMASTERID"
            | "DISCOGSMASTERRELEASEID"
            | "DISCOGSMASTER"
            | "DISCOGSMASTERURL"
            | "URLDISCOGSMASTERSITE"
            | "MUSICBRAINZRELEASEGROUPID" => Some(Of::Master),
            "DISCOGSARTISTID"
            | "DISCOGSARTISTIDS"
            | "DISCOGSARTISTSID"
            | "DISCOGSARTIST"
            | "DISCOGSARTISTURL"
            | "DISCOGSTRACKARTISTID"
            | "URLDISCOGSARTISTSITE"
            | "MUSICBRAINZARTISTID"
            | "MUSICBRAINZALBUMARTISTID" => Some(Of::Artist),
            "DISCOGSLABELID" | "DISCOGSLABELIDS" | "DISCOGSLABEL" | "DISCOGSLABELURL" | "URLDISCOGSLABELSITE" => {
                Some(Of::Label)
            }
            _ => None,
        };
        // A value may have several ids; a URL has its own kind.
        for part in values {
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
            let mut ids = Ids::default();
            ids.note(key, value);
            assert_eq!(
                ids.discogs,
                DiscogsIds { releases: vec![123], ..DiscogsIds::default() },
                "{key}={value}"
            );
        }
        let mut ids = Ids::default();
        ids.note("DISCOGS_ARTIST_ID", "7; 5,7");
        ids.note("discogs_labelid", "9");
        ids.note("DISCOGS_MASTER_RELEASE_ID", "m11");
        ids.note("DISCOGS_RELEASE_ID", "1/4");
        let DiscogsIds { releases, masters, artists, labels } = ids.discogs;
        assert_eq!((releases, artists, labels, masters), (vec![1, 4], vec![5, 7], vec![9], vec![11]));
    }

    #[test]
    fn fields_of_musicbrainz_have_ids_of_either() {
        const ID: &str = "0383dadf-2a4e-4d10-a46a-e9e041da8eb3";
        let mut ids = Ids::default();
        ids.note("MUSICBRAINZ_ALBUMID", "123");
        ids.note("MusicBrainz Release Group Id", "11");
        ids.note("----:com.apple.iTunes:MusicBrainz Artist Id", "5/7");
        assert_eq!(
            (&ids.discogs.releases[..], &ids.discogs.masters[..], &ids.discogs.artists[..]),
            (&[123][..], &[11][..], &[5, 7][..])
        );
        assert_eq!(ids.musicbrainz, MusicBrainzIds::default());
        let mut ids = Ids::default();
        ids.note("MusicBrainz/Album Id", &ID.to_uppercase());
        ids.note("MUSICBRAINZ_ARTISTID", &format!("{ID}; f59c5520-5f46-4d2c-b2c4-822eabf53419"));
        ids.note_unique("http://musicbrainz.org", ID.as_bytes());
        assert_eq!(ids.discogs, DiscogsIds::default());
        let MusicBrainzIds { releases, artists, recordings, .. } = ids.musicbrainz;
        assert_eq!(
            (&releases[..], artists.len(), &recordings[..]),
            (&[ID.to_owned()][..], 2, &[ID.to_owned()][..])
        );
    }

    #[test]
    fn what_is_no_id() {
        let mut ids = Ids::default();
        for (key, value) in [
            ("DISCOGS_RELEASE_ID", ""),
            ("DISCOGS_RELEASE_ID", "0"),
            ("DISCOGS_RELEASE_ID", "-5"),
            ("DISCOGS_RELEASE_ID", "99999999999999999999"),
            ("MUSICBRAINZ_TRACKID", "123"),
            ("MUSICBRAINZ_ALBUMID", "0383dadf-2a4e-4d10-a46a"),
            ("BARCODE", "1/4"),
            ("COMMENT", "see discogs.com/release/"),
            ("DISCOGS_COUNTRY", "123"),
        ] {
            ids.note(key, value);
        }
        assert_eq!(ids, Ids::default());
    }
}
