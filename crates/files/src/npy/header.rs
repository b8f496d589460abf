//! The header of a `.npy` file: a magic number, a version, a length, and a Python dictionary as text.

/// The type of the values, always little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Single precision, `<f4`.
    F32,
    /// Half precision, `<f2`: half the space, 3 to 4 decimal digits, at most 65504.
    F16,
}

impl Dtype {
    /// Bytes per value.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    const fn descr(self) -> &'static str {
        match self {
            Self::F32 => "<f4",
            Self::F16 => "<f2",
        }
    }
}

/// The length of headers that are written here: enough for any number of rows, and a multiple of 64, so that the values
/// are aligned when the file is memory-mapped.
pub(super) const WRITTEN_LENGTH: usize = 128;
/// Maximum length of a header. NumPy's limit is 10,000 for untrusted files.
const MAX_TEXT: usize = 10_000;
pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The magic number, the version, and the longer form of the text's length.
pub(super) const PREFIX: usize = 12;

/// The content of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    pub(super) rows: u64,
    pub(super) cols: u64,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; WRITTEN_LENGTH] {
        let Self { dtype, rows, cols } = self;
        let text =
            format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({rows}, {cols}), }}", dtype.descr());
        let mut bytes = [b' '; WRITTEN_LENGTH];
        bytes[..6].copy_from_slice(MAGIC);
        bytes[6..8].copy_from_slice(&[1, 0]);
        bytes[8..10].copy_from_slice(&(WRITTEN_LENGTH as u16 - 10).to_le_bytes());
        bytes[10..10 + text.len()].copy_from_slice(text.as_bytes());
        bytes[WRITTEN_LENGTH - 1] = b'\n';
        bytes
    }

    /// The start and length of the text, from the file's first bytes.
    pub(super) fn locate(prefix: &[u8; PREFIX]) -> Result<(usize, usize), String> {
        if &prefix[..6] != MAGIC {
            return Err("not a NumPy array: it does not begin as one".into());
        }
        let (start, length) = match prefix[6] {
            1 => (10, usize::from(u16::from_le_bytes([prefix[8], prefix[9]]))),
            2 | 3 => (12, u32::from_le_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]) as usize),
            version => return Err(format!("NumPy array format {version} is not supported")),
        };
        if length > MAX_TEXT {
            return Err(format!("its header of {length} bytes is longer than {MAX_TEXT}"));
        }
        Ok((start, length))
    }

    /// Reads the text: a dictionary literal with exactly the three keys of the format.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "its header is not text")?;
        let mut scanner = Scanner { rest: text };
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        scanner.expect('{')?;
        while !scanner.accept('}') {
            let key = scanner.string()?;
            scanner.expect(':')?;
            match key {
                "descr" => descr = Some(scanner.string()?),
                "fortran_order" => fortran = Some(scanner.boolean()?),
                "shape" => shape = Some(scanner.tuple()?),
                _ => return Err(format!("its header has the unknown key {key:?}")),
            }
            if !scanner.accept(',') {
                scanner.expect('}')?;
                break;
            }
        }
        if !scanner.rest.trim().is_empty() {
            return Err("its header continues after the dictionary".into());
        }
        let missing = |key| format!("its header lacks {key:?}");
        let dtype = match descr.ok_or_else(|| missing("descr"))? {
            "<f4" => Dtype::F32,
            "<f2" => Dtype::F16,
            other => return Err(format!("its values are {other:?}; known: \"<f4\", \"<f2\"")),
        };
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let &[rows, cols] = shape.as_slice() else {
            return Err(format!("it has {} dimensions, not 2", shape.len()));
        };
        // An array with one row or one column is the same in both orders.
        if fortran.ok_or_else(|| missing("fortran_order"))? && rows > 1 && cols > 1 {
            return Err("its values are in Fortran order, not in C order".into());
        }
        Ok(Self { dtype, rows, cols })
    }

    /// Bytes of all values; `None` on overflow.
    pub(super) fn data_length(&self) -> Option<u64> {
        self.rows.checked_mul(self.cols)?.checked_mul(self.dtype.size() as u64)
    }
}

/// Parses the Python literals of a header.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn accept(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.accept(wanted) { Ok(()) } else { Err(format!("its header lacks a {wanted:?}")) }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.accept('\'') {
            '\''
        } else {
            self.expect('"')?;
            '"'
        };
        let (text, rest) = self.rest.split_once(quote).ok_or("its header has an unterminated string")?;
        self.rest = rest;
        Ok(text)
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Result<bool, String> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            other => Err(format!("its header has {other:?} as a boolean")),
        }
    }

    fn tuple(&mut self) -> Result<Vec<u64>, String> {
        let mut values = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            let word = self.word();
            values.push(word.parse().map_err(|_| format!("its header has {word:?} as a length"))?);
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for header in [
            Header { dtype: Dtype::F32, rows: 0, cols: 96 },
            Header { dtype: Dtype::F16, rows: u64::MAX, cols: u64::MAX },
        ] {
            let bytes = header.to_bytes();
            let (start, length) = Header::locate(bytes[..PREFIX].try_into().unwrap()).unwrap();
            assert_eq!(start + length, bytes.len());
            assert_eq!(Header::parse(&bytes[start..]), Ok(header));
        }
    }

    #[test]
    fn other_spellings_of_a_header_are_read() {
        let header = Header { dtype: Dtype::F16, rows: 1, cols: 3 };
        for text in [
            "{\"shape\":(1,3),\"fortran_order\":True,\"descr\":\"<f2\"}\n",
            "  { 'fortran_order' : False , 'descr' : '<f2', 'shape' : ( 1 , 3 , ) , }  ",
        ] {
            assert_eq!(Header::parse(text.as_bytes()), Ok(header), "{text}");
        }
    }

    #[test]
    fn headers_of_other_arrays_are_refused_with_the_reason() {
        let of = |descr: &str, order: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
        };
        for (text, reason) in [
            (of("'>f4'", "False", "(1, 2)"), ">f4"),
            (of("'|O'", "False", "(1, 2)"), "|O"),
            (of("[('a', '<f4')]", "False", "(1, 2)"), "lacks a"),
            (of("'<f4'", "True", "(2, 2)"), "Fortran"),
            (of("'<f4'", "0", "(2, 2)"), "boolean"),
            (of("'<f4'", "False", "(2,)"), "1 dimensions"),
            (of("'<f4'", "False", "()"), "0 dimensions"),
            (of("'<f4'", "False", "(1, 2, 3)"), "3 dimensions"),
            (of("'<f4'", "False", "(-1, 2)"), "length"),
            (of("'<f4'", "False", "(99999999999999999999, 2)"), "length"),
            ("{'descr': '<f4'}".into(), "lacks \"shape\""),
            ("{'descr': '<f4".into(), "unterminated string"),
            ("{'x': 1}".into(), "unknown key"),
            ("{} {}".into(), "continues after"),
            (String::new(), "lacks a"),
        ] {
            let error = Header::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
