//! A batch of ten hours and a thousand short recordings needs as much memory as one minute. The whole process is
//! measured.

use std::path::Path;

use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input};
use sleeve::extractor::{Extractor, Rows, Summary};
use sleeve::model::Model;
use sleeve_tests::skip;

use crate::in_a_process_of_its_own;

#[derive(Default)]
struct Count {
    rows: u64,
    done: usize,
}

impl BatchSink for Count {
    fn rows(&mut self, _: usize, _: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        self.rows += rows.times.len() as u64;
        Ok(())
    }

    fn done(&mut self, _: usize, outcome: sleeve::Result<Summary>) {
        outcome.unwrap();
        self.done += 1;
    }
}

/// Silence, 8 kHz mono in 16 bits, as a sparse file.
fn silence(path: &Path, seconds: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    hound::WavWriter::create(path, spec).unwrap().finalize().unwrap();
    let bytes = seconds * 16_000;
    let mut file = std::fs::read(path).unwrap();
    let header = file.len();
    file[4..8].copy_from_slice(&(bytes + header as u32 - 8).to_le_bytes());
    file[header - 4..].copy_from_slice(&bytes.to_le_bytes());
    std::fs::write(path, file).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(header as u64 + u64::from(bytes)).unwrap();
}

/// Peak memory of this process, in MB.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

#[test]
fn ten_hours_beside_a_thousand_clips_take_no_more_than_a_minute() {
    if !in_a_process_of_its_own() {
        return;
    }
    if peak().is_none() {
        skip!("no /proc/self/status to read the memory from");
    }
    let folder = tempfile::tempdir().unwrap();
    let (minute, hours) = (folder.path().join("minute.wav"), folder.path().join("hours.wav"));
    silence(&minute, 60);
    silence(&hours, 36_000);
    // One patch per minute, because the network is not tested here.
    let model = Model::bundled("msd-musicnn-1").unwrap();
    let extractor = Extractor::builder(model).threads(1).patch_hop(3_750).build().unwrap();
    let options = BatchOptions::default().workers(2);
    let batch = BatchExtractor::new(&extractor, &options).unwrap();
    let mut warm = Count::default();
    batch.run((0..8).map(|_| Input::file(&minute)), &mut warm).unwrap();
    assert_eq!((warm.done, warm.rows), (8, 8));

    let before = peak().unwrap();
    let mut count = Count::default();
    let inputs = std::iter::once(Input::file(&hours))
        .chain((0..1000).map(|_| Input::mono(vec![0.1_f32; 40_000], 16_000)));
    let totals = batch.run(inputs, &mut count).unwrap();
    let grown = peak().unwrap() - before;
    assert_eq!((count.done, count.rows), (1001, 600));
    assert!(totals.peak_patches <= 32);
    // Ten hours are 2,200 MB of samples at the model's rate, and 825 MB of mel frames.
    assert!(grown < 24.0, "{grown:.1} MB more for ten hours");
}
