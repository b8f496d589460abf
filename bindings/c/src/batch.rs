//! Batches: many recordings on all cores.

use std::ffi::{CString, c_char, c_void};
use std::path::PathBuf;

use super::analysis::sleeve_analysis;
use super::boundary::{Failure, c_string, call_for_status, path, set, slice, status_of};
use super::extractor::sleeve_extractor;
use super::model::require_out;
use super::status::sleeve_status;
use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input, Progress};
use sleeve::extractor::{Analysis, Extractor, Rows, Sink, Summary};

/// Result callback: called once per recording, in the order in which they are done. `index` is that of the path. With
/// OK, `analysis` is the result, which the callback must free, and `message` is empty. Otherwise `status` and `message`
/// are the error (CANCELLED for recordings under way when the run was cancelled) and `analysis` is NULL. `message` is
/// valid during the call only.
pub type sleeve_batch_result_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        index: usize,
        status: sleeve_status,
        message: *const c_char,
        analysis: *mut sleeve_analysis,
    ),
>;

/// Progress callback, called about ten times a second: recordings done, recordings failed, and seconds of audio decoded
/// so far. Return false to cancel; the run then ends within the time of a batch.
pub type sleeve_batch_progress_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, done: usize, failed: usize, seconds: f64) -> bool>;

/// Analyses `count` files on `workers` threads (0: every core that the process may use). Patches of many recordings are
/// run in full batches. Memory does not grow with the number of recordings, and with their length only by the rows of
/// the analyses. Results have the same bits as those of `sleeve_extractor_run_file`.
///
/// Both callbacks are called on the calling thread, one at a time; `progress` may be NULL. A file that fails is
/// reported to `result`, and the run continues. `done`, also set with CANCELLED, is the number of files analysed.
///
/// Returns CANCELLED if `progress` returned false. Errors: INVALID_ARGUMENT for the extractor of a head or more than
/// 1024 workers; UNAVAILABLE if threads cannot be started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_batch_run(
    extractor: *const sleeve_extractor,
    paths: *const *const c_char,
    count: usize,
    workers: usize,
    result: sleeve_batch_result_callback,
    progress: sleeve_batch_progress_callback,
    user_data: *mut c_void,
    done: *mut usize,
) -> sleeve_status {
    call_for_status(|| {
        let extractor = not_null!(extractor).audio()?;
        let Some(result) = result else { return Err(Failure::null("result")) };
        require_out(done, "done")?;
        if paths.is_null() {
            return Err(Failure::null("paths"));
        }
        // SAFETY: the ABI's rules for arrays and strings.
        let paths: Vec<PathBuf> = unsafe {
            let pointers = slice(paths, count, "paths")?;
            pointers.iter().map(|&pointer| path(pointer, "paths")).collect::<Result<_, _>>()?
        };
        let batch = BatchExtractor::new(extractor, &BatchOptions::default().workers(workers))?;
        let mut sink =
            Callbacks { extractor, result, progress, user_data, open: Vec::new(), cancelled: false };
        let totals = batch.run(paths.into_iter().map(Input::File), &mut sink)?;
        // SAFETY: the ABI's rules for out-parameters.
        unsafe { set(done, "done", totals.done)? };
        Ok(if sink.cancelled {
            sleeve_status::SLEEVE_STATUS_CANCELLED
        } else {
            sleeve_status::SLEEVE_STATUS_OK
        })
    })
}

/// Collects each recording's rows until it is done.
struct Callbacks<'a> {
    extractor: &'a Extractor,
    result: unsafe extern "C" fn(*mut c_void, usize, sleeve_status, *const c_char, *mut sleeve_analysis),
    progress: sleeve_batch_progress_callback,
    user_data: *mut c_void,
    /// Recordings under way, a few more than there are workers.
    open: Vec<(usize, Analysis)>,
    cancelled: bool,
}

impl Callbacks<'_> {
    fn give(&self, index: usize, status: sleeve_status, message: &str, analysis: *mut sleeve_analysis) {
        let message: CString = c_string(message);
        // SAFETY: the header's contract for the callback; the message outlives the call.
        unsafe { (self.result)(self.user_data, index, status, message.as_ptr(), analysis) };
    }
}

impl BatchSink for Callbacks<'_> {
    fn rows(&mut self, recording: usize, _extractor: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        let at = self.open.iter().position(|(index, _)| *index == recording).unwrap_or_else(|| {
            self.open.push((recording, Analysis::collect(self.extractor)));
            self.open.len() - 1
        });
        self.open[at].1.rows(rows)
    }

    fn done(&mut self, recording: usize, outcome: sleeve::Result<Summary>) {
        let at = self.open.iter().position(|(index, _)| *index == recording);
        let analysis = at.map(|at| self.open.swap_remove(at).1);
        match outcome {
            Ok(summary) => {
                let analysis = analysis.unwrap_or_else(|| Analysis::collect(self.extractor));
                let analysis = sleeve_analysis::new(analysis.finish(summary.level, summary.warnings));
                let analysis = Box::into_raw(Box::new(analysis));
                self.give(recording, sleeve_status::SLEEVE_STATUS_OK, "", analysis);
            }
            Err(error) => {
                self.give(recording, status_of(&error), &error.to_string(), std::ptr::null_mut());
            }
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if let Some(callback) = self.progress {
            // SAFETY: the header's contract for the callback.
            let go_on = unsafe { callback(self.user_data, progress.done, progress.failed, progress.seconds) };
            self.cancelled |= !go_on;
        }
    }

    fn cancelled(&mut self) -> bool {
        self.cancelled
    }
}
