//! Gives the shared library the name that programs linked with it ask for.

fn main() {
    println!("cargo::rerun-if-changed=src/capi/version.rs");
    let version = std::fs::read_to_string("src/capi/version.rs").expect("src/capi/version.rs is readable");
    let abi = version
        .lines()
        .find_map(|line| line.strip_prefix("pub const SLEEVE_ABI_VERSION: u32 = ")?.strip_suffix(';'))
        .expect("src/capi/version.rs states the ABI version");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsleeve.so.{abi}");
    }
}
