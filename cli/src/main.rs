use std::process::ExitCode;

fn main() -> ExitCode {
    // `| head` ends the program quietly.
    sigpipe::reset();
    sleeve_cli::run(std::env::args_os())
}
