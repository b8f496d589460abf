//! Protocol Buffers, written: as much as ONNX files and TensorBoard's events need.

/// A message in the making.
#[derive(Default)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An integer field; negative ones are written as 64-bit two's complement.
    pub fn int(&mut self, field: u32, value: i64) -> &mut Self {
        self.varint(u64::from(field) << 3);
        self.varint(value as u64);
        self
    }

    /// A repeated integer field, one by one: ONNX's schema does not pack them, and some readers take it at its word.
    pub fn ints(&mut self, field: u32, values: impl IntoIterator<Item = i64>) -> &mut Self {
        values.into_iter().for_each(|value| {
            self.int(field, value);
        });
        self
    }

    pub fn float(&mut self, field: u32, value: f32) -> &mut Self {
        self.varint(u64::from(field) << 3 | 5);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn double(&mut self, field: u32, value: f64) -> &mut Self {
        self.varint(u64::from(field) << 3 | 1);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn text(&mut self, field: u32, text: &str) -> &mut Self {
        self.bytes(field, text.as_bytes())
    }

    pub fn bytes(&mut self, field: u32, bytes: &[u8]) -> &mut Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend(bytes);
        self
    }

    pub fn message(&mut self, field: u32, message: &Message) -> &mut Self {
        self.bytes(field, &message.bytes)
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_format_says() {
        let mut message = Message::new();
        message.int(1, 150).text(2, "hi").float(3, 1.0).ints(4, [1, 300]);
        let expected = [8, 0x96, 1, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f, 0x20, 1, 0x20, 0xac, 2];
        assert_eq!(message.into_bytes(), expected);
        let mut negative = Message::new();
        negative.int(1, -1);
        assert_eq!(negative.into_bytes().len(), 11);
    }
}
