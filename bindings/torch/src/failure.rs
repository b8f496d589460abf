//! Errors, with the statuses of the plugin interface.

use sleeve_plugin_abi::{self as abi, Status};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    pub reason: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn argument(reason: impl Into<String>) -> Self {
        Failure { status: abi::INVALID_ARGUMENT, reason: reason.into() }
    }

    pub fn model(reason: impl Into<String>) -> Self {
        Failure { status: abi::BAD_MODEL, reason: reason.into() }
    }

    pub fn unavailable(reason: impl Into<String>) -> Self {
        Failure { status: abi::UNAVAILABLE, reason: reason.into() }
    }

    pub fn running(reason: impl Into<String>) -> Self {
        Failure { status: abi::FAILED, reason: reason.into() }
    }
}

/// libtorch's message without its C++ stack and TorchScript's traceback: the first line with text, or for a failed
/// model the line after the traceback with the error.
pub fn brief(error: &str) -> String {
    let error = error.strip_prefix("Internal torch error: ").unwrap_or(error);
    let error = error.split("\nException raised from").next().unwrap_or(error);
    // The error is at the end of the traceback.
    let line = if error.contains("Traceback of TorchScript") {
        let last = error.lines().rev().find(|line| {
            let line = line.trim();
            ["Error: ", "Exception: ", "error: "].iter().any(|word| line.contains(word))
        });
        last.or_else(|| error.lines().rev().find(|line| !line.trim().is_empty()))
    } else {
        error.lines().find(|line| !line.trim().is_empty())
    };
    let mut line = line.unwrap_or("no reason given").trim().to_owned();
    if line.chars().count() > 400 {
        line = line.chars().take(400).collect::<String>() + " ...";
    }
    line
}

/// Whether memory ran out: a smaller batch may fit.
pub fn is_out_of_memory(error: &str) -> bool {
    ["out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory", "not enough memory"]
        .iter()
        .any(|words| error.contains(words))
}

/// Whether the device itself has failed: no later result of it can be trusted.
pub fn is_lost_device(error: &str) -> bool {
    !is_out_of_memory(error)
        && ["CUDA error", "CUDA driver error", "cudaError", "CUDNN_STATUS_EXECUTION_FAILED"]
            .iter()
            .any(|words| error.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_kept_of_what_libtorch_says() {
        let long = "Internal torch error: Expected 3-dimensional input\nException raised from f at x.cpp:1\nframe #0";
        assert_eq!(brief(long), "Expected 3-dimensional input");
        let script = "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript, \
                      serialized code (most recent call last):\n  File \"x.py\", line 3\n    y = f(x)\n    ~~ <--- HERE\n\
                      RuntimeError: sizes differ\n";
        assert_eq!(brief(script), "RuntimeError: sizes differ");
        assert_eq!(brief(""), "no reason given");
    }

    #[test]
    fn memory_and_devices_are_told_apart() {
        let memory = "CUDA out of memory. Tried to allocate 20.00 MiB";
        assert!(is_out_of_memory(memory) && !is_lost_device(memory));
        let memory = "CUDA error: out of memory";
        assert!(is_out_of_memory(memory) && !is_lost_device(memory));
        let lost = "CUDA error: an illegal memory access was encountered";
        assert!(!is_out_of_memory(lost) && is_lost_device(lost));
        assert!(!is_lost_device("Expected all tensors to be on the same device"));
    }
}
