//! Protocol Buffers, read in place: fields of a message as numbers and borrowed bytes.
//!
//! Weights stay where they are in the file's bytes until they are folded, and no length is believed
//! before it has been compared with the bytes that are there.

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub &'static str);

/// One field's value. Groups (long deprecated) are not read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64,
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
}

/// The fields of one message, in the order in which they lie in the file.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value, or `None` at the end of the message.
    pub fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = varint(&mut self.rest)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length = varint(&mut self.rest)?;
                let length = usize::try_from(length).map_err(|_| Malformed("a length beyond memory"))?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(self.array()?),
            _ => return Err(Malformed("an unknown wire type")),
        };
        Ok(Some((key >> 3, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        if length > self.rest.len() {
            return Err(Malformed("it ends early"));
        }
        let (head, tail) = self.rest.split_at(length);
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Malformed("it ends early"))
    }
}

impl<'a> Value<'a> {
    /// A nested message, a string's bytes or raw data.
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed("a number where bytes are due")),
        }
    }

    pub fn string(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a name is not UTF-8"))
    }

    /// An integer (negative ones are written as 64-bit two's complement).
    pub fn int(self) -> Result<i64, Malformed> {
        match self {
            Value::Varint(value) => Ok(value as i64),
            _ => Err(Malformed("bytes where an integer is due")),
        }
    }

    pub fn float(self) -> Result<f32, Malformed> {
        match self {
            Value::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(Malformed("no 32-bit float where one is due")),
        }
    }

    /// Appends a repeated integer, packed or not.
    pub fn ints(self, into: &mut Vec<i64>) -> Result<(), Malformed> {
        match self {
            Value::Varint(value) => into.push(value as i64),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    into.push(varint(&mut packed)? as i64);
                }
            }
            _ => return Err(Malformed("no integers where they are due")),
        }
        Ok(())
    }

    /// Appends a repeated 32-bit float, packed or not.
    pub fn floats(self, into: &mut Vec<f32>) -> Result<(), Malformed> {
        match self {
            Value::Fixed32(bytes) => into.push(f32::from_le_bytes(bytes)),
            Value::Bytes(packed) => {
                let (words, rest) = packed.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(Malformed("a float is cut short"));
                }
                into.extend(words.iter().map(|&word| f32::from_le_bytes(word)));
            }
            _ => return Err(Malformed("no floats where they are due")),
        }
        Ok(())
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for i in 0..10 {
        let (&byte, tail) = rest.split_first().ok_or(Malformed("it ends early"))?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed("an integer of more than 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_not_believed() {
        // Field 1, length-delimited, claims 2^40 bytes.
        let hostile = [0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1, 2, 3];
        assert_eq!(Fields::new(&hostile).next().unwrap_err(), Malformed("it ends early"));
        assert!(Fields::new(&[0xff; 16]).next().is_err());
        assert!(Fields::new(&[0x0b]).next().is_err());
    }

    #[test]
    fn fields_are_read_in_order() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let mut fields = Fields::new(&message);
        let (number, value) = fields.next().unwrap().unwrap();
        assert_eq!((number, value.int().unwrap()), (1, 150));
        let (number, value) = fields.next().unwrap().unwrap();
        assert_eq!((number, value.string().unwrap()), (2, "hi"));
        let (number, value) = fields.next().unwrap().unwrap();
        assert_eq!((number, value.float().unwrap()), (3, 1.0));
        assert!(fields.next().unwrap().is_none());
    }
}
