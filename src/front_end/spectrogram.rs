//! The mel-spectrogram of a whole signal.

use ndarray::Array2;

use super::FrontEnd;
use super::kernel::Kernel;
use super::musicnn::{BANDS, FRAME_SIZE, HOP, frame_count};

/// Computes mel frames. It has about 100 kB of scratch memory, and no state between calls.
///
/// Several mel frames are computed at once, one in each lane of the CPU's vectors: many frames in one call take several
/// times less time per frame than single ones.
///
/// ```
/// use sleeve::front_end::musicnn::BANDS;
/// use sleeve::front_end::{FrontEnd, Spectrogram};
///
/// let second = vec![0.0; 16_000];
/// let mel = Spectrogram::new(FrontEnd::MusiCnn).compute(&second);
/// assert_eq!(mel.dim(), (64, BANDS));
/// assert!(mel.iter().all(|&value| value == 0.0), "silence is exactly 0");
/// ```
pub struct Spectrogram {
    /// The smallest batch first.
    kernels: Vec<Kernel>,
    /// Input of a batch that the signal does not fill.
    samples: Vec<f32>,
    mel: Vec<f32>,
}

impl Spectrogram {
    /// Selects the kernels for this CPU.
    pub fn new(front_end: FrontEnd) -> Self {
        assert_eq!(front_end, FrontEnd::MusiCnn);
        Self { kernels: Kernel::for_this_cpu(), samples: Vec::new(), mel: Vec::new() }
    }

    /// Computes one mel frame of 96 bands from 512 samples.
    ///
    /// # Panics
    /// If `samples` does not have 512 values or `mel` not 96.
    pub fn frame(&mut self, samples: &[f32], mel: &mut [f32]) {
        assert_eq!(samples.len(), FRAME_SIZE, "a mel frame takes {FRAME_SIZE} samples");
        assert_eq!(mel.len(), BANDS, "a mel frame has {BANDS} values");
        self.frames(samples, mel);
    }

    /// The mel-spectrogram of a whole mono signal at 16 kHz: `[frame_count(samples), 96]`, time-major.
    pub fn compute(&mut self, samples: &[f32]) -> Array2<f32> {
        let count = frame_count(samples.len() as u64) as usize;
        let mut mel = Array2::zeros((count, BANDS));
        let values = mel.as_slice_mut().expect("a new array is contiguous");
        if count <= 2 {
            let mut padded = vec![0.0; (count + 1) * HOP];
            padded[HOP..][..samples.len()].copy_from_slice(samples);
            self.frames(&padded[..if count == 0 { 0 } else { padded.len() }], values);
            return mel;
        }
        // The first mel frame begins before the signal and the last two end after it: they are computed from padded
        // copies, all others from the samples directly.
        let (first, rest) = values.split_at_mut(BANDS);
        let mut padded = [0.0; 3 * HOP];
        padded[HOP..2 * HOP].copy_from_slice(&samples[..HOP]);
        self.frames(&padded[..2 * HOP], first);
        let inside = count - 3;
        let (inner, last) = rest.split_at_mut(inside * BANDS);
        if inside > 0 {
            self.frames(&samples[..(inside + 1) * HOP], inner);
        }
        let tail = &samples[inside * HOP..];
        padded.fill(0.0);
        padded[..tail.len()].copy_from_slice(tail);
        self.frames(&padded, last);
        mel
    }

    /// Fills `mel` with mel frames, the first from the start of `samples`.
    pub(super) fn frames(&mut self, mut samples: &[f32], mut mel: &mut [f32]) {
        while !mel.is_empty() {
            let frames = mel.len() / BANDS;
            let largest = self.kernels.len() - 1;
            let enough = self.kernels.iter().position(|kernel| kernel.batch() >= frames);
            let kernel = &mut self.kernels[enough.unwrap_or(largest)];
            let batch = kernel.batch();
            if batch <= frames {
                let (now, later) = mel.split_at_mut(batch * BANDS);
                kernel.run(&samples[..(batch + 1) * HOP], now);
                samples = &samples[batch * HOP..];
                mel = later;
            } else {
                let present = (frames + 1) * HOP;
                self.samples.resize((batch + 1) * HOP, 0.0);
                self.samples[..present].copy_from_slice(&samples[..present]);
                self.samples[present..].fill(0.0);
                self.mel.resize(batch * BANDS, 0.0);
                kernel.run(&self.samples, &mut self.mel);
                mel.copy_from_slice(&self.mel[..frames * BANDS]);
                return;
            }
        }
    }
}
