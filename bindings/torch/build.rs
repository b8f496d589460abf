//! Finds libtorch, sets the rpath to find it at run time, and compiles the functions that tch lacks.

fn main() {
    let libraries = sleeve_libtorch::link();
    let include = libraries.with_file_name("include");
    for file in ["src/shim.cpp", "src/shim.h"] {
        println!("cargo:rerun-if-changed={file}");
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("src/shim.cpp")
        .flag("-isystem")
        .flag(&include)
        // libtorch is built with it; without it, some classes have another layout.
        .define("NDEBUG", None)
        .compile("sleeve_torch_shim");
    // An installed plugin searches for libtorch in its own folder.
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN");
}
