//! Any bytes as a Discogs dump of any kind: split into records and read as tables or as damage, with the same result
//! for every size of the chunks. Seeds and found inputs are in `training/tests/data/fuzz/discogs`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sleeve_training::discogs::{Damaged, for_each_release, survey};

fuzz_target!(|bytes: &[u8]| {
    let survey = |chunk: usize| {
        let mut damaged = Vec::new();
        let mut note = |one: &Damaged| damaged.push(one.clone());
        survey(bytes, Path::new("fuzz"), chunk, &mut note).ok().map(|report| (report, damaged))
    };
    // In one piece, as long as an input may be; a larger buffer would only take time.
    let whole = survey(bytes.len().max(1 << 10));
    if let Some((report, damaged)) = &whole {
        assert_eq!(report.damaged, damaged.len() as u64);
        assert!(damaged.windows(2).all(|pair| pair[0].offset < pair[1].offset));
        assert!(damaged.iter().all(|one| one.offset < bytes.len() as u64));
    }
    assert_eq!(whole, survey(64));
    let _ = for_each_release(bytes, |_| ());
});
