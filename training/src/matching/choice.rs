//! Chooses among the occurrences of a track in the dump.

use super::hits::{By, Found, Hit};
use super::wanted::Wanted;

/// Why a track was not matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The tags have neither an id nor artist and title.
    NoTags,
    /// The dump has no such track.
    NotFound,
    /// It occurs only with another duration.
    OtherDuration,
    /// Several artists of that name have a track with that title, or the title says too little.
    Ambiguous,
    /// Everything else in the tags contradicts the id, and the dump has no such track.
    Contradicted,
}

impl Miss {
    /// All of them.
    pub const ALL: [Miss; 5] =
        [Miss::NoTags, Miss::NotFound, Miss::OtherDuration, Miss::Ambiguous, Miss::Contradicted];

    /// The words in the table.
    pub fn words(self) -> &'static str {
        match self {
            Miss::NoTags => "no tags",
            Miss::NotFound => "not found",
            Miss::OtherDuration => "other duration",
            Miss::Ambiguous => "ambiguous",
            Miss::Contradicted => "id contradicted",
        }
    }
}

/// What a track was matched by, and where it was found.
#[derive(Clone, Debug)]
pub struct Match {
    /// `id` or `text`.
    pub how: &'static str,
    /// Its occurrences.
    pub hits: Vec<Hit>,
}

/// Chooses among the hits of `wanted`. An id chooses the recording, and text adds its other releases; without an id, or
/// if the tags contradict it, text hits of one artist.
///
/// # Errors
/// The reason if there is nothing to choose.
pub fn resolve(wanted: &Wanted, found: Found) -> Result<Match, Miss> {
    if !found.by_id.is_empty() {
        return Ok(Match { how: "id", hits: with_other_releases(wanted, found) });
    }
    if !wanted.has_text {
        return Err(match (found.contradicted > 0, wanted.has_id) {
            (true, _) => Miss::Contradicted,
            (false, true) => Miss::NotFound,
            (false, false) => Miss::NoTags,
        });
    }
    let other_duration = found.other_duration;
    let hits = plausible(wanted, found.by_text, other_duration);
    if hits.is_empty() {
        return Err(match (other_duration, found.contradicted > 0) {
            (true, _) => Miss::OtherDuration,
            (false, true) => Miss::Contradicted,
            (false, false) => Miss::NotFound,
        });
    }
    let mut groups = by_artist(hits);
    if groups.len() > 1 {
        // Homonyms: decide by the artist id in the tags, then the whole name, the album, a matching duration.
        let tests: [&dyn Fn(&Hit) -> bool; 5] = [
            &|hit| hit.artists.iter().any(|artist| wanted.artists.contains(artist)),
            &|hit| hit.by == By::Whole,
            &|hit| hit.by != By::Part,
            &|hit| hit.album,
            &|hit| hit.gap.is_some(),
        ];
        for test in tests {
            let passing = groups.iter().filter(|group| group.iter().any(test)).count();
            if passing > 0 {
                groups.retain(|group| group.iter().any(test));
            }
            if passing == 1 {
                break;
            }
        }
    }
    match groups.len() {
        1 => {
            let hits = groups.swap_remove(0);
            if wanted.common && !is_one_work(&hits) {
                Err(Miss::Ambiguous)
            } else {
                Ok(Match { how: "text", hits })
            }
        }
        _ => Err(Miss::Ambiguous),
    }
}

/// Text hits that may be the recording.
fn plausible(wanted: &Wanted, mut hits: Vec<Hit>, other_duration: bool) -> Vec<Hit> {
    if other_duration && !hits.iter().any(|hit| hit.gap.is_some()) {
        // The dump has other durations for it, so a hit without a duration counts only if the album matches.
        hits.retain(|hit| hit.album);
    }
    if wanted.common && hits.iter().any(|hit| hit.album) {
        // Other albums have other recordings of that title.
        hits.retain(|hit| hit.album);
    }
    hits
}

/// Whether hits with a common title and no album can be one recording: all are versions of one release.
fn is_one_work(hits: &[Hit]) -> bool {
    let work = |hit: &Hit| hit.master.map_or((hit.release, false), |master| (master, true));
    hits.iter().all(|hit| hit.album) || hits.iter().all(|hit| work(hit) == work(&hits[0]))
}

/// The releases with the id, and the others that hold the recording: those found by text with an artist of theirs.
fn with_other_releases(wanted: &Wanted, found: Found) -> Vec<Hit> {
    let mut hits = found.by_id;
    let mut others = plausible(wanted, found.by_text, found.other_duration);
    if wanted.common {
        others.retain(|hit| hit.album);
    }
    let known = |hit: &Hit| hits.iter().any(|other| other.release == hit.release);
    others.retain(|hit| !known(hit));
    let mut groups = by_artist(others);
    let artists: Vec<i64> = hits.iter().flat_map(|hit| hit.artists.iter().copied()).collect();
    if artists.is_empty() && groups.len() > 1 {
        // Without an artist on the release, the text alone does not say which of them it is.
        groups.clear();
    }
    for group in groups {
        let shares = group.iter().flat_map(|hit| &hit.artists).any(|artist| artists.contains(artist));
        if artists.is_empty() || shares {
            hits.extend(group);
        }
    }
    hits
}

/// Groups hits that share artists; no two groups have an artist in common.
fn by_artist(hits: Vec<Hit>) -> Vec<Vec<Hit>> {
    let mut groups: Vec<(Vec<i64>, Vec<Hit>)> = Vec::new();
    for hit in hits {
        let mut artists = hit.artists.clone();
        let mut members = vec![hit];
        let mut at = 0;
        while at < groups.len() {
            if groups[at].0.iter().any(|artist| artists.contains(artist)) {
                let (others, mut more) = groups.swap_remove(at);
                artists.extend(others);
                artists.sort_unstable();
                artists.dedup();
                more.append(&mut members);
                members = more;
            } else {
                at += 1;
            }
        }
        groups.push((artists, members));
    }
    groups.into_iter().map(|(_, hits)| hits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(release: i64, artist: i64, gap: Option<f32>, album: bool) -> Hit {
        Hit { release, master: None, artists: vec![artist], own: false, gap, album, by: By::Whole }
    }

    fn wanted() -> Wanted {
        Wanted { title: "song".into(), duration: Some(200.0), has_text: true, ..Wanted::default() }
    }

    fn releases(found: Found, wanted: &Wanted) -> Result<Vec<i64>, Miss> {
        resolve(wanted, found).map(|found| found.hits.iter().map(|hit| hit.release).collect())
    }

    #[test]
    fn homonyms_are_told_apart_or_left_alone() {
        let two = |gap, album| Found {
            by_text: vec![hit(1, 10, Some(0.0), false), hit(2, 20, gap, album), hit(3, 10, None, false)],
            ..Found::default()
        };
        assert_eq!(releases(two(None, false), &wanted()), Ok(vec![1, 3]), "by duration");
        assert_eq!(releases(two(Some(1.0), false), &wanted()), Err(Miss::Ambiguous));
        assert_eq!(releases(two(Some(1.0), true), &wanted()), Ok(vec![2]), "by album");
        let tagged = Wanted { artists: vec![10], ..wanted() };
        assert_eq!(releases(two(Some(1.0), true), &tagged), Ok(vec![1, 3]), "by artist id");
    }

    #[test]
    fn another_duration_is_another_recording() {
        let found = |by_text| Found { by_text, other_duration: true, ..Found::default() };
        assert_eq!(releases(found(vec![]), &wanted()), Err(Miss::OtherDuration));
        assert_eq!(releases(found(vec![hit(1, 10, None, false)]), &wanted()), Err(Miss::OtherDuration));
        assert_eq!(releases(found(vec![hit(1, 10, None, true)]), &wanted()), Ok(vec![1]));
        let both = vec![hit(1, 10, None, false), hit(2, 10, Some(1.0), false)];
        assert_eq!(releases(found(both), &wanted()), Ok(vec![1, 2]));
    }

    #[test]
    fn an_id_is_believed_before_the_text() {
        let found = Found {
            by_id: vec![hit(7, 1, None, true)],
            by_text: vec![hit(1, 2, None, false)],
            ..Found::default()
        };
        assert_eq!(releases(found, &wanted()), Ok(vec![7]));
        let nothing = Wanted::default();
        assert_eq!(releases(Found::default(), &nothing), Err(Miss::NoTags));
        // Text adds the other releases of the same artist.
        let found = Found {
            by_id: vec![hit(7, 1, None, true)],
            by_text: vec![hit(1, 2, None, false), hit(2, 1, Some(0.0), false), hit(7, 1, None, false)],
            ..Found::default()
        };
        assert_eq!(releases(found, &wanted()), Ok(vec![7, 2]));
    }

    #[test]
    fn common_titles_need_the_album_or_one_work() {
        let common = Wanted { common: true, ..wanted() };
        let found = |by_text| Found { by_text, ..Found::default() };
        let hits = || vec![hit(1, 10, Some(0.0), false), hit(2, 10, Some(1.0), false)];
        assert_eq!(releases(found(hits()), &common), Err(Miss::Ambiguous));
        assert_eq!(releases(found(hits()), &wanted()), Ok(vec![1, 2]));
        assert_eq!(releases(found(hits()[..1].to_vec()), &common), Ok(vec![1]));
        let mut one = hits();
        one[1].album = true;
        assert_eq!(releases(found(one), &common), Ok(vec![2]));
        let mut versions = hits();
        versions.iter_mut().for_each(|hit| hit.master = Some(5));
        assert_eq!(releases(found(versions), &common), Ok(vec![1, 2]));
    }
}
