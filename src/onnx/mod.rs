//! Reads, checks and writes ONNX files.
//!
//! [`Model::read`] checks the bytes before anything is built from them ([`guard`]), parses them once ([`proto`]),
//! inlines the file's functions ([`functions`]), fetches external data ([`external`]), refuses impossible sizes
//! ([`bounds`]) and adds what exporters omit ([`kernel_shape`]). The result is shared by everything that uses a graph:
//! the fused engine's recogniser, rten, the TorchScript writer, and the training tools. Weights are not copied out of
//! the file's bytes. rten reads only bytes: it gets those of [`Model::to_bytes`] after [`Model::for_rten`] ([`repair`]),
//! so that it sees only what was checked, and nothing that it computes differently from onnxruntime.

mod bounds;
mod build;
mod external;
mod functions;
mod guard;
mod kernel_shape;
mod proto;
#[cfg(feature = "rten")]
mod repair;
mod values;

use std::collections::BTreeSet;

use prost::Message;
use prost::bytes::Bytes;

pub use build::{file_of, property};
pub use proto::{
    Attribute, Dimension, Function, Graph, Model, Node, OperatorSet, Pair, Shape, Tensor, TensorType, Type,
    ValueInfo, element,
};

/// Maximum size of a file. The largest embedding networks in use have about 90 million weights.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// A network's inputs and outputs, as declared in its file.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The inputs, without the initialisers that old files also list.
    pub inputs: Vec<Declared>,
    /// The outputs.
    pub outputs: Vec<Declared>,
}

/// A declared tensor: an input or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its dimensions, each `None` if it is dynamic; `None` if the file declares no shape.
    pub dims: Option<Vec<Option<usize>>>,
}

impl Model {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Why the bytes cannot be used: not an ONNX file, weights in another file, an impossible size.
    pub fn read(bytes: impl Into<Bytes>) -> Result<Model, String> {
        Self::read_with(bytes, &mut |location| {
            Err(format!("they are kept in {location:?}, and a model from memory has no files beside it"))
        })
    }

    /// Reads and checks a file whose weights may be in others: `external` returns the bytes of one by the location that
    /// the file gives, or says why it is refused.
    ///
    /// # Errors
    /// As [`read`](Self::read), and those of `external`.
    pub fn read_with(
        bytes: impl Into<Bytes>,
        external: &mut dyn FnMut(&str) -> Result<Bytes, String>,
    ) -> Result<Model, String> {
        let bytes = bytes.into();
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(format!("larger than {} MiB", MAX_FILE_BYTES >> 20));
        }
        guard::walk(&bytes)?;
        let size = bytes.len();
        let mut model = Model::decode(bytes).map_err(|error| format!("not an ONNX file: {error}"))?;
        if model.graph == Graph::default() {
            return Err("not an ONNX file: it has no graph".into());
        }
        functions::inline(&mut model)?;
        bounds::check(&model.graph)?;
        external::resolve(&mut model, external)?;
        kernel_shape::say_kernel_shapes(&mut model.graph);
        model.let_go_of_the_file(size);
        Ok(model)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The same network for rten: what rten computes differently from onnxruntime is rewritten.
    ///
    /// # Errors
    /// The operator that rten would compute differently and that cannot be rewritten, and why.
    #[cfg(feature = "rten")]
    pub fn for_rten(&self) -> Result<Model, String> {
        repair::for_rten(self)
    }

    /// The graph's inputs and outputs.
    pub fn signature(&self) -> Signature {
        let Graph { initializer, input, output, .. } = &self.graph;
        let initialised: BTreeSet<&str> = initializer.iter().map(Tensor::name).collect();
        let inputs = input.iter().filter(|input| !initialised.contains(input.name()));
        Signature {
            inputs: inputs.map(ValueInfo::declared).collect(),
            outputs: output.iter().map(ValueInfo::declared).collect(),
        }
    }

    /// The operators that the graph uses, each once; those outside the default domain as `domain::name`.
    pub fn operators(&self) -> BTreeSet<String> {
        let name = |node: &Node| match node.domain() {
            "" | "ai.onnx" => node.op_type().to_owned(),
            domain => format!("{domain}::{}", node.op_type()),
        };
        self.graph.node.iter().map(name).collect()
    }

    /// If most weights are stored as numbers and not as bytes, they were copied out of the file when it was parsed.
    /// Then the rest is copied too, so that the file's bytes can be freed.
    fn let_go_of_the_file(&mut self, size: usize) {
        let Graph { node, initializer, .. } = &mut self.graph;
        let attributes = node.iter_mut().flat_map(|node| &mut node.attribute);
        let mut tensors: Vec<&mut Tensor> = initializer
            .iter_mut()
            .chain(attributes.filter_map(|attribute| attribute.t.as_deref_mut()))
            .collect();
        if tensors.iter().map(|tensor| tensor.copied_bytes()).sum::<usize>() > size / 2 {
            for raw in tensors.iter_mut().filter_map(|tensor| tensor.raw_data.as_mut()) {
                *raw = Bytes::copy_from_slice(raw);
            }
        }
    }
}

impl ValueInfo {
    /// The type of its elements, one of [`element`]; 0 if the file does not state it.
    pub fn element(&self) -> i64 {
        let tensor = self.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
        tensor.map_or(0, TensorType::elem_type)
    }

    /// Its name and shape.
    pub fn declared(&self) -> Declared {
        let shape = self.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref());
        let dims = shape.map(|shape| {
            // Exporters write 0 or -1 for "any" instead of omitting the value.
            let fixed = |value: i64| usize::try_from(value).ok().filter(|&value| value > 0);
            shape.dim.iter().map(|dim| dim.dim_value.and_then(fixed)).collect()
        });
        Declared { name: self.name().to_owned(), dims }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_as_it_was_read() {
        let bytes = include_bytes!("../../models/msd-musicnn-1.onnx");
        let model = Model::read(&bytes[..]).unwrap();
        assert_eq!(Model::read(model.to_bytes()).unwrap(), model);
        assert!(Model::read(&b""[..]).unwrap_err().contains("no graph"));
    }

    #[test]
    fn weights_are_held_once() {
        let read = |tensor: Tensor| {
            let node = Node::new("Add", &["x", "w"], "y", Vec::new());
            let small = Tensor::raw("s", &[1], element::I64, vec![0; 8]);
            let io = ["x", "y"].map(|name| ValueInfo::rows(name, &[4096]));
            let graph = Graph { node: vec![node], initializer: vec![tensor, small], ..Graph::default() };
            let graph = Graph { input: vec![io[0].clone()], output: vec![io[1].clone()], ..graph };
            let bytes = Bytes::from(file_of(graph, Vec::new()).to_bytes());
            let model = Model::read(bytes.clone()).unwrap();
            assert_eq!(model.graph.initializer[0].floats::<Vec<f32>>(), Ok(vec![0.5; 4096]));
            let within = |raw: &Bytes| bytes.as_ptr_range().contains(&raw.as_ptr());
            model.graph.initializer.iter().filter_map(|tensor| tensor.raw_data.as_ref()).map(within).collect()
        };
        let raw = Tensor::raw("w", &[4096], element::F32, 0.5f32.to_le_bytes().repeat(4096));
        let numbers = Tensor { raw_data: None, float_data: vec![0.5; 4096], ..raw.clone() };
        let (raw, numbers): (Vec<bool>, Vec<bool>) = (read(raw), read(numbers));
        assert_eq!((raw, numbers), (vec![true, true], vec![false]));
    }
}
