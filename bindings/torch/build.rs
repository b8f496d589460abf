//! Finds libtorch, lets what is linked here find it at run time, and compiles what tch lacks.

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
        // libtorch is built so; some of its classes look otherwise without.
        .define("NDEBUG", None)
        .compile("sleeve_torch_shim");
    // An installed plugin finds libtorch beside itself.
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN");
}
