//! The models inside the library.

/// One bundled model.
pub struct Bundled {
    /// The name it is opened by: the stem of its files.
    pub name: &'static str,
    /// The graph.
    pub onnx: &'static [u8],
    /// The metadata.
    pub json: &'static str,
}

/// Every model in this build, the default first.
///
/// The default is MusiCNN trained on the Million Song Dataset: of the two MusiCNNs its tags are the ones that
/// people use of music (Last.fm's: genres, decades, moods), learnt from ten times the tracks, and its file is
/// the smaller. The second's tags, of MagnaTagATune, say more about instruments and voices. The third is the default with
/// embeddings adapted to finding music of the same artist and release.
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
        name: "msd-musicnn-debian-1",
        onnx: include_bytes!("../../models/msd-musicnn-debian-1.onnx"),
        json: include_str!("../../models/msd-musicnn-debian-1.json"),
    },
];
