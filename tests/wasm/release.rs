//! The package as it is released: optimised as a whole, with relaxed vectors where there are.

use sleeve_tests::{have, skip};

use super::{made, node};

#[test]
fn rows_are_the_native_ones() {
    let Some(package) = made("package").filter(|_| have("node")) else { skip!("no WebAssembly package") };
    super::node::compare_bundled(&package);
    super::node::compare_efficientnet(&package);
    let folder = tempfile::tempdir().unwrap();
    let path = super::write_samples(folder.path(), &vec![0.1; 4 * 16_000]).display().to_string();
    let report = node(&package, &["extract", &path, "16000", "1", &folder.path().display().to_string()]);
    assert_eq!(report["vectors"], "relaxed-simd");
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(page) = made("page") else { skip!("no WebAssembly package") };
    super::browser::visit(&page, "relaxed-simd");
}
