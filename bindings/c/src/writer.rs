//! Writers of library files.

use std::ffi::c_char;

use super::analysis::sleeve_analysis;
use super::boundary::{Failure, call, free, give, path, slice, text};
use super::extractor::sleeve_extractor;
use super::model::require_out;
use super::status::sleeve_status;
use super::track::sleeve_track;
use sleeve::similarity::{Embedding, LibraryWriter, Origin};

/// Writes a library file: one writer at a time, while others may read. What was added is in the file after
/// `sleeve_library_writer_flush`. For one thread at a time.
pub struct sleeve_library_writer {
    /// `None` after the end.
    writer: Option<LibraryWriter>,
}

impl sleeve_library_writer {
    fn open(&mut self) -> Result<&mut LibraryWriter, Failure> {
        self.writer.as_mut().ok_or_else(|| Failure::invalid("the writer was finished"))
    }
}

/// Creates a library file for what an extractor gives; an existing file is replaced by the first flush. `root` is the
/// library's folder, absolute, or empty if the library is not one folder.
///
/// Errors: IO; LIBRARY if another process is writing it; INVALID_ARGUMENT if the extractor has no embeddings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_create(
    file: *const c_char,
    root: *const c_char,
    extractor: *const sleeve_extractor,
    writer: *mut *mut sleeve_library_writer,
) -> sleeve_status {
    call(|| {
        let extractor = not_null!(extractor);
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let (file, root) = (path(file, "file")?, path(root, "root")?);
            require_out(writer, "writer")?;
            let made = LibraryWriter::create(file, root, &Origin::of(extractor.audio()?)?)?;
            give(writer, "writer", sleeve_library_writer { writer: Some(made) })
        }
    })
}

/// The same for vectors of `dim` values that came from elsewhere. `model` and `sha256` are what a library of another
/// model is recognised by.
///
/// Errors: as `sleeve_library_writer_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_create_other(
    file: *const c_char,
    root: *const c_char,
    model: *const c_char,
    sha256: *const c_char,
    dim: usize,
    writer: *mut *mut sleeve_library_writer,
) -> sleeve_status {
    call(|| {
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let (file, root) = (path(file, "file")?, path(root, "root")?);
            let origin = Origin::other(text(model, "model")?, text(sha256, "sha256")?, dim);
            require_out(writer, "writer")?;
            let made = LibraryWriter::create(file, root, &origin)?;
            give(writer, "writer", sleeve_library_writer { writer: Some(made) })
        }
    })
}

/// Opens an existing library file for writing.
///
/// Errors: IO; LIBRARY if it cannot be used, or another process is writing it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_open(
    file: *const c_char,
    writer: *mut *mut sleeve_library_writer,
) -> sleeve_status {
    call(|| {
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let file = path(file, "file")?;
            require_out(writer, "writer")?;
            give(writer, "writer", sleeve_library_writer { writer: Some(LibraryWriter::open(file)?) })
        }
    })
}

/// Adds a track with the means of an analysis's embeddings and, if the library has activations, predictions; with
/// `keep_patches`, the embedding of every patch, too.
///
/// Errors: INVALID_ARGUMENT if the analysis has no patches or no embeddings, or they are not of the library's size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_add(
    writer: *mut sleeve_library_writer,
    track: *const sleeve_track,
    analysis: *const sleeve_analysis,
    keep_patches: bool,
) -> sleeve_status {
    call(|| {
        let writer = not_null!(mut writer);
        let track = not_null!(track);
        let analysis = not_null!(analysis);
        let embedding = Embedding::of(analysis.analysis(), keep_patches);
        let embedding = embedding.ok_or_else(|| Failure::invalid("the analysis has no embeddings"))?;
        Ok(writer.open()?.add(&track.track, &embedding)?)
    })
}

/// Adds a track with a vector of `dim` values, to a library without activations.
///
/// Errors: INVALID_ARGUMENT if it is not of the library's size, has no direction or is not finite.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_add_vector(
    writer: *mut sleeve_library_writer,
    track: *const sleeve_track,
    values: *const f32,
    dim: usize,
) -> sleeve_status {
    call(|| {
        let writer = not_null!(mut writer);
        let track = not_null!(track);
        if values.is_null() {
            return Err(Failure::null("values"));
        }
        // SAFETY: the ABI's rules for arrays.
        let vector = unsafe { slice(values, dim, "values")? }.to_vec();
        Ok(writer.open()?.add(&track.track, &Embedding { vector, ..Embedding::default() })?)
    })
}

/// Changes what is known of a track, which keeps its vector. `index` is that of the library as it was when the writer was
/// made.
///
/// Errors: INVALID_ARGUMENT beyond the last track.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_replace(
    writer: *mut sleeve_library_writer,
    index: usize,
    track: *const sleeve_track,
) -> sleeve_status {
    call(|| {
        let writer = not_null!(mut writer);
        let track = not_null!(track);
        Ok(writer.open()?.replace(index, &track.track)?)
    })
}

/// Removes a track. `index` is that of the library as it was when the writer was made.
///
/// Errors: INVALID_ARGUMENT beyond the last track.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_remove(
    writer: *mut sleeve_library_writer,
    index: usize,
) -> sleeve_status {
    call(|| {
        let writer = not_null!(mut writer);
        Ok(writer.open()?.remove(index)?)
    })
}

/// Writes everything that was added, changed and removed to the file, and waits for the disk.
///
/// Errors: IO. The file is then as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_flush(writer: *mut sleeve_library_writer) -> sleeve_status {
    call(|| {
        let writer = not_null!(mut writer);
        Ok(writer.open()?.flush()?)
    })
}

/// Flushes, and ends the writer, which can then only be freed. A file with many parts is rewritten as one.
///
/// Errors: IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_finish(writer: *mut sleeve_library_writer) -> sleeve_status {
    call(|| {
        let writer = not_null!(mut writer);
        let ending = writer.writer.take().ok_or_else(|| Failure::invalid("the writer was finished"))?;
        Ok(ending.finish()?)
    })
}

/// Frees a writer. What was not flushed is lost. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_library_writer_free(writer: *mut sleeve_library_writer) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(writer) };
}
