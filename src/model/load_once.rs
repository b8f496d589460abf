//! A value that the first caller loads and all later callers share.

use super::sync::{Arc, Mutex, PoisonError};

/// A value that is loaded on first use.
pub(super) struct LoadOnce<T>(Mutex<Option<Arc<T>>>);

impl<T> LoadOnce<T> {
    pub fn new() -> Self {
        LoadOnce(Mutex::new(None))
    }

    /// The value, loaded now if it is not yet. Concurrent callers wait for it. After a failed load, the next caller
    /// tries again.
    pub fn get<E>(&self, load: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        // A panic while loading leaves `None`, so a poisoned lock is still valid.
        let mut value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*value {
            return Ok(value.clone());
        }
        let loaded = Arc::new(load()?);
        *value = Some(loaded.clone());
        Ok(loaded)
    }
}
