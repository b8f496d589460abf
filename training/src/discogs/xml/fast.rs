//! The fast form: what Discogs writes, read by its marks.

use std::borrow::Cow;

use quick_xml::escape::unescape;
use wide::u8x16;

use super::usual::fit;
use super::{Damage, Name, Tag, clean};
use crate::discogs::marks::Extent;

/// A cursor over the marks of one record.
pub struct Fast<'a, 'm> {
    /// The text up to the record's end; positions count from its beginning.
    text: &'a str,
    /// The marks not yet passed.
    pub(super) marks: std::slice::Iter<'m, u32>,
    /// What lies before this has been read, and all marks in it been passed.
    pub(super) at: usize,
}

impl<'a, 'm> Fast<'a, 'm> {
    /// A cursor at the record that takes `extent` of `text`.
    pub(in crate::discogs) fn new(text: &'a str, extent: Extent<'m>) -> Self {
        Fast { text: &text[..extent.end], marks: extent.marks.iter(), at: extent.start }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.text.len() - self.at
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The text between two marks.
    #[inline(always)]
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        &self.text[start..end]
    }

    /// The position of the next mark, and the byte there.
    #[inline(always)]
    pub(super) fn next_mark(&mut self) -> Result<(usize, u8), Damage> {
        let at = *self.marks.next().ok_or(Damage::Unclosed)? as usize;
        Ok((at, self.bytes()[at]))
    }

    /// The opening tag that must come next.
    pub(super) fn root(&mut self) -> Result<Tag<'a>, Damage> {
        let (at, byte) = self.next_mark()?;
        if byte == b'<' && at == self.at { self.opening_tag(at) } else { Err(Damage::Unclosed) }
    }

    #[inline(always)]
    pub(super) fn child_of(&mut self, parent: &Tag<'a>) -> Result<Option<Tag<'a>>, Damage> {
        loop {
            let (at, byte) = self.next_mark()?;
            if byte == b'<' {
                if self.bytes().get(at + 1) == Some(&b'/') {
                    return self.close(at, parent.name, parent.length as usize).map(|()| None);
                }
                return self.opening_tag(at).map(Some);
            }
            if byte == b'&' {
                pass_reference(&self.bytes()[at + 1..])?;
            }
        }
    }

    #[inline(always)]
    pub(super) fn text(&mut self, tag: &Tag<'a>) -> Result<Cow<'a, str>, Damage> {
        self.raw_text(tag).and_then(|(raw, _, references)| text(raw, references))
    }

    #[inline(always)]
    pub(super) fn cell(&mut self, tag: &Tag<'a>) -> Result<Cow<'a, str>, Damage> {
        let (raw, controls, references) = self.raw_text(tag)?;
        match fit(raw, controls, references) {
            Some(cell) => Ok(cell),
            None => text(raw, references).map(clean),
        }
    }

    /// The text of `tag` as it stands, up to and with its closing tag, and whether there are control
    /// characters and references in it.
    #[inline(always)]
    fn raw_text(&mut self, tag: &Tag<'a>) -> Result<(&'a str, bool, bool), Damage> {
        let start = self.at;
        let (mut controls, mut references) = (false, false);
        loop {
            let (at, byte) = self.next_mark()?;
            if byte == b'<' {
                self.close(at, tag.name, tag.length as usize)?;
                return Ok((&self.text[start..at], controls, references));
            }
            references |= byte == b'&';
            controls |= byte < b' ';
        }
    }

    /// Passes over the rest of `tag`, in which every tag must have its counterpart and every reference
    /// be known.
    pub(super) fn skip(&mut self, tag: &Tag<'a>) -> Result<(), Damage> {
        let bytes = self.bytes();
        if let &[at, ..] = self.marks.as_slice()
            && self.close(at as usize, tag.name, tag.length as usize).is_ok()
        {
            // Plain text is all that it holds.
            self.marks.next();
            return Ok(());
        }
        self.skip_children(tag.name);
        let mut open = Vec::new();
        let (mut name, mut length) = (tag.name, tag.length as usize);
        loop {
            let (at, byte) = self.next_mark()?;
            match byte {
                b'<' => {}
                b'&' => {
                    pass_reference(&bytes[at + 1..])?;
                    continue;
                }
                _ => continue,
            }
            if bytes.get(at + 1) == Some(&b'/') {
                self.close(at, name, length)?;
                match open.pop() {
                    Some(outer) => (name, length) = outer,
                    None => return Ok(()),
                }
                continue;
            }
            let (inner_name, inner_length, empty) = self.pass_tag(at)?;
            if empty {
                continue;
            }
            if let &[end, ..] = self.marks.as_slice()
                && self.close(end as usize, inner_name, inner_length).is_ok()
            {
                self.marks.next();
            } else {
                open.push((name, length));
                (name, length) = (inner_name, inner_length);
            }
        }
    }

    /// Reads the opening tag at `at`.
    ///
    /// Inlined, as are its callers: returned through memory, the parts of a tag would be read back
    /// before they have arrived there, which took a third of the whole time.
    #[inline(always)]
    fn opening_tag(&mut self, at: usize) -> Result<Tag<'a>, Damage> {
        let (name, length, empty) = self.pass_tag(at)?;
        let (start, end) = (at + 1 + length, self.at - 1 - usize::from(empty));
        let attributes = if start == end { "" } else { &self.text[start..end] };
        Ok(Tag { name, length: length as u32, attributes, empty })
    }

    /// Passes over the opening tag at `at`; returns its name, the name's length and whether the element is
    /// empty.
    #[inline(always)]
    fn pass_tag(&mut self, at: usize) -> Result<(Name, usize, bool), Damage> {
        let bytes = self.bytes();
        let (name, length) = name_at(bytes, at + 1);
        let end = at + 1 + length;
        let mut close = end;
        match bytes.get(end) {
            _ if length == 0 || bytes[at + 1] == b'?' => return Err(Damage::Unclosed),
            Some(b'>') => {}
            Some(b'/') if bytes.get(end + 1) == Some(&b'>') => close = end + 1,
            Some(b' ') => close = self.pass_attributes(end)?,
            _ => return Err(Damage::Unclosed),
        }
        self.at = close + 1;
        Ok((name, length, bytes[close - 1] == b'/'))
    }

    /// Passes over attributes, whose first space is at `at`, and the marks in them; returns
    /// the position of the `>` that ends the tag.
    fn pass_attributes(&mut self, mut at: usize) -> Result<usize, Damage> {
        let bytes = self.bytes();
        loop {
            match bytes.get(at..).unwrap_or(&[]) {
                [b'>', ..] => return Ok(at),
                [b'/', b'>', ..] => return Ok(at + 1),
                [b' ', b'>', ..] => return Ok(at + 1),
                [b' ', b'/', b'>', ..] => return Ok(at + 2),
                [b' ', ..] => {}
                _ => return Err(Damage::Unclosed),
            }
            let (_, length) = name_at(bytes, at + 1);
            let quote = at + 1 + length;
            // The equals sign counts as a part of the name.
            at = match (bytes[quote - 1], bytes.get(quote)) {
                (b'=', Some(b'"')) => {
                    self.marks.next();
                    loop {
                        if let (end, b'"') = self.pass_mark()? {
                            break end + 1;
                        }
                    }
                }
                (b'=', Some(b'\'')) => {
                    let end =
                        quote + 1 + memchr::memchr(b'\'', &bytes[quote + 1..]).ok_or(Damage::Unclosed)?;
                    while self.marks.as_slice().first().is_some_and(|&mark| (mark as usize) < end) {
                        self.pass_mark()?;
                    }
                    end + 1
                }
                _ => return Err(Damage::Unclosed),
            };
        }
    }

    /// Passes over the next mark inside an attribute.
    #[inline(always)]
    pub(super) fn pass_mark(&mut self) -> Result<(usize, u8), Damage> {
        let (at, byte) = self.next_mark()?;
        match byte {
            b'<' => return Err(Damage::Unclosed),
            b'&' => pass_reference(&self.bytes()[at + 1..])?,
            _ => {}
        }
        Ok((at, byte))
    }

    /// Reads the closing tag at `at`, which must be that of the element of the given name.
    #[inline(always)]
    fn close(&mut self, at: usize, name: Name, length: usize) -> Result<(), Damage> {
        let bytes = self.bytes();
        let end = at + 2 + length;
        let found = Name(u128::from_le_bytes(sixteen(bytes, at + 2)) & KEEP[length % 32]);
        // A closing tag alone can have all three; whether `at` is a tag's beginning is seen last.
        if found != name || bytes.get(end) != Some(&b'>') || bytes[at..at + 2] != *b"</" {
            return Err(Damage::Unclosed);
        }
        self.at = end + 1;
        Ok(())
    }
}

#[inline(always)]
pub(super) fn text(raw: &str, references: bool) -> Result<Cow<'_, str>, Damage> {
    if !references {
        return Ok(Cow::Borrowed(raw));
    }
    unescape(raw).map_err(|error| Damage::Xml(error.to_string()))
}

/// Sixteen bytes from `at`; zeros where there are no more.
#[inline(always)]
fn sixteen(bytes: &[u8], at: usize) -> [u8; 16] {
    match bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        Some(sixteen) => *sixteen,
        None => {
            let mut sixteen = [0; 16];
            let rest = bytes.get(at..).unwrap_or(&[]);
            sixteen[..rest.len()].copy_from_slice(rest);
            sixteen
        }
    }
}

/// The name that begins at `at` and its length: up to the first byte that is `>`, `/`, a space or
/// anything else below `0`, sixteen bytes at most. No name in a dump is longer.
#[inline(always)]
fn name_at(bytes: &[u8], at: usize) -> (Name, usize) {
    let sixteen = sixteen(bytes, at);
    let wide = u8x16::new(sixteen);
    let ends = wide.simd_eq(u8x16::splat(b'>')) | wide.min(u8x16::splat(b'/')).simd_eq(wide);
    let length = (ends.to_bitmask() | 1 << 16).trailing_zeros() as usize;
    (Name(u128::from_le_bytes(sixteen) & KEEP[length % 32]), length)
}

/// Masks that keep the first so many bytes of a name.
static KEEP: [u128; 32] = {
    let mut masks = [u128::MAX; 32];
    let mut length = 0;
    while length < 16 {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};

/// Whether a reference that XML knows stands at the beginning of `rest`, behind its `&`.
pub(super) fn pass_reference(rest: &[u8]) -> Result<(), Damage> {
    for name in [&b"amp;"[..], b"lt;", b"gt;", b"quot;", b"apos;"] {
        if rest.starts_with(name) {
            return Ok(());
        }
    }
    let (radix, digits) = match rest {
        [b'#', b'x', digits @ ..] => (16, digits),
        [b'#', digits @ ..] => (10, digits),
        _ => return Err(Damage::Unclosed),
    };
    let mut value = 0;
    for (at, &byte) in digits.iter().take(8).enumerate() {
        match char::from(byte).to_digit(radix) {
            Some(digit) => value = value * radix + digit,
            None if byte == b';' && at > 0 && value > 0 && char::from_u32(value).is_some() => return Ok(()),
            None => break,
        }
    }
    Err(Damage::Unclosed)
}
