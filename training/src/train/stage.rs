//! Batches with their masks, made ready by threads ahead of the device.

use crossbeam_channel::{Receiver, bounded};
use tch::{Device, Kind, Tensor};

use super::host::{HostBatch, pinned, sent};
use super::objective::Batch;
use super::sources::Source;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::network::masks::Masks;
use crate::network::model::Factors;

/// Batches of each group that wait for the device, besides those that its loader has ready.
const STAGED: usize = 1;

/// A batch with its masks, ready to be copied to the device.
pub struct Staged {
    batch: Batch,
    masks: Masks,
    factors: Tensor,
    /// The batch in host memory, for error messages.
    pub host: HostBatch,
}

impl Staged {
    /// Prepares a batch; its masks depend on the seed, the optimizer's step and the group.
    pub fn new(host: HostBatch, seed: u64, step: u64, group: usize, device: Device) -> Self {
        let masks = Masks::draw(host.tracks.len(), seed, step, group as u64);
        let factors = pinned(Factors::gather(&masks), device);
        let batch = host.tensors(device);
        Staged { batch, masks, factors, host }
    }

    /// Copies it to the device asynchronously.
    pub fn on(&self, device: Device) -> (Batch, Factors) {
        (self.batch.on(device), Factors::split(&self.masks, &sent(&self.factors, device)))
    }

    /// Only the patches, on the device.
    pub fn patches(&self, device: Device) -> Tensor {
        sent(&self.batch.patches, device).to_kind(Kind::Float)
    }
}

/// The batches of a process's groups, step by step, which threads prepare ahead of the device.
pub struct Stage {
    groups: Vec<(usize, Receiver<Result<Staged>>)>,
    next: usize,
    /// Batches that are still to come.
    left: usize,
    /// How long the device's thread has waited for batches.
    pub waited: std::time::Duration,
}

impl Stage {
    /// Prepares an epoch of `steps` steps, whose first has the number `first` in the run.
    pub fn start(
        source: &Source,
        config: &Config,
        epoch: u64,
        (first, steps): (u64, usize),
        own: &[usize],
        device: Device,
    ) -> Self {
        let (seed, groups) = (config.run.seed, config.run.groups);
        let start = |&group: &usize| {
            let batches = source.epoch(epoch, group, groups);
            let (send, receive) = bounded(STAGED);
            // In its own thread, not in a pool: it makes batches while the device computes, and mostly waits.
            std::thread::spawn(move || {
                for (step, batch) in (first..).zip(batches) {
                    let staged = batch.map(|host| Staged::new(host, seed, step, group, device));
                    // If the receiver was dropped, the epoch has ended early.
                    if send.send(staged).is_err() {
                        return;
                    }
                }
            });
            (group, receive)
        };
        let groups: Vec<_> = own.iter().map(start).collect();
        Stage { next: 0, left: steps * groups.len(), groups, waited: Default::default() }
    }

    /// The batches of the next step, one of each group; fewer are an error.
    pub fn step(&mut self) -> impl Iterator<Item = Result<Staged>> {
        let groups = self.groups.len();
        self.by_ref().take(groups)
    }
}

impl Iterator for Stage {
    type Item = Result<Staged>;

    /// The next batch: those of a step in the order of the groups, then those of the next step. A batch that is missing
    /// because its thread has ended is an error, and so is one more than there should be.
    fn next(&mut self) -> Option<Self::Item> {
        let Some(left) = self.left.checked_sub(1) else {
            let more = self.groups.drain(..).find(|(_, batches)| batches.recv().is_ok());
            let extra = |(group, _)| {
                Err(Error::Training(format!("group {group} has more batches than the epoch has steps")))
            };
            return more.map(extra);
        };
        self.left = left;
        let start = std::time::Instant::now();
        let (group, batches) = &self.groups[self.next];
        let batch = batches.recv().unwrap_or_else(|_| {
            Err(Error::Training(format!(
                "the thread that reads the batches of group {group} ended too early"
            )))
        });
        self.next = (self.next + 1) % self.groups.len();
        self.waited += start.elapsed();
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::architecture::{BANDS, FRAMES};

    fn staged(track: u32) -> Staged {
        let host = HostBatch { patches: vec![0.0; FRAMES * BANDS], parts: Vec::new(), tracks: vec![track] };
        Staged::new(host, 0, 0, 0, Device::Cpu)
    }

    /// A stage whose groups have these numbers of batches, for an epoch of `steps`.
    fn stage(batches: &[usize], steps: usize) -> Stage {
        let group = |(group, &count): (usize, &usize)| {
            let (send, receive) = bounded(8);
            (0..count).for_each(|_| send.send(Ok(staged(group as u32))).unwrap());
            (group, receive)
        };
        let groups: Vec<_> = batches.iter().enumerate().map(group).collect();
        Stage { next: 0, left: steps * groups.len(), groups, waited: Default::default() }
    }

    #[test]
    fn a_missing_batch_is_an_error_and_so_is_one_too_many() {
        let all = |batches: &[usize], steps| -> Vec<Result<u32, String>> {
            let track = |staged: Result<Staged>| staged.map(|staged| staged.host.tracks[0]);
            stage(batches, steps).map(|one| track(one).map_err(|error| error.to_string())).collect()
        };
        assert_eq!(all(&[2, 2], 2), [Ok(0), Ok(1), Ok(0), Ok(1)]);
        let missing = all(&[2, 1], 2);
        assert_eq!(missing[..3], [Ok(0), Ok(1), Ok(0)]);
        assert_eq!(missing[3], Err("the thread that reads the batches of group 1 ended too early".into()));
        let more = all(&[2, 3], 2);
        assert!(
            more.len() == 5 && more[4].as_ref().unwrap_err().contains("group 1 has more batches"),
            "{more:?}"
        );
        // A step is the next batch of each group.
        let mut stage = stage(&[2, 2], 2);
        assert_eq!(stage.step().map(|staged| staged.unwrap().host.tracks[0]).collect::<Vec<_>>(), [0, 1]);
    }
}
