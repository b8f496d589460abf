//! The frames of a signal that arrives in pieces.

use super::parameters::{Framing, Parameters};
use super::{FrontEnd, Spectrogram};

/// Frames computed at a time: a few batches, few enough for their samples to stay in the cache.
const FRAMES: usize = 32;

/// What pads the end of a signal.
const ZEROS: [f32; 512] = [0.0; 512];

/// Computes the frames of a signal in pieces, with the same bits as for the whole signal.
///
/// A frame is available as soon as its last sample is, for MusiCNN 16 ms of audio after its middle; OpenL3's come for a
/// whole second at a time. Memory is constant, whatever the length of the signal.
///
/// ```
/// use sleeve::front_end::musicnn::{BANDS, frame_count};
/// use sleeve::front_end::{FrontEnd, SpectrogramStream};
///
/// let mut stream = SpectrogramStream::new(FrontEnd::MusiCnn);
/// let mut frames = Vec::new();
/// for chunk in vec![0.1; 16_000].chunks(100) {
///     stream.push(chunk, &mut frames);
/// }
/// stream.finish(&mut frames);
/// assert_eq!(frames.len() as u64, BANDS as u64 * frame_count(16_000));
/// ```
pub struct SpectrogramStream {
    spectrogram: Spectrogram,
    /// The samples from the start of the next frame on, or of the next chunk; less than one between calls.
    pending: Vec<f32>,
    /// How many `pending` may hold.
    room: usize,
    /// Samples pushed, and frames given, since the start.
    samples: u64,
    given: u64,
}

impl SpectrogramStream {
    /// A stream at the start of a signal.
    pub fn new(front_end: FrontEnd) -> Self {
        let parameters = Parameters::of(front_end);
        let room = match parameters.framing {
            Framing::Chunks { chunk } => chunk,
            _ => parameters.frame + (FRAMES - 1) * parameters.hop,
        };
        let pending = Vec::with_capacity(room);
        let spectrogram = Spectrogram::new(front_end);
        let mut stream = Self { spectrogram, pending, room, samples: 0, given: 0 };
        stream.reset();
        stream
    }

    /// The front end whose frames it computes.
    pub fn front_end(&self) -> FrontEnd {
        self.spectrogram.front_end()
    }

    /// Takes any number of mono samples at the front end's rate, and appends every frame that is now complete to
    /// `frames`, [`bands`](FrontEnd::bands) values each.
    pub fn push(&mut self, samples: &[f32], frames: &mut Vec<f32>) {
        self.samples += samples.len() as u64;
        self.take(samples, frames);
    }

    fn take(&mut self, samples: &[f32], frames: &mut Vec<f32>) {
        let parameters = Parameters::of(self.front_end());
        let (size, hop) = (parameters.frame, parameters.hop);
        let mut rest = samples;
        while !rest.is_empty() {
            let (taken, later) = rest.split_at(rest.len().min(self.room - self.pending.len()));
            self.pending.extend_from_slice(taken);
            rest = later;
            match parameters.framing {
                Framing::Chunks { chunk } if self.pending.len() < chunk => {}
                Framing::Chunks { .. } => {
                    let start = self.grow(parameters.per_chunk(), frames);
                    self.spectrogram.signal(&self.pending, &mut frames[start..]);
                    self.pending.clear();
                }
                _ => {
                    let complete = self.pending.len().checked_sub(size).map_or(0, |more| 1 + more / hop);
                    let start = self.grow(complete, frames);
                    self.spectrogram.frames(&self.pending, &mut frames[start..]);
                    self.pending.drain(..complete * hop);
                }
            }
        }
    }

    /// Makes room for more frames. Returns where they begin.
    fn grow(&mut self, more: usize, frames: &mut Vec<f32>) -> usize {
        self.given += more as u64;
        let start = frames.len();
        frames.resize(start + more * self.front_end().bands(), 0.0);
        start
    }

    /// Ends the signal and appends the frames that extend beyond its last sample, padded with zeros. In all, a signal
    /// gives [`frame_count`](FrontEnd::frame_count) frames. The stream is then ready for the next signal.
    pub fn finish(&mut self, frames: &mut Vec<f32>) {
        let parameters = Parameters::of(self.front_end());
        let remaining = (parameters.count(self.samples) - self.given) as usize;
        if remaining > 0 {
            let needed = match parameters.framing {
                Framing::Chunks { chunk } => chunk,
                _ => parameters.frame + (remaining - 1) * parameters.hop,
            };
            // Pieces of a constant, for a stream that ends allocates nothing.
            let mut missing = needed - self.pending.len();
            while missing > 0 {
                let piece = missing.min(ZEROS.len());
                self.take(&ZEROS[..piece], frames);
                missing -= piece;
            }
        }
        self.reset();
    }

    /// Discards the signal so far; the next `push` starts a new one.
    pub fn reset(&mut self) {
        let parameters = Parameters::of(self.front_end());
        let before = match parameters.framing {
            Framing::Chunks { chunk } => chunk / 2,
            _ => parameters.before(),
        };
        self.pending.clear();
        self.pending.resize(before, 0.0);
        self.samples = 0;
        self.given = 0;
    }
}
