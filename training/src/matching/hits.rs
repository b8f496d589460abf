//! Finds the tracks of a collection in the dump.

use super::dump::{Credit, Release, Track};
use super::names::{artist_key, title_key, without_homonym};
use super::people::OtherNames;
use super::wanted::{Index, Wanted, hash};
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
    /// How the artist was found.
    pub by: By,
}

/// How the artist of a hit was found, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// By a whole tag.
    Whole,
    /// By a whole tag that is another name of the artist, in the dump of artists.
    OtherName,
    /// By a part of a tag, or the artist of the album.
    Part,
}

/// Where a track with an id stands on its release: what the dump prints there.
#[derive(Clone, Debug)]
pub struct Printed {
    /// Title.
    pub title: String,
    /// Names of the artists.
    pub artists: Vec<String>,
    /// Duration in seconds.
    pub duration: Option<i32>,
}

/// The hits of one track.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Releases with an id from the tags that something in the tags agrees with.
    pub by_id: Vec<Hit>,
    /// Where it stands on one of these.
    pub printed: Option<Printed>,
    /// Releases with an id from the tags that everything else in the tags contradicts.
    pub contradicted: u32,
    /// Releases with its artist and title, with a matching duration or none.
    pub by_text: Vec<Hit>,
    /// Whether its artist and title occur with another duration.
    pub other_duration: bool,
}

/// The tolerance for durations of the same recording, in seconds: printed durations are rounded, and list gaps and
/// fades differently.
fn tolerance(duration: f32, common: bool) -> f32 {
    if common { 2.5 } else { (duration * 0.02).max(5.0) }
}

/// Notes the tracks that have the id of `release`, or of its master, in their tags.
pub fn note_ids(index: &Index, release: &Release, found: &mut [Found]) {
    let by_release = index.by_release.get(&release.id);
    let by_master = release.master.and_then(|master| index.by_master.get(&master));
    for &number in by_release.into_iter().chain(by_master).flatten() {
        let (wanted, found) = (&index.tracks[number as usize], &mut found[number as usize]);
        if !wanted.listed && contradicts(wanted, release) {
            found.contradicted += 1;
            continue;
        }
        let track = place_of(wanted, release);
        if let (Some(track), None) = (track, &found.printed) {
            let artists = credits_of(track, release).iter().filter(|credit| !is_nobody(credit.artist));
            found.printed = Some(Printed {
                title: track.title.clone(),
                artists: artists.map(|credit| credit.name.clone()).collect(),
                duration: track.duration,
            });
        }
        // Without a place on the release, its artists are the release's.
        let hit = new_hit(release, track.unwrap_or(&Track::default()), None, true, By::Whole);
        found.by_id.push(hit);
    }
}

/// Notes all occurrences of the collection's tracks in `release` by artist and title.
pub fn note_texts(index: &Index, others: &OtherNames, release: &Release, found: &mut [Found]) {
    let mut album = None;
    for track in &release.tracks {
        let title = title_key(&track.title);
        if !index.has_title(&title) {
            continue;
        }
        let credits = credits_of(track, release);
        for (number, by) in numbers_by_text(index, others, credits, &title) {
            let wanted = &index.tracks[number as usize];
            let found = &mut found[number as usize];
            let gap = match (wanted.duration, track.duration) {
                (Some(one), Some(other)) => Some(gap(one, other)),
                _ => None,
            };
            let fits = gap.is_none_or(|gap| gap <= tolerance(wanted.duration.unwrap_or(0.0), wanted.common));
            let album = album.get_or_insert_with(|| title_key(&release.title));
            let same_album = !wanted.album.is_empty() && wanted.album == *album;
            let weak = wanted.common || by == By::Part;
            if !fits || (weak && gap.is_none() && !same_album) {
                found.other_duration |= by != By::Part;
                continue;
            }
            let hit = new_hit(release, track, gap, same_album, by);
            match found.by_text.last_mut() {
                // Listed twice on one release: once is enough, the better one.
                Some(last) if last.release == release.id => {
                    let rank = |hit: &Hit| {
                        (hit.by, hit.gap.is_none(), hit.gap.map_or(0, |gap| (gap * 1000.0) as u32))
                    };
                    if rank(&hit) < rank(last) {
                        *last = hit;
                    }
                }
                _ => found.by_text.push(hit),
            }
        }
    }
}

fn new_hit(release: &Release, track: &Track, gap: Option<f32>, album: bool, by: By) -> Hit {
    Hit {
        release: release.id,
        master: release.master,
        artists: somebody(credits_of(track, release)),
        own: !track.artists.is_empty(),
        gap,
        album,
        by,
    }
}

/// The dump has whole seconds, cut or rounded.
fn gap(file: f32, printed: i32) -> f32 {
    (file - printed as f32).abs()
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

/// Calls `look` with the key of every name that the credited artists may be known by, single and together.
fn each_name(credits: &[Credit], mut look: impl FnMut(&str)) {
    for credit in credits.iter().filter(|credit| !is_nobody(credit.artist)) {
        look(&artist_key(&credit.name));
        if !credit.printed.is_empty() {
            look(&artist_key(&credit.printed));
        }
    }
    if credits.len() > 1 {
        let printed = |credit: &Credit| {
            if credit.printed.is_empty() { credit.name.clone() } else { credit.printed.clone() }
        };
        let names = |name: &dyn Fn(&Credit) -> String| {
            // Homonyms' numbers are at the end of each name.
            let names: Vec<String> = credits.iter().map(name).collect();
            let names: Vec<&str> = names.iter().map(|name| without_homonym(name)).collect();
            names.join(" & ")
        };
        look(&artist_key(&names(&|credit| credit.name.clone())));
        look(&artist_key(&names(&printed)));
    }
}

/// Tracks of the collection whose artist may be one of the credited artists or all of them together, each with the best
/// way to it.
fn numbers_by_text(index: &Index, others: &OtherNames, credits: &[Credit], title: &str) -> Vec<(u32, By)> {
    let mut numbers = Vec::new();
    each_name(credits, |key| {
        let claims = index.by_text(key, title).iter();
        numbers.extend(claims.map(|claim| (claim.number, if claim.whole { By::Whole } else { By::Part })));
    });
    for credit in credits.iter().filter(|credit| !is_nobody(credit.artist)) {
        for key in others.of(credit.artist) {
            let claims = index.by_text(key, title).iter();
            numbers.extend(
                claims.map(|claim| (claim.number, if claim.whole { By::OtherName } else { By::Part })),
            );
        }
    }
    numbers.sort_unstable();
    numbers.dedup_by_key(|(number, _)| *number);
    numbers
}

/// The track of the release that `wanted` is: by its title, or by its number if the duration fits.
fn place_of<'a>(wanted: &Wanted, release: &'a Release) -> Option<&'a Track> {
    let same_title = || {
        release
            .tracks
            .iter()
            .find(|track| !wanted.title.is_empty() && title_key(&track.title) == wanted.title)
    };
    let same_number = || {
        let track = numbered(wanted, release)?;
        (gap(wanted.duration?, track.duration?) <= tolerance(wanted.duration?, false)).then_some(track)
    };
    same_title().or_else(same_number)
}

fn numbered<'a>(wanted: &Wanted, release: &'a Release) -> Option<&'a Track> {
    release.tracks.get(usize::try_from(wanted.track_number?).ok()?.checked_sub(1)?)
}

/// Whether everything that can be compared says that `wanted` is not on `release`: its title, artist, album, and the
/// duration (of the track with its number, or of any if it has none). One alone is not enough, for names are written in
/// several scripts and languages.
fn contradicts(wanted: &Wanted, release: &Release) -> bool {
    let title = (!wanted.title.is_empty() && !release.tracks.is_empty())
        .then(|| release.tracks.iter().any(|track| title_key(&track.title) == wanted.title));
    let (mut credited, mut known) = (false, false);
    if !wanted.names.is_empty() {
        let mut look = |key: &str| {
            credited = true;
            known |= wanted.names.contains(&hash(key));
        };
        each_name(&release.artists, &mut look);
        release.tracks.iter().for_each(|track| each_name(&track.artists, &mut look));
    }
    let artist = credited.then_some(known);
    let album = (!wanted.album.is_empty() && !release.title.is_empty())
        .then(|| title_key(&release.title) == wanted.album);
    let duration = wanted.duration.and_then(|duration| {
        let fits = |track: &Track| {
            Some(gap(duration, track.duration?) <= tolerance(duration, false).min(duration * 0.5))
        };
        match numbered(wanted, release) {
            Some(track) => fits(track),
            None => release.tracks.iter().filter_map(fits).reduce(|one, other| one || other),
        }
    });
    let said = [title, artist, album, duration];
    said.iter().flatten().count() >= 2
        && (title.is_some() || artist.is_some())
        && said.iter().flatten().all(|agrees| !agrees)
}
