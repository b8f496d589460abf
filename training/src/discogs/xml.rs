//! A cursor over the elements of one record, on quick-xml's events.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::Event;
use quick_xml::events::attributes::Attributes;

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
    /// A required part is missing.
    #[error("no {0}")]
    Missing(&'static str),
    /// A number is invalid.
    #[error("{what} is not a number: {value:?}")]
    Number {
        /// The element or attribute.
        what: &'static str,
        /// Its value, cut to 40 characters.
        value: String,
    },
    /// Another element (its name cut to 40 characters) or text instead of the beginning of a record.
    #[error("{0:?} where a record should begin")]
    Stray(String),
}

impl Damage {
    fn xml(error: impl std::fmt::Display) -> Self {
        Damage::Xml(error.to_string())
    }
}

/// An element whose opening tag has been read.
pub(super) struct Tag<'a> {
    name: &'a str,
    /// The text between the name and the `>`, without the slash of an empty element.
    attributes: &'a str,
    empty: bool,
}

impl<'a> Tag<'a> {
    /// The element's name.
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Calls `each` with every attribute's name and value.
    pub(super) fn attributes(&self, mut each: impl FnMut(&str, Cow<'a, str>)) -> Result<(), Damage> {
        for attribute in Attributes::new(self.attributes, 0).with_checks(false) {
            let attribute = attribute.map_err(Damage::xml)?;
            let value = match attribute.value {
                Cow::Borrowed(value) => unescape(value).map_err(Damage::xml)?,
                Cow::Owned(value) => Cow::Owned(unescape(&value).map_err(Damage::xml)?.into_owned()),
            };
            each(attribute.key.into_inner(), value);
        }
        Ok(())
    }
}

/// Walks the elements of a text that begins with a record. Everything must be well-formed, skipped elements too:
/// matching tags, known references.
pub(super) struct Xml<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
}

impl<'a> Xml<'a> {
    /// A cursor at the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        // quick-xml checks closing tags against opening ones by default.
        Xml { text, reader: Reader::from_str(text) }
    }

    /// The unread rest.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.text.len() - self.reader.get_ref().len()..]
    }

    /// The next element, or `None` at a closing tag. Text before it is skipped.
    pub(super) fn next(&mut self) -> Result<Option<Tag<'a>>, Damage> {
        loop {
            let (start, empty) = match self.reader.read_event().map_err(Damage::xml)? {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(Damage::Unclosed),
                _ => continue,
            };
            // The event borrows from the text but does not give its position.
            let end = self.text.len() - self.reader.get_ref().len() - if empty { 2 } else { 1 };
            let (name, attributes) = self.text[end - start.len()..end].split_at(start.name().0.len());
            return Ok(Some(Tag { name, attributes, empty }));
        }
    }

    /// The next child of `parent`, the element that the cursor is in, or `None` once that element has been closed. Text
    /// between children is skipped. The child must then be given to [`Xml::text`] or [`Xml::skip`], or be walked with
    /// this function.
    pub(super) fn child_of(&mut self, parent: &Tag<'a>) -> Result<Option<Tag<'a>>, Damage> {
        if parent.empty { Ok(None) } else { self.next() }
    }

    /// The text of `tag`, with entities resolved, up to and including its closing tag. Elements inside are left out.
    pub(super) fn text(&mut self, tag: &Tag<'a>) -> Result<Cow<'a, str>, Damage> {
        let mut text = Cow::Borrowed("");
        self.element(tag, |part| {
            if text.is_empty() {
                text = part;
            } else {
                text.to_mut().push_str(&part);
            }
        })?;
        Ok(text)
    }

    /// The text of `tag` as a table cell: trimmed, with line breaks replaced by spaces.
    pub(super) fn cell(&mut self, tag: &Tag<'a>) -> Result<Cow<'a, str>, Damage> {
        self.text(tag).map(clean)
    }

    /// The texts of the children of `parent` with the name `name`, as table cells, without empty ones.
    pub(super) fn cells(&mut self, parent: &Tag<'a>, name: &str) -> Result<Vec<Cow<'a, str>>, Damage> {
        let mut cells = Vec::new();
        while let Some(tag) = self.child_of(parent)? {
            if tag.name != name {
                self.skip(&tag)?;
                continue;
            }
            let cell = self.cell(&tag)?;
            if !cell.is_empty() {
                cells.push(cell);
            }
        }
        Ok(cells)
    }

    /// Skips `tag` and everything in it.
    pub(super) fn skip(&mut self, tag: &Tag<'a>) -> Result<(), Damage> {
        self.element(tag, |_| ())
    }

    /// Reads to the end of `tag`, and gives its own text to `text`, not that of elements inside.
    fn element(&mut self, tag: &Tag<'a>, mut text: impl FnMut(Cow<'a, str>)) -> Result<(), Damage> {
        if tag.empty {
            return Ok(());
        }
        let mut depth = 0;
        loop {
            let part = match self.reader.read_event().map_err(Damage::xml)? {
                Event::End(_) if depth == 0 => return Ok(()),
                Event::End(_) => {
                    depth -= 1;
                    continue;
                }
                Event::Start(_) => {
                    depth += 1;
                    continue;
                }
                Event::Text(part) => part.into_inner(),
                Event::CData(part) => part.into_inner(),
                Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(Damage::xml)? {
                    Some(character) => Cow::Owned(character.to_string()),
                    None => match resolve_predefined_entity(&reference) {
                        Some(value) => Cow::Borrowed(value),
                        None => return Err(Damage::Xml(format!("unknown entity &{};", &*reference))),
                    },
                },
                Event::Eof => return Err(Damage::Unclosed),
                _ => continue,
            };
            if depth == 0 {
                text(part);
            }
        }
    }
}

/// A positive number, such as an id; `what` names it in the error.
pub(super) fn number(what: &'static str, text: &str) -> Result<i64, Damage> {
    let text = text.trim();
    // Only digits: no sign, no exponent, and no overflow.
    let is_number = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(value) if is_number => Ok(value),
        _ => Err(Damage::Number { what, value: text.chars().take(40).collect() }),
    }
}

/// A name or title as a table cell: trimmed, with line breaks replaced by spaces.
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

    fn title(text: &str) -> Result<String, Damage> {
        let mut xml = Xml::new(text);
        let record = xml.next()?.expect("a record");
        let mut found = String::new();
        while let Some(tag) = xml.child_of(&record)? {
            if tag.name() == "title" {
                found = xml.text(&tag)?.into_owned();
                tag.attributes(|name, value| found.push_str(&format!("[{name}={value}]")))?;
            } else {
                xml.skip(&tag)?;
            }
        }
        Ok(found)
    }

    #[test]
    fn all_that_a_text_may_hold_is_read() {
        for (body, expected) in [
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
            // Not written by Discogs.
            ("<title>a<b>bold</b>c</title>", "ac"),
            ("<title>a<![CDATA[<b>]]>c</title>", "a<b>c"),
            ("<notes><![CDATA[</notes><title>no</title>]]></notes><title>a<!-- no -->c</title>", "ac"),
            ("<other><other/><other></other><title>no</title></other><title>yes</title >", "yes"),
            ("<title>a</title><other<title/>", "a"),
        ] {
            let text = format!("<release id=\"1\">{body}</release>");
            assert_eq!(title(&text).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn damage_is_named() {
        assert!(title("<r><title>a</r>").is_err());
        assert!(title("<r><title>a</title></s>").is_err());
        assert!(title("<r><title a=\"b>a</title></r>").is_err());
        assert!(title("<r><title>a").is_err());
        assert!(title("<r><videos><video>").is_err());
        assert!(title("<r><\n\t\u{a0}d></d></r>").is_err());
        assert!(matches!(title("<r><title>&nope;</title></r>"), Err(Damage::Xml(_))));
        assert_eq!(number("id", "007").unwrap(), 7);
        for bad in ["", "-1", "+1", "1e3", "12345678901234567890", "٣"] {
            assert!(number("id", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cells_hold_one_line() {
        assert_eq!(clean(Cow::Borrowed(" a\r\nb ")), "a b");
        assert_eq!(clean(Cow::Borrowed(" a  b ")), "a  b");
    }
}
