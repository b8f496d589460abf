//! `cargo xtask header`: `include/sleeve/sleeve.h` from `bindings/c/src/`, by cbindgen.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cbindgen::{Builder, Config, DocumentationStyle, Language, Style};

use crate::run::repository;

/// The files of `bindings/c/src/`, in the order in which a reader meets their objects.
const FILES: [&str; 12] = [
    "version",
    "status",
    "error",
    "log",
    "device",
    "model",
    "options",
    "analysis",
    "extractor",
    "stream",
    "batch",
    "mel",
];

/// Writes the header, or with `--check` says whether the committed one is what would be written.
pub fn run(arguments: &[String]) -> Result<()> {
    let path = path();
    match arguments {
        [] => {
            let header = generate()?;
            fs::create_dir_all(path.parent().context("the header has a folder")?)?;
            fs::write(&path, header).with_context(|| format!("cannot write {}", path.display()))
        }
        [flag] if flag == "--check" => {
            let committed = fs::read_to_string(&path).unwrap_or_default();
            if committed != generate()? {
                bail!("{} is stale: run `cargo xtask header` and commit it", path.display());
            }
            println!("{} is up to date", path.display());
            Ok(())
        }
        _ => bail!("cargo xtask header [--check]"),
    }
}

fn path() -> PathBuf {
    repository().join("include/sleeve/sleeve.h")
}

/// The header's text.
pub fn generate() -> Result<String> {
    let capi = repository().join("bindings/c/src");
    let preamble = fs::read_to_string(capi.join("preamble.txt"))?;
    let version = env!("CARGO_PKG_VERSION");
    let parts: Vec<&str> = version.split(['.', '-']).take(3).collect();
    let [major, minor, patch] = parts[..] else { bail!("{version} is not a version") };
    let versions = format!(
        "/// The version of this header.\n#define SLEEVE_VERSION \"{version}\"\n#define SLEEVE_VERSION_MAJOR {major}\n\
         #define SLEEVE_VERSION_MINOR {minor}\n#define SLEEVE_VERSION_PATCH {patch}"
    );
    let config = Config {
        language: Language::C,
        style: Style::Type,
        cpp_compat: true,
        include_guard: Some("SLEEVE_SLEEVE_H".to_owned()),
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h"].map(str::to_owned).into(),
        usize_is_size_t: true,
        documentation_style: DocumentationStyle::C99,
        header: Some(preamble.trim_end().to_owned()),
        autogen_warning: Some(
            "/* Written by cbindgen (`cargo xtask header`): change bindings/c/src/ instead. */".to_owned(),
        ),
        after_includes: Some(versions),
        line_length: 110,
        ..Config::default()
    };
    let mut builder = Builder::new().with_config(config);
    for file in FILES {
        let path = capi.join(file).with_extension("rs");
        if !path.is_file() {
            bail!("{} is not there", path.display());
        }
        builder = builder.with_src(path);
    }
    let mut bytes = Vec::new();
    builder.generate().context("cbindgen")?.write(&mut bytes);
    Ok(String::from_utf8(bytes)?)
}
