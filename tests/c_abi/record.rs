//! The record of the ABI: what programs that are compiled with the header rely on. A line that changes or is removed
//! breaks the ABI and needs a new ABI version. Add new lines with `SLEEVE_RECORD_ABI=1 cargo test -p sleeve-tests
//! --test c_abi`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sleeve_tests::{have, native, output_of, repository, skip};

fn record(extension: &str) -> PathBuf {
    repository().join("tests/abi").join(format!("sleeve-1.{extension}"))
}

fn recording() -> bool {
    std::env::var_os("SLEEVE_RECORD_ABI").is_some_and(|value| value == "1")
}

/// The header's declarations without comments and preprocessor, each on one line with single spaces.
fn declarations() -> Vec<String> {
    let header = fs::read_to_string(repository().join("include/sleeve/sleeve.h")).unwrap();
    let mut code = String::new();
    let mut in_comment = false;
    for line in header.lines().map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !in_comment && !line.starts_with("//") && !line.starts_with('#') && !line.contains("extern \"C\"")
        {
            code.push_str(line);
            code.push(' ');
        }
        in_comment &= !line.ends_with("*/");
    }
    let mut all = Vec::new();
    let (mut depth, mut current) = (0, String::new());
    for character in code.chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        if character == ';' && depth == 0 {
            let words: Vec<&str> = current.split_whitespace().collect();
            all.push(words.join(" "));
            current.clear();
        } else if depth >= 0 {
            current.push(character);
        } else {
            // The end of the block for C++.
            depth = 0;
        }
    }
    all
}

/// One line for each function, type, status and constant.
fn lines() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for declaration in declarations() {
        match declaration.strip_prefix("typedef enum") {
            Some(rest) => {
                let (values, name) = rest.rsplit_once('}').unwrap();
                let values = values.split_once('{').unwrap().1;
                for value in values.split(',').map(str::trim).filter(|value| !value.is_empty()) {
                    lines.insert(format!("{} {value}", name.trim()));
                }
            }
            None => {
                lines.insert(declaration);
            }
        }
    }
    let header = fs::read_to_string(repository().join("include/sleeve/sleeve.h")).unwrap();
    let constants =
        header.lines().filter(|line| line.starts_with("#define SLEEVE_") && !line.contains("VERSION"));
    lines.extend(constants.filter(|line| line.split_whitespace().count() == 3).map(str::to_owned));
    lines
}

#[test]
fn functions_types_and_numbers_are_those_recorded() {
    let now = lines();
    assert!(now.len() > 90, "{}", now.len());
    assert!(now.contains("sleeve_status SLEEVE_STATUS_WOULD_BLOCK = 11"), "{now:#?}");
    let path = record("txt");
    let then: BTreeSet<String> =
        fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
    let gone: Vec<_> = then.difference(&now).collect();
    assert!(gone.is_empty(), "the ABI is broken, which needs a new version; removed or changed:\n{gone:#?}");
    if recording() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        return;
    }
    let new: Vec<_> = now.difference(&then).collect();
    assert!(new.is_empty(), "not recorded yet (SLEEVE_RECORD_ABI=1 records it):\n{new:#?}");
}

/// The same as seen by a C compiler and libabigail: sizes, alignments, pointed-to types.
#[test]
fn layouts_are_those_recorded() {
    if !have("abidw") || !have("abidiff") || !have("gcc") {
        skip!("no abidw and abidiff; run `cargo xtask test`");
    }
    // A library with only the header's signatures, because Rust's debug information describes Rust's types.
    let folder = native::folder().join("abi");
    fs::create_dir_all(&folder).unwrap();
    let mut source = "#include <sleeve/sleeve.h>\n".to_owned();
    for declaration in declarations() {
        if declaration.ends_with(')') && !declaration.starts_with("typedef") {
            source.push_str(&format!("{declaration} {{ __builtin_trap(); }}\n"));
        }
    }
    fs::write(folder.join("signatures.c"), source).unwrap();
    let library = folder.join("libsignatures.so");
    let mut compile = Command::new("gcc");
    compile.args(["-g", "-gdwarf-4", "-shared", "-fPIC", "-w", "-I"]).arg(repository().join("include"));
    // Without a folder, so that the record has no path.
    output_of(compile.current_dir(&folder).arg("signatures.c").arg("-o").arg(&library));
    let path = record("abi");
    if recording() {
        let mut dump = Command::new("abidw");
        dump.args(["--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed"]);
        fs::write(&path, output_of(dump.arg(&library))).unwrap();
        return;
    }
    let output = Command::new("abidiff").arg(&path).arg(&library).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
}
