//! A host that does what a library must survive, built against a frozen header of the ABI (`tests/abi/first`): it
//! never changes, so that this is also a program of that day that runs with the library of today.

use std::fs;
use std::process::Command;

use sleeve_tests::native::{self, Linking};
use sleeve_tests::{have, output_of, repository, skip};

#[test]
fn a_host_of_the_first_header_gets_the_same_bits_whatever_it_does() {
    if !cfg!(target_os = "linux") {
        skip!("no Linux");
    }
    if let Some(tool) = native::missing(&["gcc"]) {
        skip!("no {tool}");
    }
    let library = native::library();
    let program = native::folder().join("host");
    let mut compile = Command::new("gcc");
    compile.args(["-std=c11", "-O1"]).args(native::WARNINGS);
    compile.arg("-I").arg(repository().join("tests/abi/first")).arg("-I").arg(repository().join("tests/c"));
    compile.arg(repository().join("tests/c/host.c")).arg("-o").arg(&program);
    output_of(compile.args(["-lm", "-ldl", "-lpthread"]));
    let mut host = Command::new(&program);
    host.arg(&library).env(native::PLUGIN, native::NO_PLUGIN);
    // Ten minutes prove more than two seconds.
    host.arg(std::env::var("SLEEVE_HOST_SECONDS").unwrap_or_else(|_| "2".into()));
    if let Some(locales) = decimal_commas() {
        host.env("LOCPATH", locales);
    }
    let said = String::from_utf8(output_of(&mut host)).unwrap();
    println!("{said}");
    // What the machine lacks is said, and is no failure of the library's.
    let commas = if said.contains("decimal commas: not tried") { 1 } else { 0 };
    assert_eq!(said.matches("the same bits").count() + commas, 6, "{said}");
    assert!(said.contains("none called"), "{said}");
}

#[test]
fn threads_may_do_at_once_what_the_header_says() {
    if let Some(tool) = native::missing(&["gcc"]) {
        skip!("no {tool}");
    }
    let program = native::build(&repository().join("tests/c/threads.c"), Linking::Shared, &[]);
    let mut threads = Command::new(program);
    threads.arg(native::folder()).arg("1").env(native::PLUGIN, native::NO_PLUGIN);
    let said = String::from_utf8(output_of(&mut threads)).unwrap();
    assert!(said.contains("the same bits"), "{said}");
}

/// A folder with a locale that writes 0,5, if there is what makes one.
fn decimal_commas() -> Option<std::path::PathBuf> {
    let folder = native::folder().join("locales");
    fs::create_dir_all(&folder).ok()?;
    let locale = folder.join("de_DE.UTF-8");
    if !locale.is_dir() {
        if !have("localedef") {
            return None;
        }
        Command::new("localedef").args(["-i", "de_DE", "-f", "UTF-8"]).arg(&locale).output().ok()?;
    }
    locale.is_dir().then_some(folder)
}
