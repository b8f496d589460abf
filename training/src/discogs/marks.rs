//! Where something happens in a chunk of XML.
//!
//! Every fifteenth byte of a dump is a `<`. Looking for each of them anew, for the end of each text and
//! for the entities in it costs more than finding all of them at once, 64 bytes at a step.

use wide::u8x16;

use super::split::Boundaries;

/// The positions of all bytes of a text that may mean more than themselves: `<`, `&`, `"` and control
/// characters.
#[derive(Default)]
pub(super) struct Marks {
    /// Positions in ascending order, and after `count` of them room for more.
    positions: Vec<u32>,
    count: usize,
    /// Where the records start, the first at 0.
    starts: Vec<Start>,
}

#[derive(Clone, Copy)]
struct Start {
    /// Position of the record's first byte.
    at: usize,
    /// How many marks come before it.
    mark: usize,
}

/// The part of a text that one record takes, up to the beginning of the next one.
#[derive(Clone, Copy)]
pub(super) struct Extent<'m> {
    /// Position of its first byte in the text.
    pub(super) start: usize,
    /// Position after its last one.
    pub(super) end: usize,
    /// The marks in between, counted from the beginning of the text.
    pub(super) marks: &'m [u32],
}

impl Marks {
    /// The longest text that can be marked.
    pub(super) const LONGEST: usize = u32::MAX as usize;

    /// Marks `text` in place of what was marked before. It must not be longer than `LONGEST`.
    pub(super) fn mark(&mut self, text: &[u8], boundaries: &Boundaries) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
        {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { self.mark_with_avx512(text, boundaries) };
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
        {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { self.mark_with_avx2(text, boundaries) };
        }
        self.mark_with(text, boundaries, classes, positions);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi1,popcnt")]
    fn mark_with_avx512(&mut self, text: &[u8], boundaries: &Boundaries) {
        self.mark_with(
            text,
            boundaries,
            |block| classes_with_avx512(block),
            |bits, base, room| positions_with_avx512(bits, base, room),
        );
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,popcnt")]
    fn mark_with_avx2(&mut self, text: &[u8], boundaries: &Boundaries) {
        self.mark_with(text, boundaries, |block| classes_with_avx2(block), positions);
    }

    #[inline(always)]
    fn mark_with(
        &mut self,
        text: &[u8],
        boundaries: &Boundaries,
        classes: impl Fn(&[u8; 64]) -> (u64, u64),
        positions: impl Fn(u64, u32, &mut [u32; 64]),
    ) {
        assert!(text.len() <= Self::LONGEST);
        self.count = 0;
        self.starts.clear();
        self.starts.push(Start { at: 0, mark: 0 });
        let (blocks, rest) = text.as_chunks::<64>();
        let mut before = 0;
        for (number, block) in blocks.iter().enumerate() {
            before = self.mark_block(text, number * 64, classes(block), before, boundaries, &positions);
        }
        let mut last = [b' '; 64];
        last[..rest.len()].copy_from_slice(rest);
        self.mark_block(text, blocks.len() * 64, classes(&last), before, boundaries, &positions);
    }

    /// Marks one block, which starts at `base` and whose bytes are classified; `before` tells in its
    /// lowest bit whether the byte before it is marked and no tag, and so does what is returned for the
    /// next block.
    #[inline(always)]
    fn mark_block(
        &mut self,
        text: &[u8],
        base: usize,
        (tags, others): (u64, u64),
        before: u64,
        boundaries: &Boundaries,
        positions: impl Fn(u64, u32, &mut [u32; 64]),
    ) -> u64 {
        let all = tags | others;
        let mut after_line = tags & (others << 1 | before);
        while after_line != 0 {
            let bit = after_line.trailing_zeros();
            let at = base + bit as usize;
            if at > 0 && boundaries.starts_at(text, at) {
                let mark = self.count + (all & ((1 << bit) - 1)).count_ones() as usize;
                self.starts.push(Start { at, mark });
            }
            after_line &= after_line - 1;
        }
        if self.positions.len() < self.count + 64 {
            self.positions.resize(2 * self.count + 1024, 0);
        }
        let room = self.positions[self.count..].first_chunk_mut::<64>().expect("just made");
        positions(all, base as u32, room);
        self.count += all.count_ones() as usize;
        others >> 63
    }

    /// The records of the text that was marked, `length` bytes long.
    pub(super) fn records(&self, length: usize) -> impl Iterator<Item = Extent<'_>> {
        let end = Start { at: length, mark: self.count };
        let ends = self.starts.iter().skip(1).copied().chain([end]);
        self.starts.iter().zip(ends).map(|(start, end)| Extent {
            start: start.at,
            end: end.at,
            marks: &self.positions[start.mark..end.mark],
        })
    }
}

/// Whether a byte is marked.
pub(super) const fn is_mark(byte: u8) -> bool {
    matches!(byte, b'<' | b'&' | b'"' | 0..b' ')
}

/// Which of 64 bytes are `<`, and which are `&`, `"` or control characters; the first byte is the lowest
/// bit.
#[inline(always)]
fn classes(block: &[u8; 64]) -> (u64, u64) {
    let (tag, control) = (u8x16::splat(b'<'), u8x16::splat(b' ' - 1));
    // `"` and `&` differ in one bit.
    let (quote, same) = (u8x16::splat(b'"'), u8x16::splat(!(b'"' ^ b'&')));
    let (mut tags, mut others) = (0, 0);
    for (part, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
        let bytes = u8x16::new(*bytes);
        let other = (bytes & same).simd_eq(quote) | bytes.min(control).simd_eq(bytes);
        tags |= u64::from(bytes.simd_eq(tag).to_bitmask()) << (16 * part);
        others |= u64::from(other.to_bitmask()) << (16 * part);
    }
    (tags, others)
}

/// The same in half as many steps.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn classes_with_avx2(block: &[u8; 64]) -> (u64, u64) {
    use std::arch::x86_64::*;
    let splat = |byte: u8| _mm256_set1_epi8(byte as i8);
    let (tag, control) = (splat(b'<'), splat(b' ' - 1));
    let (quote, same) = (splat(b'"'), splat(!(b'"' ^ b'&')));
    let (mut tags, mut others) = (0, 0);
    for (part, bytes) in block.as_chunks::<32>().0.iter().enumerate() {
        // SAFETY: the array is as long as the register, and need not be aligned.
        let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        let other = _mm256_or_si256(
            _mm256_cmpeq_epi8(_mm256_and_si256(bytes, same), quote),
            _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, control), bytes),
        );
        let mask = |equal: __m256i| u64::from(_mm256_movemask_epi8(equal) as u32);
        tags |= mask(_mm256_cmpeq_epi8(bytes, tag)) << (32 * part);
        others |= mask(other) << (32 * part);
    }
    (tags, others)
}

/// The same in one step.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn classes_with_avx512(block: &[u8; 64]) -> (u64, u64) {
    use std::arch::x86_64::*;
    let splat = |byte: u8| _mm512_set1_epi8(byte as i8);
    // SAFETY: the array is as long as the register, and need not be aligned.
    let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
    let quotes = _mm512_cmpeq_epi8_mask(_mm512_and_si512(bytes, splat(!(b'"' ^ b'&'))), splat(b'"'));
    (_mm512_cmpeq_epi8_mask(bytes, splat(b'<')), quotes | _mm512_cmplt_epu8_mask(bytes, splat(b' ')))
}

/// Writes the places of the bits that are set, counted from `base`, to the beginning of `room`.
#[inline(always)]
fn positions(mut bits: u64, base: u32, room: &mut [u32; 64]) {
    let mut next = 0;
    while bits != 0 {
        room[next % 64] = base + bits.trailing_zeros();
        next += 1;
        bits &= bits - 1;
    }
}

/// The same sixteen at a time, of which the last ones may be of no account.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
#[inline]
fn positions_with_avx512(bits: u64, base: u32, room: &mut [u32; 64]) {
    use std::arch::x86_64::*;
    const PLACES: [u8; 64] = {
        let mut places = [0; 64];
        let mut at = 0;
        while at < 64 {
            places[at] = at as u8;
            at += 1;
        }
        places
    };
    let (base, count) = (_mm512_set1_epi32(base as i32), bits.count_ones() as usize);
    // SAFETY: the array is as long as the register, and need not be aligned.
    let places = unsafe { _mm512_loadu_si512(PLACES.as_ptr().cast()) };
    let places = _mm512_maskz_compress_epi8(bits, places);
    let write = |part: &mut [u32], places: __m128i| {
        let part: &mut [u32; 16] = part.try_into().expect("a quarter");
        let positions = _mm512_add_epi32(_mm512_cvtepu8_epi32(places), base);
        // SAFETY: the array is as long as the register, and need not be aligned.
        unsafe { _mm512_storeu_si512(part.as_mut_ptr().cast(), positions) };
    };
    // Few blocks have more than sixteen marks.
    write(&mut room[..16], _mm512_castsi512_si128(places));
    if count > 16 {
        write(&mut room[16..32], _mm512_extracti32x4_epi32::<1>(places));
        if count > 32 {
            write(&mut room[32..48], _mm512_extracti32x4_epi32::<2>(places));
            write(&mut room[48..], _mm512_extracti32x4_epi32::<3>(places));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::split::Kind;
    use super::*;

    #[test]
    fn all_marks_and_starts_are_found() {
        let boundaries = Boundaries::of(Kind::Releases);
        let record = "<release id=\"1\"><title>a &amp; b</title>\n<releases/>&#13;\té</release>\r\n";
        let mut marks = Marks::default();
        for padding in 0..70 {
            let text = format!("{}{}\n{record}", " ".repeat(padding), record.repeat(5));
            let text = text.as_bytes();
            marks.mark(text, &boundaries);
            let plain: Vec<u32> = (0..text.len() as u32).filter(|&at| is_mark(text[at as usize])).collect();
            assert_eq!(marks.positions[..marks.count], plain);
            marks.mark_with(text, &boundaries, classes, positions);
            assert_eq!(marks.positions[..marks.count], plain);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                marks.mark_with(text, &boundaries, |block| unsafe { classes_with_avx2(block) }, positions);
                assert_eq!(marks.positions[..marks.count], plain);
            }
            let mut starts = vec![0];
            while let Some(at) = boundaries.next(text, starts[starts.len() - 1]) {
                starts.push(at);
            }
            assert_eq!(starts.len(), 6);
            let mut together = Vec::new();
            for (extent, start) in marks.records(text.len()).zip(starts) {
                assert_eq!(extent.start, start);
                assert!(extent.marks.iter().all(|&at| (start..extent.end).contains(&(at as usize))));
                together.extend_from_slice(extent.marks);
            }
            assert_eq!(together, plain);
        }
        marks.mark(b"", &boundaries);
        assert_eq!(marks.records(0).count(), 1);
    }
}
