//! The processes of a run: one, or as many as a launcher has started by torchrun's convention.
//!
//! `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR` and `MASTER_PORT` say who is who and where they meet: in c10d's
//! store, which the first process holds unless the launcher does (`TORCHELASTIC_USE_AGENT_STORE`). Sums over the
//! processes go through Gloo on the CPU and through NCCL on CUDA, chosen when a run starts. Each process shows in the
//! store that it is alive; when one is not, the others end with a message that names it.

mod nccl;
mod watch;

use std::collections::HashMap;
use std::time::Duration;

use tch::{Device, Tensor};

use crate::error::{Error, Result};
use crate::native::{Gloo, Store};
use watch::Watch;

/// How long processes wait for each other when they meet.
const MEETING: Duration = Duration::from_secs(300);
/// How long a sum may take, the slowest process's batches included: a process that hangs is found out by its watch
/// long before.
const SUMMING: Duration = Duration::from_secs(1800);

/// The processes of a run, seen from one of them.
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

/// What the environment says of the processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of this process, from 0.
    pub rank: usize,
    /// The number of processes.
    pub count: usize,
    /// The number of this process on its machine, from 0: that of its CUDA device.
    pub local_rank: usize,
    host: String,
    port: u16,
    /// Whether this process holds the store.
    serves: bool,
    /// What the keys of this attempt begin with: a launcher may start processes again.
    prefix: String,
}

impl Place {
    /// Reads torchrun's variables; none where `WORLD_SIZE` is not set.
    ///
    /// # Errors
    /// `InvalidArgument` for a variable that is missing or senseless.
    pub fn from_environment() -> Result<Option<Self>> {
        Self::from_variables(&std::env::vars().collect())
    }

    fn from_variables(variables: &HashMap<String, String>) -> Result<Option<Self>> {
        let get = |name: &str| {
            let value = variables.get(name).ok_or_else(|| format!("WORLD_SIZE is set, and {name} is not"));
            value.map_err(Error::InvalidArgument)
        };
        let number = |name: &str| -> Result<usize> {
            let value = get(name)?;
            value.parse().map_err(|_| Error::InvalidArgument(format!("{name} is {value:?}, no number")))
        };
        if !variables.contains_key("WORLD_SIZE") {
            return Ok(None);
        }
        let (rank, count, port) = (number("RANK")?, number("WORLD_SIZE")?, number("MASTER_PORT")?);
        if rank >= count {
            return Err(Error::InvalidArgument(format!("RANK is {rank} and WORLD_SIZE is {count}")));
        }
        let port = u16::try_from(port)
            .map_err(|_| Error::InvalidArgument(format!("MASTER_PORT is {port}; a port is below 65536")))?;
        let local_rank = if variables.contains_key("LOCAL_RANK") { number("LOCAL_RANK")? } else { rank };
        let agent = variables.get("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True");
        let attempt = variables.get("TORCHELASTIC_RESTART_COUNT").map_or("0", String::as_str);
        let (host, prefix) = (get("MASTER_ADDR")?.clone(), format!("sleeve/{attempt}"));
        Ok(Some(Place { rank, count, local_rank, host, port, serves: rank == 0 && !agent, prefix }))
    }
}

impl Processes {
    /// This process alone.
    pub fn alone() -> Self {
        Processes { rank: 0, count: 1, many: None }
    }

    /// Meets the others.
    ///
    /// # Errors
    /// `Process` if they cannot be reached in time, or NCCL is not there for CUDA.
    pub fn meet(place: &Place, device: Device) -> Result<Self> {
        let Place { rank, count, ref host, port, serves, ref prefix, .. } = *place;
        if count == 1 {
            return Ok(Self::alone());
        }
        let failed = |reason: String| {
            Error::Process(format!(
                "process {rank} of {count} could not meet the others at {host}:{port}: {reason}"
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

    /// Whether this process writes files and speaks for all.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Through what sums go, for a log.
    pub fn transport(&self) -> &'static str {
        match self.many.as_ref().map(|many| &many.transport) {
            None => "none",
            Some(Transport::Gloo(_)) => "gloo",
            Some(Transport::Nccl(_)) => "nccl",
        }
    }

    /// Puts the sum over all processes into the tensor of each.
    ///
    /// # Errors
    /// `Process`, which names the one that ended.
    pub fn sum(&self, tensor: &Tensor) -> Result<()> {
        let Some(many) = &self.many else { return Ok(()) };
        let outcome = match &many.transport {
            Transport::Gloo(gloo) => gloo.sum(tensor),
            Transport::Nccl(nccl) => nccl.sum(tensor),
        };
        outcome.map_err(|reason| many.watch.blame(&reason))
    }

    /// Puts the first process's values into the tensor of each.
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

    /// Gives a text of the first process to every other; only the first one's `text` matters. Each key is used once.
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

    /// Ends the run in good order: the process that holds the store leaves last.
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
            (1, ("WORLD_SIZE", "two"), "WORLD_SIZE is \"two\", no number"),
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
