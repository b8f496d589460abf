//! With the feature `torch`: lets what is linked here find libtorch.

#[cfg(feature = "torch")]
#[path = "../bindings/torch/libtorch.rs"]
mod libtorch;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "torch")]
    libtorch::link();
}
