//! `cargo xtask header`: `include/sleeve/sleeve.h` from `bindings/c/src/`, by cbindgen.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cbindgen::{Builder, Config, DocumentationStyle, Language, Style};

use crate::run::repository;

/// The files of `bindings/c/src/` and the titles of their sections in the header, in the order of the header.
const SECTIONS: [(&str, &str); 16] = [
    ("version", "Versions"),
    ("status", "Statuses"),
    ("error", "Error messages"),
    ("log", "Logging"),
    ("device", "Devices"),
    ("model", "Models"),
    ("options", "Options"),
    ("extractor", "Extractors: one recording"),
    ("analysis", "Analyses: the result of one recording"),
    ("stream", "Streams: audio in real time"),
    ("batch", "Batches: many recordings"),
    ("mel", "Mel-spectrogram alone"),
    ("library", "Libraries: tracks with their embeddings, and which are alike"),
    ("query", "Queries: what is asked of a library"),
    ("track", "Tracks: what a library is told of one"),
    ("writer", "Writers of libraries"),
];

/// Writes the header, or with `--check` fails if the committed one differs.
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
        "\n// The version of this header.\n#define SLEEVE_VERSION \"{version}\"\n#define SLEEVE_VERSION_MAJOR {major}\n\
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
    let mut firsts = Vec::new();
    for (file, title) in SECTIONS {
        let path = capi.join(file).with_extension("rs");
        let source = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let first = first_function(&source).with_context(|| format!("{} has no function", path.display()))?;
        firsts.push((first.to_owned(), title));
        builder = builder.with_src(path);
    }
    let mut bytes = Vec::new();
    builder.generate().context("cbindgen")?.write(&mut bytes);
    with_headings(&String::from_utf8(bytes)?, &firsts)
}

/// The name of the first function that a file exports.
fn first_function(source: &str) -> Option<&str> {
    let (_, rest) = source.split_once("extern \"C\" fn ")?;
    rest.split_once('(').map(|(name, _)| name)
}

/// The header with a heading above the first function of each section, and one above the types. cbindgen writes types
/// first and then functions in the order of their files, and has no option for headings.
fn with_headings(header: &str, firsts: &[(String, &str)]) -> Result<String> {
    let mut lines: Vec<String> = header.lines().map(str::to_owned).collect();
    let types = "// The version of this ABI";
    insert(&mut lines, "Constants and types", |line| line.starts_with(types))
        .context("no type in the header")?;
    for (name, title) in firsts {
        let call = format!("{name}(");
        insert(&mut lines, title, |line| !line.starts_with(['/', ' ']) && line.contains(&call))
            .with_context(|| format!("{name} is not in the header"))?;
    }
    Ok(lines.join("\n") + "\n")
}

/// Inserts a heading above the first line that `is_it` accepts and the comment above that line.
fn insert(lines: &mut Vec<String>, title: &str, is_it: impl Fn(&str) -> bool) -> Option<()> {
    let mut at = lines.iter().position(|line| is_it(line))?;
    while at > 0 && lines[at - 1].starts_with("//") {
        at -= 1;
    }
    let rule = "-".repeat(70_usize.saturating_sub(title.len()));
    lines.splice(at..at, [format!("/* ---- {title} {rule} */"), String::new()]);
    Some(())
}
