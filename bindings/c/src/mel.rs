//! The MusiCNN mel-spectrogram by itself.

use super::boundary::{Failure, call, free, give, product, set, slice, slice_mut};
use super::model::require_out;
use super::status::sleeve_status;
use sleeve::mel::{BANDS, FRAME_SIZE, MelSpectrogram, frame_count};

/// The front end's tables and buffers. For one thread at a time.
pub struct sleeve_mel(MelSpectrogram);

/// Samples of one frame: 32 ms at 16 kHz.
pub const SLEEVE_MEL_FRAME_SIZE: usize = 512;
/// Samples from one frame to the next: 16 ms at 16 kHz.
pub const SLEEVE_MEL_HOP: usize = 256;
/// Mel bands of a frame.
pub const SLEEVE_MEL_BANDS: usize = 96;

const _: () = assert!(
    SLEEVE_MEL_FRAME_SIZE == FRAME_SIZE && SLEEVE_MEL_HOP == sleeve::mel::HOP && SLEEVE_MEL_BANDS == BANDS
);

/// Makes a front end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_mel_new(mel: *mut *mut sleeve_mel) -> sleeve_status {
    call(|| {
        require_out(mel, "mel")?;
        // SAFETY: the ABI's rules for out-parameters.
        unsafe { give(mel, "mel", sleeve_mel(MelSpectrogram::new())) }
    })
}

/// One frame: SLEEVE_MEL_FRAME_SIZE samples at 16 kHz to SLEEVE_MEL_BANDS values, `log10(1 + 10000 mel)`, as
/// Essentia's `TensorflowInputMusiCNN` computes them. Samples that are not finite give bands that are not.
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

/// The number of frames that `samples` samples have. The first frame is centred on sample 0.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_mel_frame_count(samples: u64) -> u64 {
    frame_count(samples)
}

/// Every frame of `count` samples at 16 kHz: `[frames, SLEEVE_MEL_BANDS]` values. `room` is the number of
/// frames that `values` has room for; `sleeve_mel_frame_count` says how many are needed.
///
/// Errors: INVALID_ARGUMENT if there is not room enough; then nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_mel_compute(
    mel: *mut sleeve_mel,
    samples: *const f32,
    count: usize,
    values: *mut f32,
    room: usize,
    frames: *mut usize,
) -> sleeve_status {
    call(|| {
        let mel = not_null!(mut mel);
        require_out(frames, "frames")?;
        if samples.is_null() {
            return Err(Failure::null("samples"));
        }
        // SAFETY: the ABI's rules for arrays.
        let samples = unsafe { slice(samples, count, "samples")? };
        let needed = frame_count(count as u64);
        let Some(needed) = usize::try_from(needed).ok().filter(|&needed| needed <= room) else {
            return Err(Failure::invalid(format!("room for {room} frames of {needed}")));
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
            set(frames, "frames", needed)
        }
    })
}

/// Frees a front end. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_mel_free(mel: *mut sleeve_mel) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(mel) };
}
