//! The name by which programs ask for the shared library at run time.
//!
//! cargo-c gives one by itself. Whoever installs what plain cargo builds (archives of releases, package recipes) sets
//! `SLEEVE_SONAME`, such as `libsleeve.so.1` or, for macOS, `@rpath/libsleeve.1.dylib`, and installs the file under that
//! name. Without it the library has no such name, so that programs find it where cargo built it.

fn main() {
    println!("cargo::rerun-if-env-changed=SLEEVE_SONAME");
    println!("cargo::rerun-if-changed=build.rs");
    let Some(name) = std::env::var("SLEEVE_SONAME").ok().filter(|name| !name.is_empty()) else { return };
    if name.contains(',') {
        println!("cargo::error=SLEEVE_SONAME is `{name}`: a name without commas is expected");
        return;
    }
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // A DLL is asked for by its file's name.
        Ok("windows") => {}
        Ok("macos" | "ios") => println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,{name}"),
        _ => println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{name}"),
    }
}
