//! The network's weights: their names, dimensions and initial values.

use std::collections::{BTreeMap, HashMap};

use super::architecture::{Convolution, EMBEDDING, Encoder};
use super::description::{Head, HeadKind};
use super::random;

/// Values in row-major order, with their dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The dimensions.
    pub dims: Vec<usize>,
    /// As many values as the product of the dimensions.
    pub values: Vec<f32>,
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// One tensor of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub dims: Vec<usize>,
    /// Its initial values.
    pub initial: Initial,
    /// Whether it is learnt; otherwise it is a running statistic of batch norm.
    pub trainable: bool,
}

/// How a tensor is initialised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// The same value everywhere.
    Constant(f32),
    /// A normal distribution around zero with this standard deviation.
    Normal(f64),
    /// Uniform between this value and its negative.
    Uniform(f64),
}

/// The maximum number of names in a message.
const NAMED: usize = 5;
/// The initial standard deviation of the bilinear similarity, as in COLA.
const SIMILARITY_DEVIATION: f64 = 0.05;

/// Every tensor of an EfficientNet-B0 with these heads, in the order of the layers.
///
/// The encoder is initialised as torchvision's: convolutions by He's rule for their outputs, no biases, batch norm as
/// identity; dense layers uniformly within 1/sqrt(outputs).
pub fn parameters(heads: &[Head]) -> Vec<Parameter> {
    let encoder = Encoder::b0();
    let mut list = List::default();
    list.convolution(&encoder.stem);
    for block in &encoder.blocks {
        block.expand.iter().for_each(|expand| list.convolution(expand));
        list.convolution(&block.depthwise);
        let gate = &block.gate;
        for (layer, inputs, outputs) in
            [("fc1", gate.channels, gate.squeezed), ("fc2", gate.squeezed, gate.channels)]
        {
            list.kernel(format!("{}.{layer}", gate.path), &[outputs, inputs, 1, 1]);
            list.add(format!("{}.{layer}.bias", gate.path), &[outputs], Initial::Constant(0.0));
        }
        list.convolution(&block.project);
    }
    list.convolution(&encoder.head);
    for head in heads {
        let path = head.path();
        let values = head.values;
        let range = 1.0 / (values as f64).sqrt();
        list.add(format!("{path}.dense.weight"), &[values, EMBEDDING], Initial::Uniform(range));
        list.add(format!("{path}.dense.bias"), &[values], Initial::Constant(0.0));
        if head.kind == HeadKind::Projection {
            list.add(format!("{path}.norm.weight"), &[values], Initial::Constant(1.0));
            list.add(format!("{path}.norm.bias"), &[values], Initial::Constant(0.0));
            let initial = Initial::Normal(SIMILARITY_DEVIATION);
            list.add(format!("{path}.similarity"), &[values, values], initial);
        }
    }
    list.0
}

#[derive(Default)]
struct List(Vec<Parameter>);

impl List {
    fn add(&mut self, name: String, dims: &[usize], initial: Initial) {
        self.0.push(Parameter { name, dims: dims.to_vec(), initial, trainable: true });
    }

    fn kernel(&mut self, path: String, dims: &[usize; 4]) {
        let fan_out = dims[0] * dims[2] * dims[3];
        self.add(format!("{path}.weight"), dims, Initial::Normal((2.0 / fan_out as f64).sqrt()));
    }

    fn convolution(&mut self, layer: &Convolution) {
        self.kernel(layer.conv(), &layer.dims());
        let norm = layer.norm();
        for (name, value, trainable) in [
            ("weight", 1.0, true),
            ("bias", 0.0, true),
            ("running_mean", 0.0, false),
            ("running_var", 1.0, false),
        ] {
            self.add(format!("{norm}.{name}"), &[layer.outputs], Initial::Constant(value));
            self.0.last_mut().expect("just added").trainable = trainable;
        }
    }
}

/// An untrained network. A tensor's values depend only on the seed and its name, so networks with the same seed share
/// their encoder whatever their heads.
pub fn untrained(heads: &[Head], seed: u64) -> Tensors {
    let fill = |parameter: Parameter| {
        let count = parameter.dims.iter().product();
        let mut random = random::generator(&[b"weights", &seed.to_le_bytes(), parameter.name.as_bytes()]);
        let values = match parameter.initial {
            Initial::Constant(value) => vec![value; count],
            Initial::Normal(deviation) => {
                (0..count).map(|_| (random::normal(&mut random) * deviation) as f32).collect()
            }
            Initial::Uniform(range) => {
                (0..count).map(|_| ((2.0 * random::unit(&mut random) - 1.0) * range) as f32).collect()
            }
        };
        (parameter.name, Tensor { dims: parameter.dims, values })
    };
    parameters(heads).into_iter().map(fill).collect()
}

/// Checks that these are the tensors of a network with these heads: all, no others, of the right dimensions, finite.
///
/// # Errors
/// The reason, without the file's name.
pub fn check(heads: &[Head], tensors: &Tensors) -> Result<(), String> {
    let parameters = parameters(heads);
    let known: HashMap<&str, &[usize]> =
        parameters.iter().map(|parameter| (parameter.name.as_str(), parameter.dims.as_slice())).collect();
    let missing = parameters.iter().map(|parameter| parameter.name.as_str());
    let missing: Vec<String> =
        missing.filter(|&name| !tensors.contains_key(name)).map(str::to_owned).collect();
    let unknown: Vec<String> =
        tensors.keys().filter(|name| !known.contains_key(name.as_str())).cloned().collect();
    let wrong: Vec<String> = tensors
        .iter()
        .filter_map(|(name, tensor)| {
            let &dims = known.get(name.as_str())?;
            (tensor.dims != dims).then(|| format!("{name} {:?} for {dims:?}", tensor.dims))
        })
        .collect();
    let complaints: Vec<String> = [("missing", missing), ("unknown", unknown), ("of another shape", wrong)]
        .into_iter()
        .filter_map(|(what, names)| complaint(what, &names))
        .collect();
    if !complaints.is_empty() {
        return Err(format!("not the tensors of such a network: {}", complaints.join("; ")));
    }
    for (name, tensor) in tensors {
        if tensor.values.len() != tensor.dims.iter().product::<usize>() {
            return Err(format!("tensor `{name}` of {:?} has {} values", tensor.dims, tensor.values.len()));
        }
        if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
            return Err(format!("tensor `{name}` contains {value}"));
        }
        if name.ends_with(".running_var") && tensor.values.iter().any(|&value| value < 0.0) {
            return Err(format!("tensor `{name}` contains a negative variance"));
        }
    }
    Ok(())
}

fn complaint(what: &str, names: &[String]) -> Option<String> {
    let more = names.len().saturating_sub(NAMED);
    let listed = names[..names.len() - more].join(", ");
    match (names.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("{what}: {listed}")),
        (false, more) => Some(format!("{what}: {listed} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(heads: &[Head]) -> usize {
        let trainable = parameters(heads).into_iter().filter(|parameter| parameter.trainable);
        trainable.map(|parameter| parameter.dims.iter().product::<usize>()).sum()
    }

    #[test]
    fn the_encoder_has_4_006_972_weights() {
        assert_eq!(count(&[]), 4_006_972);
        let projection = 1280 * 512 + 512 + 2 * 512 + 512 * 512;
        assert_eq!(count(&[Head::projection("a")]), 4_006_972 + projection);
        assert_eq!(count(&[Head::classes("b", 400)]), 4_006_972 + 1280 * 400 + 400);
    }

    #[test]
    fn heads_and_seeds_change_their_own_tensors_alone() {
        let (one, other) = (untrained(&[], 1), untrained(&[Head::projection("p")], 1));
        assert!(one.iter().all(|(name, tensor)| other[name] == *tensor));
        let name = "features.3.1.block.0.0.weight";
        assert_ne!(untrained(&[], 2)[name], one[name]);
        let deviation = |name: &str| {
            let values = &other[name].values;
            (values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
        };
        assert!((deviation(name) / (2.0f64 / 240.0).sqrt() - 1.0).abs() < 0.03);
        assert!((deviation("heads.p.similarity") / 0.05 - 1.0).abs() < 0.01);
        // The uniform distribution within r has a standard deviation of r / sqrt(3).
        assert!((deviation("heads.p.dense.weight") * (3.0 * 512.0f64).sqrt() - 1.0).abs() < 0.01);
    }

    #[test]
    fn tensors_that_do_not_belong_are_named() {
        let heads = [Head::projection("artist"), Head::classes("styles", 3)];
        let refused = |change: &dyn Fn(&mut Tensors)| {
            let mut tensors = untrained(&heads, 4);
            change(&mut tensors);
            check(&heads, &tensors).unwrap_err()
        };
        let text = refused(&|tensors| {
            tensors.remove("features.0.0.weight");
            tensors.insert("fc.weight".into(), Tensor { dims: vec![1], values: vec![0.0] });
            tensors.get_mut("features.8.1.bias").unwrap().dims = vec![640, 2];
        });
        assert!(text.contains("missing: features.0.0.weight;"), "{text}");
        assert!(text.contains("unknown: fc.weight;"), "{text}");
        assert!(text.contains("of another shape: features.8.1.bias [640, 2] for [1280]"), "{text}");
        let text = refused(&|tensors| tensors.clear());
        assert!(text.contains("and") && text.contains("more") && text.len() < 400, "{text}");
        let text = refused(&|tensors| tensors.get_mut("features.8.1.bias").unwrap().values[3] = f32::NAN);
        assert!(text.contains("`features.8.1.bias` contains NaN"), "{text}");
        let text = refused(&|tensors| tensors.get_mut("features.8.1.running_var").unwrap().values[3] = -1.0);
        assert!(text.contains("negative variance"), "{text}");
    }
}
