//! Explains with counts why there are no pairs.

use super::Dataset;
use crate::error::Error;
use crate::links::Links;
use crate::pairs::Association;
use crate::splits::Part;

/// With more tracks than this, not all pairs of tracks are compared.
const MOST: usize = 5000;

/// An error that says what the tracks of a part have in common.
pub(super) fn no_pairs(
    dataset: &Dataset,
    association: Association,
    part: Part,
    without_features: usize,
) -> Error {
    let split = dataset.split();
    let metadata = &split.metadata;
    let tracks = split.tracks(part);
    let mut reason = format!(
        "no {} pairs in {} ({} tracks of {})",
        association.name(),
        part.name(),
        tracks.len(),
        split.parts.len()
    );
    let eligible: Vec<u32> =
        tracks.iter().copied().filter(|&track| association.eligible(metadata, track)).collect();
    let (what, links, but): (&str, &Links, Option<(&str, &Links)>) = match association {
        Association::Track => ("", &metadata.releases, None),
        Association::Release => ("release", &metadata.releases, None),
        Association::Artist => ("artist", &metadata.artists, Some(("release", &metadata.releases))),
        Association::Label => ("label", &metadata.labels, Some(("artist", &metadata.artists))),
    };
    if association != Association::Track {
        let mut counts = vec![0u32; links.distinct()];
        eligible.iter().flat_map(|&track| links.of(track)).for_each(|&value| counts[value as usize] += 1);
        let any = counts.iter().filter(|&&count| count > 0).count();
        let several = counts.iter().filter(|&&count| count > 1).count();
        reason += &format!(
            ": {} of the tracks can be in one, of {any} different {what}s, {several} of which have two tracks or more",
            eligible.len()
        );
        if let (Some((other, different)), 1..) = (but, several)
            && eligible.len() <= MOST
        {
            let (mut with, mut excluded) = (0u64, 0u64);
            for (at, &a) in eligible.iter().enumerate() {
                for &b in &eligible[..at] {
                    if crate::links::shared(links.of(a), links.of(b)) > 0 {
                        with += 1;
                        excluded += u64::from(crate::links::shared(different.of(a), different.of(b)) > 0);
                    }
                }
            }
            reason +=
                &format!("; {with} pairs of tracks share the {what}, {excluded} of them also the {other}");
        }
    }
    if without_features > 0 {
        reason +=
            &format!("; {without_features} have no features because their recordings could not be read");
    }
    Error::Nothing { path: dataset.folder().to_owned(), reason }
}
