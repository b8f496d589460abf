//! The part of Python's pickle language that describes a TorchScript module. Written by hand: serde-pickle writes
//! values, but not the classes, calls and persistent ids that tensors need.

/// Writes a pickle, protocol 2.
pub(super) struct Pickle {
    bytes: Vec<u8>,
}

const MARK: u8 = b'(';
const TUPLE: u8 = b't';
const EMPTY_TUPLE: u8 = b')';
const REDUCE: u8 = b'R';
const STOP: u8 = b'.';

impl Pickle {
    pub fn new() -> Self {
        Pickle { bytes: vec![0x80, 2] }
    }

    /// A pickle of `()`.
    pub fn empty_tuple() -> Vec<u8> {
        let mut pickle = Pickle::new();
        pickle.bytes.push(EMPTY_TUPLE);
        pickle.finish()
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(STOP);
        self.bytes
    }

    /// An object of a class; names and values of its attributes follow.
    pub fn begin_object(&mut self, module: &str, class: &str) {
        self.global(module, class);
        // No arguments; a new object; an empty dictionary; its items.
        self.bytes.extend([EMPTY_TUPLE, 0x81, b'}', MARK]);
    }

    pub fn end_object(&mut self) {
        // Sets the items of the dictionary, then the dictionary as the object's state.
        self.bytes.extend([b'u', b'b']);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    pub fn boolean(&mut self, value: bool) {
        self.bytes.push(if value { 0x88 } else { 0x89 });
    }

    /// A contiguous tensor on the CPU, whose values are the record `data/<key>`.
    pub fn tensor(&mut self, storage: &str, key: &str, shape: &[usize]) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.bytes.push(MARK);
        // The storage, by its persistent id.
        self.bytes.push(MARK);
        self.text("storage");
        self.global("torch", storage);
        self.text(key);
        self.text("cpu");
        self.integer(shape.iter().product());
        self.bytes.extend([TUPLE, b'Q']);
        // Offset, shape, strides.
        self.integer(0);
        let strides = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product());
        for list in [shape.to_vec(), strides.collect()] {
            self.bytes.push(MARK);
            list.into_iter().for_each(|value| self.integer(value));
            self.bytes.push(TUPLE);
        }
        // No gradient, no hooks.
        self.boolean(false);
        self.global("collections", "OrderedDict");
        self.bytes.extend([EMPTY_TUPLE, REDUCE, TUPLE, REDUCE]);
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn integer(&mut self, value: usize) {
        self.bytes.push(b'J');
        let value = i32::try_from(value).expect("a tensor of a network has fewer values");
        self.bytes.extend(value.to_le_bytes());
    }
}
