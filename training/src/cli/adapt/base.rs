//! The model that is adapted, the embeddings of its collection, and the files of the new model.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array2, Axis};
use serde_json::{Map, Value, json};
use sleeve::engine::{EngineOptions, Purpose};
use sleeve::model::{Metadata, Model};

use crate::adaptation::graph::adapted;
use crate::adaptation::prepare::{Changes, prepared};
use crate::adaptation::{Adaptation, Embedded};
use crate::atomic;
use crate::error::{Error, Result};
use crate::evaluation::cache::{Cache, Filling, Patches};
use crate::evaluation::encoders::Encoder;
use crate::evaluation::encoders::model::ModelEncoder;
use crate::evaluation::recordings::{Recording, Sources};
use crate::evaluation::retrieval::collection::Collection;
use crate::evaluation::retrieval::vectors::recordings;

/// The bundled model: its name, graph and metadata.
const BUNDLED: (&str, &[u8], &str) = (
    "msd-musicnn-1",
    include_bytes!("../../../../models/msd-musicnn-1.onnx"),
    include_str!("../../../../models/msd-musicnn-1.json"),
);

/// The model that is adapted.
pub struct Base {
    model: Model,
    /// Its graph.
    bytes: Vec<u8>,
    /// Its file, or its name if it is the bundled one.
    place: PathBuf,
    /// The name of the graph's output with the embeddings.
    output: String,
    encoders: Vec<Box<dyn Encoder>>,
}

/// Where recordings and their embeddings are.
pub struct Listening<'a> {
    pub sources: &'a Sources,
    pub audio: Option<&'a Path>,
    pub cache: &'a Cache,
    pub threads: usize,
    pub stop: &'a AtomicBool,
}

impl Base {
    /// Opens a file, or the bundled model, and changes it.
    pub fn open(path: Option<&Path>, changes: &Changes) -> Result<Self> {
        let (mut model, mut bytes, place) = match path {
            None => {
                let (name, bytes, json) = BUNDLED;
                (Model::from_bytes(name, bytes, Some(json))?, bytes.to_vec(), PathBuf::from(name))
            }
            Some(path) if path.extension().is_some_and(|extension| extension == "onnx") => {
                let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
                (Model::open(path)?, bytes, path.to_owned())
            }
            Some(path) => return Err(Error::format(path, "not an .onnx file")),
        };
        if *changes != Changes::default() {
            let output = embeddings(&model)?;
            let (changed, values) =
                prepared(&bytes, &output, changes).map_err(|reason| Error::format(&place, reason))?;
            let mut document = model.metadata().document().clone();
            set_values(&mut document, &output, values);
            let json = Metadata::from_document(document)?.to_json();
            model = Model::from_bytes(model.name(), changed.clone(), Some(&json))?;
            bytes = changed;
        }
        let encoder = ModelEncoder::of(&model, None, &EngineOptions::default().threads(1))?;
        let output = embeddings(&model)?;
        Ok(Base { model, bytes, place, output, encoders: vec![Box::new(encoder)] })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.model.name()
    }

    /// The number of values of its embeddings.
    pub fn values(&self) -> usize {
        self.encoders[0].dimensions()
    }

    /// Embeds a collection. Recordings that cannot be decoded are reported and left out.
    pub fn embed(&mut self, collection: Collection, listening: &Listening) -> Result<(Collection, Embedded)> {
        let found = recordings(&collection.tracks, listening.audio);
        let work: Vec<(Recording, Vec<Patches>)> =
            found.iter().map(|one| (one.clone(), vec![Patches::Overlapped])).collect();
        let bar = bar(found.len());
        let &Listening { sources, cache, threads, stop, .. } = listening;
        let failures =
            cache.fill(&mut self.encoders, sources, &work, &Filling { threads, stop, bar: &bar })?;
        bar.finish_and_clear();
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted("stopped; the same command continues from there".into()));
        }
        let mut kept = Vec::new();
        for (at, (recording, failure)) in (0..).zip(found.iter().zip(&failures)) {
            match failure {
                Some(reason) => eprintln!("{}: {reason}; left out", recording.name),
                None => kept.push(at),
            }
        }
        let collection = collection.select(&kept);
        let embedded = self.embedded(cache, &collection)?;
        Ok((collection, embedded))
    }

    /// The means over the patches of each track, and how the patches vary around them.
    fn embedded(&self, cache: &Cache, collection: &Collection) -> Result<Embedded> {
        let encoder = self.encoders[0].as_ref();
        let dimensions = encoder.dimensions();
        let mut means = Array2::zeros((collection.len(), dimensions));
        let mut within = Array2::zeros((dimensions, dimensions));
        for (at, track) in collection.tracks.iter().enumerate() {
            let patches = cache.read(encoder, track.content, Patches::Overlapped)?.mapv(f64::from);
            let Some(mean) = patches.mean_axis(Axis(0)) else { continue };
            let rows = patches.nrows() as f64;
            let centred = patches - &mean;
            within.scaled_add(1.0 / rows, &centred.t().dot(&centred));
            means.row_mut(at).assign(&mean);
        }
        within /= f64::max(collection.len() as f64, 1.0);
        Ok(Embedded { means, within })
    }

    /// Its metadata with the adapted embeddings.
    fn metadata(&self, name: &str, values: usize, more: Map<String, Value>) -> Map<String, Value> {
        let mut document = self.model.metadata().document().clone();
        document.insert("name".into(), name.into());
        document.insert("model_types".into(), json!(["onnx"]));
        set_values(&mut document, &self.output, values);
        if let Some(one) = described(&mut document, &self.output) {
            one["description"] = json!(
                "embeddings behind a linear map that was learnt from editorial metadata; compared by cosine"
            );
        }
        document.extend(more);
        document
    }
}

/// The name of the output with the embeddings.
fn embeddings(model: &Model) -> Result<String> {
    let index = model.output(Purpose::Embeddings);
    let index =
        index.ok_or_else(|| Error::format(model.name(), "none of its outputs is known to be embeddings"))?;
    Ok(model.outputs()[index].name.clone())
}

/// What metadata say of an output.
fn described<'a>(document: &'a mut Map<String, Value>, output: &str) -> Option<&'a mut Value> {
    let outputs = document.get_mut("schema")?.get_mut("outputs")?.as_array_mut()?;
    outputs.iter_mut().find(|one| one["name"] == output)
}

/// Sets the number of values of an output.
fn set_values(document: &mut Map<String, Value>, output: &str, values: usize) {
    let shape = described(document, output).and_then(|one| one["shape"].as_array_mut());
    if let Some(last) = shape.and_then(|shape| shape.last_mut()) {
        *last = values.into();
    }
}

/// The files of the new model.
pub struct Target {
    name: String,
    graph: PathBuf,
    json: PathBuf,
}

impl Target {
    /// Files called `name` in the folder `out`.
    ///
    /// # Errors
    /// If one exists and is not to be replaced.
    pub fn new(out: &Path, name: &str, replace: bool) -> Result<Self> {
        let [graph, json] = ["onnx", "json"].map(|kind| out.join(format!("{name}.{kind}")));
        if let Some(file) = [&graph, &json].into_iter().find(|file| file.exists() && !replace) {
            return Err(Error::format(file, "exists already; choose another name, or use --replace"));
        }
        Ok(Target { name: name.to_owned(), graph, json })
    }

    /// Writes the adapted model, which must run.
    pub fn write(
        &self,
        base: &Base,
        adaptation: &Adaptation,
        tracks: usize,
        more: Map<String, Value>,
    ) -> Result<()> {
        let wrong = |reason| Error::format(&base.place, reason);
        let bytes = adapted(&base.bytes, &base.output, adaptation).map_err(wrong)?;
        let json =
            Metadata::from_document(base.metadata(&self.name, adaptation.map.nrows(), more))?.to_json();
        let engine = EngineOptions::default().threads(1);
        Model::from_bytes(&self.name, bytes.clone(), Some(&json))?.engine(&engine)?;
        atomic::write(&self.graph, &bytes)?;
        atomic::write(&self.json, json.as_bytes())?;
        println!("learnt from {tracks} tracks; with a partner:");
        for (association, anchors) in &adaptation.anchors {
            println!("  {:8} {anchors}", association.name());
        }
        println!("{}\n{}", self.graph.display(), self.json.display());
        Ok(())
    }
}

fn bar(length: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "recordings [{bar:30}] {pos} of {len}, {elapsed} elapsed, {eta} left";
    ProgressBar::new(length as u64)
        .with_style(ProgressStyle::with_template(template).expect("a valid template"))
}
