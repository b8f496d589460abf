//! Memory aligned to cache lines, so that no vector crosses the boundary between two of them.

/// A block of floats, zeroed, aligned to 64 bytes.
#[derive(Clone, Default)]
pub(in crate::engine) struct Buffer {
    lines: Vec<Line>,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl Buffer {
    /// A buffer of `length` floats.
    pub fn new(length: usize) -> Self {
        Self { lines: vec![Line([0.0; 16]); length.div_ceil(16)] }
    }

    /// Number of floats.
    pub fn len(&self) -> usize {
        self.lines.len() * 16
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.lines.as_ptr().cast()
    }

    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.lines.as_mut_ptr().cast()
    }

    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: the lines are `len()` floats without gaps, borrowed as long as the slice.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// The same memory as twice as many 16-bit values.
    pub fn as_mut_narrow(&mut self) -> &mut [u16] {
        let length = 2 * self.len();
        // SAFETY: the lines are `length` 16-bit values without gaps, borrowed as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), length) }
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        let length = self.len();
        // SAFETY: the lines are `length` floats without gaps, borrowed as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), length) }
    }
}
