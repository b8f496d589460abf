//! All weights of a network in one vector, all gradients in another: an optimizer step, an average or a sum over
//! processes is then one operation, not one for each of two hundred tensors.

use tch::{Device, Kind, Tensor};

use crate::network::model::Network;
use crate::network::parameters::parameters;

/// Each tensor begins at a multiple of this many values.
const ALIGNMENT: i64 = 16;

/// The memory layout of four-dimensional weights and of feature maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channel by channel.
    ChannelsFirst,
    /// Position by position.
    ChannelsLast,
}

/// A network's values as vectors; its tensors are views of these.
pub struct Flat {
    values: Tensor,
    gradients: Tensor,
    /// Gradients, running statistics, then figures, summed over the batches of a step and over processes. In double
    /// precision, sums of single-precision numbers are exact except in the rarest cases, so the order of additions and
    /// the process that does them do not matter.
    summed: Tensor,
    statistics: Tensor,
    weights: Places,
    followed: Places,
    figures: i64,
}

/// The positions of tensors in a vector.
#[derive(Clone, Debug)]
struct Places {
    places: Vec<Place>,
    length: i64,
}

#[derive(Clone, Debug)]
struct Place {
    name: String,
    offset: i64,
    dims: Vec<i64>,
    strides: Vec<i64>,
}

impl Places {
    fn of(tensors: impl Iterator<Item = (String, Vec<i64>)>, layout: Layout) -> Self {
        let mut length = 0;
        let place = |(name, dims): (String, Vec<i64>)| {
            let offset = length;
            length += (dims.iter().product::<i64>() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            let strides = strides(&dims, layout);
            Place { name, offset, dims, strides }
        };
        let places = tensors.map(place).collect();
        Places { places, length }
    }

    /// The tensors in a vector, which must not be a view.
    fn views<'a>(&'a self, vector: &'a Tensor) -> impl Iterator<Item = (&'a str, Tensor)> {
        self.places.iter().map(move |place| {
            let view = vector.as_strided(place.dims.as_slice(), place.strides.as_slice(), place.offset);
            (place.name.as_str(), view)
        })
    }
}

/// The strides of each dimension.
fn strides(dims: &[i64], layout: Layout) -> Vec<i64> {
    if let (&[_, channels, rows, columns], Layout::ChannelsLast) = (dims, layout) {
        return vec![channels * rows * columns, 1, columns * channels, channels];
    }
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

impl Flat {
    /// Moves a network's values into vectors, with space for `figures` numbers beside the gradients.
    pub fn new(network: &Network, layout: Layout, figures: usize) -> Self {
        let (trainable, followed): (Vec<_>, Vec<_>) =
            parameters(network.heads()).into_iter().partition(|parameter| parameter.trainable);
        let places = |list: Vec<crate::network::parameters::Parameter>| {
            let dims = |dims: Vec<usize>| dims.into_iter().map(|dim| dim as i64).collect();
            Places::of(list.into_iter().map(|parameter| (parameter.name, dims(parameter.dims))), layout)
        };
        let (weights, followed) = (places(trainable), places(followed));
        let options = (network.store().kind(), network.store().device());
        let figures = figures as i64;
        let flat = Flat {
            values: Tensor::zeros([weights.length], options),
            gradients: Tensor::zeros([weights.length], options),
            summed: Tensor::zeros([weights.length + followed.length + figures], (Kind::Double, options.1)),
            statistics: Tensor::zeros([followed.length], options),
            weights,
            followed,
            figures,
        };
        flat.adopt(network);
        flat
    }

    /// Makes the network's tensors and gradients views of the vectors.
    fn adopt(&self, network: &Network) {
        let own = |name: &str| network.tensor(name).expect("a network has its parameters").shallow_clone();
        tch::no_grad(|| {
            let lists = [(&self.weights, &self.values), (&self.followed, &self.statistics)];
            for (name, mut view) in lists.into_iter().flat_map(|(places, vector)| places.views(vector)) {
                let mut variable = own(name);
                view.copy_(&variable);
                variable.set_data(&view);
            }
        });
        // A tensor gets a gradient in its first backward pass.
        let variables: Vec<Tensor> = self.weights.places.iter().map(|place| own(&place.name)).collect();
        let nothing: Vec<Tensor> =
            variables.iter().map(|variable| (variable * 0.0).sum(None::<Kind>)).collect();
        Tensor::stack(&nothing, 0).sum(None::<Kind>).backward();
        for (variable, (_, view)) in variables.iter().zip(self.weights.views(&self.gradients)) {
            variable.grad().set_data(&view);
        }
        self.clear(true);
    }

    /// The weights.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The running statistics of batch norm.
    pub fn statistics(&self) -> &Tensor {
        &self.statistics
    }

    /// The gradients, to which every backward pass adds.
    pub fn gradients(&self) -> &Tensor {
        &self.gradients
    }

    /// The sum of the gradients over a step's batches.
    pub fn gradients_sum(&self) -> Tensor {
        self.summed.narrow(0, 0, self.weights.length)
    }

    /// The sum of the statistics over a step's batches.
    pub fn statistics_sum(&self) -> Tensor {
        self.summed.narrow(0, self.weights.length, self.followed.length)
    }

    /// The sum of a step's figures.
    pub fn figures(&self) -> Tensor {
        self.summed.narrow(0, self.weights.length + self.followed.length, self.figures)
    }

    /// Gradients, statistics and figures together.
    pub fn summed(&self) -> &Tensor {
        &self.summed
    }

    /// Sets the gradients to zero, and the sums too if `sums`.
    pub fn clear(&self, sums: bool) {
        let _ = self.gradients.shallow_clone().zero_();
        if sums {
            let _ = self.summed.shallow_clone().zero_();
        }
    }

    /// A vector of zeros, as long as the weights.
    pub fn zeros(&self) -> Tensor {
        self.values.zeros_like()
    }

    /// Views of a vector as long as the weights, by the weights' names.
    pub fn weights_of(&self, vector: &Tensor) -> Vec<(String, Tensor)> {
        self.weights.views(vector).map(|(name, view)| (name.to_owned(), view)).collect()
    }

    /// Views of a vector as long as the statistics, by their names.
    pub fn statistics_of(&self, vector: &Tensor) -> Vec<(String, Tensor)> {
        self.followed.views(vector).map(|(name, view)| (name.to_owned(), view)).collect()
    }

    /// The precision of all values.
    pub fn kind(&self) -> Kind {
        self.values.kind()
    }

    /// The device of the values.
    pub fn device(&self) -> Device {
        self.values.device()
    }
}
