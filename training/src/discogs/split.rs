//! Cuts a dump into chunks of whole records.
//!
//! Where records begin is found without parsing (`boundaries`). This module does as little work as possible, because
//! only one thread can read and decompress a stream.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::boundaries::Boundaries;
use crate::error::{Error, Result};

/// The four kinds of dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `<release id="...">` records.
    Releases,
    /// `<master id="...">` records.
    Masters,
    /// `<artist><id>` records.
    Artists,
    /// `<label><id>` records.
    Labels,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Releases, Kind::Masters, Kind::Artists, Kind::Labels];

    /// The element of one record.
    pub fn record(self) -> &'static str {
        match self {
            Kind::Releases => "release",
            Kind::Masters => "master",
            Kind::Artists => "artist",
            Kind::Labels => "label",
        }
    }

    /// The element around all records.
    pub fn root(self) -> &'static str {
        match self {
            Kind::Releases => "releases",
            Kind::Masters => "masters",
            Kind::Artists => "artists",
            Kind::Labels => "labels",
        }
    }
}

/// Much longer than any real record; a longer one is not from a dump and must not fill the memory.
const LONGEST_RECORD: usize = 64 << 20;

/// Whole records, one after the other.
pub(super) struct Chunk {
    /// Offset of the first byte in the uncompressed dump.
    pub(super) offset: u64,
    pub(super) text: Vec<u8>,
}

/// Reads chunks of whole records from a stream.
pub(super) struct Splitter<R> {
    source: R,
    path: PathBuf,
    kind: Kind,
    rooted: bool,
    boundaries: Boundaries,
    /// The beginning of the next chunk.
    carry: Vec<u8>,
    /// Offset of `carry` in the uncompressed stream.
    offset: u64,
    chunk: usize,
    ended: bool,
    finished: bool,
}

impl<R: Read> Splitter<R> {
    /// Reads up to the first record, which determines the kind.
    pub(super) fn new(mut source: R, path: &Path, chunk: usize) -> Result<Self> {
        let mut head = Vec::new();
        let mut wanted = chunk.clamp(1, 4096);
        let (kind, rooted, start, ended) = loop {
            let ended = fill(&mut source, &mut head, wanted, path)?;
            if let Some((kind, rooted, start)) = first_tag(&head) {
                break (kind, rooted, start, ended);
            }
            if ended || head.len() >= 1 << 20 {
                let reason = if head.is_empty() {
                    "empty: neither a Discogs dump nor a part of one"
                } else {
                    "not a Discogs dump: it does not begin with <releases>, <masters>, <artists> or <labels>"
                };
                return Err(Error::format(path, reason));
            }
            wanted *= 4;
        };
        Ok(Splitter {
            source,
            path: path.to_owned(),
            kind,
            rooted,
            boundaries: Boundaries::of(kind),
            carry: head.split_off(start),
            offset: start as u64,
            chunk,
            ended,
            finished: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The next whole records, or `None` after the last one.
    ///
    /// # Errors
    /// When the stream cannot be read, or ends before the closing tag of the dump.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        if self.finished {
            return Ok(None);
        }
        let (offset, mut text) = (self.offset, std::mem::take(&mut self.carry));
        let mut wanted = self.chunk;
        loop {
            if !self.ended {
                self.ended = fill(&mut self.source, &mut text, wanted, &self.path)?;
            }
            if self.ended {
                text.truncate(self.end_of_records(&text)?);
                self.finished = true;
                return Ok((!text.trim_ascii().is_empty()).then_some(Chunk { offset, text }));
            }
            if let Some(at) = self.boundaries.last(&text) {
                self.carry = text.split_off(at);
                self.offset += at as u64;
                return Ok(Some(Chunk { offset, text }));
            }
            if text.len() >= LONGEST_RECORD {
                let reason = format!("the record at byte {offset} is longer than {LONGEST_RECORD} bytes");
                return Err(Error::format(&self.path, reason));
            }
            wanted = text.len() * 2;
        }
    }

    /// Length of the last chunk without the dump's closing tag. If the tag is missing, the dump is truncated.
    fn end_of_records(&self, tail: &[u8]) -> Result<usize> {
        // Padding with zeros is no part of the text.
        let text = tail.trim_ascii_end();
        let text = text[..text.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1)].trim_ascii_end();
        let closing = format!("</{}>", if self.rooted { self.kind.root() } else { self.kind.record() });
        if !text.ends_with(closing.as_bytes()) {
            let at = self.offset + tail.len() as u64;
            return Err(Error::format(
                &self.path,
                format!("truncated: it ends at byte {at} without {closing}"),
            ));
        }
        Ok(if self.rooted { text.len() - closing.len() } else { text.len() })
    }
}

/// Reads until `text` has `wanted` bytes; returns whether the stream has ended.
fn fill(source: &mut impl Read, text: &mut Vec<u8>, wanted: usize, path: &Path) -> Result<bool> {
    let missing = wanted.saturating_sub(text.len());
    text.reserve_exact(missing);
    match source.take(missing as u64).read_to_end(text) {
        Ok(count) => Ok(count < missing),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(Error::format(path, "truncated: the gzip stream is incomplete"))
        }
        Err(error) => Err(Error::io(path, error)),
    }
}

/// Kind of the dump that begins with `head`, whether it has a root element, and where its first record (or what follows
/// the root's opening tag) starts.
fn first_tag(head: &[u8]) -> Option<(Kind, bool, usize)> {
    let mut at = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    loop {
        at += head[at..].iter().position(|byte| !byte.is_ascii_whitespace())?;
        let rest = &head[at..];
        // Skips `<?xml ...?>`, comments and a document type.
        if !rest.starts_with(b"<?") && !rest.starts_with(b"<!") {
            break;
        }
        at += 1 + memchr::memchr(b'>', rest)?;
    }
    let rest = &head[at..];
    let end = memchr::memchr(b'>', rest)?;
    let name = rest.get(1..end)?.split(|byte| byte.is_ascii_whitespace()).next()?;
    if rest[0] != b'<' {
        return None;
    }
    for kind in Kind::ALL {
        if name == kind.root().as_bytes() {
            // After the white space, so that every chunk begins with a record.
            let after = at + end + 1;
            let skipped = head[after..].iter().position(|byte| !byte.is_ascii_whitespace())?;
            return Some((kind, true, after + skipped));
        }
        if name == kind.record().as_bytes() {
            return Some((kind, false, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &str, chunk: usize) -> Result<Vec<(u64, String)>> {
        let mut splitter = Splitter::new(text.as_bytes(), Path::new("dump.xml"), chunk)?;
        let mut found = Vec::new();
        while let Some(Chunk { offset, text }) = splitter.next_chunk()? {
            found.push((offset, String::from_utf8(text).unwrap()));
        }
        Ok(found)
    }

    #[test]
    fn chunks_of_any_size_join_to_the_records() {
        let record = |id: u32| format!("<release id=\"{id}\"><notes>a\nb</notes></release>\n");
        let body: String = (1..=9).map(record).collect();
        let text = format!("<releases>\n{body}</releases>\n");
        for chunk in 1..text.len() + 2 {
            let found = chunks(&text, chunk).unwrap();
            for (offset, part) in &found {
                assert!(part.starts_with("<release id="), "{part}");
                assert!(text[*offset as usize..].starts_with(part.as_str()));
            }
            assert_eq!(found.iter().map(|(_, part)| part.as_str()).collect::<String>(), body);
        }
    }

    #[test]
    fn records_begin_on_indented_lines_and_behind_one_another() {
        for between in ["\n  ", "\r\n\t", "", " "] {
            let record = |id: u32| format!("<release id=\"{id}\"><title>a</title></release>{between}");
            let body: String = (1..=7).map(record).collect();
            let text = format!("<releases>{between}{body}</releases>");
            for chunk in 1..text.len() + 2 {
                let found = chunks(&text, chunk).unwrap();
                assert!(found.iter().all(|(_, part)| part.starts_with("<release id=")), "{found:?}");
                let joined = found.iter().map(|(_, part)| part.as_str()).collect::<String>();
                assert_eq!(joined.trim_end(), body.trim_end());
                // A chunk is not larger than it must be: one record and its beginning more.
                assert!(found.iter().all(|(_, part)| part.len() <= chunk.max(1) * 4 + 200), "{chunk}");
            }
        }
    }

    #[test]
    fn a_root_is_not_a_record_and_may_be_missing() {
        assert_eq!(chunks("<labels>\n</labels>", 64).unwrap(), vec![]);
        let bare = "<label><id>1</id></label>\n<label><id>2</id></label>";
        let joined =
            |text: &str| chunks(text, 4).unwrap().into_iter().map(|(_, part)| part).collect::<String>();
        assert_eq!(joined(bare), bare);
        let text = format!("<?xml version=\"1.0\"?>\n<labels>\n{bare}\n</labels>");
        assert_eq!(joined(&text), format!("{bare}\n"));
    }

    #[test]
    fn truncation_and_other_files_are_told_apart() {
        let error = |text: &str| chunks(text, 16).unwrap_err().to_string();
        assert!(error("<releases>\n<release id=\"1\"></release>\n").contains("truncated"));
        assert!(error("<releases>\n<release id=\"1\"><title>Ha").contains("truncated"));
        assert!(error("<html><body/></html>").contains("not a Discogs dump"));
        assert!(error("").contains("empty"));
    }
}
