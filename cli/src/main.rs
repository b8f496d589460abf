use std::process::ExitCode;

fn main() -> ExitCode {
    // With `| head`, the program ends by SIGPIPE, without a message, as others do.
    #[cfg(unix)]
    sigpipe::reset();
    sleeve_cli::run(std::env::args_os())
}
