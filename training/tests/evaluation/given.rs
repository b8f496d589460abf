//! Embeddings of other programs in `sleeve-train retrieve`, and models with a front end of their own.

use std::path::Path;
use std::process::{Command, Output};

use sleeve_files::npy::{Dtype, NpyWriter};
use sleeve_training::evaluation::results::Results;

use crate::support::dataset;

/// Writes `[rows, 4]` for every track: near the direction of its artist, or the same for all.
fn arrays(folder: &Path, is_of_artist: bool) {
    std::fs::create_dir_all(folder).unwrap();
    for track in 0..dataset::TRACKS {
        let name = dataset::name(track).replace(".ogg", ".npy");
        let mut writer = NpyWriter::create(folder.join(name), 4, Dtype::F32).unwrap();
        for row in 0..=track % 3 {
            let angle = if is_of_artist { dataset::artist(track) as f32 * 0.26 } else { 0.0 };
            let noise = ((track * 7 + row * 3) % 5) as f32 * 1e-3;
            writer.write_rows(&[angle.cos(), angle.sin(), noise, -noise]).unwrap();
        }
        writer.finish().unwrap();
    }
}

fn retrieve(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-train"));
    command.arg("retrieve").arg(folder).args([
        "--part",
        "validation",
        "--name",
        "made",
        "--resamples",
        "100",
    ]);
    command.arg("--features").arg(folder.join("features")).arg("--cache").arg(folder.join("cache"));
    command.arg("--out").arg(folder.join("results")).args(more).output().unwrap()
}

#[test]
fn encoders_from_outside_stand_beside_others() {
    let folder = tempfile::tempdir().unwrap();
    dataset::write(folder.path(), &[]);
    let at = |name: &str| folder.path().join(name);
    arrays(&at("knows"), true);
    arrays(&at("nothing"), false);
    let encoder = |name: &str| format!("npy={}", at(name).display());
    let (knows, nothing) = (encoder("knows"), encoder("nothing"));
    let more =
        ["--encoder", &knows, "--encoder", &nothing, "--encoder", "mel-statistics", "--against", "nothing"];
    let output = retrieve(folder.path(), &more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result = |name: &str| {
        let results = Results::load(&at(&format!("results/retrieval/made/{name}.json"))).unwrap();
        assert_eq!(results.encoders[0].dimensions, if name == "mel-statistics" { 192 } else { 4 });
        results.metrics["same_artist_map"].value
    };
    let (knows, nothing) = (result("knows"), result("nothing"));
    assert!(knows > 0.999 && nothing < 0.5, "{knows}, {nothing}");

    // A recording without an array is left out and named; of altered audio there is nothing to be had.
    std::fs::remove_file(at("knows/008.npy")).unwrap();
    let output = retrieve(folder.path(), &["--encoder", &encoder("knows")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("008.ogg") && said.contains("no array for it"),
        "{said}"
    );
    std::fs::create_dir(at("audio")).unwrap();
    let audio = at("audio");
    let more = ["--encoder", &encoder("nothing"), "--confounds", "--audio", audio.to_str().unwrap()];
    let output = retrieve(folder.path(), &more);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("none of altered copies"), "{said}");
}
