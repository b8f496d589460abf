//! `sleeve._sleeve`, the compiled half of the Python package: translation between Python and the crate `sleeve`, and
//! nothing else. What is shaped for Python (arrays of any kind, results, progress) is in `python/sleeve/`.
//!
//! Everything that takes long runs without the GIL. No thread of the library's ever asks for the GIL: log records wait in
//! a buffer (`records`), and results of a batch in a channel (`batch`), until a call from Python takes them.

mod batch;
mod errors;
mod extractor;
mod library;
mod library_writer;
mod mel;
mod process;
mod program;
mod records;
mod results;
mod scale;
mod stream;
mod watch;

use pyo3::prelude::*;

#[pymodule]
mod _sleeve {
    #[pymodule_export]
    use super::batch::Run;
    #[pymodule_export]
    use super::extractor::Core;
    #[pymodule_export]
    use super::library::Library;
    #[pymodule_export]
    use super::library_writer::LibraryWriter;
    #[pymodule_export]
    use super::mel::{mel_bytes, mel_file, mel_samples};
    #[pymodule_export]
    use super::program::run_program;
    #[pymodule_export]
    use super::records::{set_log_level, take_records};
    #[pymodule_export]
    use super::stream::Stream;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        sleeve::internal::silence_contained_panics();
        Ok(())
    }

    /// The version of the package.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// The names of the models inside the library, the default first.
    #[pyfunction]
    fn bundled_models() -> Vec<&'static str> {
        sleeve::model::Model::bundled_names().collect()
    }

    /// The names of the front ends, each with its sample rate in Hz, its hop in samples and its values per frame.
    #[pyfunction]
    fn front_ends() -> Vec<(&'static str, u32, usize, usize)> {
        let all = sleeve::front_end::FrontEnd::ALL;
        all.iter().map(|end| (end.name(), end.sample_rate(), end.hop(), end.bands())).collect()
    }

    /// The devices that models can run on: name and description.
    #[pyfunction]
    fn devices(py: Python<'_>) -> PyResult<Vec<(String, String)>> {
        let found = super::errors::detached(py, || Ok(sleeve::engine::devices()))?;
        Ok(found.into_iter().map(|device| (device.name, device.description)).collect())
    }
}
