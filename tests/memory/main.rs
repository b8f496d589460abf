//! How much memory is used, and when the allocator is called.
//!
//! A test that counts for the whole process must be alone in it, without other threads of the test runner: see
//! [`in_a_process_of_its_own`].

mod batch;
mod effnet;
mod fused;
mod stream;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use sleeve_tests::output_of;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// Allocations of the whole process so far, frees not included.
fn allocations() -> usize {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Calls of the allocator by this thread so far, frees included.
fn calls_of_this_thread() -> usize {
    CALLS.with(Cell::get)
}

impl Counting {
    fn count(allocations: usize) {
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
        CALLS.with(|calls| calls.set(calls.get() + 1));
    }
}

// SAFETY: everything is forwarded to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(0);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Whether the calling test is alone in its process. If not, this runs the test again in its own process, where it must
/// pass, and returns false: the caller then has nothing to do.
fn in_a_process_of_its_own() -> bool {
    const ALONE: &str = "SLEEVE_TEST_ALONE";
    let name = std::thread::current().name().expect("tests run in threads with their names").to_owned();
    if std::env::var_os(ALONE).is_some_and(|alone| *alone == *name) {
        return true;
    }
    let program = std::env::current_exe().expect("the test knows its own path");
    let mut command = Command::new(program);
    // Its output is hidden from the runner, which would count the test twice.
    output_of(command.args(["--exact", &name, "--nocapture"]).env(ALONE, &name));
    false
}
