//! Lets what is linked here find libtorch when it runs.

#[path = "libtorch.rs"]
mod libtorch;

fn main() {
    libtorch::link();
}
