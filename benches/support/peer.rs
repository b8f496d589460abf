//! A peer in its own process, which does one piece of work per line, so that both sides can take turns.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

/// A running peer.
pub struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `benches/peers/<script>` with the Python of `target/<environment>`.
    pub fn start(environment: &str, script: &str, argument: &Path) -> Result<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches/ has a parent");
        let python = repository.join("target").join(environment).join("bin/python");
        if !python.exists() {
            bail!("{} is missing: run `cargo xtask peers`", python.display());
        }
        let mut command = Command::new(python);
        command.arg(repository.join("benches/peers").join(script)).arg(argument);
        Self::begin(&mut command)
    }

    fn begin(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let requests = child.stdin.take().expect("standard input is piped");
        let answers = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Ok(Self { child, requests, answers })
    }

    /// Starts a peer that says `ready` when it is.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let mut peer = Self::begin(command)?;
        let mut line = String::new();
        // Libraries may print to standard output first.
        while line.trim() != "ready" {
            line.clear();
            if peer.answers.read_line(&mut line)? == 0 {
                bail!("the peer {:?} ended before it was ready", command.get_args().next());
            }
        }
        Ok(peer)
    }

    /// Sends one line and returns the numbers of the answer.
    pub fn ask(&mut self, request: &str) -> Result<Vec<f64>> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the peer ended instead of answering `{request}`");
        }
        let numbers = line.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        numbers.with_context(|| format!("the peer answered {line:?}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
