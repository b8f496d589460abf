//! Measures the time of each stage, for the benchmark. When it is off, it costs one branch per kernel call.

use std::time::Instant;

/// The parts of a block that are timed separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The stem or the expansion, with its SiLU.
    Fill,
    /// The depthwise convolution, with its SiLU and sums.
    Depthwise,
    /// Squeeze-and-excite, including its application.
    Gate,
    /// The projection and the residual.
    Project,
}

impl Stage {
    /// Every stage, in the order in which a block runs them.
    pub const ALL: [Stage; 4] = [Stage::Fill, Stage::Depthwise, Stage::Gate, Stage::Project];
}

/// Nanoseconds of each block and stage. The last row is the head (as `Fill`) and what follows it (as `Project`).
#[derive(Default)]
pub(super) struct Clock {
    pub nanoseconds: Option<Vec<[u64; 4]>>,
}

impl Clock {
    #[inline]
    pub fn start(&self) -> Option<Instant> {
        self.nanoseconds.is_some().then(Instant::now)
    }

    #[inline]
    pub fn stop(&mut self, start: Option<Instant>, row: usize, stage: Stage) {
        if let (Some(start), Some(nanoseconds)) = (start, &mut self.nanoseconds) {
            nanoseconds[row][stage as usize] += start.elapsed().as_nanos() as u64;
        }
    }
}
