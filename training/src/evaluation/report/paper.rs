//! The figures of the paper and those that it quotes: Alonso-Jiménez, Serra and Bogdanov, "Music Representation
//! Learning Based on Editorial Metadata from Discogs", ISMIR 2022. All in percent. Figure 2 exists only as a picture,
//! so its values are not here.

use crate::pairs::Association;

/// A row of Table 1: associations.
pub struct Pairs {
    /// The association.
    pub association: Association,
    /// The number of pairs.
    pub pairs: &'static str,
    /// Distinct tracks, releases, artists or labels in them.
    pub diversity: &'static str,
    /// The training time.
    pub time: &'static str,
    /// Top-1 accuracy in validation.
    pub top1: f64,
}

/// Table 1.
pub const TABLE_1: [Pairs; 4] = [
    Pairs { association: Association::Track, pairs: "3.3 M", diversity: "3.3 M", time: "63 h", top1: 88.7 },
    Pairs { association: Association::Release, pairs: "846 K", diversity: "2.0 M", time: "21 h", top1: 35.7 },
    Pairs { association: Association::Artist, pairs: "1.2 M", diversity: "257 K", time: "33 h", top1: 41.1 },
    Pairs { association: Association::Label, pairs: "1.1 M", diversity: "142 K", time: "48 h", top1: 24.7 },
];

/// A column of Table 3: a data set (its name in results files), its heading, and a metric.
pub struct Column {
    /// The data set.
    pub dataset: &'static str,
    /// The metric's name.
    pub metric: &'static str,
    /// The heading.
    pub heading: &'static str,
}

const fn column(dataset: &'static str, metric: &'static str, heading: &'static str) -> Column {
    Column { dataset, metric, heading }
}

/// The columns of Table 3.
pub const COLUMNS: [Column; 11] = [
    column("mtg-jamendo-genre", "roc_auc", "Genre ROC"),
    column("mtg-jamendo-genre", "pr_auc", "Genre PR"),
    column("mtg-jamendo-instrument", "roc_auc", "Instrument ROC"),
    column("mtg-jamendo-instrument", "pr_auc", "Instrument PR"),
    column("mtg-jamendo-moodtheme", "roc_auc", "Mood ROC"),
    column("mtg-jamendo-moodtheme", "pr_auc", "Mood PR"),
    column("mtg-jamendo-top50", "roc_auc", "Top50 ROC"),
    column("mtg-jamendo-top50", "pr_auc", "Top50 PR"),
    column("magnatagatune", "roc_auc", "MTAT ROC"),
    column("magnatagatune", "pr_auc", "MTAT PR"),
    column("fma-small", "accuracy", "FMA acc."),
];

/// A model that the paper evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The untrained EfficientNet-B0.
    Random,
    /// The model trained on style tags.
    Tags,
    /// VGGish's published weights.
    Vggish,
    /// Tracks. This and the next three are models of one association.
    Track,
    /// Releases.
    Release,
    /// Artists.
    Artist,
    /// Labels.
    Label,
    /// Concatenated embeddings of several models.
    Stack,
    /// The model of all associations.
    Multitask,
}

impl Kind {
    /// Its name in Table 3.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Random => "random weights",
            Kind::Tags => "style tags",
            Kind::Vggish => "VGGish",
            Kind::Track => "track",
            Kind::Release => "release",
            Kind::Artist => "artist",
            Kind::Label => "label",
            Kind::Stack => "stack",
            Kind::Multitask => "multi-task",
        }
    }

    /// The kind of an encoder, by the words in its name: `sleeve-artist-1` is an artist model.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let words: Vec<&str> = name.split(|letter: char| !letter.is_alphanumeric()).collect();
        let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        // A name with several of these words, such as `artist-label`, has no kind.
        let found: Vec<Kind> = [
            (Kind::Random, has(&["random"])),
            (Kind::Tags, has(&["tags", "styles", "style", "styletags"])),
            (Kind::Vggish, has(&["vggish"])),
            (Kind::Track, has(&["track"])),
            (Kind::Release, has(&["release"])),
            (Kind::Artist, has(&["artist"])),
            (Kind::Label, has(&["label"])),
            (Kind::Multitask, has(&["multitask", "multi"])),
        ]
        .into_iter()
        .filter_map(|(kind, is)| is.then_some(kind))
        .collect();
        match found.as_slice() {
            &[one] => Some(one),
            _ => None,
        }
    }
}

/// Table 3: the paper's own models, in the order of [`COLUMNS`].
pub const TABLE_3: [(Kind, [f64; 11]); 9] = [
    (Kind::Random, [50.7, 3.1, 49.9, 6.4, 50.4, 3.4, 48.3, 6.5, 50.0, 5.3, 12.5]),
    (Kind::Tags, [87.7, 19.9, 77.6, 19.8, 75.6, 13.6, 83.1, 29.7, 90.2, 37.4, 59.1]),
    (Kind::Vggish, [86.3, 17.2, 77.8, 20.2, 76.3, 14.1, 83.2, 28.2, 90.2, 37.2, 53.0]),
    (Kind::Track, [86.3, 18.0, 69.9, 16.7, 74.0, 12.8, 82.9, 29.4, 89.7, 36.4, 58.9]),
    (Kind::Release, [86.9, 18.9, 71.9, 17.2, 72.8, 11.7, 83.2, 29.8, 90.3, 37.1, 60.9]),
    (Kind::Artist, [87.7, 20.3, 69.7, 16.9, 76.3, 14.3, 83.6, 30.6, 90.7, 38.0, 59.1]),
    (Kind::Label, [87.0, 19.4, 75.0, 18.2, 74.8, 12.8, 83.1, 29.9, 88.7, 34.2, 59.5]),
    (Kind::Stack, [86.9, 19.4, 74.7, 18.8, 74.3, 13.0, 83.4, 30.0, 90.8, 38.6, 59.8]),
    (Kind::Multitask, [87.2, 19.9, 70.5, 17.2, 76.1, 14.4, 83.5, 30.3, 90.8, 37.8, 60.0]),
];

/// A figure that the paper quotes, and whether it was measured on a cleaned MagnaTagATune, which is not comparable.
pub type Quoted = Option<(f64, bool)>;

const NONE: Quoted = None;

const fn quoted(value: f64) -> Quoted {
    Some((value, false))
}

const fn cleaned(value: f64) -> Quoted {
    Some((value, true))
}

/// Table 3: rows that the paper quotes from the literature.
pub const LITERATURE: [(&str, [Quoted; 11]); 5] = [
    ("Lileonardo", [NONE, NONE, NONE, NONE, quoted(77.5), quoted(15.1), NONE, NONE, NONE, NONE, NONE]),
    (
        "Harmonic CNN",
        [NONE, NONE, NONE, NONE, NONE, NONE, quoted(83.2), quoted(29.8), cleaned(91.3), cleaned(45.9), NONE],
    ),
    ("MusiCNN", [NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, quoted(90.7), quoted(38.4), NONE]),
    (
        "MuLaP",
        [
            quoted(85.9),
            NONE,
            quoted(76.8),
            NONE,
            quoted(76.1),
            NONE,
            quoted(82.8),
            NONE,
            cleaned(89.3),
            cleaned(40.2),
            quoted(61.1),
        ],
    ),
    ("CALM", [NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, quoted(91.5), quoted(41.4), NONE]),
];

/// Table 4: the best stacks on MagnaTagATune, ROC-AUC and PR-AUC.
pub const TABLE_4: [(&[Kind], f64, f64); 5] = [
    (&[Kind::Track, Kind::Artist, Kind::Label, Kind::Tags], 90.93, 38.75),
    (&[Kind::Track, Kind::Release, Kind::Artist, Kind::Tags], 90.92, 38.69),
    (&[Kind::Release, Kind::Artist, Kind::Label, Kind::Tags], 90.92, 38.51),
    (&[Kind::Release, Kind::Artist, Kind::Tags], 90.89, 38.57),
    (&[Kind::Artist, Kind::Label, Kind::Tags], 90.87, 38.57),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_by_their_words() {
        for (name, kind) in [
            ("artist", Some(Kind::Artist)),
            ("sleeve-artist-1", Some(Kind::Artist)),
            ("Style_Tags", Some(Kind::Tags)),
            ("discogs_multi_embeddings-effnet-bs64-1", Some(Kind::Multitask)),
            ("random-weights", Some(Kind::Random)),
            ("msd-musicnn-1", None),
            ("artist-label", None),
            ("artistic", None),
            ("", None),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}
