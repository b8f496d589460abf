//! NumPy arrays: an error, or an array of the size that its file has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sleeve_files::npy::{NpyReader, read_npy};

#[path = "shared/place.rs"]
mod place;

fuzz_target!(|data: &[u8]| {
    let path = place::put("npy", data);
    let Ok(mut reader) = NpyReader::open(&path) else {
        assert!(read_npy(&path).is_err());
        return;
    };
    let (rows, cols) = (reader.rows(), reader.cols());
    assert!(rows.checked_mul(cols).is_some_and(|values| values <= data.len()));
    let whole = read_npy(&path).expect("a reader opened it");
    assert_eq!(whole.dim(), (rows, cols));
    let mut row = vec![0.0; cols];
    for at in (0..rows.min(64)).rev() {
        reader.read_rows(at, &mut row).expect("the row is there");
        assert!(row.iter().zip(whole.row(at)).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
});
