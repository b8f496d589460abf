//! A cursor over the elements of one record, in two forms.
//!
//! The plain form is quick-xml. It costs an event for every tag, and half of a release (images,
//! videos, notes, identifiers) is of no use here; so the fast form reads the few shapes that Discogs
//! writes with a scanner of its own and finds the end of what nobody wants by searching for the
//! closing tag. Whatever the fast form cannot read is left to the plain one, and tests hold the two
//! against each other.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::Event;
use quick_xml::events::attributes::Attributes;
use quick_xml::name::QName;

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

/// An element whose opening tag has been read.
pub struct Tag<'a> {
    /// What stands between `<` and `>`, without the slash of an empty element.
    markup: &'a str,
    /// Length of the name, with which the markup begins.
    name: u32,
    empty: bool,
}

impl<'a> Tag<'a> {
    /// The element's name.
    #[inline(always)]
    pub fn name(&self) -> &'a str {
        &self.markup[..self.name as usize]
    }

    /// Calls `each` with every attribute's name and value.
    pub fn attributes(&self, mut each: impl FnMut(&str, Cow<'a, str>)) -> Result<(), Damage> {
        let damage = |error: &dyn std::fmt::Display| Damage::Xml(error.to_string());
        for attribute in Attributes::new(self.markup, self.name as usize).with_checks(false) {
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

/// Walks the elements of a text that begins with a record.
///
/// [`Xml::fast`] knows opening and closing tags, text and entities, and gives up ([`Damage`]) at
/// anything else or anything that does not fit; [`Xml::plain`] is quick-xml. Where the fast way
/// succeeds it has read what the plain way reads, so a record is tried the fast way and, if that
/// fails, read again the plain way, whose word counts.
pub enum Xml<'a> {
    /// The bytes not yet read, by this module's own scanner.
    Fast(&'a str),
    /// quick-xml's events.
    Plain(Box<Reader<&'a [u8]>>),
}

impl<'a> Xml<'a> {
    /// A cursor at the start of `text`, the fast way.
    pub fn fast(text: &'a str) -> Self {
        Xml::Fast(text)
    }

    /// A cursor at the start of `text`, the plain way.
    pub fn plain(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        Xml::Plain(Box::new(reader))
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        match self {
            Xml::Fast(rest) => rest.len(),
            Xml::Plain(reader) => reader.get_ref().len(),
        }
    }

    /// The first element, whose opening tag must come next.
    pub fn root(&mut self) -> Result<Option<Tag<'a>>, Damage> {
        match self {
            Xml::Fast(rest) => opening_tag(rest).map(Some),
            Xml::Plain(reader) => plain_child(reader),
        }
    }

    /// The next child of `parent`, the element that the cursor is in, or `None` once that element
    /// has been closed. Text between children is passed over. The child must then be given to
    /// [`Xml::text`] or [`Xml::skip`], or be walked with this very function.
    #[inline(always)]
    pub fn child_of(&mut self, parent: &Tag<'a>) -> Result<Option<Tag<'a>>, Damage> {
        if parent.empty {
            return Ok(None);
        }
        match self {
            Xml::Fast(rest) => {
                if !rest.starts_with('<') {
                    let at = memchr::memchr(b'<', rest.as_bytes()).ok_or(Damage::Unclosed)?;
                    *rest = &rest[at..];
                }
                if rest.as_bytes().get(1) == Some(&b'/') {
                    close(rest, parent.name()).map(|()| None)
                } else {
                    opening_tag(rest).map(Some)
                }
            }
            Xml::Plain(reader) => plain_child(reader),
        }
    }

    /// The text of `tag`, entities resolved, up to and with its closing tag. Elements inside are
    /// left out.
    #[inline(always)]
    pub fn text(&mut self, tag: &Tag<'a>) -> Result<Cow<'a, str>, Damage> {
        if tag.empty {
            return Ok(Cow::Borrowed(""));
        }
        match self {
            Xml::Fast(rest) => {
                let mut end = memchr::memchr2(b'<', b'&', rest.as_bytes()).ok_or(Damage::Unclosed)?;
                let text = if rest.as_bytes()[end] == b'<' {
                    Cow::Borrowed(&rest[..end])
                } else {
                    end += memchr::memchr(b'<', &rest.as_bytes()[end..]).ok_or(Damage::Unclosed)?;
                    unescape(&rest[..end]).map_err(|error| Damage::Xml(error.to_string()))?
                };
                *rest = &rest[end..];
                close(rest, tag.name())?;
                Ok(text)
            }
            Xml::Plain(reader) => plain_text(reader).map(Cow::Owned),
        }
    }

    /// The text of `tag` made fit for a table cell: outer white space gone, line breaks turned into
    /// spaces.
    #[inline(always)]
    pub fn cell(&mut self, tag: &Tag<'a>) -> Result<Cow<'a, str>, Damage> {
        if let Xml::Fast(rest) = self
            && !tag.empty
        {
            // Nearly all cells are short and plain: one loop finds their end and that they are.
            let bytes = rest.as_bytes();
            let mut end = 0;
            while end < bytes.len() && PLAIN[bytes[end] as usize] {
                end += 1;
            }
            let trim = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_whitespace);
            if bytes.get(end) == Some(&b'<') && !trim(0) && !(end > 0 && trim(end - 1)) {
                let text = &rest[..end];
                *rest = &rest[end..];
                close(rest, tag.name())?;
                return Ok(Cow::Borrowed(text));
            }
        }
        self.text(tag).map(clean)
    }

    /// Passes over `tag` with all that it holds.
    pub fn skip(&mut self, tag: &Tag<'a>) -> Result<(), Damage> {
        if tag.empty {
            return Ok(());
        }
        match self {
            Xml::Fast(rest) => {
                // An element of the same name inside would end the search too early, and the closing
                // tag left over would then not fit.
                let at = match CLOSING_TAGS.iter().find(|(name, _)| *name == tag.name()) {
                    Some((_, finder)) => finder.find(rest.as_bytes()),
                    None => memmem::find(rest.as_bytes(), format!("</{}>", tag.name()).as_bytes()),
                };
                *rest = &rest[at.ok_or(Damage::Unclosed)?..];
                close(rest, tag.name())
            }
            Xml::Plain(reader) => Ok(reader.read_to_end(QName(tag.name())).map(|_| ())?),
        }
    }
}

/// The closing tags that are searched for in nearly every record, most frequent first.
static CLOSING_TAGS: LazyLock<Vec<(&'static str, memmem::Finder<'static>)>> = LazyLock::new(|| {
    [
        ("role", "</role>"),
        ("tracks", "</tracks>"),
        ("extraartists", "</extraartists>"),
        ("images", "</images>"),
        ("formats", "</formats>"),
        ("identifiers", "</identifiers>"),
        ("videos", "</videos>"),
        ("companies", "</companies>"),
        ("notes", "</notes>"),
        ("profile", "</profile>"),
        ("urls", "</urls>"),
    ]
    .map(|(name, closing)| (name, memmem::Finder::new(closing)))
    .into()
});

/// Takes an opening tag off the front of `rest`.
///
/// Inlined, as are its callers: returned through memory, the parts of a tag would be read back
/// before they have arrived there, which took a third of the whole time.
#[inline(always)]
fn opening_tag<'a>(rest: &mut &'a str) -> Result<Tag<'a>, Damage> {
    let bytes = rest.as_bytes();
    if bytes.first() != Some(&b'<') {
        return Err(Damage::Unclosed);
    }
    let mut end = 1;
    while end < bytes.len() && NAME[bytes[end] as usize] {
        end += 1;
    }
    let mut at = end;
    if end == 1 {
        return Err(Damage::Unclosed);
    }
    match bytes.get(end) {
        Some(b'>') => {}
        Some(b'/' | b' ') => at = end_of_tag(bytes, end)?,
        _ => return Err(Damage::Unclosed),
    }
    let empty = bytes[at - 1] == b'/';
    let tag = Tag { markup: &rest[1..at - usize::from(empty)], name: end as u32 - 1, empty };
    *rest = &rest[at + 1..];
    Ok(tag)
}

/// The bytes of names.
static NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte == b'_' as usize;
        byte += 1;
    }
    table
};

/// The bytes of text that needs no further look: no markup, no entity, no control character, and
/// nothing outside ASCII, where other white space may hide.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b' ' as usize;
    while byte < 128 {
        table[byte] = byte != b'<' as usize && byte != b'&' as usize;
        byte += 1;
    }
    table
};

/// Position of the `>` that ends the tag whose name ends at `at`; attributes may hold one in quotes.
#[inline(never)]
fn end_of_tag(bytes: &[u8], mut at: usize) -> Result<usize, Damage> {
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', &bytes[at..]).ok_or(Damage::Unclosed)?;
        let quote = bytes[at];
        if quote == b'>' {
            // `</>` and `< />` do not come here: a name stands before.
            return Ok(at);
        }
        at += 1;
        at += memchr::memchr(quote, &bytes[at..]).ok_or(Damage::Unclosed)? + 1;
    }
}

/// Takes the closing tag of `name` off the front of `rest`.
#[inline(always)]
fn close(rest: &mut &str, name: &str) -> Result<(), Damage> {
    let (bytes, name) = (rest.as_bytes(), name.as_bytes());
    let end = name.len() + 2;
    if bytes.len() <= end || bytes[0] != b'<' || bytes[1] != b'/' || bytes[end] != b'>' {
        return Err(Damage::Unclosed);
    }
    // Names have a few bytes: comparing them here costs less than calling for it.
    let mut at = 0;
    while at < name.len() {
        if bytes[at + 2] != name[at] {
            return Err(Damage::Unclosed);
        }
        at += 1;
    }
    *rest = &rest[end + 1..];
    Ok(())
}

fn plain_child<'a>(reader: &mut Reader<&'a [u8]>) -> Result<Option<Tag<'a>>, Damage> {
    loop {
        let before: &'a [u8] = reader.get_ref();
        let empty = match reader.read_event()? {
            Event::Start(_) => false,
            Event::Empty(_) => true,
            Event::End(_) => return Ok(None),
            Event::Eof => return Err(Damage::Unclosed),
            _ => continue,
        };
        let markup = &before[1..before.len() - reader.get_ref().len() - 1 - usize::from(empty)];
        let markup = std::str::from_utf8(markup).map_err(|_| Damage::Encoding)?;
        let name = markup.split_ascii_whitespace().next().map_or(0, |name| name.len() as u32);
        return Ok(Some(Tag { markup, name, empty }));
    }
}

fn plain_text(reader: &mut Reader<&[u8]>) -> Result<String, Damage> {
    let mut text = String::new();
    let mut depth = 0;
    loop {
        match reader.read_event()? {
            Event::End(_) if depth == 0 => return Ok(text),
            Event::End(_) => depth -= 1,
            Event::Start(_) => depth += 1,
            Event::Text(part) if depth == 0 => text.push_str(&part),
            Event::CData(part) if depth == 0 => text.push_str(&part),
            Event::GeneralRef(reference) if depth == 0 => match reference.resolve_char_ref()? {
                Some(character) => text.push(character),
                None => match resolve_predefined_entity(&reference) {
                    Some(value) => text.push_str(value),
                    None => return Err(Damage::Xml(format!("unknown entity &{};", &*reference))),
                },
            },
            Event::Eof => return Err(Damage::Unclosed),
            _ => {}
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn title(text: &str, plain: bool) -> Result<String, Damage> {
        let mut xml = if plain { Xml::plain(text) } else { Xml::fast(text) };
        let record = xml.root()?.expect("a record");
        let mut found = String::new();
        while let Some(tag) = xml.child_of(&record)? {
            match tag.name() {
                "title" => {
                    found = xml.text(&tag)?.into_owned();
                    tag.attributes(|name, value| found.push_str(&format!("[{name}={value}]")))?;
                }
                _ => xml.skip(&tag)?,
            }
        }
        Ok(found)
    }

    #[test]
    fn what_the_fast_way_reads_is_what_the_plain_way_reads() {
        let common = [
            ("<title>plain</title>", "plain"),
            ("<title/>", ""),
            ("<title></title>", ""),
            ("<title>&#214;stermalm &amp; S&#xF6;der&lt;</title>", "Östermalm & Söder<"),
            ("<title>line\n&#13;\nfeed</title>", "line\n\r\nfeed"),
            ("<title a=\"x &gt; > '\" b='&quot;\"/>'>t</title>", "t[a=x > > '][b=\"\"/>]"),
            (
                "<notes>x &gt; y</notes><title>after</title><videos><video><title>no</title></video></videos>",
                "after",
            ),
            ("<other><title>no</title><unknown/></other>\n<title >yes</title>", "yes"),
        ];
        for (body, expected) in common {
            let text = format!("<release id=\"1\">{body}</release>");
            assert_eq!(title(&text, true).as_deref(), Ok(expected), "{body}");
            assert_eq!(title(&text, false).as_deref(), Ok(expected), "{body}");
        }
        // Left to the plain way: what Discogs does not write.
        let rare = [
            ("<title>a<b>bold</b>c</title>", "ac"),
            ("<title>a<![CDATA[<b>]]>c</title>", "a<b>c"),
            ("<notes><![CDATA[</notes><title>no</title>]]></notes><title>a<!-- no -->c</title>", "ac"),
            ("<other><other/><other></other><title>no</title></other><title>yes</title >", "yes"),
        ];
        for (body, expected) in rare {
            let text = format!("<release id=\"1\">{body}</release>");
            assert_eq!(title(&text, true).as_deref(), Ok(expected), "{body}");
            assert!(title(&text, false).is_err(), "{body}");
        }
    }

    #[test]
    fn damage_is_named() {
        for plain in [false, true] {
            assert!(title("<r><title>a</r>", plain).is_err());
            assert!(title("<r><title>a</title></s>", plain).is_err());
            assert!(title("<r><title a=\"b>a</title></r>", plain).is_err());
            assert!(title("<r><title>a", plain).is_err());
            assert!(title("<r><videos><video>", plain).is_err());
            assert!(matches!(title("<r><title>&nope;</title></r>", plain), Err(Damage::Xml(_))));
        }
        assert_eq!(number("id", "007").unwrap(), 7);
        for bad in ["", "-1", "1e3", "12345678901234567890", "٣"] {
            assert!(number("id", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cells_hold_one_line() {
        assert_eq!(clean(Cow::Borrowed(" a\r\nb ")), "a b");
        assert_eq!(clean(Cow::Borrowed(" a  b ")), "a  b");
    }
}
