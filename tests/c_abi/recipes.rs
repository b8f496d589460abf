//! The recipes of package managers in `packaging/`: they agree with the workspace, and (`built`, with
//! `cargo xtask test --all` or by name) what they build works.

use std::fs;

use sleeve_tests::repository;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn recipe(name: &str) -> String {
    let path = repository().join("packaging").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between two texts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no `{start}` in {text}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no `{end}` behind `{start}`")).0
}

#[test]
fn versions_are_that_of_the_workspace() {
    let port: serde_json::Value = serde_json::from_str(&recipe("vcpkg/sleeve/vcpkg.json")).unwrap();
    assert_eq!(port["version"], VERSION);
    assert_eq!(between(&recipe("conan/conanfile.py"), "    version = \"", "\""), VERSION);
    assert_eq!(between(&recipe("nix/flake.nix"), "        version = \"", "\""), VERSION);
    let changelog = recipe("debian/changelog");
    assert_eq!(between(&changelog, "sleeve (", "-"), VERSION);
}

#[test]
fn names_and_licences_are_those_of_the_crates() {
    let port: serde_json::Value = serde_json::from_str(&recipe("vcpkg/sleeve/vcpkg.json")).unwrap();
    let licence = env!("CARGO_PKG_LICENSE");
    assert_eq!(port["name"], "sleeve");
    assert_eq!(port["license"], licence);
    assert_eq!(between(&recipe("conan/conanfile.py"), "    license = \"", "\""), licence);
    let both: Vec<&str> = licence.split(" OR ").collect();
    let formula = recipe("homebrew/sleeve.rb");
    let listed = between(&formula, "license any_of: [\"", "\"]");
    assert_eq!(listed.split("\", \"").collect::<Vec<_>>(), both);
    // pkg-config's description is the same, whoever installs it.
    let manifest = fs::read_to_string(repository().join("bindings/c/Cargo.toml")).unwrap();
    let section = manifest.split("[package.metadata.capi.pkg_config]").nth(1).unwrap();
    let description = between(section, "description = \"", "\"");
    assert!(recipe("vcpkg/sleeve/portfile.cmake").contains(&format!("\"Description: {description}\\n\"")));
    assert_eq!(port["description"], description);
    assert_eq!(between(&recipe("conan/conanfile.py"), "    description = \"", "\""), description);
}

#[test]
fn debian_asks_for_the_toolchain_and_names_the_abi() {
    let control = recipe("debian/control");
    for package in ["cargo", "rustc"] {
        assert!(control.contains(&format!("{package} (>= {})", env!("CARGO_PKG_RUST_VERSION"))), "{package}");
    }
    let source = fs::read_to_string(repository().join("bindings/c/src/version.rs")).unwrap();
    let abi = between(&source, "SLEEVE_ABI_VERSION: u32 = ", ";");
    assert!(control.contains(&format!("\nPackage: libsleeve{abi}\n")));
    assert!(control.contains(&format!("Depends: libsleeve{abi} (= ${{binary:Version}})")));
    for file in [format!("libsleeve{abi}.install"), format!("libsleeve{abi}.docs")] {
        recipe(&format!("debian/{file}"));
    }
}

mod built {
    use super::*;
    use crate::release::{built_by_cmake, example, pkg_config, xtask};
    use sleeve_tests::{native, output_of, recording, skip};
    use std::path::PathBuf;
    use std::process::Command;

    /// Compiles in less time: these tests are about what is installed where, and how it links. With the same settings, one
    /// recipe takes what was compiled for another.
    const LESS: [(&str, &str); 3] =
        [("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"), ("CARGO_PROFILE_RELEASE_DEBUG", "0"), ("RUSTFLAGS", "")];

    /// Where cargo compiles for all of them.
    fn trees() -> PathBuf {
        repository().join("target/packaging")
    }

    /// `conan create` builds either library, and the program of `test_package` runs with it.
    #[test]
    fn conan_creates_packages() {
        let conan = repository().join("target/conan/bin/conan");
        if !conan.exists() {
            skip!("no Conan; run `cargo xtask test`");
        }
        if let Some(tool) = native::missing(&["cmake", "g++", "make"]) {
            skip!("no {tool}");
        }
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&conan);
            command
                .current_dir(repository())
                .args(arguments)
                .env("CONAN_HOME", repository().join("target/conan-home"));
            command.env("CARGO_TARGET_DIR", trees().join("cargo")).envs(LESS);
            let output = command.output().unwrap();
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(output.status.success(), "{said}");
            said
        };
        run(&["profile", "detect", "--force"]);
        for is_shared in ["True", "False"] {
            let option = format!("sleeve/*:shared={is_shared}");
            // Nothing is written into the repository.
            let elsewhere = ["--conf", "tools.cmake.cmake_layout:test_folder=$TMP"];
            let no_presets = ["--conf", "tools.cmake.cmaketoolchain:user_presets="];
            let create = ["create", "packaging/conan", "--options", &option];
            let said = run(&[&create[..], &elsewhere, &no_presets].concat());
            assert!(said.contains(&format!("sleeve {VERSION}: 5 patches of 50 tags")), "{said}");
        }
    }

    /// The port's own steps, run by a stand-in for vcpkg; what they install is found by CMake and pkg-config.
    #[test]
    fn vcpkg_port_installs_what_is_found() {
        if let Some(tool) = native::missing(&["cmake", "gcc", "g++", "pkg-config"]) {
            skip!("no {tool}");
        }
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
            skip!("no x64-linux");
        }
        for linkage in ["dynamic", "static"] {
            let packages = trees().join(format!("vcpkg-{linkage}"));
            let _ = fs::remove_dir_all(&packages);
            let mut port = Command::new("cmake");
            port.envs(LESS).arg(format!("-DVCPKG_LIBRARY_LINKAGE={linkage}"));
            port.arg(format!("-DPORT_FOLDER={}", repository().join("packaging/vcpkg/sleeve").display()));
            port.arg(format!("-DPACKAGES={}", packages.display()))
                .arg(format!("-DTREES={}", trees().display()));
            output_of(port.arg("-P").arg(repository().join("tests/cmake/vcpkg.cmake")));
            let outside = tempfile::tempdir().unwrap();
            let program = built_by_cmake(&packages, &outside.path().join("cmake"));
            let text =
                String::from_utf8(output_of(Command::new(program).arg(recording("ground.ogg")))).unwrap();
            assert!(text.contains("embeddings of 200 values"), "{text}");
            let flags = pkg_config(&packages.join("lib/pkgconfig"), None, &["--cflags", "--libs"]);
            let source = repository().join("examples/c/extract.c");
            assert_eq!(text, example(outside.path(), &source, &flags, &packages.join("lib")));
            assert_eq!(packages.join("lib/libsleeve.a").exists(), linkage == "static");
            assert!(
                packages.join("share/sleeve/copyright").exists()
                    && packages.join("share/sleeve/usage").exists()
            );
        }
    }

    /// dpkg-buildpackage makes three packages. They are unpacked together into a folder, where their example is compiled.
    #[test]
    fn debian_packages_work_when_unpacked() {
        if !repository().join("target/cargo-c/bin/cargo-capi").exists() {
            skip!("no cargo-c; run `cargo xtask test`");
        }
        if let Some(tool) = native::missing(&["dpkg-buildpackage", "gcc", "git", "pkg-config"]) {
            skip!("no {tool}");
        }
        output_of(xtask(&["debian"]).envs(LESS));
        let home = repository().join("target/debian-packages");
        let root = tempfile::tempdir().unwrap();
        let mut packages = Vec::new();
        for entry in fs::read_dir(&home).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".deb") && !name.contains("-dbgsym_") {
                assert!(name.contains(&format!("_{VERSION}-")), "{name}");
                output_of(Command::new("dpkg").arg("-x").arg(&path).arg(root.path()));
                packages.push(name.split('_').next().unwrap().to_owned());
            }
        }
        packages.sort();
        assert_eq!(packages, ["libsleeve-dev", "libsleeve1", "sleeve"]);
        let user = root.path().join("usr");
        let libraries = fs::read_dir(user.join("lib")).unwrap().map(|entry| entry.unwrap().path());
        let libraries = libraries.into_iter().find(|folder| folder.join("libsleeve.so.1").exists()).unwrap();
        for file in ["bin/sleeve", "share/man/man1/sleeve.1.gz", "share/doc/sleeve/THIRD-PARTY.txt.gz"] {
            assert!(user.join(file).exists(), "{file} is missing");
        }
        let pc = libraries.join("pkgconfig");
        assert_eq!(pkg_config(&pc, Some(root.path()), &["--modversion"]), [VERSION]);
        let flags = pkg_config(&pc, Some(root.path()), &["--cflags", "--libs"]);
        let source = user.join("share/doc/libsleeve-dev/examples/c/extract.c");
        let text = example(root.path(), &source, &flags, &libraries);
        assert!(text.contains("embeddings of 200 values") && text.contains("electronic"), "{text}");
        let mut extract = Command::new(user.join("bin/sleeve"));
        extract.args(["extract", "--model", "msd-musicnn-1"]).arg(recording("ground.ogg"));
        let text = String::from_utf8(output_of(&mut extract)).unwrap();
        assert!(text.contains("electronic"), "{text}");
    }
}
