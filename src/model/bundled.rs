//! The models inside the library.

/// One bundled model.
pub struct Bundled {
    /// Its name: the stem of its files.
    pub name: &'static str,
    /// The graph.
    pub onnx: &'static [u8],
    /// The metadata.
    pub json: &'static str,
}

/// Every model in this build, the default first.
///
/// The default is MusiCNN trained on the Million Song Dataset: its tags are those of Last.fm's users (genres, decades,
/// moods), it was trained on ten times as many tracks as the other MusiCNN, and its file is smaller. The tags of the
/// second, from MagnaTagATune, describe instruments and voices more. The third is the default that hears every patch at
/// one level, with embeddings adapted to finding music that sounds alike.
pub static BUNDLED: &[Bundled] = &[
    #[cfg(feature = "bundled-model")]
    Bundled {
        name: "msd-musicnn-1",
        onnx: include_bytes!("../../models/msd-musicnn-1.onnx"),
        json: include_str!("../../models/msd-musicnn-1.json"),
    },
    #[cfg(feature = "bundled-model")]
    Bundled {
        name: "mtt-musicnn-1",
        onnx: include_bytes!("../../models/mtt-musicnn-1.onnx"),
        json: include_str!("../../models/mtt-musicnn-1.json"),
    },
    #[cfg(feature = "bundled-model")]
    Bundled {
        name: "sleeve-musicnn-1",
        onnx: include_bytes!("../../models/sleeve-musicnn-1.onnx"),
        json: include_str!("../../models/sleeve-musicnn-1.json"),
    },
];
