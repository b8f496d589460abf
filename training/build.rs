//! With the feature `torch`: compiles what is written in C++, and lets what is linked here find libtorch.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "torch")]
    compile();
}

#[cfg(feature = "torch")]
fn compile() {
    let include = sleeve_libtorch::link().with_file_name("include");
    let folder = "src/native";
    println!("cargo:rerun-if-changed={folder}");
    cxx_build::bridge(format!("{folder}/mod.rs"))
        .file(format!("{folder}/native.cc"))
        .file(format!("{folder}/memory.cc"))
        .file(format!("{folder}/layers.cc"))
        .file(format!("{folder}/kernels.cc"))
        .include(folder)
        .include(format!("{folder}/gloo_headers"))
        .flag("-isystem")
        .flag(&include)
        .flag("-isystem")
        .flag(include.join("torch/csrc/api/include"))
        // libtorch is built so; some of its classes look otherwise without. Its header of Gloo is there only if asked for.
        .define("NDEBUG", None)
        .define("USE_C10D_GLOO", None)
        // A step of training in these loops takes a minute else, in debug builds too.
        .opt_level(3)
        .flag_if_supported("-ffp-contract=fast")
        .flag_if_supported("-Wno-psabi")
        // libtorch's own threads.
        .flag_if_supported("-fopenmp")
        .std("c++17")
        .compile("sleeve_training_torch");
    println!("cargo:rustc-link-lib=gomp");
}
