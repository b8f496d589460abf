//! With the feature `torch`: compiles what is written in C++, and lets what is linked here find libtorch.

#[cfg(feature = "torch")]
#[path = "../bindings/torch/libtorch.rs"]
mod libtorch;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "torch")]
    compile();
}

#[cfg(feature = "torch")]
fn compile() {
    let include = libtorch::link().with_file_name("include");
    let (script, native) = ("src/export/torchscript", "src/train/native");
    for file in ["torchscript.h", "torchscript.cc", "mod.rs"] {
        println!("cargo:rerun-if-changed={script}/{file}");
    }
    println!("cargo:rerun-if-changed={native}");
    cxx_build::bridges([format!("{script}/mod.rs"), format!("{native}/mod.rs")])
        .file(format!("{script}/torchscript.cc"))
        .file(format!("{native}/native.cc"))
        .include(script)
        .include(native)
        .include(format!("{native}/gloo_headers"))
        .flag("-isystem")
        .flag(&include)
        .flag("-isystem")
        .flag(include.join("torch/csrc/api/include"))
        // libtorch is built so; some of its classes look otherwise without. Its header of Gloo is there only if asked for.
        .define("NDEBUG", None)
        .define("USE_C10D_GLOO", None)
        .std("c++17")
        .compile("sleeve_training_torch");
}
