//! The network in libtorch, forwards and backwards, compared with values that PyTorch computed in double precision
//! (`peers/network_reference.py`), and its masks and checkpoints.

use safetensors::SafeTensors;
use sleeve_training::checkpoint::Checkpoint;
use sleeve_training::export::{Format, Options, Source, export, published};
use sleeve_training::network::architecture::{EMBEDDING, Encoder};
use sleeve_training::network::masks::Masks;
use sleeve_training::network::model::{Mode, Network};
use sleeve_training::network::{Description, Head, loss, plain};
use tch::{Device, Kind, Tensor};

use crate::support::{data, formula};

const PATCHES: usize = 8;
const CLASSES: usize = 20;

fn description() -> Description {
    Description::new(vec![Head::projection("projections"), Head::classes("predictions", CLASSES)])
}

fn network() -> Network {
    let description = description();
    Network::new(&description, &formula::tensors(&description.heads), Device::Cpu).unwrap()
}

fn patches(count: i64) -> Tensor {
    Tensor::from_slice(&formula::patches(PATCHES)).view([PATCHES as i64, 128, 96]).narrow(0, 0, count)
}

/// The masks of the reference: they drop more than real ones, so that all of them matter in such a small batch.
fn masks() -> Masks {
    let keep = |drop: f64, kept: f32| move |u: f64| if u < drop { 0.0 } else { kept };
    let blocks = Encoder::b0().blocks.into_iter().enumerate();
    let depth = blocks.map(|(index, block)| {
        let uniform = formula::uniform(&format!("depth.{index}"), PATCHES);
        block.residual.then(|| uniform.into_iter().map(keep(0.3, (1.0 / 0.7) as f32)).collect())
    });
    let dropout = formula::uniform("dropout", PATCHES * EMBEDDING).into_iter().map(keep(0.2, 1.25));
    Masks::from_factors(PATCHES, depth.collect(), dropout.collect())
}

struct Reference(Vec<u8>);

impl Reference {
    fn read() -> Self {
        Reference(std::fs::read(data("network/reference.safetensors")).unwrap())
    }

    fn get(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        view.data().as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().to_kind(Kind::Float).flatten(0, -1)).unwrap()
}

/// The values of a tensor that the reference has.
fn sampled(tensor: &Tensor) -> Vec<f32> {
    let all = values(tensor);
    let count = all.len().min(48);
    (0..count).map(|i| all[i * all.len() / count]).collect()
}

fn length(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    length(&difference) / length(expected)
}

#[track_caller]
fn agree(what: &str, found: &[f32], expected: &[f32], tolerance: f64) -> f64 {
    let error = relative_error(found, expected);
    assert!(error <= tolerance, "{what}: relative error {error:.1e}");
    error
}

#[test]
fn inference_agrees_with_pytorch() {
    let (network, reference) = (network(), Reference::read());
    let embeddings = tch::no_grad(|| network.embeddings(&patches(3), Mode::Inference));
    let expected = reference.get("inference.embeddings");
    // Patches differ by much more than the tolerance, so that mixed-up patches would be detected.
    let apart = relative_error(&expected[..EMBEDDING], &expected[EMBEDDING..2 * EMBEDDING]);
    println!("two patches: relative difference {apart:.1e}");
    assert!(apart > 1e-3, "{apart}");
    let error = agree("embeddings", &values(&embeddings), &expected, 1e-5);
    println!("embeddings: relative error {error:.1e}");
    for (index, name) in [(0, "projections"), (1, "logits")] {
        let found = values(&network.head(index, &embeddings));
        let error = agree(name, &found, &reference.get(&format!("inference.{name}")), 1e-5);
        println!("{name}: relative error {error:.1e}");
    }
}

#[test]
fn training_agrees_with_pytorch_forwards_and_backwards() {
    let (network, reference) = (network(), Reference::read());
    let masks = masks();
    let embeddings = network.embeddings(&patches(PATCHES as i64), Mode::Training(&masks));
    let rows = embeddings.slice(0, 0, PATCHES as i64, 3);
    let error = agree("embeddings", &values(&rows), &reference.get("training.embeddings"), 1e-5);
    println!("embeddings: relative error {error:.1e}");

    let projected = network.head(0, &embeddings).chunk(2, 0);
    let similarities = network.similarities(0, &projected[0], &projected[1]);
    let contrastive = loss::contrastive(&similarities);
    let tags: Vec<f32> = formula::uniform("tags", PATCHES * CLASSES)
        .into_iter()
        .map(|u| if u < 0.3 { 1.0 } else { 0.0 })
        .collect();
    let tags = Tensor::from_slice(&tags).view([PATCHES as i64, CLASSES as i64]);
    let multilabel = loss::tags(&network.head(1, &embeddings), &tags);
    let losses = [&contrastive, &multilabel].map(|loss| loss.double_value(&[]) as f32);
    for (what, found) in [("similarities", values(&similarities)), ("losses", losses.to_vec())] {
        let error = agree(what, &found, &reference.get(&format!("training.{what}")), 1e-5);
        println!("{what}: relative error {error:.1e}");
    }
    assert_eq!(values(&loss::top1(&similarities)), reference.get("training.top1"));

    let total: Tensor = contrastive + 2.0 * multilabel;
    total.backward();
    let trainable = network.store().variables().into_iter().filter(|(_, tensor)| tensor.requires_grad());
    let squares = trainable.map(|(name, _)| reference.get(&format!("norm.{name}"))[0].powi(2));
    let whole = f64::from(squares.sum::<f32>().sqrt());
    let (mut worst, mut count, mut nothing) = ((0.0, String::new()), 0, 0);
    for (name, variable) in network.store().variables() {
        if !variable.requires_grad() {
            let expected = reference.get(&format!("after.{name}"));
            agree(&name, &sampled(&variable), &expected, 1e-5);
            continue;
        }
        let gradient = variable.grad();
        assert!(gradient.defined(), "{name} has no gradient");
        let norm = f64::from(reference.get(&format!("norm.{name}"))[0]);
        count += 1;
        // A shift that the next batch norm removes has a zero gradient except for rounding.
        if norm < 1e-7 * whole {
            let found = length(&values(&gradient));
            assert!(found < 1e-5 * whole, "gradient of {name}: {found}, where the whole one is {whole}");
            nothing += 1;
            continue;
        }
        // The error of the compared values, relative to the share of the whole gradient that as many values have.
        let (found, expected) = (sampled(&gradient), reference.get(&format!("gradient.{name}")));
        let share = (found.len() as f64 / gradient.numel() as f64).sqrt();
        let error =
            relative_error(&found, &expected) * length(&expected) / length(&expected).max(norm * share);
        assert!(error <= 1e-4, "gradient of {name}: relative error {error:.1e}");
        let found = length(&values(&gradient));
        assert!((found / norm - 1.0).abs() <= 1e-4, "gradient of {name}: {found}, not {norm}");
        if error > worst.0 {
            worst = (error, name);
        }
    }
    assert!(nothing < 20, "{nothing} tensors without a gradient");
    // 49 convolutions with scale and shift, 16 gates of 4 tensors, 5 tensors of one head and 2 of the other.
    assert_eq!(count, 49 * 3 + 16 * 4 + 5 + 2);
    println!("gradients: relative error at most {:.1e} ({})", worst.0, worst.1);
}

#[test]
fn it_has_4_006_972_weights_without_a_head() {
    let description = Description::new(vec![]);
    let checkpoint = Checkpoint::untrained(description.clone(), 1).unwrap();
    let network = Network::new(&description, &checkpoint.tensors, Device::Cpu).unwrap();
    let count: usize = network.store().trainable_variables().iter().map(Tensor::numel).sum();
    assert_eq!(count, 4_006_972);
    assert_eq!(network.tensors().unwrap(), checkpoint.tensors);
}

#[test]
fn a_step_is_a_function_of_seed_step_and_group() {
    tch::manual_seed(1);
    let embed = |masks: &Masks| values(&network().embeddings(&patches(8), Mode::Training(masks)));
    let first = embed(&Masks::draw(8, 7, 3, 1));
    tch::manual_seed(2);
    assert_eq!(embed(&Masks::draw(8, 7, 3, 1)), first);
    assert_ne!(embed(&Masks::draw(8, 7, 3, 2)), first);
    assert_ne!(embed(&Masks::none(8)), first);
    let dropped = first.iter().filter(|&&value| value == 0.0).count() as f64 / first.len() as f64;
    assert!((dropped - 0.2).abs() < 0.02, "{dropped}");
}

#[test]
fn training_moves_statistics_and_inference_does_not() {
    let network = network();
    let before = network.tensors().unwrap();
    let _ = network.embeddings(&patches(2), Mode::Inference);
    assert_eq!(network.tensors().unwrap(), before);
    let _ = network.embeddings(&patches(2), Mode::Training(&Masks::none(2)));
    let after = network.tensors().unwrap();
    for (name, tensor) in &before {
        assert_eq!(after[name] != *tensor, name.contains(".running_"), "{name}");
    }
}

#[test]
fn the_plain_form_agrees_with_libtorch() {
    let tensors = formula::tensors(&[]);
    let plain = plain::embeddings(&tensors, &formula::patches(2));
    let network = Network::new(&Description::new(vec![]), &tensors, Device::Cpu).unwrap();
    let found = tch::no_grad(|| network.embeddings(&patches(2), Mode::Inference));
    agree("embeddings", &values(&found), &plain, 1e-5);
}

/// Of an exported file, batch norms are folded into convolutions. Calibrated, they have statistics again: the network
/// computes the same in inference mode, and in training mode starts close to it instead of as another network.
#[test]
fn a_network_from_an_exported_file_goes_on_as_itself() {
    let description = description();
    let tensors = formula::tensors(&description.heads);
    let checkpoint = Checkpoint { description, tensors };
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        folder: folder.path(),
        name: "one",
        formats: &[Format::Onnx],
        storage: None,
        compared_on: None,
        replace: false,
    };
    export(&Source::Checkpoint(&checkpoint, None), &options).unwrap();
    let unfolded = published::unfolded(&folder.path().join("one.onnx")).unwrap();
    // The projection is not taken over: the file lacks its similarity.
    assert_eq!(unfolded.description.heads, [Head::classes("predictions", CLASSES)]);
    let open = |checkpoint: &Checkpoint| {
        Network::new(&checkpoint.description, &checkpoint.tensors, Device::Cpu).unwrap()
    };
    let (before, after) = (open(&checkpoint), open(&unfolded));
    let patches = patches(PATCHES as i64);
    let apart = |one: &Tensor, other: &Tensor| {
        let (one, other) = (values(one), values(other));
        let difference: Vec<f32> = one.iter().zip(&other).map(|(a, b)| a - b).collect();
        length(&difference) / length(&one)
    };
    let inference = |network: &Network| tch::no_grad(|| network.embeddings(&patches, Mode::Inference));
    let masks = Masks::none(PATCHES);
    let training = |network: &Network| tch::no_grad(|| network.embeddings(&patches, Mode::Training(&masks)));
    let original = inference(&before);
    // Weights are in half precision in the file.
    assert!(apart(&original, &inference(&after)) < 2e-2, "{}", apart(&original, &inference(&after)));
    let folded = inference(&after);
    let lost = apart(&folded, &training(&after));
    let after = open(&unfolded);
    after.calibrate(&patches);
    let kept = [apart(&folded, &inference(&after)), apart(&folded, &training(&after))];
    println!(
        "training mode: {lost:.3} apart as it is, {:.1e} calibrated; inference {:.1e}",
        kept[1], kept[0]
    );
    assert!(kept[0] < 1e-3 && kept[1] < 1e-3 && lost > 0.1, "{kept:?}, {lost}");
}
