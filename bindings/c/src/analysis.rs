//! Analyses: the result of one recording.

use std::ffi::{CString, c_char};

use super::boundary::{Failure, c_string, call, free, set, slice_mut, text_at};
use super::model::require_out;
use super::status::sleeve_status;
use sleeve::engine::Purpose;
use sleeve::extractor::Analysis;

/// The result of an extractor for one recording. Immutable: threads may share it.
pub struct sleeve_analysis {
    analysis: Analysis,
    classes: Vec<CString>,
    warnings: Vec<CString>,
}

impl sleeve_analysis {
    pub(super) fn new(analysis: Analysis) -> Self {
        let texts = |texts: &[String]| texts.iter().map(|text| c_string(text)).collect();
        Self { classes: texts(analysis.classes()), warnings: texts(analysis.warnings()), analysis }
    }

    pub(super) fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// The values of an output in row order, and its values per row.
    fn values(&self, index: usize) -> Result<(*const f32, usize), Failure> {
        let outputs = self.analysis.outputs();
        let Some(output) = outputs.get(index) else {
            let count = outputs.len();
            return Err(Failure::not_found(format!("output {index} of an analysis with {count}")));
        };
        let values = output.values.as_slice().ok_or_else(|| Failure::not_found("values out of order"))?;
        Ok((values.as_ptr(), output.info.dim))
    }
}

/// The number of patches (rows): 0 for a recording shorter than a patch, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_patch_count(analysis: *const sleeve_analysis) -> usize {
    // SAFETY: the ABI's rules for handles.
    unsafe { analysis.as_ref() }.map_or(0, |analysis| analysis.analysis.patch_count())
}

/// The start of each patch in seconds, one value per patch. NULL for NULL, without patches, and for the result of
/// `sleeve_extractor_run_embeddings`, which has no times.
///
/// Valid as long as the analysis.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_times(analysis: *const sleeve_analysis) -> *const f64 {
    // SAFETY: the ABI's rules for handles.
    let times = unsafe { analysis.as_ref() }.map_or(&[][..], |analysis| analysis.analysis.times());
    if times.is_empty() { std::ptr::null() } else { times.as_ptr() }
}

/// The output at `index`, in the extractor's order: `[patches, dim]` values, row by row.
///
/// The values are valid as long as the analysis. Errors: NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_output(
    analysis: *const sleeve_analysis,
    index: usize,
    values: *mut *const f32,
    dim: *mut usize,
) -> sleeve_status {
    call(|| {
        let analysis = not_null!(analysis);
        require_out(values, "values")?;
        require_out(dim, "dim")?;
        let (pointer, length) = analysis.values(index)?;
        // SAFETY: the ABI's rules for out-parameters.
        unsafe {
            set(values, "values", pointer)?;
            set(dim, "dim", length)
        }
    })
}

/// The model's embeddings: `[patches, dim]` values, row by row.
///
/// The values are valid as long as the analysis. Errors: NOT_FOUND if the model has none or they were not selected.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_embeddings(
    analysis: *const sleeve_analysis,
    values: *mut *const f32,
    dim: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { purpose(analysis, Purpose::Embeddings, values, dim) }
}

/// The predictions, `[patches, dim]`, usually activations from 0 to 1: those of the last head, or of the model if there
/// is no head. `sleeve_analysis_class_name` names the columns.
///
/// The values are valid as long as the analysis. Errors: NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_predictions(
    analysis: *const sleeve_analysis,
    values: *mut *const f32,
    dim: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { purpose(analysis, Purpose::Predictions, values, dim) }
}

unsafe fn purpose(
    analysis: *const sleeve_analysis,
    purpose: Purpose,
    values: *mut *const f32,
    dim: *mut usize,
) -> sleeve_status {
    call(|| {
        let analysis = not_null!(analysis);
        require_out(values, "values")?;
        require_out(dim, "dim")?;
        let index = analysis
            .analysis
            .index_of(purpose)
            .ok_or_else(|| Failure::not_found(format!("no {}", format!("{purpose:?}").to_lowercase())))?;
        let (pointer, length) = analysis.values(index)?;
        // SAFETY: the ABI's rules for out-parameters.
        unsafe {
            set(values, "values", pointer)?;
            set(dim, "dim", length)
        }
    })
}

/// Writes the mean of the output at `index` over all patches to `mean`, `dim` values.
///
/// Errors: NOT_FOUND for the index or without patches; INVALID_ARGUMENT if `dim` is not the output's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_mean(
    analysis: *const sleeve_analysis,
    index: usize,
    mean: *mut f32,
    dim: usize,
) -> sleeve_status {
    call(|| {
        let analysis = not_null!(analysis);
        require_out(mean, "mean")?;
        let (_, length) = analysis.values(index)?;
        if dim != length {
            return Err(Failure::invalid(format!("`dim` is {dim}, but the output has {length} values")));
        }
        let values = &analysis.analysis.outputs()[index].values;
        let Some(means) = values.mean_axis(ndarray::Axis(0)) else {
            return Err(Failure::not_found("the analysis has no patches, so no mean"));
        };
        // SAFETY: the ABI's rules for arrays.
        let mean = unsafe { slice_mut(mean, dim, "mean")? };
        for (to, from) in mean.iter_mut().zip(&means) {
            *to = *from;
        }
        Ok(())
    })
}

/// The name of a column of `sleeve_analysis_predictions`, in UTF-8; NULL beyond the last, and if the metadata has no
/// names.
///
/// Valid as long as the analysis.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_class_name(
    analysis: *const sleeve_analysis,
    index: usize,
) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { analysis.as_ref() }.map_or(std::ptr::null(), |analysis| text_at(&analysis.classes, index))
}

/// The integrated loudness of the recording as it was, in LUFS (EBU R 128), and the gain in dB that brought it to -14
/// LUFS.
///
/// Errors: NOT_FOUND if it was not levelled: without `sleeve_options_set_level`, or because it has no loudness, which is
/// also a warning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_level(
    analysis: *const sleeve_analysis,
    lufs: *mut f32,
    gain_db: *mut f32,
) -> sleeve_status {
    call(|| {
        let analysis = not_null!(analysis);
        require_out(lufs, "lufs")?;
        require_out(gain_db, "gain_db")?;
        let level = analysis.analysis.level();
        let level = level.ok_or_else(|| Failure::not_found("the recording was not levelled"))?;
        // SAFETY: the ABI's rules for out-parameters.
        unsafe {
            set(lufs, "lufs", level.lufs)?;
            set(gain_db, "gain_db", level.gain_db)
        }
    })
}

/// The warning at `index` about the recording, such as a truncated file or a wrong header; NULL beyond the last.
///
/// Valid as long as the analysis.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_warning(
    analysis: *const sleeve_analysis,
    index: usize,
) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { analysis.as_ref() }.map_or(std::ptr::null(), |analysis| text_at(&analysis.warnings, index))
}

/// Frees an analysis. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_analysis_free(analysis: *mut sleeve_analysis) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(analysis) };
}
