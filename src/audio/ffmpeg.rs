//! Decoding by the program ffmpeg, for what no embedded decoder reads, if the host allows it.
//!
//! A child process reads the file and writes samples into a pipe, in memory that does not grow. It ends with its
//! reader. It sees the file by its absolute path behind `file:`, which no name can escape from, and opens no other
//! file and no network: playlists and scripts are not among the formats that it may recognise. If it gives nothing for a
//! minute, as on a network folder that is gone, it is killed and the recording fails. On Linux, it also dies if this
//! process does, however that ends.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use tempfile::NamedTempFile;

use super::input::Input;
use super::source::{Block, Decoded, Failure, Samples, Source, Warnings};
use super::{AudioInfo, Ffmpeg};

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;
/// How long samples are waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long its version is waited for. It cannot go on before its samples are read.
const VERSION_PAUSE: Duration = Duration::from_millis(500);
/// The number of ffmpeg's messages that are kept.
const MAX_MESSAGES: usize = 3;
/// The formats that it may recognise.
const FORMATS: &str = "aac,ac3,aea,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,iff,ircam,\
    loas,matroska,webm,mlp,mov,mp4,m4a,3gp,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,rm,shn,tak,truehd,tta,voc,\
    vqf,w64,wav,wv,xwma";

impl Ffmpeg {
    /// Whether there is a program to be started. It is not tried.
    pub fn is_available(&self) -> bool {
        self.program().is_some()
    }

    fn program(&self) -> Option<PathBuf> {
        match self {
            Ffmpeg::Never => None,
            Ffmpeg::Path(path) => is_program(path).then(|| path.clone()),
            Ffmpeg::Auto => {
                let name = format!("ffmpeg{}", env::consts::EXE_SUFFIX);
                env::split_paths(&env::var_os("PATH")?)
                    .filter(|folder| folder.is_absolute())
                    .map(|folder| folder.join(&name))
                    .find(|path| is_program(path))
            }
        }
    }
}

fn is_program(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    path.is_file()
}

/// Decodes a recording of this format: the file at `path`, or the bytes of `input` if they are in memory.
///
/// # Errors
/// [`Failure::Damage`] with the reason if ffmpeg is not to be used, is not there, or cannot decode the file.
pub(super) fn open(ffmpeg: &Ffmpeg, format: &str, path: &Path, input: Input) -> Decoded<Box<dyn Source>> {
    let Some(program) = ffmpeg.program() else {
        let why = match ffmpeg {
            Ffmpeg::Never => "ffmpeg would read it, but is not used".to_owned(),
            Ffmpeg::Auto => "ffmpeg would read it, but is not installed".to_owned(),
            Ffmpeg::Path(path) => format!("ffmpeg would read it, but {} is not a program", path.display()),
        };
        return Err(Failure::Damage(format!("is {format}, which no embedded decoder reads; {why}")));
    };
    Ok(Box::new(Process::start(&program, format, path, input, PATIENCE)?))
}

/// A running ffmpeg.
struct Process {
    child: Child,
    /// Closed as soon as the child is to end.
    output: Option<Pipe>,
    /// Reads its messages, and returns the last ones.
    messages: Option<JoinHandle<Messages>>,
    format: String,
    /// Sample frames decoded so far.
    frames: u64,
    rate: u32,
    channels: usize,
    bytes: Vec<u8>,
    samples: Vec<f32>,
    /// Bytes that were in memory.
    _file: Option<NamedTempFile>,
}

impl Process {
    fn start(
        program: &Path,
        format: &str,
        path: &Path,
        mut input: Input,
        patience: Duration,
    ) -> Decoded<Self> {
        let file = if input.is_in_memory() { Some(spooled(&mut input).map_err(Failure::Io)?) } else { None };
        let path = file.as_ref().map_or(path, |file| file.path());
        let mut source = OsString::from("file:");
        source.push(std::path::absolute(path).map_err(Failure::Io)?);
        let mut command = Command::new(program);
        // `level+` puts the level before each message.
        command
            .args(["-nostdin", "-nostats", "-loglevel", "level+info", "-protocol_whitelist", "file"])
            .args(["-format_whitelist", FORMATS, "-i"])
            .arg(source)
            .args(["-vn", "-sn", "-dn", "-map_metadata", "-1", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        {
            // An interrupt at the terminal is for this program to handle: ffmpeg would end as if the file did.
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        #[cfg(windows)]
        {
            // As above; and a program without a console does not show one for it.
            use std::os::windows::process::CommandExt;
            const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
            const CREATE_NO_WINDOW: u32 = 0x0800_0000;
            command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
        }
        let cannot = |error: io::Error| {
            Failure::Damage(format!("is {format}, and {} cannot be started: {error}", program.display()))
        };
        let (mut child, output) = Pipe::spawn(command, patience).map_err(cannot)?;
        let Some(errors) = child.stderr.take() else {
            return Err(Failure::Damage("ffmpeg has no output".to_owned()));
        };
        let (version_sender, version) = crossbeam_channel::bounded(1);
        let messages = std::thread::Builder::new()
            .name("sleeve ffmpeg".to_owned())
            .spawn(move || read_messages(errors, &version_sender))
            .map_err(cannot);
        let mut process = Self {
            child,
            output: None,
            messages: None,
            format: String::new(),
            frames: 0,
            rate: 0,
            channels: 0,
            bytes: Vec::new(),
            samples: Vec::new(),
            _file: file,
        };
        process.output = Some(output);
        process.messages = Some(messages?);
        if !process.read_header().map_err(Failure::Io)? {
            let messages = process.end();
            let reason = messages.errors.last().map_or("it gave no reason", String::as_str);
            return Err(Failure::Damage(format!("is {format}, and ffmpeg cannot decode it: {reason}")));
        }
        // Its first message, which is there before the samples are, unless it is told to be quiet.
        let version = version.recv_timeout(VERSION_PAUSE).unwrap_or_else(|_| "of unknown version".to_owned());
        process.format = format!("{format} (ffmpeg {version})");
        Ok(process)
    }

    /// Reads the header of the AU format: six numbers, and an annotation.
    fn read_header(&mut self) -> io::Result<bool> {
        let mut header = Vec::new();
        let Some(output) = &mut self.output else { return Ok(false) };
        output.by_ref().take(24).read_to_end(&mut header)?;
        let number = |index: usize| Some(u32::from_be_bytes(*header.get(4 * index..)?.first_chunk()?));
        let (Some(0x2e73_6e64), Some(start), Some(6), Some(rate), Some(channels)) =
            (number(0), number(1), number(3), number(4), number(5))
        else {
            return Ok(false);
        };
        output.by_ref().take(u64::from(start.saturating_sub(24))).read_to_end(&mut header)?;
        (self.rate, self.channels) = (rate, channels as usize);
        Ok((1..=4096).contains(&channels))
    }

    /// Ends the child. A script that starts ffmpeg dies at once, and its ffmpeg when it writes to the closed pipe.
    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.output = None;
    }

    /// Ends the child, and returns its last messages.
    fn end(&mut self) -> Messages {
        self.stop();
        self.messages.take().and_then(|messages| messages.join().ok()).unwrap_or_default()
    }
}

impl Source for Process {
    fn info(&self) -> AudioInfo {
        AudioInfo {
            format: self.format.clone(),
            sample_rate: self.rate,
            channels: u16::try_from(self.channels).unwrap_or(u16::MAX),
            frames: None,
        }
    }

    fn advance(&mut self, warnings: &mut Warnings) -> Decoded<bool> {
        let Some(output) = &mut self.output else { return Ok(false) };
        let frame_bytes = 4 * self.channels;
        let wanted = (CHUNK / frame_bytes).max(1) * frame_bytes;
        self.bytes.clear();
        output.by_ref().take(wanted as u64).read_to_end(&mut self.bytes).map_err(Failure::Io)?;
        self.bytes.truncate(self.bytes.len() / frame_bytes * frame_bytes);
        self.samples.clear();
        self.samples.extend(self.bytes.chunks_exact(4).map(|b| f32::from_be_bytes([b[0], b[1], b[2], b[3]])));
        if !self.samples.is_empty() {
            self.frames += (self.samples.len() / self.channels) as u64;
            return Ok(true);
        }
        let status = self.child.wait().map_err(Failure::Io)?;
        let messages = self.end();
        messages.errors.iter().for_each(|message| warnings.push(format!("ffmpeg: {message}")));
        if status.code().is_none() {
            // It was killed: this is not the recording's end.
            return Err(Failure::Io(io::Error::other(format!(
                "ffmpeg ended before the file did ({status})"
            ))));
        }
        if !status.success() && messages.errors.is_empty() {
            warnings.push(format!("ffmpeg failed ({status})"));
        }
        // Where the header does not state the duration, it is estimated from the bit rate.
        let seconds = self.frames as f64 / f64::from(self.rate);
        if let Some(stated) = messages.seconds.filter(|stated| seconds < 0.9 * stated - 1.0) {
            warnings.push(format!("truncated: {stated:.1} s are stated, {seconds:.1} s were decoded"));
        }
        Ok(false)
    }

    fn block(&self) -> Block<'_> {
        Block {
            rate: self.rate,
            frames: self.samples.len() / self.channels,
            samples: Samples::Interleaved { samples: &self.samples, channels: self.channels },
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Without its messages: whatever holds that pipe open would be waited for.
        self.stop();
    }
}

/// What the child writes, read by a thread of its own, so that a child that hangs is not waited for without end.
struct Pipe {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    /// How much of the chunk was read.
    at: usize,
    patience: Duration,
    /// Dropped with the pipe, when the child has ended: the thread waits for that.
    _held: Sender<()>,
}

impl Pipe {
    /// Starts the child, and the thread that reads what it writes.
    ///
    /// The thread starts the child as well: on Linux, a child is told to die with the thread that started it, and others
    /// may end earlier. So this one stays until the child has ended.
    fn spawn(mut command: Command, patience: Duration) -> io::Result<(Child, Self)> {
        die_with_the_parent(&mut command);
        let (started, child) = crossbeam_channel::bounded(1);
        let (sender, chunks) = crossbeam_channel::bounded(1);
        let (held, released) = crossbeam_channel::bounded::<()>(0);
        std::thread::Builder::new().name("sleeve ffmpeg samples".to_owned()).spawn(move || {
            let mut child = command.spawn();
            let output = child.as_mut().ok().and_then(|child| child.stdout.take());
            let _ = started.send(child);
            if let Some(output) = output {
                read_chunks(output, &sender);
            }
            drop(sender);
            let _ = released.recv();
        })?;
        let child = child.recv().map_err(io::Error::other)??;
        Ok((child, Self { chunks, chunk: Vec::new(), at: 0, patience, _held: held }))
    }
}

/// Sends what is read, to the end or until the receiver is gone.
fn read_chunks(mut output: ChildStdout, sender: &Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match output.read(&mut chunk) {
            Ok(0) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(count) => {
                chunk.truncate(count);
                Ok(chunk)
            }
            Err(error) => Err(error),
        };
        // Nobody reads any more: the pipe closes.
        if sender.send(read).is_err() {
            return;
        }
    }
}

/// A child that hangs would outlive a process that is killed, or that ends at the second Ctrl-C.
#[cfg(target_os = "linux")]
fn die_with_the_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let parent = std::process::id();
    let ask = move || {
        // SAFETY: both calls take no pointers, and may be made between fork and exec.
        let (asked, now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
        // It may have died before it was asked.
        if asked != 0 || now.unsigned_abs() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: the function makes two system calls that are safe after a fork, and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_the_parent(_: &mut Command) {}

impl Read for Pipe {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            self.chunk = match self.chunks.recv_timeout(self.patience) {
                Ok(chunk) => chunk?,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) => {
                    let why = format!("ffmpeg gave nothing for {:?}", self.patience);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
            };
            self.at = 0;
        }
        let count = (&self.chunk[self.at..]).read(to)?;
        self.at += count;
        Ok(count)
    }
}

/// Writes bytes to a temporary file: many formats can only be decoded where they can be read in any order.
fn spooled(input: &mut Input) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("sleeve-").tempfile()?;
    io::copy(input, &mut file)?;
    file.flush()?;
    Ok(file)
}

/// What ffmpeg said.
#[derive(Default)]
struct Messages {
    /// Its last errors.
    errors: Vec<String>,
    /// How long it expects the recording to be.
    seconds: Option<f64>,
}

/// Reads ffmpeg's messages to their end, and sends its version.
fn read_messages(errors: ChildStderr, version: &crossbeam_channel::Sender<String>) -> Messages {
    let mut messages = Messages::default();
    let mut reader = BufReader::new(errors);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end must not fill the memory.
        match reader.by_ref().take(1 << 16).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return messages,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        let text = without_brackets(&line);
        if let Some(rest) = text.strip_prefix("ffmpeg version ") {
            let _ = version.try_send(rest.split_whitespace().next().unwrap_or_default().to_owned());
        } else if let Some(rest) = text.strip_prefix("Duration: ") {
            messages.seconds = messages.seconds.or_else(|| seconds(rest));
        } else if (line.contains("[error]") || line.contains("[fatal]")) && !text.is_empty() {
            let text = text.to_owned();
            let errors = &mut messages.errors;
            if !errors.contains(&text) {
                if errors.len() == MAX_MESSAGES {
                    errors.remove(0);
                }
                errors.push(text);
            }
        }
    }
}

/// A duration such as `00:03:25.10, start: 0.000000`; `None` if it is not known (`N/A`).
fn seconds(text: &str) -> Option<f64> {
    let mut parts = text.split(',').next()?.trim().split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(3600.0 * hours + 60.0 * minutes + seconds)
}

/// A message without what stands in brackets before it: the component with its address, and the level.
fn without_brackets(line: &str) -> &str {
    let mut text = line.trim();
    while text.starts_with('[')
        && let Some((_, rest)) = text.split_once(']')
    {
        text = rest.trim_start();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(seconds("01:02:03.50, start: 0.000000, bitrate: 734 kb/s"), Some(3723.5));
        assert_eq!(seconds("N/A, bitrate: N/A"), None);
    }

    #[test]
    fn messages_lose_their_brackets() {
        assert_eq!(without_brackets("[wavpack @ 0x55d0] [error] Invalid data\n"), "Invalid data");
        assert_eq!(without_brackets("[info] ffmpeg version 5.1"), "ffmpeg version 5.1");
        assert_eq!(without_brackets("[unclosed"), "[unclosed");
    }

    #[test]
    fn without_a_program_the_format_and_the_remedy_are_named() {
        let reason = |ffmpeg: &Ffmpeg| {
            let input = Input::from_bytes(vec![1, 2, 3].into());
            match open(ffmpeg, "WavPack", Path::new("a.wv"), input) {
                Err(Failure::Damage(reason)) => reason,
                _ => panic!("not refused"),
            }
        };
        assert_eq!(
            reason(&Ffmpeg::Never),
            "is WavPack, which no embedded decoder reads; ffmpeg would read it, but is not used"
        );
        let missing = Ffmpeg::Path("/no/such/ffmpeg".into());
        assert!(!missing.is_available());
        assert!(reason(&missing).contains("/no/such/ffmpeg is not a program"));
    }
    /// One that hangs from the beginning, and one that hangs after its header: both fail in time, and are killed.
    #[cfg(unix)]
    #[test]
    fn a_program_that_hangs_is_killed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let header = ".snd\\0\\0\\0\\030\\0\\0\\0\\0\\0\\0\\0\\006\\0\\0\\037\\100\\0\\0\\0\\001";
        for (name, script) in [("early", "exec sleep 600"), ("late", "printf '{}'; exec sleep 600")] {
            let program = folder.path().join(name);
            std::fs::write(&program, format!("#!/bin/sh\n{}\n", script.replace("{}", header))).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            let input = Input::from_bytes(vec![1, 2, 3].into());
            let patience = Duration::from_millis(300);
            let error = match Process::start(&program, "WavPack", Path::new("a.wv"), input, patience) {
                Err(Failure::Io(error)) => error,
                Err(_) => panic!("{name} is not damage"),
                Ok(mut process) => match process.advance(&mut Warnings::default()) {
                    Err(Failure::Io(error)) => error,
                    _ => panic!("{name} goes on"),
                },
            };
            assert!(error.to_string().contains("ffmpeg gave nothing for 300ms"), "{error}");
        }
    }
}
