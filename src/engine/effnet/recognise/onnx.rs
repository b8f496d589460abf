//! The parts of an ONNX file that matter here: nodes, initialisers, inputs and outputs of the graph.

use super::protobuf::{Fields, Malformed, Value};

/// A graph whose strings and weights still lie in the file's bytes.
#[derive(Default)]
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
    pub initialisers: Vec<RawTensor<'a>>,
    pub inputs: Vec<ValueInfo<'a>>,
    pub outputs: Vec<ValueInfo<'a>>,
}

#[derive(Default)]
pub(super) struct Node<'a> {
    pub op: &'a str,
    pub domain: &'a str,
    pub name: &'a str,
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    attributes: Vec<Attribute<'a>>,
}

#[derive(Default)]
struct Attribute<'a> {
    name: &'a str,
    float: Option<f32>,
    int: Option<i64>,
    string: Option<&'a [u8]>,
    tensor: Option<RawTensor<'a>>,
    ints: Vec<i64>,
    floats: Vec<f32>,
}

/// A tensor as it is stored.
#[derive(Clone, Default)]
pub(super) struct RawTensor<'a> {
    pub name: &'a str,
    pub dims: Vec<i64>,
    pub data_type: i64,
    pub raw: Option<&'a [u8]>,
    pub floats: Vec<f32>,
    pub ints: Vec<i64>,
    pub external: bool,
}

/// A named input or output; a dimension that the graph leaves open is `None`.
#[derive(Default)]
pub(super) struct ValueInfo<'a> {
    pub name: &'a str,
    pub element: i64,
    pub dims: Option<Vec<Option<i64>>>,
}

/// ONNX's numbers for the element types that are read.
pub(super) mod element {
    pub const F32: i64 = 1;
    pub const U8: i64 = 2;
    pub const I8: i64 = 3;
    pub const I32: i64 = 6;
    pub const I64: i64 = 7;
    pub const F16: i64 = 10;
    pub const F64: i64 = 11;
}

impl<'a> Graph<'a> {
    /// Reads the graph of a model file.
    pub fn read(model: &'a [u8]) -> Result<Self, Malformed> {
        let mut graph = None;
        let mut fields = Fields::new(model);
        while let Some((number, value)) = fields.next()? {
            if number == 7 {
                graph = Some(Self::read_graph(value.bytes()?)?);
            }
        }
        graph.ok_or(Malformed("it holds no graph"))
    }

    fn read_graph(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut graph = Self::default();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => graph.nodes.push(Node::read(value.bytes()?)?),
                5 => graph.initialisers.push(RawTensor::read(value.bytes()?)?),
                11 => graph.inputs.push(ValueInfo::read(value.bytes()?)?),
                12 => graph.outputs.push(ValueInfo::read(value.bytes()?)?),
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl<'a> Node<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut node = Self::default();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => node.inputs.push(value.string()?),
                2 => node.outputs.push(value.string()?),
                3 => node.name = value.string()?,
                4 => node.op = value.string()?,
                5 => node.attributes.push(Attribute::read(value.bytes()?)?),
                7 => node.domain = value.string()?,
                _ => {}
            }
        }
        Ok(node)
    }

    fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.int
    }

    pub fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name)?.float
    }

    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        Some(&self.attribute(name)?.ints)
    }

    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        Some(&self.attribute(name)?.floats)
    }

    pub fn string(&self, name: &str) -> Option<&'a [u8]> {
        self.attribute(name)?.string
    }

    pub fn tensor(&self, name: &str) -> Option<&RawTensor<'a>> {
        self.attribute(name)?.tensor.as_ref()
    }
}

impl<'a> Attribute<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut attribute = Self::default();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => attribute.name = value.string()?,
                2 => attribute.float = Some(value.float()?),
                3 => attribute.int = Some(value.int()?),
                4 => attribute.string = Some(value.bytes()?),
                5 => attribute.tensor = Some(RawTensor::read(value.bytes()?)?),
                7 => value.floats(&mut attribute.floats)?,
                8 => value.ints(&mut attribute.ints)?,
                _ => {}
            }
        }
        Ok(attribute)
    }
}

impl<'a> RawTensor<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut tensor = Self::default();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => value.ints(&mut tensor.dims)?,
                2 => tensor.data_type = value.int()?,
                4 => value.floats(&mut tensor.floats)?,
                5 | 7 => value.ints(&mut tensor.ints)?,
                8 => tensor.name = value.string()?,
                9 => tensor.raw = Some(value.bytes()?),
                10 => {
                    if let Value::Bytes(packed) = value {
                        let (words, _) = packed.as_chunks::<8>();
                        tensor.floats.extend(words.iter().map(|&word| f64::from_le_bytes(word) as f32));
                    }
                }
                14 => tensor.external = value.int()? == 1,
                _ => {}
            }
        }
        Ok(tensor)
    }
}

impl<'a> ValueInfo<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut info = Self::default();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => info.name = value.string()?,
                2 => info.read_type(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(info)
    }

    /// TypeProto.tensor_type { elem_type, shape { dim { dim_value } } }
    fn read_type(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            if number != 1 {
                continue;
            }
            let mut tensor = Fields::new(value.bytes()?);
            while let Some((number, value)) = tensor.next()? {
                match number {
                    1 => self.element = value.int()?,
                    2 => self.dims = Some(read_shape(value.bytes()?)?),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn read_shape(message: &[u8]) -> Result<Vec<Option<i64>>, Malformed> {
    let mut dims = Vec::new();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let mut size = None;
        let mut dim = Fields::new(value.bytes()?);
        while let Some((number, value)) = dim.next()? {
            if number == 1 {
                size = Some(value.int()?);
            }
        }
        // Some exporters write an open dimension as 0 or -1.
        dims.push(size.filter(|&size| size > 0));
    }
    Ok(dims)
}
