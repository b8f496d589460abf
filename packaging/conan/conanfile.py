"""Conan 2's recipe for Sleeve, built from the checkout that it is in: conan create packaging/conan

Needs cargo (Rust 1.95 or newer) on the path, which Conan has no package of. cargo fetches the crates of Cargo.lock.
"""

import os
import shutil

from conan import ConanFile
from conan.errors import ConanException, ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.env import Environment
from conan.tools.files import copy, load, rename

required_conan_version = ">=2.0"

# Rust's names of systems and architectures.
SYSTEMS = {
    "Linux": "unknown-linux-gnu",
    "Macos": "apple-darwin",
}
ARCHITECTURES = {"x86_64": "x86_64", "armv8": "aarch64"}

# What cargo wants to see of the workspace to build the C library: every member of it.
FOLDERS = ["benches", "bindings", "cli", "crates", "examples", "include", "models", "src", "tests", "training", "xtask"]
FILES = ["Cargo.toml", "Cargo.lock", "CHANGELOG.md", "LICENSE-*", "README.md"]


class SleeveConan(ConanFile):
    name = "sleeve"
    version = "0.2.0"
    description = "Music embeddings: audio to MusiCNN mel-spectrograms, embeddings and tags"
    license = "MIT OR Apache-2.0"
    topics = ("music", "audio", "embeddings", "tags")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": True}

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..", "..")
        for pattern in FILES:
            copy(self, pattern, root, self.export_sources_folder)
        for folder in FOLDERS:
            copy(
                self,
                "*",
                os.path.join(root, folder),
                os.path.join(self.export_sources_folder, folder),
                excludes=("*/target/*", "*/__pycache__/*"),
            )

    def validate(self):
        if str(self.settings.os) not in SYSTEMS or str(self.settings.arch) not in ARCHITECTURES:
            raise ConanInvalidConfiguration(
                f"sleeve's recipe knows {', '.join(SYSTEMS)} on {', '.join(ARCHITECTURES)}"
            )
        if self.settings.compiler.get_safe("cppstd"):
            check_min_cppstd(self, 17)

    def package_id(self):
        # A library of C functions, and headers over it: the compiler of the program that uses it does not matter.
        del self.info.settings.compiler

    @property
    def _triple(self):
        return f"{ARCHITECTURES[str(self.settings.arch)]}-{SYSTEMS[str(self.settings.os)]}"

    @property
    def _target(self):
        return os.environ.get("CARGO_TARGET_DIR", os.path.join(self.build_folder, "target"))

    @property
    def _profile(self):
        return "dev" if self.settings.build_type == "Debug" else "release"

    @property
    def _shared_names(self):
        """The file, the name that programs ask for at run time, and the name that they are linked by."""
        text = load(self, os.path.join(self.source_folder, "bindings", "c", "src", "version.rs"))
        abi = text.split("SLEEVE_ABI_VERSION: u32 = ")[1].split(";")[0]
        if self.settings.os == "Macos":
            return f"libsleeve.{abi}.0.0.dylib", f"libsleeve.{abi}.dylib", "libsleeve.dylib"
        return f"libsleeve.so.{abi}.0.0", f"libsleeve.so.{abi}", "libsleeve.so"

    def generate(self):
        environment = Environment()
        prefix = "@rpath/" if self.settings.os == "Macos" else ""
        environment.define("SLEEVE_SONAME", prefix + self._shared_names[1])
        environment.vars(self).save_script("cargo_environment")

    def build(self):
        if shutil.which("cargo") is None:
            raise ConanException("cargo is not on the path: https://rustup.rs installs it")
        self.run(
            f"cargo build --locked --package sleeve-capi --profile {self._profile}"
            f' --target {self._triple} --target-dir "{self._target}"',
            cwd=self.source_folder,
        )

    def package(self):
        licences = os.path.join(self.package_folder, "licenses")
        copy(self, "LICENSE-*", self.source_folder, licences)
        copy(self, "README.md", os.path.join(self.source_folder, "models"), licences)
        copy(self, "sleeve/*.h*", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        built = os.path.join(self._target, self._triple, "debug" if self._profile == "dev" else "release")
        lib = os.path.join(self.package_folder, "lib")
        if not self.options.shared:
            copy(self, "libsleeve.a", built, lib)
            return
        whole, short, plain = self._shared_names
        copy(self, plain, built, lib)
        rename(self, os.path.join(lib, plain), os.path.join(lib, whole))
        for name in (short, plain):
            os.symlink(whole, os.path.join(lib, name))

    def package_info(self):
        self.cpp_info.libs = ["sleeve"]
        self.cpp_info.set_property("cmake_file_name", "sleeve")
        self.cpp_info.set_property("cmake_target_name", "sleeve::sleeve")
        self.cpp_info.set_property("pkg_config_name", "sleeve")
        if self.settings.os == "Linux" and not self.options.shared:
            self.cpp_info.system_libs = ["gcc_s", "util", "rt", "pthread", "m", "dl"]
