//! Finds where the records of a dump begin, without parsing.
//!
//! Text cannot contain a raw `<`, so the opening tag of a record is one wherever it stands: at the beginning of a line
//! (as Discogs writes it, also indented), or behind the end of another tag (all records on one line). Only CDATA sections
//! and comments can contain what looks like a tag; a tag inside one of these counts only at the beginning of a line, so
//! that a section without an end costs no more than its own record.

use memchr::memmem::{Finder, FinderRev, rfind};

use super::split::Kind;

/// Finds where the records of one kind start.
#[derive(Clone)]
pub(super) struct Boundaries {
    kind: Kind,
    forward: Finder<'static>,
    backward: FinderRev<'static>,
    length: usize,
}

impl Boundaries {
    pub(super) fn of(kind: Kind) -> Self {
        let needle = format!("<{}", kind.record());
        Boundaries {
            kind,
            forward: Finder::new(&needle).into_owned(),
            backward: FinderRev::new(&needle).into_owned(),
            length: needle.len(),
        }
    }

    /// Position of the `<` that opens the next record after `from`, where a record begins.
    pub(super) fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from + 1;
        loop {
            at += self.forward.find(text.get(at..)?)?;
            if self.holds(text, at, from) {
                return Some(at);
            }
            at += 1;
        }
    }

    /// Position of the `<` that opens the last record, unless it is the first byte.
    pub(super) fn last(&self, text: &[u8]) -> Option<usize> {
        let mut end = text.len();
        loop {
            let at = self.backward.rfind(&text[..end]).filter(|&at| at > 0)?;
            // What follows decides; where too little has been read, an earlier record is the last.
            let enough = match self.kind {
                Kind::Artists | Kind::Labels => {
                    inside(&text[at + self.length..]).is_none_or(|inside| inside.len() > self.length)
                }
                Kind::Releases | Kind::Masters => true,
            };
            if enough && self.holds(text, at, 0) {
                return Some(at);
            }
            end = at + self.length - 1;
        }
    }

    /// Whether the match at `at` opens a record; `start` is a position before it that is not in a CDATA section or a
    /// comment.
    fn holds(&self, text: &[u8], at: usize, start: usize) -> bool {
        let rest = &text[(at + self.length).min(text.len())..];
        let named = match self.kind {
            // Labels contain the labels that belong to them, with ids as attributes, as names, or empty. A record has
            // its own id in an element, and does not begin with another of its kind.
            Kind::Artists | Kind::Labels => inside(rest).is_some_and(|inside| {
                inside.len() > 1
                    && inside.starts_with(b"<")
                    && inside[1] != b'/'
                    && !inside.starts_with(self.forward.needle())
            }),
            // Not a longer name (`<releases>`, `<released>`).
            Kind::Releases | Kind::Masters => {
                matches!(rest.first(), Some(b' ' | b'>' | b'/' | b'\t' | b'\r' | b'\n'))
            }
        };
        if !named {
            return false;
        }
        let before = &text[start..at];
        match before.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')) {
            Some(last) if before[last] == b'\n' || before[last] == b'\r' => true,
            Some(last) => before[last] == b'>' && !is_inside(before),
            None => true,
        }
    }
}

/// What stands in an element, from behind its name; `None` if it has attributes, or is another element.
fn inside(rest: &[u8]) -> Option<&[u8]> {
    rest.trim_ascii_start().strip_prefix(b">").map(<[u8]>::trim_ascii_start)
}

/// Whether a CDATA section or a comment is open at the end of `text`.
fn is_inside(text: &[u8]) -> bool {
    let open = |begin: &[u8], end: &[u8]| {
        rfind(text, begin).is_some_and(|at| memchr::memmem::find(&text[at + begin.len()..], end).is_none())
    };
    open(b"<![CDATA[", b"]]>") || open(b"<!--", b"-->")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: Kind, text: &str) -> Vec<usize> {
        let boundaries = Boundaries::of(kind);
        let mut found = vec![0];
        while let Some(at) = boundaries.next(text.as_bytes(), found[found.len() - 1]) {
            found.push(at);
        }
        // From the end, the same.
        let mut end = text.len();
        for &at in found[1..].iter().rev() {
            assert_eq!(boundaries.last(&text.as_bytes()[..end]), Some(at), "{text}");
            end = at;
        }
        found
    }

    #[test]
    fn labels_of_labels_are_no_records() {
        let text = "<label><id>1</id><sublabels><label id=\"2\">a</label>\n  <label id=\"3\">b</label><label/><label>c</label>\n<label></label></sublabels></label>";
        assert_eq!(all(Kind::Labels, text), [0]);
        assert_eq!(all(Kind::Labels, &format!("{text}{text}")), [0, text.len()]);
        assert_eq!(all(Kind::Labels, &format!("{text}\n\t{text}")), [0, text.len() + 2]);
    }

    #[test]
    fn sections_may_contain_what_looks_like_a_record() {
        let inside = "<release id=\"1\"><notes><![CDATA[<b><release id=\"9\">]]></notes><!--<a><release id=\"8\">--></release>";
        assert_eq!(all(Kind::Releases, inside), [0]);
        assert_eq!(all(Kind::Releases, &format!("{inside}{inside}")), [0, inside.len()]);
        // Without an end, it ends with the line.
        let open = "<release id=\"1\"><notes><![CDATA[<b></notes></release>";
        assert_eq!(all(Kind::Releases, &format!("{open}\n {inside}")), [0, open.len() + 2]);
        assert_eq!(all(Kind::Releases, "<release id=\"1\"><released>1999</released></release>"), [0]);
    }
}
