//! What nearly every element of a dump looks like.
//!
//! Discogs' exporter writes the same elements in the same order, without white space between them. Where
//! a whole row of tags is as expected, one comparison passes over all of it, instead of one reading for
//! each tag. A shape that does not fit is left, from its beginning, to the cursor that knows all shapes.

use std::borrow::Cow;

use super::fast::{Fast, pass_reference, text};
use super::{Name, clean, name};
use crate::discogs::credit::Credit;
use crate::discogs::marks::is_mark;
use crate::discogs::release::ReleaseLabel;

/// The beginning of a track.
pub(in crate::discogs) struct TrackHead<'a> {
    pub(in crate::discogs) position: Cow<'a, str>,
    pub(in crate::discogs) title: Cow<'a, str>,
    pub(in crate::discogs) duration: Cow<'a, str>,
    /// Whether the track ends behind it.
    pub(in crate::discogs) ended: bool,
}

impl<'a> Fast<'a, '_> {
    /// Does `read`; the cursor stays where it was if that comes to nothing.
    #[inline(always)]
    pub(super) fn try_to<R>(&mut self, read: impl FnOnce(&mut Self) -> Option<R>) -> Option<R> {
        let before = (self.at, self.marks.clone());
        let found = read(self);
        if found.is_none() {
            (self.at, self.marks) = before;
        }
        found
    }

    /// A whole `<artist>`, as a credit.
    #[inline(always)]
    pub(super) fn credit(&mut self) -> Option<Credit<'a>> {
        self.pass("<artist><id>")?;
        let artist = self.number_to("</id><name>")?;
        let name = self.cell_to("</name>")?;
        if self.pass("<anv/><join/><role/><tracks/></artist>").is_some() {
            return Some(Credit { artist, name, ..Credit::default() });
        }
        let printed = match self.pass("<anv/>") {
            Some(()) => Cow::Borrowed(""),
            None => self.pass("<anv>").and_then(|()| self.cell_to("</anv>"))?,
        };
        let join = match self.pass("<join/>") {
            Some(()) => Cow::Borrowed(""),
            None => self.pass("<join>").and_then(|()| self.cell_to("</join>"))?,
        };
        self.pass("<role/><tracks/></artist>")?;
        Some(Credit { artist, name, printed, join })
    }

    /// A whole `<label>` of a release.
    #[inline(always)]
    pub(super) fn release_label(&mut self) -> Option<ReleaseLabel<'a>> {
        self.pass("<label name=\"")?;
        let name = self.value_to("\" catno=\"")?;
        let catalogue = self.value_to("\" id=\"")?;
        let label = self.number_to("\"/>")?;
        Some(ReleaseLabel { label, name, catalogue })
    }

    /// A whole `<genre>` or `<style>`.
    #[inline(always)]
    pub(super) fn word(&mut self, kind: Name) -> Option<Cow<'a, str>> {
        match kind {
            name::GENRE => self.pass("<genre>").and_then(|()| self.cell_to("</genre>")),
            name::STYLE => self.pass("<style>").and_then(|()| self.cell_to("</style>")),
            _ => None,
        }
    }

    /// A `<track>` up to its duration.
    #[inline(always)]
    pub(super) fn track_head(&mut self) -> Option<TrackHead<'a>> {
        self.pass("<track><position")?;
        let position = match self.pass("/>") {
            Some(()) => self.pass("<title>").map(|()| Cow::Borrowed(""))?,
            None => self.pass(">").and_then(|()| self.cell_to("</position><title>"))?,
        };
        let title = self.cell_to("</title><duration")?;
        let duration = match self.pass("/>") {
            Some(()) => Cow::Borrowed(""),
            None => {
                self.pass(">")?;
                let (raw, _, references) = self.raw_to("</duration>")?;
                text(raw, references).ok()?
            }
        };
        let ended = self.pass("</track>").is_some();
        Some(TrackHead { position, title, duration, ended })
    }

    /// Passes over children of the element called `parent` that is to be skipped, for as long as they
    /// are what is expected.
    #[inline(always)]
    pub(super) fn skip_children(&mut self, parent: Name) {
        match parent {
            name::EXTRAARTISTS => while self.try_to(Self::skip_artist).is_some() {},
            name::COMPANIES => while self.try_to(Self::skip_company).is_some() {},
            name::IMAGES => while self.try_to(Self::skip_image).is_some() {},
            name::FORMATS => while self.try_to(Self::skip_format).is_some() {},
            name::VIDEOS => while self.try_to(Self::skip_video).is_some() {},
            name::IDENTIFIERS => while self.try_to(Self::skip_identifier).is_some() {},
            _ => {}
        }
    }

    fn skip_artist(&mut self) -> Option<()> {
        self.pass("<artist><id>")?;
        self.skip_to("</id><name>")?;
        self.skip_to("</name>")?;
        if self.pass("<anv/><join/><role>").is_none() {
            if self.pass("<anv/>").is_none() {
                self.pass("<anv>")?;
                self.skip_to("</anv>")?;
            }
            if self.pass("<join/><role>").is_none() {
                self.pass("<join>")?;
                self.skip_to("</join><role>")?;
            }
        }
        self.skip_to("</role><tracks")?;
        if self.pass("/></artist>").is_none() {
            self.pass(">")?;
            self.skip_to("</tracks></artist>")?;
        }
        Some(())
    }

    fn skip_company(&mut self) -> Option<()> {
        self.pass("<company><id>")?;
        self.skip_to("</id><name>")?;
        self.skip_to("</name><catno")?;
        if self.pass("/><entity_type>").is_none() {
            self.pass(">")?;
            self.skip_to("</catno><entity_type>")?;
        }
        self.skip_to("</entity_type><entity_type_name>")?;
        self.skip_to("</entity_type_name><resource_url>")?;
        self.skip_to("</resource_url></company>")
    }

    fn skip_image(&mut self) -> Option<()> {
        self.pass("<image type=\"")?;
        self.skip_value("\" uri=\"\" uri150=\"\" width=\"")?;
        self.skip_value("\" height=\"")?;
        self.skip_value("\"/>")
    }

    fn skip_format(&mut self) -> Option<()> {
        self.pass("<format name=\"")?;
        self.skip_value("\" qty=\"")?;
        self.skip_value("\" text=\"")?;
        self.skip_value("\"")?;
        if self.pass("/>").is_some() {
            return Some(());
        }
        self.pass("><descriptions>")?;
        while self.pass("<description>").is_some() {
            self.skip_to("</description>")?;
        }
        self.pass("</descriptions></format>")
    }

    fn skip_video(&mut self) -> Option<()> {
        self.pass("<video src=\"")?;
        self.skip_value("\" duration=\"")?;
        self.skip_value("\" embed=\"")?;
        self.skip_value("\"><title>")?;
        self.skip_to("</title><description")?;
        if self.pass("/></video>").is_none() {
            self.pass(">")?;
            self.skip_to("</description></video>")?;
        }
        Some(())
    }

    fn skip_identifier(&mut self) -> Option<()> {
        self.pass("<identifier type=\"")?;
        self.skip_value("\" ")?;
        if self.pass("description=\"").is_some() {
            self.skip_value("\" ")?;
        }
        self.pass("value=\"")?;
        self.skip_value("\"/>")
    }

    /// Passes over `markup`, if it comes next.
    #[inline(always)]
    fn pass(&mut self, markup: &'static str) -> Option<()> {
        // All marks before the cursor have been passed, so those in the markup are the next ones.
        self.pass_at(self.at, markup, marks_in(markup))
    }

    /// Passes over `markup`, if it stands at `at` and `left` of its marks have not been passed.
    #[inline(always)]
    fn pass_at(&mut self, at: usize, markup: &'static str, left: usize) -> Option<()> {
        if !self.bytes().get(at..)?.starts_with(markup.as_bytes()) {
            return None;
        }
        self.marks = self.marks.as_slice().get(left..)?.iter();
        self.at = at + markup.len();
        Some(())
    }

    /// The text up to the next tag, with which `markup` must begin, and whether there are control
    /// characters and references in it. Passes over both.
    #[inline(always)]
    fn raw_to(&mut self, markup: &'static str) -> Option<(&'a str, bool, bool)> {
        let start = self.at;
        let (mut controls, mut references) = (false, false);
        loop {
            let (at, byte) = self.next_mark().ok()?;
            if byte == b'<' {
                self.pass_at(at, markup, marks_in(markup) - 1)?;
                return Some((self.slice(start, at), controls, references));
            }
            references |= byte == b'&';
            controls |= byte < b' ';
        }
    }

    /// The text up to `markup`, fit for a table cell.
    #[inline(always)]
    fn cell_to(&mut self, markup: &'static str) -> Option<Cow<'a, str>> {
        let (raw, controls, references) = self.raw_to(markup)?;
        fit(raw, controls, references)
    }

    /// The number up to `markup`.
    #[inline(always)]
    fn number_to(&mut self, markup: &'static str) -> Option<i64> {
        let start = self.at;
        let (at, _) = self.next_mark().ok()?;
        self.pass_at(at, markup, marks_in(markup) - 1)?;
        digits(&self.bytes()[..at], at - start)
    }

    /// Passes over text up to `markup`; references must be known.
    #[inline(always)]
    fn skip_to(&mut self, markup: &'static str) -> Option<()> {
        loop {
            let (at, byte) = self.next_mark().ok()?;
            match byte {
                b'<' => return self.pass_at(at, markup, marks_in(markup) - 1),
                b'&' => pass_reference(&self.bytes()[at + 1..]).ok()?,
                _ => {}
            }
        }
    }

    /// The rest of an attribute's value up to `markup`, which begins with its quote, fit for a table cell.
    #[inline(always)]
    fn value_to(&mut self, markup: &'static str) -> Option<Cow<'a, str>> {
        let start = self.at;
        let (mut controls, mut references) = (false, false);
        loop {
            let (at, byte) = self.next_mark().ok()?;
            match byte {
                b'"' => {
                    self.pass_at(at, markup, marks_in(markup) - 1)?;
                    return fit(self.slice(start, at), controls, references);
                }
                b'<' => return None,
                _ => {}
            }
            references |= byte == b'&';
            controls |= byte < b' ';
        }
    }

    /// Passes over the rest of an attribute's value up to `markup`, which begins with its quote.
    #[inline(always)]
    fn skip_value(&mut self, markup: &'static str) -> Option<()> {
        loop {
            if let (at, b'"') = self.pass_mark().ok()? {
                return self.pass_at(at, markup, marks_in(markup) - 1);
            }
        }
    }
}

/// `raw` fit for a table cell.
#[inline(always)]
pub(super) fn fit(raw: &str, controls: bool, references: bool) -> Option<Cow<'_, str>> {
    if !controls && !references {
        // Outside ASCII there is other white space to be trimmed.
        let visible = |byte: Option<&u8>| byte.is_none_or(|byte| (b'!'..0x80).contains(byte));
        if visible(raw.as_bytes().first()) && visible(raw.as_bytes().last()) {
            return Some(Cow::Borrowed(raw));
        }
    }
    text(raw, references).ok().map(clean)
}

/// How many of the bytes of `markup` are marks.
#[inline(always)]
const fn marks_in(markup: &str) -> usize {
    let (bytes, mut at, mut count) = (markup.as_bytes(), 0, 0);
    while at < bytes.len() {
        count += is_mark(bytes[at]) as usize;
        at += 1;
    }
    count
}

/// The number that the last `length` bytes of `text` are, if there are one to eight of them, all digits.
#[inline(always)]
fn digits(text: &[u8], length: usize) -> Option<i64> {
    let last = u64::from_le_bytes(*text.last_chunk()?);
    if !(1..=8).contains(&length) {
        return None;
    }
    // The first digit is the lowest byte; what comes before it is made zero.
    let keep = u64::MAX << (64 - 8 * length);
    let value = (last ^ 0x3030_3030_3030_3030) & keep;
    if (value | value.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Neighbours are joined: digits to pairs, pairs to fours, fours to the number.
    let pairs = (value.wrapping_mul(10) + (value >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_numbers() {
        for (text, length, number) in [
            ("<artist>7", 1, Some(7)),
            ("<artist>1234567", 7, Some(1_234_567)),
            ("<artist>99999999", 8, Some(99_999_999)),
            ("<artist>00000120", 8, Some(120)),
            ("<artist>999999999", 9, None),
            ("<artist>", 0, None),
            ("<id>12", 2, None),
        ] {
            assert_eq!(digits(text.as_bytes(), length), number, "{text}");
        }
        for byte in (0..=255u8).filter(|byte| !byte.is_ascii_digit()) {
            for at in 8..16 {
                let mut text = *b"12345678\x3912345670";
                text[at] = byte;
                assert_eq!(digits(&text[..16], 8), None, "{byte}");
            }
        }
    }
}
