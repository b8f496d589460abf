//! `match` on the tracklists of real records, with tags as files have them, and with decoys.

use crate::support;

#[test]
fn tags_as_files_have_them_find_their_releases_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let scores = support::perturbed::measure(folder.path(), 1);
    support::perturbed::print(&scores);
    assert!(scores.recall >= 0.994, "recall {}", scores.recall);
    assert!(scores.precision >= 0.999, "precision {}", scores.precision);
    for (kind, score) in &scores.kinds {
        assert!(score.files >= 20, "{kind}: {} files", score.files);
        assert!(score.recall() >= 0.9, "{kind}: recall {}", score.recall());
    }
}
