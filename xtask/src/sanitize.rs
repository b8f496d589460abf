//! `cargo xtask sanitize`: the library's tests, built with a sanitizer.

use anyhow::{Context, Result, bail};

use crate::run::{cargo, checked, repository, target};
use crate::rust_src;

const HELP: &str = "\
cargo xtask sanitize [thread | address] [FILTER...]

Builds the library, its dependencies and the standard library with ThreadSanitizer (the default) or AddressSanitizer, and
runs the library's unit tests whose names contain a FILTER; without one, those of streams, batches, engines, decoders and
library files. A report is a failure.

It needs x86-64 or aarch64 Linux and the source of the standard library, which is fetched (Debian's rust-src). The
compiler is the stable one, told by RUSTC_BOOTSTRAP to take options that are not stable.
";

/// What has threads or `unsafe`, by the beginnings of the unit tests' names.
const FILTERS: &[&str] =
    &["audio::", "batch::", "contained::", "engine::", "model::", "similarity::", "stream::"];

/// What ThreadSanitizer cannot see, with the reasons.
const SUPPRESSIONS: &str = "tests/sanitize/thread.txt";

/// Tests ask for more memory than there is, and for an error.
const RETURN_NULL: &str = "allocator_may_return_null=1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sanitizer {
    Thread,
    Address,
}

impl Sanitizer {
    /// Its name.
    fn name(self) -> &'static str {
        match self {
            Sanitizer::Thread => "thread",
            Sanitizer::Address => "address",
        }
    }

    /// The variable and the options that make a report a failure.
    fn options(self) -> (&'static str, String) {
        match self {
            Sanitizer::Thread => {
                let suppressions = repository().join(SUPPRESSIONS);
                let place = suppressions.display();
                (
                    "TSAN_OPTIONS",
                    format!("{RETURN_NULL} halt_on_error=1 second_deadlock_stack=1 suppressions={place}"),
                )
            }
            // Models are kept for the whole run on purpose, and the test harness keeps its threads.
            Sanitizer::Address => {
                ("ASAN_OPTIONS", format!("{RETURN_NULL} detect_leaks=0 detect_stack_use_after_return=1"))
            }
        }
    }
}

/// Runs the command.
pub fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    if !cfg!(target_os = "linux") {
        bail!("sanitizers are used on Linux");
    }
    let (sanitizer, filters) = parse(arguments)?;
    let library = rust_src::library().context("the source of the standard library")?;
    let mut test = cargo();
    test.arg("test").env("RUSTC_BOOTSTRAP", "1").env("__CARGO_TESTS_ONLY_SRC_ROOT", &library);
    // For the target alone: build scripts and procedural macros run as they are.
    test.env("CARGO_ENCODED_RUSTFLAGS", format!("-Zsanitizer={}", sanitizer.name()));
    test.env("CARGO_TARGET_DIR", target().join(format!("sanitize-{}", sanitizer.name())));
    test.args(["-Zbuild-std", "--target", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)]);
    let (variable, options) = sanitizer.options();
    test.args(["--locked", "--package", "sleeve", "--lib", "--"]).env(variable, &options);
    if filters.is_empty() {
        test.args(FILTERS)
    } else {
        test.args(&filters)
    };
    checked(&mut test).context("the unit tests")?;
    println!("{}: nothing was reported", sanitizer.name());
    Ok(())
}

fn parse(arguments: &[String]) -> Result<(Sanitizer, Vec<String>)> {
    let (sanitizer, filters) = match arguments.split_first() {
        Some((first, rest)) if first == "thread" => (Sanitizer::Thread, rest),
        Some((first, rest)) if first == "address" => (Sanitizer::Address, rest),
        _ => (Sanitizer::Thread, arguments),
    };
    if let Some(option) = filters.iter().find(|filter| filter.starts_with('-')) {
        bail!("unknown option `{option}`\n\n{HELP}");
    }
    Ok((sanitizer, filters.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sanitizer_comes_first() {
        let parse = |text: &str| parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse("").unwrap(), (Sanitizer::Thread, Vec::new()));
        assert_eq!(parse("address").unwrap(), (Sanitizer::Address, Vec::new()));
        assert_eq!(parse("stream::").unwrap(), (Sanitizer::Thread, vec!["stream::".to_owned()]));
        assert_eq!(parse("thread batch::").unwrap(), (Sanitizer::Thread, vec!["batch::".to_owned()]));
        assert!(parse("address --all").is_err());
        assert!(repository().join(SUPPRESSIONS).is_file());
    }
}
