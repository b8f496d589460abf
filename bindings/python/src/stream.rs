//! Streams: samples in, rows out, on the caller's thread.

use std::sync::{Mutex, TryLockError};

use ndarray::Array2;
use numpy::{PyArray1, PyArray2, PyReadonlyArray1, ToPyArray};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use sleeve::extractor::{Extractor, Rows};
use sleeve::stream::{Capacity, StreamOptions};

use crate::errors::detached;
use crate::process::Home;
use crate::scale;

/// Times in seconds and the values of every output, `[patches, dim]`; `None` without a row.
type Given<'py> = Option<(Bound<'py, PyArray1<f64>>, Vec<Bound<'py, PyArray2<f32>>>)>;

/// A stream, behind `sleeve.Stream`.
#[pyclass(frozen, module = "sleeve._sleeve")]
pub struct Stream {
    stream: Mutex<sleeve::stream::Stream>,
    dims: Vec<usize>,
    home: Home,
}

/// Rows that a call gave, flat.
struct Collected {
    times: Vec<f64>,
    values: Vec<Vec<f32>>,
}

impl Stream {
    pub fn open(
        py: Python<'_>,
        extractor: &Extractor,
        sample_rate: u32,
        channels: u16,
        capacity_seconds: f64,
    ) -> PyResult<Self> {
        let options = StreamOptions::new(sample_rate, channels).capacity(Capacity::Seconds(capacity_seconds));
        let stream = detached(py, || sleeve::stream::Stream::new(extractor, &options))?;
        let dims = extractor.outputs().map(|output| output.dim).collect();
        Ok(Stream { stream: Mutex::new(stream), dims, home: Home::here() })
    }

    fn advance<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(
            &mut sleeve::stream::Stream,
            &mut dyn FnMut(&Rows<'_>) -> sleeve::Result<()>,
        ) -> sleeve::Result<()>
        + Send,
    ) -> PyResult<Given<'py>> {
        self.home.check(py, "stream")?;
        let mut stream = match self.stream.try_lock() {
            Ok(stream) => stream,
            // A push that panicked left a stream that refuses everything until its reset.
            Err(TryLockError::Poisoned(stream)) => stream.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(PyRuntimeError::new_err("the stream is in use by another thread"));
            }
        };
        let mut given = Collected { times: Vec::new(), values: vec![Vec::new(); self.dims.len()] };
        let stream = &mut *stream;
        detached(py, || {
            work(stream, &mut |rows| {
                given.times.extend_from_slice(rows.times);
                for (values, rows) in given.values.iter_mut().zip(rows.outputs) {
                    values.extend(rows.iter());
                }
                Ok(())
            })
        })?;
        if given.times.is_empty() {
            return Ok(None);
        }
        let rows = given.times.len();
        let values = given.values.into_iter().zip(&self.dims).map(|(values, &dim)| {
            Array2::from_shape_vec((rows, dim), values).expect("every row has its length").to_pyarray(py)
        });
        Ok(Some((given.times.to_pyarray(py), values.collect())))
    }
}

#[pymethods]
impl Stream {
    /// Takes interleaved samples, contiguous.
    fn push<'py>(&self, py: Python<'py>, samples: PyReadonlyArray1<'py, f32>) -> PyResult<Given<'py>> {
        let samples = samples.as_slice()?;
        self.advance(py, |stream, mut sink| {
            scale::check(samples)?;
            stream.push(samples, &mut sink)
        })
    }

    /// Ends the recording.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Given<'py>> {
        self.advance(py, |stream, mut sink| stream.finish(&mut sink))
    }

    /// Begins the next one.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        let reset = |stream: &mut sleeve::stream::Stream, _: &mut dyn FnMut(&Rows<'_>) -> _| {
            stream.reset();
            Ok(())
        };
        self.advance(py, reset).map(drop)
    }
}
