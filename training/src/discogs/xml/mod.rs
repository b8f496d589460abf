//! A cursor over the elements of one record, in two forms.
//!
//! The plain form is quick-xml. It costs an event for every tag, and half of a release (images,
//! videos, notes, identifiers) is of no use here; so the fast form goes from mark to mark and reads
//! the few shapes that Discogs writes. Whatever it cannot read is left to the plain one, and tests hold
//! the two against each other. Both see to it that what is skipped is well-formed too.

mod fast;
mod plain;
#[cfg(test)]
mod tests;
mod usual;

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attributes;

use super::credit::Credit;
use super::marks::Extent;
use super::release::ReleaseLabel;
pub use fast::Fast;
pub(super) use usual::TrackHead;

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not well-formed XML.
    #[error("{0}")]
    Xml(String),
    /// Not valid UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// It ends before its closing tag.
    #[error("it ends before its closing tag")]
    Unclosed,
    /// Something that must be there is missing.
    #[error("no {0}")]
    Missing(&'static str),
    /// A number is not one.
    #[error("{what} is not a number: {value:?}")]
    Number {
        /// The element or attribute.
        what: &'static str,
        /// What it holds, cut to 40 characters.
        value: String,
    },
    /// Another element, or text, where a record should begin.
    #[error("{0:?} where a record should begin")]
    Stray(String),
}

impl From<quick_xml::Error> for Damage {
    fn from(error: quick_xml::Error) -> Self {
        Damage::Xml(error.to_string())
    }
}

/// The name of an element: its first sixteen bytes in an integer, the first one lowest, which compares
/// faster than text. No name of interest is longer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name(u128);

impl Name {
    /// The name that `text` is.
    pub const fn of(text: &str) -> Self {
        let text = text.as_bytes();
        let (mut packed, mut at) = (0, 0);
        while at < text.len() && at < 16 {
            packed |= (text[at] as u128) << (8 * at);
            at += 1;
        }
        Name(packed)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.0.to_le_bytes();
        formatter.write_str(String::from_utf8_lossy(&bytes).trim_end_matches('\0'))
    }
}

/// The names that are looked for.
pub(super) mod name {
    use super::Name;

    pub(in crate::discogs) const ALIASES: Name = Name::of("aliases");
    pub(in crate::discogs) const ANV: Name = Name::of("anv");
    pub(in crate::discogs) const ARTIST: Name = Name::of("artist");
    pub(in crate::discogs) const ARTISTS: Name = Name::of("artists");
    pub(in crate::discogs) const COMPANIES: Name = Name::of("companies");
    pub(in crate::discogs) const COUNTRY: Name = Name::of("country");
    pub(in crate::discogs) const DATA_QUALITY: Name = Name::of("data_quality");
    pub(in crate::discogs) const DURATION: Name = Name::of("duration");
    pub(in crate::discogs) const EXTRAARTISTS: Name = Name::of("extraartists");
    pub(in crate::discogs) const FORMATS: Name = Name::of("formats");
    pub(in crate::discogs) const GENRE: Name = Name::of("genre");
    pub(in crate::discogs) const GENRES: Name = Name::of("genres");
    pub(in crate::discogs) const GROUPS: Name = Name::of("groups");
    pub(in crate::discogs) const ID: Name = Name::of("id");
    pub(in crate::discogs) const IDENTIFIERS: Name = Name::of("identifiers");
    pub(in crate::discogs) const IMAGES: Name = Name::of("images");
    pub(in crate::discogs) const JOIN: Name = Name::of("join");
    pub(in crate::discogs) const LABEL: Name = Name::of("label");
    pub(in crate::discogs) const LABELS: Name = Name::of("labels");
    pub(in crate::discogs) const MAIN_RELEASE: Name = Name::of("main_release");
    pub(in crate::discogs) const MASTER_ID: Name = Name::of("master_id");
    pub(in crate::discogs) const MEMBERS: Name = Name::of("members");
    pub(in crate::discogs) const NAME: Name = Name::of("name");
    pub(in crate::discogs) const NAMEVARIATIONS: Name = Name::of("namevariations");
    pub(in crate::discogs) const PARENT_LABEL: Name = Name::of("parentLabel");
    pub(in crate::discogs) const POSITION: Name = Name::of("position");
    pub(in crate::discogs) const REALNAME: Name = Name::of("realname");
    pub(in crate::discogs) const RELEASED: Name = Name::of("released");
    pub(in crate::discogs) const STYLE: Name = Name::of("style");
    pub(in crate::discogs) const STYLES: Name = Name::of("styles");
    pub(in crate::discogs) const SUB_TRACKS: Name = Name::of("sub_tracks");
    pub(in crate::discogs) const TITLE: Name = Name::of("title");
    pub(in crate::discogs) const TRACK: Name = Name::of("track");
    pub(in crate::discogs) const TRACKLIST: Name = Name::of("tracklist");
    pub(in crate::discogs) const VIDEOS: Name = Name::of("videos");
    pub(in crate::discogs) const YEAR: Name = Name::of("year");
}

/// An element whose opening tag has been read.
pub struct Tag<'a> {
    name: Name,
    /// Length of the whole name in bytes.
    length: u32,
    /// What stands between the name and the `>`, without the slash of an empty element.
    attributes: &'a str,
    empty: bool,
}

impl<'a> Tag<'a> {
    /// The element whose opening tag is `<name>`, which has been read.
    pub(super) fn plain(name: &'static str) -> Self {
        Tag { name: Name::of(name), length: name.len() as u32, attributes: "", empty: false }
    }

    /// The element's name.
    #[inline(always)]
    pub fn name(&self) -> Name {
        self.name
    }

    /// Whether it is written `<name/>`.
    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    /// Calls `each` with every attribute's name and value.
    pub fn attributes(&self, mut each: impl FnMut(&str, Cow<'a, str>)) -> Result<(), Damage> {
        let damage = |error: &dyn std::fmt::Display| Damage::Xml(error.to_string());
        let mut rest = self.attributes;
        while let Some((name, value, after)) = simple_attribute(rest) {
            each(name, unescape(value).map_err(|error| damage(&error))?);
            rest = after;
        }
        for attribute in Attributes::new(rest, 0).with_checks(false) {
            let attribute = attribute.map_err(|error| damage(&error))?;
            let value = match attribute.value {
                Cow::Borrowed(value) => unescape(value).map_err(|error| damage(&error))?,
                Cow::Owned(value) => {
                    Cow::Owned(unescape(&value).map_err(|error| damage(&error))?.into_owned())
                }
            };
            each(attribute.key.into_inner(), value);
        }
        Ok(())
    }
}

/// The attribute that `rest` begins with, if it is written as Discogs does, and what follows it.
fn simple_attribute(rest: &str) -> Option<(&str, &str, &str)> {
    let rest = rest.strip_prefix(' ')?;
    let name = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let quoted = rest.get(name..)?.strip_prefix('=')?;
    let quote = quoted.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let end = 1 + memchr::memchr(quote, &quoted.as_bytes()[1..])?;
    (name > 0).then_some((&rest[..name], &quoted[1..end], &quoted[end + 1..]))
}

/// Walks the elements of a text that begins with a record.
///
/// [`Xml::fast`] knows opening and closing tags, text and entities, and gives up ([`Damage`]) at
/// anything else or anything that does not fit; [`Xml::plain`] is quick-xml. Where the fast way
/// succeeds it has read what the plain way reads, so a record is tried the fast way and, if that
/// fails, read again the plain way, whose word counts.
pub enum Xml<'a, 'm> {
    /// This crate's own scanner.
    Fast(Fast<'a, 'm>),
    /// quick-xml's events.
    Plain(Box<Reader<&'a [u8]>>),
}

impl<'a, 'm> Xml<'a, 'm> {
    /// A cursor at the record that takes `extent` of `text`, the fast way.
    pub(super) fn fast(text: &'a str, extent: Extent<'m>) -> Self {
        Xml::Fast(Fast::new(text, extent))
    }

    /// A cursor at the start of `text`, the plain way.
    pub fn plain(text: &'a str) -> Self {
        Xml::Plain(Box::new(plain::reader(text)))
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        match self {
            Xml::Fast(fast) => fast.remaining(),
            Xml::Plain(reader) => reader.get_ref().len(),
        }
    }

    /// The first element, whose opening tag must come next.
    pub fn root(&mut self) -> Result<Option<Tag<'a>>, Damage> {
        match self {
            Xml::Fast(fast) => fast.root().map(Some),
            Xml::Plain(reader) => plain::child(reader),
        }
    }

    /// The next child of `parent`, the element that the cursor is in, or `None` once that element
    /// has been closed. Text between children is passed over. The child must then be given to
    /// [`Xml::text`] or [`Xml::skip`], or be walked with this very function.
    #[inline(always)]
    pub fn child_of(&mut self, parent: &Tag<'a>) -> Result<Option<Tag<'a>>, Damage> {
        match self {
            _ if parent.empty => Ok(None),
            Xml::Fast(fast) => fast.child_of(parent),
            Xml::Plain(reader) => plain::child(reader),
        }
    }

    /// The text of `tag`, entities resolved, up to and with its closing tag. Elements inside are
    /// left out.
    #[inline(always)]
    pub fn text(&mut self, tag: &Tag<'a>) -> Result<Cow<'a, str>, Damage> {
        match self {
            _ if tag.empty => Ok(Cow::Borrowed("")),
            Xml::Fast(fast) => fast.text(tag),
            Xml::Plain(reader) => plain_text(reader).map(Cow::Owned),
        }
    }

    /// The text of `tag` made fit for a table cell: outer white space gone, line breaks turned into
    /// spaces.
    #[inline(always)]
    pub fn cell(&mut self, tag: &Tag<'a>) -> Result<Cow<'a, str>, Damage> {
        match self {
            _ if tag.empty => Ok(Cow::Borrowed("")),
            Xml::Fast(fast) => fast.cell(tag),
            Xml::Plain(reader) => plain_text(reader).map(Cow::Owned).map(clean),
        }
    }

    /// The credit that comes next, if it is an `<artist>` written the usual way.
    #[inline(always)]
    pub(super) fn credit(&mut self) -> Option<Credit<'a>> {
        match self {
            Xml::Fast(fast) => fast.try_to(Fast::credit),
            Xml::Plain(_) => None,
        }
    }

    /// The label that comes next, if it is a `<label>` of a release written the usual way.
    #[inline(always)]
    pub(super) fn release_label(&mut self) -> Option<ReleaseLabel<'a>> {
        match self {
            Xml::Fast(fast) => fast.try_to(Fast::release_label),
            Xml::Plain(_) => None,
        }
    }

    /// The text of the element called `kind` that comes next, if that is a genre or a style written the
    /// usual way.
    #[inline(always)]
    pub(super) fn word(&mut self, kind: Name) -> Option<Cow<'a, str>> {
        match self {
            Xml::Fast(fast) => fast.try_to(|fast| fast.word(kind)),
            Xml::Plain(_) => None,
        }
    }

    /// The beginning of the `<track>` that comes next, if it is written the usual way.
    #[inline(always)]
    pub(super) fn track_head(&mut self) -> Option<TrackHead<'a>> {
        match self {
            Xml::Fast(fast) => fast.try_to(Fast::track_head),
            Xml::Plain(_) => None,
        }
    }

    /// Passes over `tag` with all that it holds, which must be well-formed.
    pub fn skip(&mut self, tag: &Tag<'a>) -> Result<(), Damage> {
        match self {
            _ if tag.empty => Ok(()),
            Xml::Fast(fast) => fast.skip(tag),
            Xml::Plain(reader) => plain::element(reader, |_| ()),
        }
    }
}

fn plain_text(reader: &mut Reader<&[u8]>) -> Result<String, Damage> {
    let mut text = String::new();
    plain::element(reader, |part| text.push_str(part))?;
    Ok(text)
}

/// A positive number, as ids are; `what` names it in the error.
pub(super) fn number(what: &'static str, text: &str) -> Result<i64, Damage> {
    let text = text.trim();
    // Digits alone: no sign, no exponent, and nothing that overflows.
    if !text.is_empty()
        && text.len() <= 18
        && let Some(value) = text.bytes().try_fold(0i64, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
        })
    {
        return Ok(value);
    }
    Err(Damage::Number { what, value: text.chars().take(40).collect() })
}

/// A name or title fit for a table cell: outer white space gone, line breaks turned into spaces.
#[inline(never)]
pub(super) fn clean(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte < b' ') {
        return Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
