//! The objectives and the optimizer, compared with values that PyTorch computed in double precision
//! (`peers/training_reference.py`): each objective's loss and gradients, ten steps of Adam for each on the whole
//! network, the average of weights with recomputed batch norm statistics, and the plateau schedule; and that a step
//! uses the mean of its batches.

use safetensors::SafeTensors;
use sleeve_training::checkpoint::Checkpoint;
use sleeve_training::config::{Config, Optimizer, Schedule, ScheduleKind};
use sleeve_training::network::architecture::{EMBEDDING, Encoder};
use sleeve_training::network::masks::Masks;
use sleeve_training::network::model::{Factors, Mode};
use sleeve_training::network::{Description, Head};
use sleeve_training::train::adam::Adam;
use sleeve_training::train::flat::Layout;
use sleeve_training::train::learner::{Average, Computation, Learner};
use sleeve_training::train::objective::{Batch, Figures, Part, Term, losses};
use sleeve_training::train::processes::Processes;
use sleeve_training::train::schedule::Plateau;
use tch::{Device, Kind, Tensor};

use crate::support::{data, formula};

/// As in the script.
const SIDE: usize = 32;
const CLASSES: usize = 20;
const WEIGHTS: [(&str, f64); 4] = [("track", 0.1), ("release", 0.15), ("artist", 0.6), ("label", 0.15)];
const STEPS: usize = 10;
const GROUPS: usize = 2;
const PAIRS: usize = 2;
const AVERAGED: usize = 4;
const EPSILON: f64 = 1e-2;
const RATE: f64 = 1e-4;
/// Values of each tensor that the reference has.
const SAMPLES: usize = 6;
/// In double precision.
const TOLERANCE: f64 = 1e-9;

struct Reference(Vec<u8>);

impl Reference {
    fn read() -> Self {
        Reference(std::fs::read(data("training/reference.safetensors")).unwrap())
    }

    fn get(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        view.data().as_chunks().0.iter().map(|&word| f64::from_le_bytes(word)).collect()
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).contiguous().view(-1)).unwrap()
}

/// The values of a tensor that the reference has.
fn sampled(tensor: &Tensor) -> Vec<f64> {
    let all = values(tensor);
    let count = all.len().min(SAMPLES);
    (0..count).map(|i| all[i * all.len() / count]).collect()
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn patches(batch: &str, count: usize) -> Tensor {
    let uniform = |what: &str, count: usize| formula::uniform(&format!("{batch}.{what}"), count);
    let all = uniform("patches", count * SIDE * SIDE);
    let (bands, frames) = (uniform("bands", count * SIDE), uniform("frames", count * SIDE));
    let value = |(i, u): (usize, &f64)| {
        let (patch, frame, band) = (i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE);
        (u * (bands[patch * SIDE + band] * frames[patch * SIDE + frame]) * 8.0) as f32
    };
    let all: Vec<f32> = all.iter().enumerate().map(value).collect();
    Tensor::from_slice(&all).view([count as i64, SIDE as i64, SIDE as i64])
}

/// Masks of a named batch; they drop more than real ones.
fn masks(batch: &str, count: usize) -> Masks {
    let keep = |drop: f64, kept: f32| move |u: f64| if u < drop { 0.0 } else { kept };
    let blocks = Encoder::b0().blocks.into_iter().enumerate();
    let depth = blocks.map(|(index, block)| {
        let uniform = formula::uniform(&format!("{batch}.depth.{index}"), count);
        block.residual.then(|| uniform.into_iter().map(keep(0.3, (1.0 / 0.7) as f32)).collect())
    });
    let dropout = formula::uniform(&format!("{batch}.dropout"), count * EMBEDDING);
    Masks::from_factors(count, depth.collect(), dropout.into_iter().map(keep(0.2, 1.25)).collect())
}

fn factors(masks: &Masks) -> Factors {
    Factors::split(masks, &Factors::gather(masks))
}

fn double() -> Computation {
    // Another layout than that of the reference; it must not matter.
    Computation { device: Device::Cpu, kind: Kind::Double, bfloat16: false, layout: Layout::ChannelsLast }
}

fn optimizer() -> Optimizer {
    Config::shipped("artist").unwrap().optimizer
}

fn learner(heads: &[(Head, f64)], computation: Computation) -> Learner {
    // The tests already run in parallel.
    tch::set_num_threads(1);
    let terms = terms(heads);
    let heads: Vec<Head> = heads.iter().map(|(head, _)| head.clone()).collect();
    let tensors = formula::tensors(&heads);
    let checkpoint = Checkpoint { description: Description::new(heads), tensors };
    let optimizer = Optimizer { epsilon: EPSILON, ..optimizer() };
    Learner::new(&checkpoint, &terms, &optimizer, computation).unwrap()
}

/// A term for each head, with its weight.
fn terms(heads: &[(Head, f64)]) -> Vec<Term> {
    heads.iter().enumerate().map(|(index, (head, weight))| Term::of_head(index, head, *weight)).collect()
}

fn projection() -> Vec<(Head, f64)> {
    vec![(Head::projection("projections"), 1.0)]
}

fn pairs(count: usize) -> Part {
    Part::Pairs { count, allowed: None }
}

/// Compares the loss and the gradients of a batch with those of the reference.
fn check_gradients(what: &str, batch: &str, heads: &[(Head, f64)], parts: Vec<Part>) -> Figures {
    let (learner, reference) = (learner(heads, double()), Reference::read());
    let count = parts.iter().map(Part::patches).sum::<i64>() as usize;
    let patches = patches(batch, count).to_kind(Kind::Double);
    let masks = masks(batch, count);
    let embeddings = learner.network().embeddings(&patches, Mode::Training(&masks));
    let losses = losses(learner.network(), learner.terms(), &embeddings, &parts);
    losses.total.backward();
    let expected = reference.get(&format!("{what}.loss"))[0];
    let found = losses.total.double_value(&[]);
    assert!((found / expected - 1.0).abs() < TOLERANCE, "{what}: loss {found}, not {expected}");
    let flat = learner.flat();
    let gradients = flat.weights_of(flat.gradients());
    let names = gradients.iter().map(|(name, _)| reference.get(&format!("{what}.gradient.{name}")));
    let expected: Vec<Vec<f64>> = names.collect();
    let whole = length(&expected.iter().map(|values| *values.last().unwrap()).collect::<Vec<_>>());
    let mut worst = 0.0f64;
    for ((name, gradient), expected) in gradients.iter().zip(&expected) {
        let mut found = sampled(gradient);
        found.push(length(&values(gradient)));
        assert_eq!(found.len(), expected.len(), "{name}");
        let norm = *expected.last().unwrap();
        let difference: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        // Shifts that the next batch norm removes have only rounding errors.
        let error = length(&difference) / norm.max(1e-7 * whole);
        assert!(error < TOLERANCE, "{what}: gradient of {name}: relative error {error:.1e}");
        worst = worst.max(error);
    }
    assert!(gradients.len() > 200 && whole > 0.0);
    println!("{what}: loss {found:.6}, {} gradients, relative error at most {worst:.1e}", gradients.len());
    Figures::read(&losses.figures.flatten(0, -1))
}

/// The heads of an objective of the script, and the targets of its batches.
fn objective(what: &str) -> (Vec<(Head, f64)>, Vec<Part>) {
    match what {
        "contrastive" => (projection(), vec![pairs(4)]),
        "masked" => {
            let mut allowed: Vec<bool> =
                formula::uniform("allowed", 16).into_iter().map(|u| u < 0.5).collect();
            (0..4).for_each(|i| allowed[i * 5] = true);
            assert!(allowed.iter().any(|allowed| !allowed));
            let allowed = Some(Tensor::from_slice(&allowed).view([4, 4]));
            (projection(), vec![Part::Pairs { count: 4, allowed }])
        }
        "tags" => {
            let tags: Vec<f32> =
                formula::uniform("tags", 5 * CLASSES).into_iter().map(|u| (u < 0.3).into()).collect();
            let tags = Part::Tags(Tensor::from_slice(&tags).view([5, CLASSES as i64]));
            (vec![(Head::classes("predictions", CLASSES), 1.0)], vec![tags])
        }
        "multitask" => {
            let heads = WEIGHTS.map(|(name, weight)| (Head::projection(name), weight)).to_vec();
            (heads, WEIGHTS.iter().map(|_| pairs(2)).collect())
        }
        other => panic!("no objective {other}"),
    }
}

/// The differences of tensors from the reference's, relative to its norms, estimated from the values that the reference
/// has: for all tensors together, and for the worst one. If a tensor's norm is less than `FLOOR` times that of all
/// together, it counts as that much, because shifts that the next batch norm removes have only rounding errors.
fn apart(reference: &Reference, what: &str, mut found: Vec<(String, Tensor)>) -> [f64; 2] {
    const FLOOR: f64 = 1e-4;
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let all = reference.get(what);
    let mut rest = &all[..];
    let expected: Vec<&[f64]> = found
        .iter()
        .map(|(_, tensor)| {
            let (own, others) = rest.split_at(tensor.numel().min(SAMPLES) + 1);
            rest = others;
            own
        })
        .collect();
    assert!(rest.is_empty(), "{what}: {} values more", rest.len());
    let whole = length(&expected.iter().map(|values| *values.last().unwrap()).collect::<Vec<_>>());
    assert!(whole > 0.0, "{what}: nothing has changed");
    let one = |((_, tensor), expected): (&(String, Tensor), &&[f64])| {
        let mut values = sampled(tensor);
        values.push(length(&self::values(tensor)));
        let difference: Vec<f64> = values.iter().zip(*expected).map(|(a, b)| a - b).collect();
        let difference = length(&difference);
        (difference, difference / expected.last().unwrap().max(FLOOR * whole))
    };
    let (differences, shares): (Vec<f64>, Vec<f64>) = found.iter().zip(&expected).map(one).unzip();
    [length(&differences) / whole, shares.into_iter().fold(0.0, f64::max)]
}

/// Ten steps of an objective, in a precision. Returns the differences from the reference: of the losses, relative; of
/// the change of the weights, of batch norm's running statistics, and of the average's weights and statistics, as
/// [`apart`] defines them.
fn ten_steps(what: &str, computation: Computation) -> (f64, [[f64; 2]; 4]) {
    let (heads, _) = objective(what);
    let (mut learner, reference) = (learner(&heads, computation), Reference::read());
    let terms = terms(&heads);
    let before = learner.flat().values().copy();
    let mut average = Average::new(learner.flat());
    let expected = reference.get(&format!("{what}.steps.losses"));
    let mut losses = 0.0f64;
    for (step, expected) in expected.iter().enumerate() {
        let (_, parts) = objective(what);
        let count = parts.iter().map(Part::patches).sum::<i64>() as usize;
        let name = format!("{what}.step.{step}");
        let batch = Batch { patches: patches(&name, count), parts };
        let batches = [Ok((batch, factors(&masks(&name, count))))].into_iter();
        let outcome = learner.step(batches, 1, RATE, &Processes::alone()).unwrap();
        let loss = outcome.read().unwrap().loss(&terms);
        losses = losses.max((loss / expected - 1.0).abs());
        if step >= STEPS - AVERAGED {
            average.add(learner.flat().values());
        }
    }
    assert_eq!(expected.len(), STEPS);
    let changed = |learner: &Learner| learner.flat().weights_of(&(learner.flat().values() - &before));
    let statistics = |learner: &Learner| learner.flat().statistics_of(learner.flat().statistics());
    let change = apart(&reference, &format!("{what}.steps.weights"), changed(&learner));
    let running = apart(&reference, &format!("{what}.steps.statistics"), statistics(&learner));
    tch::no_grad(|| learner.flat().values().shallow_clone().copy_(&average.values));
    let batches = (0..3).map(|batch| Ok(patches(&format!("{what}.statistics.{batch}"), 6)));
    assert_eq!(learner.recompute_statistics(batches, &Processes::alone()).unwrap(), 3);
    let averaged = apart(&reference, &format!("{what}.average.weights"), changed(&learner));
    let anew = apart(&reference, &format!("{what}.average.statistics"), statistics(&learner));
    println!(
        "{what}: losses {losses:.1e}; all and worst: weights {change:?}, statistics {running:?}; average: weights \
         {averaged:?}, statistics {anew:?}"
    );
    (losses, [change, running, averaged, anew])
}

#[test]
fn ten_steps_of_each_objective_agree_with_pytorch() {
    for what in ["contrastive", "masked", "tags", "multitask"] {
        let (losses, errors) = ten_steps(what, double());
        let worst = errors.as_flattened().iter().fold(losses, |worst, &error| worst.max(error));
        assert!(worst < TOLERANCE, "{what}: {worst:.1e}");
    }
}

/// All tensors together: in such small batches, single precision is too coarse for the smallest gradients.
#[test]
fn ten_steps_in_single_precision_agree_with_pytorch() {
    let (losses, errors) = ten_steps("multitask", Computation { kind: Kind::Float, ..double() });
    assert!(losses < 1e-3 && errors.iter().all(|[all, _]| *all < 1e-3), "{losses:.1e}, {errors:?}");
}

#[test]
fn contrastive_gradients_agree_with_pytorch() {
    let figures = check_gradients("contrastive", "contrastive", &projection(), vec![pairs(4)]);
    assert_eq!(figures.terms.len(), 1);
    assert_eq!(figures.terms[0].count, 4.0);
}

#[test]
fn masked_negatives_agree_with_pytorch() {
    let (heads, parts) = objective("masked");
    check_gradients("masked", "contrastive", &heads, parts);
}

#[test]
fn tag_gradients_agree_with_pytorch() {
    let (heads, parts) = objective("tags");
    check_gradients("tags", "tags", &heads, parts);
}

#[test]
fn multitask_gradients_agree_with_pytorch() {
    let (heads, parts) = objective("multitask");
    let figures = check_gradients("multitask", "multitask", &heads, parts);
    let expected = Reference::read().get("multitask.losses");
    for (own, expected) in figures.terms.iter().zip(expected) {
        assert!((own.loss / own.count - expected).abs() < TOLERANCE * expected.abs().max(1.0));
    }
}

/// The batch of a step's group.
fn batch(step: usize, group: usize) -> (Batch, Factors) {
    let (name, count) = (format!("step.{step}.{group}"), 2 * PAIRS);
    let batch = Batch { patches: patches(&name, count), parts: vec![pairs(PAIRS)] };
    (batch, factors(&masks(&name, count)))
}

#[test]
fn a_step_takes_the_mean_of_its_batches() {
    let stepped = |groups: &[usize]| {
        let mut learner = learner(&projection(), double());
        let batches = groups.iter().map(|&group| Ok(batch(0, group)));
        let outcome = learner.step(batches, groups.len(), RATE, &Processes::alone()).unwrap();
        let loss = outcome.read().unwrap().loss(learner.terms());
        let flat = learner.flat();
        (loss, values(flat.gradients()), values(flat.statistics()), values(flat.values()))
    };
    let (both, one, other) = (stepped(&[0, 1]), stepped(&[0]), stepped(&[1]));
    let agree = |what: &str, both: &[f64], one: &[f64], other: &[f64]| {
        let mean: Vec<f64> = one.iter().zip(other).map(|(a, b)| (a + b) / 2.0).collect();
        let difference: Vec<f64> = both.iter().zip(&mean).map(|(a, b)| a - b).collect();
        assert!(length(&difference) < TOLERANCE * length(&mean), "{what}");
        let apart: Vec<f64> = one.iter().zip(other).map(|(a, b)| a - b).collect();
        assert!(length(&apart) > 1e-3 * length(&mean), "{what}: the two batches differ");
    };
    agree("loss", &[both.0], &[one.0], &[other.0]);
    agree("gradients", &both.1, &one.1, &other.1);
    agree("statistics", &both.2, &one.2, &other.2);
    assert_ne!(both.3, one.3);
    // The order of the groups does not matter.
    assert!(stepped(&[1, 0]) == both);
}

#[test]
fn a_step_with_fewer_batches_is_an_error() {
    let mut learner = learner(&projection(), double());
    let before = values(learner.flat().values());
    let batches = [Ok(batch(0, 0))].into_iter();
    let outcome = learner.step(batches, 2, RATE, &Processes::alone());
    let said = outcome.err().expect("an error").to_string();
    assert_eq!(said, "a step has 1 batches in each of 1 processes instead of 2 in all");
    assert!(values(learner.flat().values()) == before);
}

#[test]
fn adam_and_averages_agree_with_pytorch() {
    let count = 40;
    for decay in ["0.0", "0.01"] {
        let uniform = |name: &str| formula::uniform(name, count).into_iter().map(|u| u * 2.0 - 1.0);
        let weights = Tensor::from_slice(&uniform("adam.weights").collect::<Vec<f64>>());
        let optimizer = Optimizer { weight_decay: decay.parse().unwrap(), ..optimizer() };
        let mut adam = Adam::new(&optimizer, &weights);
        let mut average = Average { values: weights.zeros_like(), count: 0 };
        for step in 0..STEPS {
            // From far above epsilon to far below.
            let scaled = |(place, u): (usize, f64)| u * 10f64.powi(-((count - 1 - place) as i32));
            let gradient: Vec<f64> = uniform(&format!("adam.{step}")).enumerate().map(scaled).collect();
            adam.step(&weights, &Tensor::from_slice(&gradient), 1e-3);
            if step >= STEPS - AVERAGED {
                average.add(&weights);
            }
        }
        for (what, found) in [("adam", &weights), ("average", &average.values)] {
            let expected = Reference::read().get(&format!("{what}.{decay}"));
            for (found, expected) in values(found).into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{what}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn a_rate_falls_as_pytorch_s_does() {
    let reference = Reference::read();
    let losses = reference.get("schedule.losses");
    for (patience, cooldown, threshold) in [(3, 0, 1e-4), (3, 2, 1e-2), (10, 0, 1e-4)] {
        let schedule = Schedule {
            kind: ScheduleKind::Plateau,
            factor: 0.1,
            patience,
            threshold,
            cooldown,
            minimum: 1e-6,
        };
        let mut plateau = Plateau::new(&schedule, 1e-3);
        let expected = reference.get(&format!("schedule.{patience}.{cooldown}.rates"));
        assert!(patience == 10 || expected.last().unwrap() < &1e-4, "the rate does fall");
        for (epoch, (&loss, expected)) in losses.iter().zip(expected).enumerate() {
            let rate = plateau.step(loss);
            assert!(
                (rate / expected - 1.0).abs() < TOLERANCE,
                "{patience}, epoch {epoch}: {rate}, not {expected}"
            );
        }
    }
}

#[test]
fn bfloat16_learns_much_the_same() {
    let tags: Vec<f32> =
        formula::uniform("tags", 5 * CLASSES).into_iter().map(|u| (u < 0.3).into()).collect();
    let losses = [false, true].map(|bfloat16| {
        let computation = Computation { kind: Kind::Float, bfloat16, ..double() };
        let mut learner = learner(&[(Head::classes("predictions", CLASSES), 1.0)], computation);
        let tags = Part::Tags(Tensor::from_slice(&tags).view([5, CLASSES as i64]));
        let batch = Batch { patches: patches("tags", 5), parts: vec![tags] };
        let batches = [Ok((batch, factors(&masks("tags", 5))))].into_iter();
        let outcome = learner.step(batches, 1, 1e-3, &Processes::alone()).unwrap();
        let gradients = learner.flat().gradients();
        (outcome.read().unwrap().loss(learner.terms()), gradients.norm().double_value(&[]))
    });
    println!("{losses:?}");
    let [(single, slope), (half, half_slope)] = losses;
    assert!(single != half && (half / single - 1.0).abs() < 0.05, "{losses:?}");
    // Five patches of one position each make a batch norm that amplifies rounding errors.
    assert!(half_slope.is_finite() && (0.2..5.0).contains(&(half_slope / slope)), "{losses:?}");
}

#[test]
fn numbers_that_are_none_are_found() {
    let computation = Computation { kind: Kind::Float, ..double() };
    let mut learner = learner(&projection(), computation);
    let batches = (0..GROUPS).map(|group| {
        let (mut batch, factors) = batch(0, group);
        if group == 1 {
            batch.patches = &batch.patches * f64::NAN;
        }
        Ok((batch, factors))
    });
    let outcome = learner.step(batches, GROUPS, 1e-3, &Processes::alone()).unwrap();
    assert_eq!(outcome.read(), Err(sleeve_training::train::learner::Broken::Loss(1)));
}
