//! What is loaded by whoever asks first, and shared by all who ask later.

use super::sync::{Arc, Mutex, PoisonError};

/// Room for a value that is loaded when it is first wanted.
pub(super) struct LoadOnce<T>(Mutex<Option<Arc<T>>>);

impl<T> LoadOnce<T> {
    pub fn new() -> Self {
        LoadOnce(Mutex::new(None))
    }

    /// The value, loaded now if nobody has. Others who ask meanwhile wait for it. A load that fails leaves nothing
    /// behind: the next who asks tries again.
    pub fn get<E>(&self, load: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        // A panic while loading leaves `None`, so a poisoned lock holds nothing wrong.
        let mut value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*value {
            return Ok(value.clone());
        }
        let loaded = Arc::new(load()?);
        *value = Some(loaded.clone());
        Ok(loaded)
    }
}
