//! Gzip as `gzip -dc` reads it: any number of members, and whatever stands behind the last one is passed over.
//!
//! Discogs' files have one member, parallel compressors write many, and tapes, block devices and some downloads pad with
//! zeros. flate2's `MultiGzDecoder` takes padding for a damaged member. A dump that ends too early is still found out:
//! its closing tag is missing.

use std::io::{BufRead, Read, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

/// Decompresses all members of a stream.
pub(super) struct Members<R> {
    /// `None` once the last member has ended.
    member: Option<GzDecoder<R>>,
    ignored: Arc<AtomicU64>,
}

impl<R: BufRead> Members<R> {
    /// A stream that begins with a member. Bytes behind the last one are counted in `ignored`.
    pub(super) fn new(stream: R, ignored: Arc<AtomicU64>) -> Self {
        Members { member: Some(GzDecoder::new(stream)), ignored }
    }

    /// Starts the next member, if there is one.
    fn next_member(&mut self, mut stream: R) -> Result<()> {
        let mut padding = 0;
        let another = loop {
            let rest = stream.fill_buf()?;
            let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
            // A member may follow zeros only at once or not at all; what begins otherwise is not gzip.
            match rest.get(zeros) {
                None if rest.is_empty() => break false,
                Some(byte) => break *byte == 0x1f,
                None => {
                    padding += zeros as u64;
                    stream.consume(zeros);
                    continue;
                }
            }
        };
        let zeros = match another {
            true => stream.fill_buf()?.iter().take_while(|&&byte| byte == 0).count(),
            false => 0,
        };
        stream.consume(zeros);
        self.ignored.fetch_add(padding + zeros as u64, Ordering::Relaxed);
        if another {
            self.member = Some(GzDecoder::new(stream));
        } else {
            let rest = std::io::copy(&mut stream, &mut std::io::sink())?;
            self.ignored.fetch_add(rest, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buffer)? {
                0 if !buffer.is_empty() => {
                    let stream = self.member.take().expect("it has just been read").into_inner();
                    self.next_member(stream)?;
                }
                count => return Ok(count),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8], buffer: usize) -> (Result<String>, u64) {
        let ignored = Arc::new(AtomicU64::new(0));
        let mut text = String::new();
        let mut members = Members::new(BufReader::with_capacity(buffer, bytes), ignored.clone());
        let outcome = members.read_to_string(&mut text).map(|_| text);
        (outcome, ignored.load(Ordering::Relaxed))
    }

    #[test]
    fn members_and_padding_are_read_as_gzip_does() {
        for buffer in [1, 7, 4096] {
            let (one, two) = (member("one "), member("two"));
            for (bytes, ignored) in [
                ([one.clone(), two.clone()].concat(), 0),
                ([one.clone(), two.clone(), vec![0; 600]].concat(), 600),
                ([one.clone(), vec![0; 20], two.clone()].concat(), 20),
                ([one.clone(), two.clone(), b"\nsignature".to_vec()].concat(), 10),
                ([one.clone(), two.clone(), vec![0; 9], vec![0xff; 5]].concat(), 14),
            ] {
                let (text, passed) = read(&bytes, buffer);
                assert_eq!((text.unwrap().as_str(), passed), ("one two", ignored), "{buffer}");
            }
            // A member that is cut is an error, not an end.
            assert!(read(&[one.clone(), two[..two.len() - 3].to_vec()].concat(), buffer).0.is_err());
        }
    }
}
