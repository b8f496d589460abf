//! The processes of a run: one, or several started by a launcher with torchrun's variables.
//!
//! `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR` and `MASTER_PORT` number the processes and give the address of
//! c10d's store, where they meet. The first process runs the store unless the launcher does
//! (`TORCHELASTIC_USE_AGENT_STORE`). Sums over the processes use Gloo on the CPU and NCCL on CUDA, chosen when a run
//! starts. Each process regularly updates its key in the store; if one stops doing so, the others end with a message
//! that names it.

mod nccl;
mod watch;

use std::collections::HashMap;
use std::time::Duration;

use tch::{Device, Tensor};

use crate::error::{Error, Result};
use crate::native::{Gloo, Store};
use watch::Watch;

/// The timeout for meeting the other processes.
const MEETING: Duration = Duration::from_secs(300);
/// The timeout for a sum, including the slowest process's batches. A process that hangs is detected by its watch long
/// before.
const SUMMING: Duration = Duration::from_secs(1800);

/// The processes of a run, from the view of one of them.
pub struct Processes {
    rank: usize,
    count: usize,
    many: Option<Many>,
}

struct Many {
    transport: Transport,
    watch: Watch,
    store: Store,
}

enum Transport {
    Gloo(Gloo),
    Nccl(nccl::Communicator),
}

/// The position of a process, from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of this process, from 0.
    pub rank: usize,
    /// The number of processes.
    pub count: usize,
    /// The number of this process on its machine, from 0, and of its CUDA device.
    pub local_rank: usize,
    host: String,
    port: u16,
    /// Whether this process runs the store.
    serves: bool,
    /// The prefix of this attempt's keys: a launcher may restart processes.
    prefix: String,
}

impl Place {
    /// Reads torchrun's variables; `None` if `WORLD_SIZE` is not set.
    ///
    /// # Errors
    /// `InvalidArgument` for a variable that is missing or invalid.
    pub fn from_environment() -> Result<Option<Self>> {
        Self::from_variables(&std::env::vars().collect())
    }

    fn from_variables(variables: &HashMap<String, String>) -> Result<Option<Self>> {
        let get = |name: &str| {
            let value = variables.get(name).ok_or_else(|| format!("WORLD_SIZE is set, but {name} is not"));
            value.map_err(Error::InvalidArgument)
        };
        let number = |name: &str| -> Result<usize> {
            let value = get(name)?;
            value.parse().map_err(|_| Error::InvalidArgument(format!("{name} is {value:?}, not a number")))
        };
        if !variables.contains_key("WORLD_SIZE") {
            return Ok(None);
        }
        let (rank, count, port) = (number("RANK")?, number("WORLD_SIZE")?, number("MASTER_PORT")?);
        if rank >= count {
            return Err(Error::InvalidArgument(format!("RANK is {rank} and WORLD_SIZE is {count}")));
        }
        let port = u16::try_from(port)
            .map_err(|_| Error::InvalidArgument(format!("MASTER_PORT is {port}; it must be below 65536")))?;
        let local_rank = if variables.contains_key("LOCAL_RANK") { number("LOCAL_RANK")? } else { rank };
        let agent = variables.get("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True");
        let attempt = variables.get("TORCHELASTIC_RESTART_COUNT").map_or("0", String::as_str);
        let (host, prefix) = (get("MASTER_ADDR")?.clone(), format!("sleeve/{attempt}"));
        Ok(Some(Place { rank, count, local_rank, host, port, serves: rank == 0 && !agent, prefix }))
    }
}

impl Processes {
    /// A single process.
    pub fn alone() -> Self {
        Processes { rank: 0, count: 1, many: None }
    }

    /// Connects to the other processes.
    ///
    /// # Errors
    /// `Process` if they cannot be reached in time, or NCCL is missing for CUDA.
    pub fn meet(place: &Place, device: Device) -> Result<Self> {
        let Place { rank, count, ref host, port, serves, ref prefix, .. } = *place;
        if count == 1 {
            return Ok(Self::alone());
        }
        let failed = |reason: String| {
            Error::Process(format!(
                "process {rank} of {count} could not reach the others at {host}:{port}: {reason}"
            ))
        };
        let timeout = MEETING.as_millis() as u64;
        let store = Store::connect(host, port, serves, prefix, timeout).map_err(failed)?;
        let transport = match device {
            Device::Cuda(index) => {
                nccl::Communicator::connect(&store, rank, count, index).map(Transport::Nccl)
            }
            _ => Gloo::connect(&store, rank, count, SUMMING.as_millis() as u64).map(Transport::Gloo),
        };
        let transport = transport.map_err(failed)?;
        let own = Store::connect(host, port, false, prefix, timeout).map_err(failed)?;
        let watch = Watch::start(own, rank, count);
        Ok(Processes { rank, count, many: Some(Many { transport, watch, store }) })
    }

    /// The number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of processes.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether this is the process that writes files and messages.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// The library for sums, for a log.
    pub fn transport(&self) -> &'static str {
        match self.many.as_ref().map(|many| &many.transport) {
            None => "none",
            Some(Transport::Gloo(_)) => "gloo",
            Some(Transport::Nccl(_)) => "nccl",
        }
    }

    /// Sets the tensor of each process to the sum over all.
    ///
    /// # Errors
    /// `Process`, with the number of the one that has ended.
    pub fn sum(&self, tensor: &Tensor) -> Result<()> {
        let Some(many) = &self.many else { return Ok(()) };
        let outcome = match &many.transport {
            Transport::Gloo(gloo) => gloo.sum(tensor),
            Transport::Nccl(nccl) => nccl.sum(tensor),
        };
        outcome.map_err(|reason| many.watch.blame(&reason))
    }

    /// Sets the tensor of each process to that of the first.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    pub fn broadcast(&self, tensor: &Tensor) -> Result<()> {
        let Some(many) = &self.many else { return Ok(()) };
        let outcome = match &many.transport {
            Transport::Gloo(gloo) => gloo.broadcast(tensor),
            Transport::Nccl(nccl) => nccl.broadcast(tensor),
        };
        outcome.map_err(|reason| many.watch.blame(&reason))
    }

    /// Returns the first process's `text` in every process; the `text` of the others is ignored. Each key is used once.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    pub fn tell(&self, key: &str, text: String) -> Result<String> {
        let Some(many) = &self.many else { return Ok(text) };
        let outcome = match self.is_first() {
            true => many.store.set(key, text.as_bytes()).map(|()| text),
            false => many.store.get(key).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        };
        outcome.map_err(|reason| many.watch.blame(&reason))
    }

    /// Ends the run normally: the process that runs the store leaves last.
    pub fn part(mut self) {
        if let Some(many) = self.many.take() {
            let Many { transport, watch, store } = many;
            drop(transport);
            watch.finish();
            drop(store);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torchrun_s_variables_are_read() {
        let place = |pairs: &[(&str, &str)]| {
            Place::from_variables(&pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect())
        };
        assert_eq!(place(&[("RANK", "1")]).unwrap(), None);
        let all =
            [("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "29500")];
        let read = place(&all).unwrap().unwrap();
        assert_eq!((read.rank, read.count, read.local_rank, read.serves), (1, 2, 1, false));
        assert_eq!(read.prefix, "sleeve/0");
        let first = |more: &[(&str, &str)]| {
            let mut all = all.to_vec();
            all[0].1 = "0";
            all.extend(more);
            place(&all).unwrap().unwrap()
        };
        assert!(first(&[]).serves);
        let agent = first(&[("TORCHELASTIC_USE_AGENT_STORE", "True"), ("TORCHELASTIC_RESTART_COUNT", "2")]);
        assert!(!agent.serves && agent.prefix == "sleeve/2");
        for (index, wrong, reason) in [
            (0, ("RANK", "2"), "RANK is 2 and WORLD_SIZE is 2"),
            (1, ("WORLD_SIZE", "two"), "WORLD_SIZE is \"two\", not a number"),
            (2, ("OTHER", ""), "MASTER_ADDR is not"),
            (3, ("MASTER_PORT", "70000"), "MASTER_PORT is 70000"),
        ] {
            let mut all = all.to_vec();
            all[index] = wrong;
            let said = place(&all).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
        }
    }
}
