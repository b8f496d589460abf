//! The network in libtorch, with gradients through autograd.

use std::cell::Cell;
use std::collections::HashMap;

use tch::nn::{Init, Path, VarStore};
use tch::{Device, Kind, Tensor as Torch};

use super::architecture::{Block, Convolution, EMBEDDING, Encoder, Gate, NORM_EPSILON, NORM_MOMENTUM};
use super::description::{Description, Head, HeadKind};
use super::masks::Masks;
use super::parameters::{Tensor, Tensors, parameters};
use crate::native::{self, Statistics};

/// Layer norm: added to a variance.
pub const LAYER_NORM_EPSILON: f64 = 1e-5;

/// An EfficientNet-B0 and its heads on one device.
pub struct Network {
    store: VarStore,
    /// The tensors of `store`, by name.
    tensors: HashMap<String, Torch>,
    encoder: Encoder,
    heads: Vec<Head>,
    /// Whether batch norms take the statistics of what passes through.
    calibrating: Cell<bool>,
}

/// The behaviour of batch norm, dropout and stochastic depth.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// Batch norm uses its running statistics; nothing is dropped.
    Inference,
    /// Batch norm uses the batch's statistics and updates the running ones; these masks are applied.
    Training(&'a Masks),
    /// As `Training`, with masks that are already on the device.
    Prepared(&'a Factors),
}

/// Masks on a device.
#[derive(Debug)]
pub struct Factors {
    patches: usize,
    /// For each block `[patches, 1, 1, 1]`, or `None`.
    depth: Vec<Option<Torch>>,
    /// `[patches, 1280]`, or `None`.
    dropout: Option<Torch>,
}

impl Factors {
    /// All factors of the masks in one vector, first those of the blocks, then those of the embeddings, so that a
    /// single copy moves them to a device.
    pub fn gather(masks: &Masks) -> Torch {
        let depth = (0..Encoder::b0().blocks.len()).filter_map(|block| masks.depth(block));
        let all: Vec<f32> = depth.chain(masks.dropout()).flatten().copied().collect();
        Torch::from_slice(&all)
    }

    /// The masks whose factors are in `gathered`.
    ///
    /// # Panics
    /// If these are the factors of other masks.
    pub fn split(masks: &Masks, gathered: &Torch) -> Self {
        let patches = masks.patches();
        let mut taken = 0;
        let mut take = |dims: &[i64]| {
            let count = dims.iter().product();
            taken += count;
            gathered.narrow(0, taken - count, count).view(dims)
        };
        let count = patches as i64;
        let blocks = 0..Encoder::b0().blocks.len();
        let depth = blocks.map(|block| masks.depth(block).map(|_| take(&[count, 1, 1, 1]))).collect();
        let dropout = masks.dropout().map(|_| take(&[count, EMBEDDING as i64]));
        assert_eq!(taken, gathered.numel() as i64, "factors of other masks");
        Factors { patches, depth, dropout }
    }
}

impl Network {
    /// A network with the values of a checkpoint, in single precision.
    ///
    /// # Errors
    /// Heads or tensors that do not match, by name; libtorch's errors for the device.
    pub fn new(description: &Description, tensors: &Tensors, device: Device) -> Result<Self, String> {
        Self::with_kind(description, tensors, device, Kind::Float)
    }

    /// A network in single or in double precision.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_kind(
        description: &Description,
        tensors: &Tensors,
        device: Device,
        kind: Kind,
    ) -> Result<Self, String> {
        description.check()?;
        super::parameters::check(&description.heads, tensors)?;
        let mut store = VarStore::new(device);
        let mut own = HashMap::new();
        for parameter in parameters(&description.heads) {
            let mut segments: Vec<&str> = parameter.name.split('.').collect();
            let last = segments.pop().expect("a name has a last part");
            let path: Path = segments.into_iter().fold(store.root(), |path, segment| path.sub(segment));
            let dims: Vec<i64> = parameter.dims.iter().map(|&dim| dim as i64).collect();
            let variable = match parameter.trainable {
                true => path.f_var(last, &dims, Init::Const(0.0)),
                false => path.f_zeros_no_train(last, &dims),
            };
            let mut variable = variable.map_err(|error| error.to_string())?;
            let values = Torch::f_from_slice(&tensors[&parameter.name].values)
                .and_then(|values| values.f_view(dims.as_slice()));
            let values = values.map_err(|error| error.to_string())?;
            tch::no_grad(|| variable.f_copy_(&values)).map_err(|error| error.to_string())?;
            own.insert(parameter.name, variable);
        }
        if kind != Kind::Float {
            store.set_kind(kind);
        }
        Ok(Network {
            store,
            tensors: own,
            encoder: Encoder::b0(),
            heads: description.heads.clone(),
            calibrating: Cell::new(false),
        })
    }

    /// The variables, for an optimizer.
    pub fn store(&self) -> &VarStore {
        &self.store
    }

    /// The heads, in the order of the description.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The tensor with this name in a checkpoint.
    pub fn tensor(&self, name: &str) -> Option<&Torch> {
        self.tensors.get(name)
    }

    /// All values, for a checkpoint.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn tensors(&self) -> Result<Tensors, String> {
        let read = |(name, tensor): (&String, &Torch)| {
            let dims = tensor.size().iter().map(|&dim| dim as usize).collect();
            let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).flatten(0, -1);
            let values = Vec::<f32>::try_from(&flat).map_err(|error| format!("{name}: {error}"))?;
            Ok((name.clone(), Tensor { dims, values }))
        };
        self.tensors.iter().map(read).collect()
    }

    /// Patches `[n, 128, 96]` to embeddings `[n, 1280]` in the weights' precision; in training, with dropout.
    ///
    /// # Panics
    /// If the numbers of masks and patches differ, or the input has another shape.
    pub fn embeddings(&self, patches: &Torch, mode: Mode) -> Torch {
        let made;
        let factors = match mode {
            Mode::Inference => None,
            Mode::Training(masks) => {
                made = Factors::split(masks, &Factors::gather(masks).to_device(patches.device()));
                Some(&made)
            }
            Mode::Prepared(factors) => Some(factors),
        };
        if let Some(factors) = factors {
            assert_eq!(patches.size()[0], factors.patches as i64, "masks of another batch");
        }
        let follow = factors.is_some();
        let mut x = self.convolution(&self.encoder.stem, &patches.unsqueeze(1), follow);
        for (index, block) in self.encoder.blocks.iter().enumerate() {
            let factors = factors.and_then(|factors| factors.depth[index].as_ref());
            x = self.block(block, &x, factors, follow);
        }
        let x = self.convolution(&self.encoder.head, &x, follow);
        // The heads are small: they are computed in full precision whatever the encoder's precision.
        let x = x.mean_dim([2i64, 3].as_slice(), false, None::<Kind>).to_kind(self.store.kind());
        match factors.and_then(|factors| factors.dropout.as_ref()) {
            Some(factors) => &x * factors.to_kind(x.kind()),
            None => x,
        }
    }

    /// The output of a head for embeddings `[n, 1280]`: a projection `[n, 512]`, each value between -1 and 1, logits
    /// `[n, classes]`, or the values of a dense head.
    ///
    /// # Panics
    /// If there is no such head.
    pub fn head(&self, index: usize, embeddings: &Torch) -> Torch {
        let head = &self.heads[index];
        let path = head.path();
        let (weight, bias) = (self.named(&path, "dense.weight"), self.named(&path, "dense.bias"));
        let x = embeddings.linear(weight, Some(bias));
        match head.kind {
            HeadKind::Classes | HeadKind::Dense => x,
            HeadKind::Projection => {
                let (scale, shift) = (self.named(&path, "norm.weight"), self.named(&path, "norm.bias"));
                let dims = [head.values as i64];
                x.layer_norm(dims.as_slice(), Some(scale), Some(shift), LAYER_NORM_EPSILON, true).tanh()
            }
        }
    }

    /// The similarities of two sets of projections, `[anchors, positives]`: the bilinear form of a projection head.
    ///
    /// # Panics
    /// If there is no such head, or it is not a projection.
    pub fn similarities(&self, index: usize, anchors: &Torch, positives: &Torch) -> Torch {
        let form = self.named(&self.heads[index].path(), "similarity");
        anchors.matmul(form).matmul(&positives.transpose(0, 1))
    }

    /// Gives batch norms that were folded into their convolutions (no mean, variance 1) the statistics of these patches,
    /// without changing what the network computes in inference mode. In training mode, batch norm uses each batch's own
    /// statistics, so without this the network would start as another one.
    pub fn calibrate(&self, patches: &Torch) {
        self.calibrating.set(true);
        let _ = tch::no_grad(|| self.embeddings(patches, Mode::Inference));
        self.calibrating.set(false);
    }

    fn take_statistics(&self, norm: &str, x: &Torch) {
        let named = |name: &str| self.named(norm, name).shallow_clone();
        let x = x.to_kind(self.store.kind());
        let (mean, variance) =
            (x.mean_dim([0i64, 2, 3].as_slice(), false, None::<Kind>), named("running_var"));
        let spread = x.var_dim([0i64, 2, 3].as_slice(), false, false);
        // So far x becomes (x - mean) * scale + bias; that stays, with the new mean and variance.
        let scale = named("weight") / (&variance + NORM_EPSILON).sqrt();
        let bias = named("bias") + (&mean - named("running_mean")) * &scale;
        named("weight").copy_(&(scale * (&spread + NORM_EPSILON).sqrt()));
        named("bias").copy_(&bias);
        named("running_mean").copy_(&mean);
        named("running_var").copy_(&spread);
    }

    fn named(&self, path: &str, name: &str) -> &Torch {
        &self.tensors[&format!("{path}.{name}")]
    }

    /// Whether the layers of `native` are used: in training on the CPU.
    fn is_native(&self, follow: bool) -> bool {
        follow && self.store.device() == Device::Cpu
    }

    fn convolution(&self, layer: &Convolution, x: &Torch, follow: bool) -> Torch {
        let weight = self.named(&layer.conv(), "weight");
        let (stride, padding) = ([layer.stride as i64; 2], [layer.padding() as i64; 2]);
        let groups = layer.groups as i64;
        let x = if groups > 1 && self.is_native(follow) {
            native::depthwise(x, weight, layer.stride as i64)
        } else {
            x.conv2d(weight, None::<Torch>, stride, padding, [1, 1], groups)
        };
        let norm = layer.norm();
        if self.calibrating.get() {
            self.take_statistics(&norm, &x);
        }
        let (weight, bias) = (self.named(&norm, "weight"), self.named(&norm, "bias"));
        let (mean, variance) = (self.named(&norm, "running_mean"), self.named(&norm, "running_var"));
        if self.is_native(follow) {
            let statistics = Statistics { mean, variance, momentum: NORM_MOMENTUM };
            return native::norm(&x, weight, bias, &statistics, NORM_EPSILON, layer.activated);
        }
        let x = x.batch_norm(
            Some(weight),
            Some(bias),
            Some(mean),
            Some(variance),
            follow,
            NORM_MOMENTUM,
            NORM_EPSILON,
            true,
        );
        if layer.activated { x.silu() } else { x }
    }

    fn block(&self, block: &Block, input: &Torch, factors: Option<&Torch>, follow: bool) -> Torch {
        let expanded = block.expand.as_ref().map(|expand| self.convolution(expand, input, follow));
        let x = self.convolution(&block.depthwise, expanded.as_ref().unwrap_or(input), follow);
        let x = self.gate(&block.gate, &x, follow);
        let x = self.convolution(&block.project, &x, follow);
        if !block.residual {
            return x;
        }
        match factors {
            Some(factors) => input.addcmul(&x, &factors.to_kind(x.kind())),
            None => input + x,
        }
    }

    fn gate(&self, gate: &Gate, x: &Torch, follow: bool) -> Torch {
        let [first, second] = ["fc1", "fc2"].map(|layer| {
            let path = format!("{}.{layer}", gate.path);
            [self.named(&path, "weight"), self.named(&path, "bias")]
        });
        if self.is_native(follow) {
            return native::gate(x, first, second);
        }
        let layer =
            |[weight, bias]: [&Torch; 2], x: &Torch| x.conv2d(weight, Some(bias), [1, 1], [0, 0], [1, 1], 1);
        let mean = x.mean_dim([2i64, 3].as_slice(), true, None::<Kind>);
        x * layer(second, &layer(first, &mean).silu()).sigmoid()
    }
}
