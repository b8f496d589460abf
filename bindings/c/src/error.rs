//! The message of the last error.

use std::ffi::c_char;

use super::boundary::{get, last_error};

/// Copies the message of this thread's last failed call, NUL-terminated and truncated to `size` bytes (never inside a
/// UTF-8 character). A call that succeeds does not change the message.
///
/// Returns the length of the whole message without its NUL: 0 if no call has failed on this thread. With
/// `buffer` NULL or `size` 0 nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_last_error(buffer: *mut c_char, size: usize) -> usize {
    get(0, || {
        // SAFETY: `size` bytes of the buffer are the caller's promise.
        unsafe { copy_text(&last_error(), buffer, size) }
    })
}

/// Copies text to C as [`sleeve_last_error`] does; returns its length.
///
/// # Safety
/// `buffer` is NULL, or `size` bytes can be written there.
pub(super) unsafe fn copy_text(text: &str, buffer: *mut c_char, size: usize) -> usize {
    let whole = text.find('\0').unwrap_or(text.len());
    if !buffer.is_null() && size > 0 {
        let mut kept = whole.min(size - 1);
        while !text.is_char_boundary(kept) {
            kept -= 1;
        }
        // SAFETY: `kept` is less than `size`, and text and buffer do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, kept);
            buffer.add(kept).write(0);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_always_terminated() {
        let text = "aé!";
        for (size, expected) in [(0, ""), (1, ""), (2, "a"), (3, "a"), (4, "aé"), (5, "aé!"), (9, "aé!")] {
            let mut buffer = [0x55_u8; 10];
            // SAFETY: the buffer has at least `size` bytes.
            assert_eq!(unsafe { copy_text(text, buffer.as_mut_ptr().cast(), size) }, 4);
            if size > 0 {
                let end = buffer.iter().position(|&byte| byte == 0).unwrap();
                assert_eq!(std::str::from_utf8(&buffer[..end]).unwrap(), expected);
            }
            assert!(buffer[size..].iter().all(|&byte| byte == 0x55));
        }
    }
}
