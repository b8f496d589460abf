//! `sleeve-train`: see `sleeve-train --help`.

fn main() -> std::process::ExitCode {
    sleeve_training::cli::main()
}
