//! Objects that JavaScript holds by a handle.

use std::cell::RefCell;
use std::collections::HashMap;

use sleeve::audio::{MonoStream, Resampler};
use sleeve::extractor::Extractor;
use sleeve::front_end::{FrontEnd, SpectrogramStream};
use sleeve::model::Model;
use sleeve::stream::Stream;
use sleeve::{Error, Result};

pub enum Object {
    Model(Model),
    Extractor(Box<Extractor>),
    Stream(Box<Stream>),
    Mel(Box<Mel>),
}

#[derive(Default)]
struct Table {
    /// The last handle. None is given twice, so that a stale one never finds another object.
    last: i32,
    objects: HashMap<i32, Object>,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
}

pub fn add(object: Object) -> i32 {
    TABLE.with_borrow_mut(|table| {
        table.last += 1;
        table.objects.insert(table.last, object);
        table.last
    })
}

pub fn free(handle: i32) {
    let object = TABLE.with_borrow_mut(|table| table.objects.remove(&handle));
    drop(object);
}

fn with<T>(handle: i32, use_it: impl FnOnce(&mut Object) -> Option<Result<T>>) -> Result<T> {
    TABLE.with_borrow_mut(|table| {
        let outcome = table.objects.get_mut(&handle).and_then(use_it);
        outcome.unwrap_or_else(|| Err(Error::InvalidArgument("the object was freed".into())))
    })
}

pub fn model(handle: i32) -> Result<Model> {
    with(handle, |object| match object {
        Object::Model(model) => Some(Ok(model.clone())),
        _ => None,
    })
}

pub fn extractor(handle: i32) -> Result<Extractor> {
    with(handle, |object| match object {
        Object::Extractor(extractor) => Some(Ok(Extractor::clone(extractor))),
        _ => None,
    })
}

pub fn with_stream<T>(handle: i32, use_it: impl FnOnce(&mut Stream) -> Result<T>) -> Result<T> {
    with(handle, |object| match object {
        Object::Stream(stream) => Some(use_it(stream)),
        _ => None,
    })
}

pub fn with_mel<T>(handle: i32, use_it: impl FnOnce(&mut Mel) -> Result<T>) -> Result<T> {
    with(handle, |object| match object {
        Object::Mel(mel) => Some(use_it(mel)),
        _ => None,
    })
}

/// Interleaved samples to mel frames: downmix, resampler, front end.
pub struct Mel {
    mono: MonoStream,
    frames: SpectrogramStream,
    samples: Vec<f32>,
}

impl Mel {
    pub fn new(front_end: FrontEnd, channels: u16, sample_rate: u32) -> Result<Self> {
        let mono = MonoStream::new(sample_rate, channels, front_end.sample_rate(), Resampler::default())?;
        Ok(Self { mono, frames: SpectrogramStream::new(front_end), samples: Vec::new() })
    }

    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>> {
        self.samples.clear();
        self.mono.push(samples, &mut self.samples)?;
        let mut frames = Vec::new();
        self.frames.push(&self.samples, &mut frames);
        Ok(frames)
    }

    pub fn finish(&mut self) -> Result<Vec<f32>> {
        self.samples.clear();
        self.mono.finish(&mut self.samples)?;
        let mut frames = Vec::new();
        self.frames.push(&self.samples, &mut frames);
        self.frames.finish(&mut frames);
        self.mono.reset();
        self.frames.reset();
        Ok(frames)
    }
}
