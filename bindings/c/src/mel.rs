//! The MusiCNN mel-spectrogram alone.

use super::boundary::{Failure, call, free, give, product, set, slice, slice_mut};
use super::model::require_out;
use super::status::sleeve_status;
use sleeve::front_end::musicnn::{BANDS, FRAME_SIZE, frame_count};
use sleeve::front_end::{FrontEnd, Spectrogram};

/// The tables and buffers of the mel-spectrogram. For one thread at a time.
pub struct sleeve_mel(Spectrogram);

/// Samples per mel frame: 32 ms at 16 kHz.
pub const SLEEVE_MEL_FRAME_SIZE: usize = 512;
/// Samples from one mel frame to the next: 16 ms at 16 kHz.
pub const SLEEVE_MEL_HOP: usize = 256;
/// Bands per mel frame.
pub const SLEEVE_MEL_BANDS: usize = 96;

const _: () = assert!(
    SLEEVE_MEL_FRAME_SIZE == FRAME_SIZE
        && SLEEVE_MEL_HOP == sleeve::front_end::musicnn::HOP
        && SLEEVE_MEL_BANDS == BANDS
);

/// Makes an object that computes mel-spectrograms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_mel_new(mel: *mut *mut sleeve_mel) -> sleeve_status {
    call(|| {
        require_out(mel, "mel")?;
        // SAFETY: the ABI's rules for out-parameters.
        unsafe { give(mel, "mel", sleeve_mel(Spectrogram::new(FrontEnd::MusiCnn))) }
    })
}

/// Computes one mel frame: SLEEVE_MEL_FRAME_SIZE samples at 16 kHz to SLEEVE_MEL_BANDS values, `log10(1 + 10000 mel)`,
/// as in Essentia's `TensorflowInputMusiCNN`. NaN and infinite samples are not checked for: they give NaN or infinite
/// bands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_mel_frame(
    mel: *mut sleeve_mel,
    samples: *const f32,
    bands: *mut f32,
) -> sleeve_status {
    call(|| {
        let mel = not_null!(mut mel);
        // SAFETY: the ABI's rules for arrays.
        unsafe {
            let samples = slice(samples, FRAME_SIZE, "samples")?;
            let bands = slice_mut(bands, BANDS, "bands")?;
            mel.0.frame(samples, bands);
        }
        Ok(())
    })
}

/// The number of mel frames of `samples` samples. The first mel frame is centred on sample 0.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_mel_frame_count(samples: u64) -> u64 {
    frame_count(samples)
}

/// Computes every mel frame of `count` samples at 16 kHz: `[mel_frames, SLEEVE_MEL_BANDS]` values. `capacity` is the
/// number of mel frames that fit into `values`; `sleeve_mel_frame_count` gives the number needed.
///
/// Errors: INVALID_ARGUMENT if `capacity` is too small; then nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_mel_compute(
    mel: *mut sleeve_mel,
    samples: *const f32,
    count: usize,
    values: *mut f32,
    capacity: usize,
    mel_frames: *mut usize,
) -> sleeve_status {
    call(|| {
        let mel = not_null!(mut mel);
        require_out(mel_frames, "mel_frames")?;
        if samples.is_null() {
            return Err(Failure::null("samples"));
        }
        // SAFETY: the ABI's rules for arrays.
        let samples = unsafe { slice(samples, count, "samples")? };
        let needed = frame_count(count as u64);
        let Some(needed) = usize::try_from(needed).ok().filter(|&needed| needed <= capacity) else {
            return Err(Failure::invalid(format!(
                "`values` has capacity for {capacity} mel frames, and {needed} are needed"
            )));
        };
        if values.is_null() {
            return Err(Failure::null("values"));
        }
        // SAFETY: the ABI's rules for arrays and out-parameters.
        unsafe {
            let values = slice_mut(values, product(&[needed, BANDS], "values")?, "values")?;
            let computed = mel.0.compute(samples);
            for (to, from) in values.iter_mut().zip(&computed) {
                *to = *from;
            }
            set(mel_frames, "mel_frames", needed)
        }
    })
}

/// Frees the object. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_mel_free(mel: *mut sleeve_mel) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(mel) };
}
