//! Panics in other people's code, which become errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use sleeve_plugin_abi::panic_message;

thread_local! {
    /// How many calls of [`contained`] this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// How rten names the threads of its pools; all that they run is contained.
const RTEN_THREADS: &str = "rten-";

/// Runs third-party code. A panic becomes its message; what panicked must only be dropped afterwards.
///
/// # Errors
/// The message of the panic.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let _inside = Inside::new();
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic_message(&*panic).to_owned();
        // Its payload could panic when it is dropped.
        std::mem::forget(panic);
        message
    })
}

struct Inside;

impl Inside {
    fn new() -> Self {
        // In a thread that is ending, it may be destroyed already.
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() - 1));
    }
}

/// Whether a panic on this thread is about to become an error.
pub fn is_contained() -> bool {
    DEPTH.try_with(Cell::get).is_ok_and(|depth| depth > 0)
        || std::thread::current().name().is_some_and(|name| name.starts_with(RTEN_THREADS))
}

/// From now on, a contained panic prints nothing; others go to the hook that was there before.
///
/// A panic hook is global, so that the crate does not install it: the programs, the C library and the Python module do,
/// which have a standard library of their own.
pub fn silence_contained_panics() {
    static ONCE: Once = Once::new();
    // A thread that panics may not change the hook; the next call will.
    if std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !is_contained() {
                before(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_is_known_as_contained() {
        assert!(!is_contained());
        assert_eq!(contained(|| (is_contained(), 7)), Ok((true, 7)));
        let nested = contained(|| {
            assert_eq!(contained(|| -> u8 { panic!("the {} one", "inner") }), Err("the inner one".into()));
            assert!(is_contained());
            panic!("the outer one");
        });
        assert_eq!(nested, Err::<(), _>("the outer one".into()));
        assert!(!is_contained());
        let named = std::thread::Builder::new().name("rten-3".into()).spawn(is_contained).unwrap();
        assert!(named.join().unwrap());
    }
}
