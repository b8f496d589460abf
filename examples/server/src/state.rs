//! The library, opened again when its file changes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sleeve::similarity::{Library, TrackRef};
use tokio::sync::Semaphore;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// One state of the library file. A request uses one of them from beginning to end.
pub struct Opened {
    /// The library.
    pub library: Library,
    /// The number of times that the file was opened.
    pub generation: u64,
    tracks: HashMap<[u8; 16], u32>,
}

/// What all requests share.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    path: PathBuf,
    opened: RwLock<Arc<Opened>>,
    /// As many searches at a time as there are cores: more would only take memory from each other.
    searches: Semaphore,
}

impl Opened {
    fn new(path: &Path, generation: u64) -> sleeve::Result<Self> {
        let library = Library::open(path)?;
        // Of copies of one file the first has the identifier.
        let tracks =
            (0..library.len()).rev().map(|track| (key(&library.track(track)), track as u32)).collect();
        Ok(Opened { library, generation, tracks })
    }

    /// The track with an identifier.
    pub fn find(&self, id: &str) -> Option<usize> {
        let bytes: Option<Vec<u8>> = match id.len() == 32 && id.is_ascii() {
            true => (0..16).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).ok()).collect(),
            false => None,
        };
        let key: [u8; 16] = bytes?.try_into().ok()?;
        self.tracks.get(&key).map(|&track| track as usize)
    }
}

/// The identifier of a track: half of its file's SHA-256, so that it stays when the file is moved.
pub fn id(track: &TrackRef<'_>) -> String {
    key(track).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(track: &TrackRef<'_>) -> [u8; 16] {
    *track.sha256.first_chunk().expect("32 bytes")
}

impl Shared {
    /// Opens a library file.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub fn open(path: impl Into<PathBuf>) -> sleeve::Result<Self> {
        let path = path.into();
        let opened = Opened::new(&path, 1)?;
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Ok(Shared(Arc::new(Inner {
            path,
            opened: RwLock::new(Arc::new(opened)),
            searches: Semaphore::new(cores),
        })))
    }

    /// The library as it is now.
    pub fn now(&self) -> Arc<Opened> {
        self.0.opened.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a search on a thread that may take its time, and waits for it.
    pub async fn search<T: Send + 'static>(&self, work: impl FnOnce(&Opened) -> T + Send + 'static) -> T {
        let _turn = self.0.searches.acquire().await.expect("it is never closed");
        let opened = self.now();
        let done = tokio::task::spawn_blocking(move || work(&opened)).await;
        done.expect("a search does not panic")
    }

    /// Opens the library again whenever its file has changed, for ever. A file that cannot be opened is reported, and the
    /// library stays as it was.
    pub async fn follow(self) {
        let mut reported = false;
        loop {
            tokio::time::sleep(EVERY).await;
            let shared = self.clone();
            let result = tokio::task::spawn_blocking(move || shared.reopen()).await;
            match result.expect("opening a library does not panic") {
                Ok(()) => reported = false,
                Err(error) if !reported => {
                    eprintln!("{error}; answering from the library as it was");
                    reported = true;
                }
                Err(_) => {}
            }
        }
    }

    fn reopen(&self) -> sleeve::Result<()> {
        let before = self.now();
        if before.library.has_changed() {
            let opened = Opened::new(&self.0.path, before.generation + 1)?;
            *self.0.opened.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(opened);
        }
        Ok(())
    }
}
