use std::process::ExitCode;

fn main() -> ExitCode {
    // With `| head`, the program ends without an error message.
    sigpipe::reset();
    sleeve_cli::run(std::env::args_os())
}
