//! `cargo xtask`: this repository's commands other than those of cargo.

mod bench;
mod corpus;
mod coverage;
mod debian;
mod deny;
mod device_check;
mod essentia;
mod fuzz;
mod header;
mod libtorch;
mod needs;
mod peers;
mod python_package;
mod release;
mod reproduce;
mod run;
mod rust_src;
mod sanitize;
mod sbom;
mod size;
mod targets;
mod test;
mod tools;
mod torture;
mod unsafe_code;
mod wasm;
mod workflows;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  test [--quick | --all] [FILTER...]
                      format, lints, documentation and all tests with their peers; see test --help
  build [TARGET...]   library and program for these targets, or for all (xtask/src/targets); see build --help
  bench [NAME [...]]  benchmarks, compared with the peers in the same run; without a name, lists them
  coverage [OPTION...]
                      which lines the tests reach; takes the options of cargo llvm-cov (-p sleeve, --html)
  deny [CHECK...]     cargo deny check with deny.toml: bans, licenses and sources, or the given checks (advisories)
  workflows           checks the files in .github/ with check-jsonschema and zizmor
  corpus              fetches Debian's free music (9 GB) into target/corpus-extended and prepares it for training
  evaluate [MODEL...] evaluates published models on its held-out part, and compares with models/results
  device-check [--seconds S]
                      on a machine with CUDA: whether networks, the engine and training give what they give on the CPU,
                      and how fast; says that it is skipped elsewhere
  fuzz [--minutes N] [TARGET...]
                      runs the fuzz targets of tests/fuzz, built on the stable toolchain
  sanitize [thread | address] [FILTER...]
                      the library's unit tests, built with a sanitizer and run
  sbom                writes what the C library and the Python wheel are built from as CycloneDX to target/sbom
  reproduce           builds the C library twice in different folders, and compares the bytes
  unsafe              how much unsafe each package has
  torture [--runs N] [NAME...]
                      kills, starves and disturbs commands, starts them again, and compares their outputs
  size [--whole] [NAME...]
                      many files, a long one, a large library and a large dump: peak memory and time, for a tenth and all
  libtorch            fetches libtorch for the CPU into target/libtorch, to build what links it
  peers               fetches what the tests and benchmarks need
  wasm                builds the npm package in target/wasm/package and the example page in target/wasm/page
  release [TARGET...] archives for a release, of this machine's target or of others, in target/dist; see release --help
  debian              Debian's packages, by packaging/debian and dpkg-buildpackage, in target/debian-packages
  header [--check]    writes include/sleeve/sleeve.h from bindings/c/src/
  help                this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let outcome = match command {
        "test" => test::run(rest),
        "build" => targets::run(rest),
        "bench" => bench::run(rest),
        "coverage" => coverage::run(rest),
        "corpus" => corpus::prepare().map(|folder| println!("the corpus is in {}", folder.display())),
        "evaluate" => corpus::evaluate(rest),
        "deny" => deny::run(rest),
        "device-check" => device_check::run(rest),
        "workflows" => workflows::check(),
        "fuzz" => fuzz::run(rest),
        "sanitize" => sanitize::run(rest),
        "reproduce" => reproduce::run(rest),
        "sbom" => sbom::run(),
        "size" => size::run(rest),
        "unsafe" => unsafe_code::print(),
        "torture" => torture::run(rest),
        "header" => header::run(rest),
        "wasm" => wasm::run(rest),
        "release" => release::run(rest),
        "debian" => release::source::debian(),
        "libtorch" => libtorch::prepare().map(|folder| println!("libtorch is in {}", folder.display())),
        "peers" => needs::prepare_all(),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(anyhow::anyhow!("unknown command `{other}`\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
