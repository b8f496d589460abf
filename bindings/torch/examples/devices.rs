//! Prints the CUDA devices that the libtorch plugin finds on this machine, or why there are none.

use std::process::ExitCode;

use sleeve::engine::plugin::Library;

fn main() -> ExitCode {
    let library = match Library::torch() {
        Ok(library) => library,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{} ({})", library.describe(), library.path().display());
    match library.cuda_devices() {
        Ok(names) => {
            for (index, name) in names.iter().enumerate() {
                println!("cuda:{index}  {name}");
            }
        }
        Err(error) => println!("no CUDA: {error}"),
    }
    ExitCode::SUCCESS
}
