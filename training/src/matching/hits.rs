//! Finds the tracks of a collection in the dump, and chooses among the hits.

use super::dump::{Credit, Release, Track};
use super::names::{artist_key, title_key};
use super::wanted::{Index, Wanted};
use crate::discogs::is_nobody;

/// An occurrence of a track in the dump.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The release.
    pub release: i64,
    /// Its master.
    pub master: Option<i64>,
    /// The track's artists there, without placeholders.
    pub artists: Vec<i64>,
    /// Whether these are the track's own artists and not the release's.
    pub own: bool,
    /// Difference between the durations in seconds, if both are known.
    pub gap: Option<f32>,
    /// Whether the album tag equals the release's title.
    pub album: bool,
}

/// The hits of one track.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Releases with an id from the tags.
    pub by_id: Vec<Hit>,
    /// Releases with its artist and title, with a matching duration or none.
    pub by_text: Vec<Hit>,
    /// Whether its artist and title occur with another duration.
    pub other_duration: bool,
}

/// Why a track was not matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The tags have neither an id nor artist and title.
    NoTags,
    /// The dump has no such track.
    NotFound,
    /// It occurs only with another duration.
    OtherDuration,
    /// Several artists of that name have a track with that title.
    Ambiguous,
}

impl Miss {
    /// The words in the table.
    pub fn words(self) -> &'static str {
        match self {
            Miss::NoTags => "no tags",
            Miss::NotFound => "not found",
            Miss::OtherDuration => "other duration",
            Miss::Ambiguous => "ambiguous",
        }
    }
}

/// The tolerance for durations of the same recording, in seconds: printed durations are rounded, and list gaps and
/// fades differently.
fn tolerance(duration: f32, common: bool) -> f32 {
    if common { 2.5 } else { (duration * 0.02).max(5.0) }
}

/// Notes all occurrences of the collection's tracks in `release`.
pub fn note(index: &Index, release: &Release, found: &mut [Found]) {
    let by_release = index.by_release.get(&release.id);
    let by_master = release.master.and_then(|master| index.by_master.get(&master));
    for &number in by_release.into_iter().chain(by_master).flatten() {
        let hit = hit_by_id(&index.tracks[number as usize], release);
        found[number as usize].by_id.push(hit);
    }
    let mut album = None;
    for track in &release.tracks {
        let title = title_key(&track.title);
        if !index.has_title(&title) {
            continue;
        }
        let credits = credits_of(track, release);
        for number in numbers_by_text(index, credits, &title) {
            let wanted = &index.tracks[number as usize];
            let found = &mut found[number as usize];
            let gap = match (wanted.duration, track.duration) {
                (Some(one), Some(other)) => Some((one - other as f32).abs()),
                _ => None,
            };
            let fits = gap.is_none_or(|gap| gap <= tolerance(wanted.duration.unwrap_or(0.0), wanted.common));
            let album = album.get_or_insert_with(|| title_key(&release.title));
            let same_album = !wanted.album.is_empty() && wanted.album == *album;
            if !fits || (wanted.common && gap.is_none() && !same_album) {
                found.other_duration = true;
                continue;
            }
            // Listed twice on one release: once is enough.
            if found.by_text.last().is_some_and(|hit| hit.release == release.id) {
                continue;
            }
            found.by_text.push(new_hit(release, track, gap, same_album));
        }
    }
}

fn new_hit(release: &Release, track: &Track, gap: Option<f32>, album: bool) -> Hit {
    Hit {
        release: release.id,
        master: release.master,
        artists: somebody(credits_of(track, release)),
        own: !track.artists.is_empty(),
        gap,
        album,
    }
}

fn credits_of<'a>(track: &'a Track, release: &'a Release) -> &'a [Credit] {
    if track.artists.is_empty() { &release.artists } else { &track.artists }
}

fn somebody(credits: &[Credit]) -> Vec<i64> {
    let mut ids: Vec<i64> = credits.iter().map(|credit| credit.artist).filter(|&id| !is_nobody(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Tracks of the collection whose artist may be one of the credited artists or all of them together.
fn numbers_by_text(index: &Index, credits: &[Credit], title: &str) -> Vec<u32> {
    let printed = |credit: &Credit| {
        if credit.printed.is_empty() { credit.name.clone() } else { credit.printed.clone() }
    };
    let mut numbers = Vec::new();
    let mut look = |name: &str| numbers.extend_from_slice(index.by_text(&artist_key(name), title));
    for credit in credits.iter().filter(|credit| !is_nobody(credit.artist)) {
        look(&credit.name);
        if !credit.printed.is_empty() {
            look(&credit.printed);
        }
    }
    if credits.len() > 1 {
        let names = |name: &dyn Fn(&Credit) -> String| {
            // Homonyms' numbers are at the end of each name.
            let names: Vec<String> = credits.iter().map(name).collect();
            let names: Vec<&str> = names.iter().map(|name| super::names::without_homonym(name)).collect();
            names.join(" & ")
        };
        look(&names(&|credit| credit.name.clone()));
        look(&names(&printed));
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The hit of a track on a release with an id from its tags.
fn hit_by_id(wanted: &Wanted, release: &Release) -> Hit {
    let same_title = || {
        release
            .tracks
            .iter()
            .find(|track| !wanted.title.is_empty() && title_key(&track.title) == wanted.title)
    };
    let same_number = || {
        let at = usize::try_from(wanted.track_number?).ok()?.checked_sub(1)?;
        let track = release.tracks.get(at)?;
        let gap = (wanted.duration? - track.duration? as f32).abs();
        (gap <= tolerance(wanted.duration?, false)).then_some(track)
    };
    match same_title().or_else(same_number) {
        Some(track) => new_hit(release, track, None, true),
        // Unknown position on the release: its artists are the release's.
        None => new_hit(release, &Track::default(), None, true),
    }
}

/// Chooses among the hits of `wanted`: ids before text; among text hits, one artist.
///
/// # Errors
/// The reason if there is nothing to choose.
pub fn resolve(wanted: &Wanted, found: Found) -> Result<(&'static str, Vec<Hit>), Miss> {
    if !found.by_id.is_empty() {
        return Ok(("id", found.by_id));
    }
    if !wanted.has_text {
        return Err(if wanted.has_id { Miss::NotFound } else { Miss::NoTags });
    }
    let mut hits = found.by_text;
    if found.other_duration && !hits.iter().any(|hit| hit.gap.is_some()) {
        // The dump has other durations for it, so a hit without a duration counts only if the album matches.
        hits.retain(|hit| hit.album);
    }
    if hits.is_empty() {
        return Err(if found.other_duration { Miss::OtherDuration } else { Miss::NotFound });
    }
    let mut groups = by_artist(hits);
    if groups.len() > 1 {
        // Homonyms: decide by the artist id in the tags, then the album, then a matching duration.
        let tests: [&dyn Fn(&Hit) -> bool; 3] = [
            &|hit| hit.artists.iter().any(|artist| wanted.artists.contains(artist)),
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
        1 => Ok(("text", groups.swap_remove(0))),
        _ => Err(Miss::Ambiguous),
    }
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
        Hit { release, master: None, artists: vec![artist], own: false, gap, album }
    }

    fn wanted() -> Wanted {
        Wanted { title: "song".into(), duration: Some(200.0), has_text: true, ..Wanted::default() }
    }

    fn releases(found: Found, wanted: &Wanted) -> Result<Vec<i64>, Miss> {
        resolve(wanted, found).map(|(_, hits)| hits.iter().map(|hit| hit.release).collect())
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
    }
}
