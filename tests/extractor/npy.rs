//! NumPy reads the arrays that we write, and we read those that NumPy writes.

use half::f16;
use proptest::prelude::*;
use sleeve_files::npy::{Dtype, NpyReader, NpyWriter, read_npy};
use sleeve_tests::{output_of, peer, skip};

fn values(rows: usize, cols: usize) -> Vec<f32> {
    // Values that are exact in half precision too.
    (0..rows * cols).map(|index| (index % 2048) as f32 / 8.0 - 100.0).collect()
}

#[test]
fn numpy_reads_what_we_write_and_writes_the_same_back() {
    let folder = tempfile::tempdir().unwrap();
    let shapes = [(0, 96), (1, 1), (1, 96), (7, 96), (1000, 3), (3, 1280)];
    let mut names = Vec::new();
    for (rows, cols) in shapes {
        for dtype in [Dtype::F32, Dtype::F16] {
            let path = folder.path().join(format!("{rows}x{cols}-{dtype:?}.npy"));
            let mut writer = NpyWriter::create(&path, cols, dtype).unwrap();
            for chunk in values(rows, cols).chunks(5 * cols) {
                writer.write_rows(chunk).unwrap();
            }
            assert_eq!(writer.finish().unwrap(), rows as u64);
            names.push((path, rows, cols, dtype));
        }
    }
    let Some(mut numpy) = peer("npy.py") else { skip!("no peers' Python") };
    let answer = String::from_utf8(output_of(numpy.arg(folder.path()))).unwrap();
    let mut lines: Vec<&str> = answer.lines().collect();
    for (path, rows, cols, dtype) in names {
        let kind = if dtype == Dtype::F32 { "float32" } else { "float16" };
        let sum = values(rows, cols).iter().fold(0.0, |sum, &value| sum + f64::from(value));
        let name = path.file_name().unwrap().to_str().unwrap();
        // What NumPy reads from the memory-mapped file: shape, type, alignment and order, sum.
        let expected = format!("{name} {rows} {cols} {kind} aligned {sum:.3}");
        let position = lines.iter().position(|line| *line == expected);
        lines.remove(position.unwrap_or_else(|| panic!("{expected} not in {lines:#?}")));
        // The same values written by NumPy itself, in the three versions of the format.
        for version in 1..=3 {
            let theirs = path.with_extension(format!("v{version}"));
            let array = read_npy(&theirs).unwrap();
            assert_eq!(array.dim(), (rows, cols), "{}", theirs.display());
            assert_eq!(array.into_raw_vec_and_offset().0, values(rows, cols), "{}", theirs.display());
        }
    }
    assert!(lines.is_empty(), "{lines:?}");
    // Arrays of another kind are refused.
    for wrong in ["fortran.other", "double.other", "flat.other", "cube.other", "big_endian.other"] {
        let error = read_npy(folder.path().join(wrong)).unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}

proptest! {
    #[test]
    fn any_values_come_back_in_any_order(
        cols in 1usize..20,
        chunks in prop::collection::vec(0usize..50, 0..8),
        seed in any::<u64>(),
        half in any::<bool>(),
        reads in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..10),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.npy");
        let rows: usize = chunks.iter().sum();
        // Any bits, including NaN and infinities.
        let mut state = seed;
        let all: Vec<f32> = (0..rows * cols).map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            f32::from_bits((state >> 32) as u32)
        }).collect();
        let dtype = if half { Dtype::F16 } else { Dtype::F32 };
        let mut writer = NpyWriter::create(&path, cols, dtype).unwrap();
        let mut rest = all.as_slice();
        for chunk in chunks {
            let (now, later) = rest.split_at(chunk * cols);
            writer.write_rows(now).unwrap();
            rest = later;
        }
        writer.finish().unwrap();
        let stored: Vec<f32> = match dtype {
            Dtype::F32 => all,
            Dtype::F16 => all.iter().map(|&value| f16::from_f32(value).to_f32()).collect(),
        };
        let same = |a: &[f32], b: &[f32]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
        };
        let mut reader = NpyReader::open(&path).unwrap();
        prop_assert_eq!((reader.rows(), reader.cols()), (rows, cols));
        for (first, count) in reads {
            let first = first.index(rows + 1);
            let count = count.index(rows - first + 1);
            let mut read = vec![0.0; count * cols];
            reader.read_rows(first, &mut read).unwrap();
            prop_assert!(same(&read, &stored[first * cols..][..count * cols]));
        }
        prop_assert!(same(read_npy(&path).unwrap().as_slice().unwrap(), &stored));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        mut header in prop::collection::vec(any::<u8>(), 0..200),
        text in "[\\{\\}\\(\\)',: a-z<0-9TFrueals]{0,90}",
        framed in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wrong.npy");
        if framed {
            header = [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
        }
        std::fs::write(&path, header).unwrap();
        let _ = read_npy(&path);
    }
}
