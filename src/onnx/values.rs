//! Values of nodes and tensors, in any of ONNX's encodings.

use half::f16;

use super::proto::{Attribute, Node, Tensor, element};

impl Node {
    /// An attribute by its name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attribute.iter().find(|attribute| attribute.name() == name)
    }

    /// An integer attribute.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.i
    }

    /// A float attribute.
    pub fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name)?.f
    }

    /// An attribute that is a list of integers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        Some(&self.attribute(name)?.ints)
    }

    /// An attribute that is a list of floats.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        Some(&self.attribute(name)?.floats)
    }

    /// A string attribute.
    pub fn string(&self, name: &str) -> Option<&[u8]> {
        self.attribute(name)?.s.as_deref()
    }

    /// The node's input at an index; `None` if it is omitted.
    pub fn input_at(&self, index: usize) -> Option<&str> {
        self.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }
}

impl Tensor {
    /// Whether its values are in another file.
    pub fn is_external(&self) -> bool {
        self.data_location() != 0 || !self.external_data.is_empty()
    }

    /// The values of a tensor of floats, in single precision.
    ///
    /// # Errors
    /// Why it has no such values.
    pub fn floats<C: FromIterator<f32>>(&self) -> Result<C, String> {
        let typed = || self.float_data.iter().copied().collect();
        match self.data_type() {
            element::F32 => self.words(f32::from_le_bytes, typed),
            element::F64 => self.words(
                |word| f64::from_le_bytes(word) as f32,
                || self.double_data.iter().map(|&value| value as f32).collect(),
            ),
            // Half-precision values can be stored as integers, one bit pattern each.
            element::F16 => self.words(
                |word| f16::from_le_bytes(word).to_f32(),
                || self.int32_data.iter().map(|&bits| f16::from_bits(bits as u16).to_f32()).collect(),
            ),
            other => Err(format!("has elements of ONNX type {other}, not floats")),
        }
    }

    /// The values of a tensor of integers of 32 or 64 bits.
    ///
    /// # Errors
    /// Why it has no such values.
    pub fn integers<C: FromIterator<i64>>(&self) -> Result<C, String> {
        match self.data_type() {
            element::I64 => self.words(i64::from_le_bytes, || self.int64_data.iter().copied().collect()),
            element::I32 => self.words(
                |word| i32::from_le_bytes(word).into(),
                || self.int32_data.iter().map(|&value| value.into()).collect(),
            ),
            other => Err(format!("has elements of ONNX type {other}, not integers")),
        }
    }

    /// The values of a tensor of booleans; `None` for others.
    pub fn booleans(&self) -> Option<Vec<bool>> {
        let typed = || self.int32_data.iter().map(|&value| value != 0).collect();
        (self.data_type() == element::BOOL).then(|| self.words(|[byte]| byte != 0, typed).ok())?
    }

    /// The values of a tensor of bytes, signed or not.
    ///
    /// # Errors
    /// Why it has no such values.
    pub fn eight_bits<C: FromIterator<i16>>(&self) -> Result<C, String> {
        let typed = || self.int32_data.iter().map(|&value| value as i16).collect();
        match self.data_type() {
            element::I8 => self.words(|word| i8::from_le_bytes(word).into(), typed),
            element::U8 => self.words(|[byte]| byte.into(), typed),
            other => Err(format!("has elements of ONNX type {other}, not bytes")),
        }
    }

    /// The values from the raw bytes, if there are any.
    fn words<const N: usize, T, C: FromIterator<T>>(
        &self,
        read: impl Fn([u8; N]) -> T,
        typed: impl FnOnce() -> C,
    ) -> Result<C, String> {
        let Some(raw) = &self.raw_data else { return Ok(typed()) };
        let (words, rest) = raw.as_chunks::<N>();
        if !rest.is_empty() {
            return Err(format!("has {} bytes, which is not a whole number of values", raw.len()));
        }
        Ok(words.iter().map(|&word| read(word)).collect())
    }

    /// Memory for its values outside the file's bytes.
    pub(super) fn copied_bytes(&self) -> usize {
        size_of_val(&self.float_data[..])
            + size_of_val(&self.int32_data[..])
            + size_of_val(&self.int64_data[..])
            + size_of_val(&self.double_data[..])
    }
}
