//! The sizes of data sets as the paper's Table 2 and the authors state them, to compare a user's copy with.

use super::{Dataset, Known};

/// What is stated about a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stated {
    known: Known,
    /// Tracks and classes in Table 2 of the paper, if it is there.
    paper: Option<(usize, usize)>,
    /// Training, validation and test tracks, and classes, of the authors' files.
    files: ([usize; 3], usize),
}

const STATED: [Stated; 7] = {
    use super::mtg_jamendo::Task::{Genre, Instrument, MoodTheme, Top50Tags};
    use Known::MtgJamendo;
    [
        of(MtgJamendo(Genre), Some((55_215, 87)), ([32_572, 11_043, 11_479], 87)),
        of(MtgJamendo(Instrument), Some((25_135, 40)), ([14_395, 5_466, 5_115], 40)),
        of(MtgJamendo(MoodTheme), Some((18_486, 56)), ([9_949, 3_802, 4_231], 56)),
        of(MtgJamendo(Top50Tags), Some((54_380, 50)), ([32_136, 10_888, 11_356], 50)),
        of(Known::MagnaTagATune, Some((25_860, 50)), ([18_706, 1_825, 5_329], 50)),
        of(Known::FmaSmall, Some((8_000, 8)), ([6_400, 800, 800], 8)),
        of(Known::Gtzan, None, ([443, 197, 290], 10)),
    ]
};

const fn of(known: Known, paper: Option<(usize, usize)>, files: ([usize; 3], usize)) -> Stated {
    Stated { known, paper, files }
}

/// Lines that say how a copy compares with what is stated; none for a data set of which nothing is.
pub fn compared(known: Known, dataset: &Dataset) -> Vec<String> {
    let Some(stated) = STATED.iter().find(|stated| stated.known == known) else { return Vec::new() };
    let mut lines = Vec::new();
    let (tracks, classes) = (dataset.tracks.len(), dataset.classes.len());
    if let Some((paper, of_paper)) = stated.paper {
        lines.push(format!(
            "Table 2 of the paper: {paper} tracks{}, {of_paper} classes{}",
            difference(tracks, paper),
            difference(classes, of_paper)
        ));
    }
    let (parts, of_files) = stated.files;
    let parts: Vec<String> = parts
        .iter()
        .zip(dataset.sizes())
        .map(|(&stated, own)| format!("{stated}{}", difference(own, stated)))
        .collect();
    lines.push(format!(
        "the authors' files: {} tracks, {of_files} classes{}",
        parts.join(" / "),
        difference(classes, of_files)
    ));
    lines
}

/// How a number differs from the one that is stated: nothing, or ` (here 12 more)`.
fn difference(own: usize, stated: usize) -> String {
    match own.cmp(&stated) {
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Less => format!(" (here {} fewer)", stated - own),
        std::cmp::Ordering::Greater => format!(" (here {} more)", own - stated),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Labelling, Track};
    use super::*;
    use crate::splits::Part;

    fn sized([training, validation, test]: [usize; 3], classes: usize) -> Dataset {
        let track = |part| Track { part, ..Track::default() };
        let parts = [(Part::Train, training), (Part::Validation, validation), (Part::Test, test)];
        let tracks =
            parts.into_iter().flat_map(|(part, count)| std::iter::repeat_n(track(part), count)).collect();
        let classes = (0..classes).map(|class| class.to_string()).collect();
        Dataset { name: "x".into(), labelling: Labelling::Multi, classes, tracks, folds: 0 }
    }

    #[test]
    fn a_copy_is_compared_with_table_2_and_with_the_files() {
        let genre = Known::MtgJamendo(super::super::mtg_jamendo::Task::Genre);
        // The published files of this split differ from the paper.
        assert_eq!(
            compared(genre, &sized([32_572, 11_043, 11_479], 87)),
            [
                "Table 2 of the paper: 55215 tracks (here 121 fewer), 87 classes",
                "the authors' files: 32572 / 11043 / 11479 tracks, 87 classes"
            ]
        );
        assert_eq!(
            compared(Known::FmaSmall, &sized([6_401, 799, 800], 9)),
            [
                "Table 2 of the paper: 8000 tracks, 8 classes (here 1 more)",
                "the authors' files: 6400 (here 1 more) / 800 (here 1 fewer) / 800 tracks, 8 classes (here 1 more)"
            ]
        );
        assert_eq!(compared(Known::Gtzan, &sized([443, 197, 290], 10)).len(), 1);
        assert_eq!(compared(Known::Csv, &sized([1, 1, 1], 2)), [] as [String; 0]);
    }
}
