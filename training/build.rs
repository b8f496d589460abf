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
    let folder = "src/export/torchscript";
    for file in ["torchscript.h", "torchscript.cc", "mod.rs"] {
        println!("cargo:rerun-if-changed={folder}/{file}");
    }
    cxx_build::bridge(format!("{folder}/mod.rs"))
        .file(format!("{folder}/torchscript.cc"))
        .include(folder)
        .flag("-isystem")
        .flag(&include)
        .flag("-isystem")
        .flag(include.join("torch/csrc/api/include"))
        .std("c++17")
        .compile("sleeve_training_torch");
}
