//! The frames of a whole signal.

use ndarray::Array2;

use super::FrontEnd;
use super::kernel::{self, Kernel};
use super::parameters::{Framing, Parameters};

/// Computes frames. It has up to 300 kB of scratch memory, and no state between calls.
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
    front_end: FrontEnd,
    /// The smallest batch first; none where a frame is its samples.
    kernels: Vec<Box<dyn Kernel>>,
    /// Input of a batch that the signal does not fill.
    samples: Vec<f32>,
    mel: Vec<f32>,
}

impl Spectrogram {
    /// Selects the kernels for this CPU.
    pub fn new(front_end: FrontEnd) -> Self {
        let kernels = kernel::for_this_cpu(front_end);
        Self { front_end, kernels, samples: Vec::new(), mel: Vec::new() }
    }

    /// The front end whose frames it computes.
    pub fn front_end(&self) -> FrontEnd {
        self.front_end
    }

    /// Computes one frame of [`bands`](FrontEnd::bands) values from [`frame_size`](FrontEnd::frame_size) samples.
    ///
    /// # Panics
    /// If `samples` or `frame` has another length.
    pub fn frame(&mut self, samples: &[f32], frame: &mut [f32]) {
        let (size, bands) = (self.front_end.frame_size(), self.front_end.bands());
        assert_eq!(samples.len(), size, "a frame takes {size} samples");
        assert_eq!(frame.len(), bands, "a frame has {bands} values");
        self.frames(samples, frame);
    }

    /// The frames of a whole mono signal at the front end's rate: `[frame_count(samples), bands]`, time-major.
    pub fn compute(&mut self, samples: &[f32]) -> Array2<f32> {
        let count = self.front_end.frame_count(samples.len() as u64) as usize;
        let bands = self.front_end.bands();
        let mut frames = Array2::zeros((count, bands));
        let values = frames.as_slice_mut().expect("a new array is contiguous");
        let parameters = Parameters::of(self.front_end);
        match parameters.framing {
            Framing::Chunks { chunk } => {
                let per_chunk = parameters.per_chunk() * bands;
                for (index, values) in values.chunks_exact_mut(per_chunk).enumerate() {
                    let at = (index * chunk) as i64 - (chunk / 2) as i64;
                    self.signal(&padded(samples, at, chunk), values);
                }
            }
            Framing::Covering | Framing::HalfFilled | Framing::Complete => self.signal(samples, values),
        }
        frames
    }

    /// Fills `frames` with those of a signal, or of a chunk, the first beginning before the first sample by as much as
    /// the front end says.
    pub(super) fn signal(&mut self, samples: &[f32], frames: &mut [f32]) {
        let Parameters { frame: size, hop, .. } = *Parameters::of(self.front_end);
        let (before, bands) = (Parameters::of(self.front_end).before(), self.front_end.bands());
        let count = frames.len() / bands;
        // Frames that begin before the signal or end after it are computed from padded copies, all others from the
        // samples directly.
        let head = before.div_ceil(hop).min(count);
        let inside = (samples.len() + before).checked_sub(size).map_or(0, |room| 1 + room / hop);
        let tail = inside.clamp(head, count);
        let position = |index: usize| (index * hop) as i64 - before as i64;
        let span = |frames: usize| if frames == 0 { 0 } else { (frames - 1) * hop + size };
        let (first, rest) = frames.split_at_mut(head * bands);
        let (inner, last) = rest.split_at_mut((tail - head) * bands);
        self.frames(&padded(samples, position(0), span(head)), first);
        if !inner.is_empty() {
            self.frames(&samples[head * hop - before..][..span(tail - head)], inner);
        }
        self.frames(&padded(samples, position(tail), span(count - tail)), last);
    }

    /// Fills `frames` with frames, the first from the start of `samples`.
    pub(super) fn frames(&mut self, mut samples: &[f32], mut frames: &mut [f32]) {
        let Parameters { frame: size, hop, .. } = *Parameters::of(self.front_end);
        let bands = self.front_end.bands();
        let Some(largest) = self.kernels.len().checked_sub(1) else {
            let samples = samples.windows(size).step_by(hop);
            frames
                .chunks_exact_mut(bands)
                .zip(samples)
                .for_each(|(frame, samples)| frame.copy_from_slice(samples));
            return;
        };
        while !frames.is_empty() {
            let count = frames.len() / bands;
            let enough = self.kernels.iter().position(|kernel| kernel.batch() >= count);
            let kernel = &mut self.kernels[enough.unwrap_or(largest)];
            let batch = kernel.batch();
            let needed = (batch - 1) * hop + size;
            if batch <= count {
                let (now, later) = frames.split_at_mut(batch * bands);
                kernel.run(&samples[..needed], now);
                samples = &samples[if later.is_empty() { 0 } else { batch * hop }..];
                frames = later;
            } else {
                let present = (count - 1) * hop + size;
                self.samples.resize(needed, 0.0);
                self.samples[..present].copy_from_slice(&samples[..present]);
                self.samples[present..].fill(0.0);
                self.mel.resize(batch * bands, 0.0);
                kernel.run(&self.samples, &mut self.mel);
                frames.copy_from_slice(&self.mel[..count * bands]);
                return;
            }
        }
    }
}

/// `length` samples of a signal from position `at` on, zeros outside it.
fn padded(samples: &[f32], at: i64, length: usize) -> Vec<f32> {
    let mut values = vec![0.0; length];
    let begin = usize::try_from(at).unwrap_or(0).min(samples.len());
    let offset = usize::try_from(-at).unwrap_or(0).min(length);
    let present = (samples.len() - begin).min(length - offset);
    values[offset..][..present].copy_from_slice(&samples[begin..][..present]);
    values
}
