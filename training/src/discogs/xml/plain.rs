//! The plain form: quick-xml's events.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::{Damage, Name, Tag};

pub(super) fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    reader
}

/// The next opening tag, or `None` at a closing one.
pub(super) fn child<'a>(reader: &mut Reader<&'a [u8]>) -> Result<Option<Tag<'a>>, Damage> {
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
        let name = markup.split_ascii_whitespace().next().unwrap_or("");
        let attributes = &markup[name.len()..];
        return Ok(Some(Tag { name: Name::of(name), length: name.len() as u32, attributes, empty }));
    }
}

/// Reads to the end of the element that the reader is in, and gives its own text to `text`. Elements
/// inside and their text are passed over, but must be as well-formed.
pub(super) fn element(reader: &mut Reader<&[u8]>, mut text: impl FnMut(&str)) -> Result<(), Damage> {
    let mut depth = 0;
    let mut own = |depth: u32, part: &str| {
        if depth == 0 {
            text(part);
        }
    };
    loop {
        match reader.read_event()? {
            Event::End(_) if depth == 0 => return Ok(()),
            Event::End(_) => depth -= 1,
            Event::Start(_) => depth += 1,
            Event::Text(part) => own(depth, &part),
            Event::CData(part) => own(depth, &part),
            Event::GeneralRef(reference) => match reference.resolve_char_ref()? {
                Some(character) => own(depth, character.encode_utf8(&mut [0; 4])),
                None => match resolve_predefined_entity(&reference) {
                    Some(value) => own(depth, value),
                    None => return Err(Damage::Xml(format!("unknown entity &{};", &*reference))),
                },
            },
            Event::Eof => return Err(Damage::Unclosed),
            _ => {}
        }
    }
}
