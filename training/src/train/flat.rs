//! All weights of a network in one vector, all gradients in another: what an optimizer, an average or a sum over
//! processes does with them is one operation, not one for each of two hundred tensors.

use tch::{Device, Kind, Tensor};

use crate::network::model::Network;
use crate::network::parameters::parameters;

/// Each tensor begins at a multiple of so many values.
const ALIGNMENT: i64 = 16;

/// How four-dimensional weights, and with them feature maps, lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channel by channel.
    ChannelsFirst,
    /// Position by position.
    ChannelsLast,
}

/// A network's values as vectors, which its tensors are views of.
pub struct Flat {
    values: Tensor,
    gradients: Tensor,
    /// Gradients, running statistics, then figures, summed over the batches of a step and over processes. Sums of numbers
    /// of single precision are exact in double precision but for the rarest cases, so that it does not matter in which
    /// order, or which process, adds what.
    summed: Tensor,
    statistics: Tensor,
    weights: Places,
    followed: Places,
    figures: i64,
}

/// Where tensors lie in a vector.
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

    /// The tensors in a vector that is no part of another one.
    fn views<'a>(&'a self, vector: &'a Tensor) -> impl Iterator<Item = (&'a str, Tensor)> {
        self.places.iter().map(move |place| {
            let view = vector.as_strided(place.dims.as_slice(), place.strides.as_slice(), place.offset);
            (place.name.as_str(), view)
        })
    }
}

/// The distance in memory between neighbours of each dimension.
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
    /// Moves a network's values into vectors; there is room for `figures` numbers beside the gradients.
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

    /// Makes the network's tensors and gradients views.
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
        // A tensor has a gradient once something was derived from it.
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

    /// Where the gradients of a step's batches are summed.
    pub fn gradients_sum(&self) -> Tensor {
        self.summed.narrow(0, 0, self.weights.length)
    }

    /// Where the statistics of a step's batches are summed.
    pub fn statistics_sum(&self) -> Tensor {
        self.summed.narrow(0, self.weights.length, self.followed.length)
    }

    /// Where a step's figures are summed.
    pub fn figures(&self) -> Tensor {
        self.summed.narrow(0, self.weights.length + self.followed.length, self.figures)
    }

    /// Gradients, statistics and figures together.
    pub fn summed(&self) -> &Tensor {
        &self.summed
    }

    /// Sets gradients to zero, and sums with them if `sums`.
    pub fn clear(&self, sums: bool) {
        let _ = self.gradients.shallow_clone().zero_();
        if sums {
            let _ = self.summed.shallow_clone().zero_();
        }
    }

    /// A vector as long as the weights, of zeros.
    pub fn zeros(&self) -> Tensor {
        self.values.zeros_like()
    }

    /// The parts of a vector as long as the weights, by the weights' names.
    pub fn weights_of(&self, vector: &Tensor) -> Vec<(String, Tensor)> {
        self.weights.views(vector).map(|(name, view)| (name.to_owned(), view)).collect()
    }

    /// The parts of a vector as long as the statistics, by their names.
    pub fn statistics_of(&self, vector: &Tensor) -> Vec<(String, Tensor)> {
        self.followed.views(vector).map(|(name, view)| (name.to_owned(), view)).collect()
    }

    /// The precision of all values.
    pub fn kind(&self) -> Kind {
        self.values.kind()
    }

    /// Where the values are.
    pub fn device(&self) -> Device {
        self.values.device()
    }
}
