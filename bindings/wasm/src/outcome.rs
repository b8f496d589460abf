//! What a call leaves to be read.

use std::cell::RefCell;
use std::sync::Once;

use serde_json::Value;
use sleeve::Result;

/// The text and the arrays of the last call.
#[derive(Default)]
pub struct Outcome {
    pub text: String,
    pub arrays: Vec<Vec<f32>>,
}

thread_local! {
    static OUTCOME: RefCell<Outcome> = RefCell::default();
}

/// Reads the last outcome.
pub fn result<T>(read: impl FnOnce(&Outcome) -> T) -> T {
    OUTCOME.with_borrow(read)
}

pub fn forget() {
    OUTCOME.take();
}

pub fn put_text(text: Value) {
    OUTCOME.with_borrow_mut(|outcome| outcome.text = text.to_string());
}

pub fn put_array(values: Vec<f32>) {
    OUTCOME.with_borrow_mut(|outcome| outcome.arrays.push(values));
}

/// Runs a call: what it returns, or -1 with the error's message as text.
pub fn answer(call: impl FnOnce() -> Result<i32>) -> i32 {
    catch_panics();
    forget();
    call().unwrap_or_else(|error| {
        OUTCOME.replace(Outcome { text: error.to_string(), arrays: Vec::new() });
        -1
    })
}

/// A panic ends the instance. Its message can still be read.
pub fn catch_panics() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            // The outcome may be borrowed by what panicked.
            let _ = OUTCOME.try_with(|outcome| {
                if let Ok(mut outcome) = outcome.try_borrow_mut() {
                    *outcome = Outcome { text: panic.to_string(), arrays: Vec::new() };
                }
            });
        }));
    });
}
