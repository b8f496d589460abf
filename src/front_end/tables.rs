//! The constant tables of each front end with bands, computed when it is first used.

use std::sync::OnceLock;

use super::FrontEnd;
use super::bank::{Band, bands};
use super::fft::Twiddles;
use super::lanes::Value;
use super::parameters::{Compression, Precision, Spectrum};
use super::window::window;

/// What a kernel reads, window and transform in single or double precision.
pub(super) struct Tables<T> {
    /// Halved, because the transform's powers are four times too large; exact in binary.
    pub(super) window: Vec<T>,
    pub(super) twiddles: Twiddles<T>,
    pub(super) spectrum: Spectrum,
    pub(super) bands: Vec<Band>,
    pub(super) compression: Compression,
}

impl<T: Value> Tables<T> {
    fn new(front_end: FrontEnd) -> Self {
        let mel = front_end.mel().expect("only front ends with bands have kernels");
        let bands = bands(&mel, front_end.sample_rate());
        let window = window(mel.window, front_end.frame_size());
        Self {
            window: window.into_iter().map(|weight| T::rounded(0.5 * weight)).collect(),
            twiddles: Twiddles::new(mel.points / 2),
            spectrum: mel.spectrum,
            bands,
            compression: mel.compression,
        }
    }
}

macro_rules! of {
    ($name:ident, $value:ty, $precision:ident) => {
        /// The tables of a front end of this precision.
        pub(super) fn $name(front_end: FrontEnd) -> &'static Tables<$value> {
            static TABLES: [OnceLock<Tables<$value>>; FrontEnd::ALL.len()] =
                [const { OnceLock::new() }; FrontEnd::ALL.len()];
            debug_assert!(front_end.mel().is_some_and(|mel| mel.precision == Precision::$precision));
            TABLES[front_end as usize].get_or_init(|| Tables::new(front_end))
        }
    };
}

of!(single, f32, Single);
of!(double, f64, Double);
