//! A model that a network learns from.

use std::sync::Arc;

use sleeve::engine::{Engine, EngineOptions, Purpose};
use sleeve::model::{Meaning, Model};

use crate::config;
use crate::config::{EmbeddingLoss, TagLoss};
use crate::error::{Error, Result};
use crate::evaluation::encoders::model::musicnn_frames;
use crate::features::Content;
use crate::network::architecture::BANDS;

/// An open model with the outputs that are learnt from it. Clones share it.
#[derive(Clone)]
pub struct Teacher {
    name: String,
    identity: Content,
    engine: Arc<dyn Engine>,
    frames: usize,
    /// Index and width of its tags and its embeddings, if it has them.
    tags: Option<(usize, usize)>,
    embeddings: Option<(usize, usize)>,
    classes: Vec<String>,
}

impl Teacher {
    /// Opens a teacher of a configuration.
    ///
    /// # Errors
    /// If it cannot be opened, its input is not mel patches of MusiCNN's front end, or it lacks what is learnt from it.
    pub fn open(config: &config::Teacher, options: &EngineOptions) -> Result<Self> {
        let model = Model::open(&config.model)?;
        let wrong = |reason: String| {
            Error::InvalidArgument(format!("teacher {} ({}): {reason}", config.name, config.model))
        };
        let frames = musicnn_frames(&model).map_err(&wrong)?;
        let output = |purpose| model.output(purpose).map(|at| (at, model.outputs()[at].dim));
        let embeddings = output(Purpose::Embeddings);
        if config.embeddings != EmbeddingLoss::None && embeddings.is_none() {
            return Err(wrong(
                "it has no embeddings; objective.teachers.embeddings = \"none\" does without".into(),
            ));
        }
        // Of activations that depend on each other, each is not a probability of its own.
        let tags = output(Purpose::Predictions).filter(|&(at, _)| model.meaning(at) == Meaning::Labels);
        if config.tags != TagLoss::None && tags.is_none() {
            return Err(wrong("it has no tags with a probability each (sigmoid)".into()));
        }
        let classes = match tags {
            Some((_, width)) if model.classes().len() == width => model.classes().to_vec(),
            _ => Vec::new(),
        };
        let identity = Content::from_hex(model.sha256()).expect("a SHA-256");
        let engine = model.engine(options)?;
        let engine = engine.concurrent().unwrap_or(engine);
        Ok(Teacher { name: config.name.clone(), identity, engine, frames, tags, embeddings, classes })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model's SHA-256.
    pub fn identity(&self) -> Content {
        self.identity
    }

    /// Frames of its patches.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The names of its tags; empty if they are unknown.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The columns of a row of targets that are its tags, and those that are its embedding.
    pub fn columns(&self) -> [std::ops::Range<usize>; 2] {
        let width = |output: Option<(usize, usize)>| output.map_or(0, |(_, width)| width);
        let tags = width(self.tags);
        [0..tags, tags..tags + width(self.embeddings)]
    }

    /// Values of a row of targets.
    pub fn width(&self) -> usize {
        self.columns()[1].end
    }

    /// The targets of patches `[n, frames, 96]`: rows of its tags and then its embedding.
    ///
    /// # Errors
    /// If the engine fails, or gives NaN or infinity.
    ///
    /// # Panics
    /// If the values are not whole patches.
    pub fn targets(&self, patches: &[f32]) -> Result<Vec<f32>> {
        let rows = patches.len() / (self.frames * BANDS);
        assert_eq!(patches.len(), rows * self.frames * BANDS, "whole patches");
        let mut parts: Vec<(usize, usize, Vec<f32>)> = [self.tags, self.embeddings]
            .into_iter()
            .flatten()
            .map(|(at, width)| (at, width, vec![0.0; rows * width]))
            .collect();
        let mut wanted: Vec<(usize, &mut [f32])> =
            parts.iter_mut().map(|(at, _, values)| (*at, values.as_mut_slice())).collect();
        self.engine.run(patches, rows, &mut wanted)?;
        let mut targets = Vec::with_capacity(rows * self.width());
        for row in 0..rows {
            for (_, width, values) in &parts {
                targets.extend_from_slice(&values[row * width..][..*width]);
            }
        }
        match targets.iter().find(|value| !value.is_finite()) {
            None => Ok(targets),
            Some(value) => Err(Error::Training(format!("teacher {} gives {value}", self.name))),
        }
    }
}
