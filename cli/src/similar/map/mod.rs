//! `similar map`: a page to explore a library.
//!
//! [`projection`] gives each track a place, [`page`] writes the HTML file.

mod page;
mod projection;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ndarray::Array2;
use rayon::prelude::*;
use sleeve::similarity::{Library, Query};
use sleeve_files::names::{self, shown};

use self::page::{Page, Track};
use self::projection::{Options, Places};
use super::args::Map;
use super::{lists, open};
use crate::terminal;

pub fn run(args: &Map) -> Result<ExitCode> {
    if !(2.0..=200.0).contains(&args.perplexity) {
        bail!("--perplexity is from 2 to 200");
    }
    let library = open(&args.library)?;
    if library.is_empty() {
        bail!("{}: no tracks in it", shown(&args.library));
    }
    let tracks = chosen(library.len(), args.limit as usize);
    let dim = library.dim();
    let mut vectors = Array2::zeros((tracks.len(), dim));
    for (mut row, &track) in vectors.rows_mut().into_iter().zip(&tracks) {
        row.assign(&ndarray::ArrayView1::from(library.vector(track)));
    }
    if !args.quiet && tracks.len() > 5000 {
        terminal::note(format_args!("placing {} tracks; this can take minutes", tracks.len()));
    }
    let options = Options { seed: args.seed, perplexity: args.perplexity, steps: args.steps as usize };
    let places = projection::places(vectors.view(), &options).with_context(|| shown(&args.library))?;
    let page = page_of(args, &library, &tracks, &places)?;
    lists::write(&args.out, page::html(&page)?.as_bytes())?;
    if !args.quiet {
        let trust = places.trust.map(|trust| format!("; trustworthiness {trust:.3}")).unwrap_or_default();
        terminal::note(format_args!("{}: {} tracks{trust}", shown(&args.out), tracks.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The indices of the tracks on the map: all, or `limit` of them, evenly spread.
fn chosen(count: usize, limit: usize) -> Vec<usize> {
    match count <= limit {
        true => (0..count).collect(),
        false => (0..limit).map(|at| (at as u64 * count as u64 / limit as u64) as usize).collect(),
    }
}

fn page_of(args: &Map, library: &Library, tracks: &[usize], places: &Places) -> Result<Page> {
    let folder = lists::folder_of(&args.out)?;
    let number = |track: usize| tracks.binary_search(&track).ok();
    let on_page = (0..tracks.len()).into_par_iter().map(|at| {
        let (index, place) = (tracks[at], places.places.row(at));
        let track = library.track(index);
        let file = lists::from(&folder, &library.file(index));
        // Where the path cannot stand as it is in a line of a playlist, its URL does.
        let plain = names::shown(&file);
        let address = (file.to_str() != Some(&plain)).then(|| lists::encoded(&file));
        let inside = track.path();
        let text = |text: &str| text.to_owned();
        Ok(Track {
            path: plain.replace(std::path::MAIN_SEPARATOR, "/"),
            address,
            title: text(track.title),
            artist: text(track.main_artist()),
            album: text(track.album),
            label: text(track.label),
            year: track.year.map(|year| year.to_string()).unwrap_or_default(),
            genre: text(track.genre),
            folder: inside.parent().map(names::shown).unwrap_or_default(),
            seconds: track.seconds,
            place: [place[0], place[1]],
            neighbours: neighbours(library, index, args.neighbours.into(), number)?,
        })
    });
    let on_page = on_page.collect::<Result<Vec<Track>>>()?;
    let tags = library.classes().iter().enumerate();
    let tags = tags.map(|(class, name)| {
        (name.clone(), tracks.iter().map(|&track| library.activations(track)[class]).collect())
    });
    let named = args.library.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Page {
        title: args.title.clone().unwrap_or(named),
        about: about(library, tracks.len(), places),
        tracks: on_page,
        tags: tags.collect(),
    })
}

/// The neighbours as `similar find` lists them, with their numbers on the page. In a library that is only partly on the
/// map, those that are not are left out.
fn neighbours(
    library: &Library,
    track: usize,
    count: usize,
    number: impl Fn(usize) -> Option<usize>,
) -> Result<Vec<(u32, f32)>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let found = library.find(&Query::new().track(track).count(count).threads(1))?;
    Ok(found.iter().filter_map(|found| Some((number(found.track)? as u32, found.cosine))).collect())
}

fn about(library: &Library, shown: usize, places: &Places) -> String {
    let count = match shown == library.len() {
        true => format!("{shown} tracks"),
        false => format!("{shown} of {} tracks", library.len()),
    };
    let trust = match places.trust {
        Some(trust) => format!(
            " Neighbours on the map are neighbours by sound to {trust:.2} (trustworthiness, at most 1)."
        ),
        None => String::new(),
    };
    format!("{count}, compared by {}.{trust}", library.origin().model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_of_a_large_library_are_evenly_spread() {
        assert_eq!(chosen(4, 10), [0, 1, 2, 3]);
        assert_eq!(chosen(10, 4), [0, 2, 5, 7]);
        assert_eq!(chosen(1_000_000, 200_000).last(), Some(&999_995));
    }
}
