# SPDX-License-Identifier: AGPL-3.0-or-later
"""Builds the plugin for the wheels of Essentia.

It needs a C++17 compiler (CXX, or c++), and takes from the environment what is there already:

SLEEVE_LIBRARY            libsleeve.so; otherwise cargo builds it from this repository
SLEEVE_ESSENTIA_HEADERS   a folder with Essentia's headers in `essentia/`; otherwise pip fetches the package with its source
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]

# The newest version that PyPI has the source of. The wheels are of later ones: that their classes have the same layout
# is what the plugin checks when it is loaded.
SOURCE = "essentia==2.1b6.dev234"
ARCHIVE = "essentia-2.1b6.dev234.tar.gz"
SHA256 = "3c18d91e21d7bf29aece4f79a4fa25490fd155ce6a8e184c08c50183c6f25a29"

# What the plugin calls Essentia's extension module, whatever its file is called; the package puts it there.
MODULE = "$ORIGIN/essentia_module.so"


def build(folder):
    """Puts libsleeve.so, with its licences, and libsleeve_essentia.so into `folder`."""
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"]:
        shutil.copy(REPOSITORY / licence, folder)
    # Copied without its symbols for debugging, which are most of it.
    library = folder / "libsleeve.so"
    shutil.copyfile(sleeve(), library)
    if shutil.which("strip"):
        run(["strip", "--strip-unneeded", library])
    with tempfile.TemporaryDirectory() as scratch:
        compile_plugin(folder, headers(Path(scratch)), library, Path(scratch))


def sleeve():
    """Sleeve's shared library."""
    if "SLEEVE_LIBRARY" in os.environ:
        return Path(os.environ["SLEEVE_LIBRARY"])
    if not shutil.which("cargo"):
        sys.exit("there is no cargo to build libsleeve.so with; install Rust, or set SLEEVE_LIBRARY to the file")
    run(["cargo", "build", "--release", "--package", "sleeve-capi", "--lib"], cwd=REPOSITORY)
    target = os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")
    return REPOSITORY / target / "release/libsleeve.so"


def headers(scratch):
    """The folder that holds Essentia's headers."""
    if "SLEEVE_ESSENTIA_HEADERS" in os.environ:
        return Path(os.environ["SLEEVE_ESSENTIA_HEADERS"])
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-binary", "essentia"]
    options += ["--use-deprecated=legacy-resolver", "--dest", scratch]
    run([sys.executable, "-m", "pip", "download", *options, SOURCE])
    archive = scratch / ARCHIVE
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{ARCHIVE} is not the package that this was written for")
    prefix = ARCHIVE[: -len(".tar.gz")] + "/src/essentia/"
    root = scratch / "headers"
    with tarfile.open(archive) as package:
        for member in package:
            if member.isfile() and member.name.startswith(prefix) and member.name.endswith(".h"):
                path = root / "essentia" / member.name[len(prefix) :]
                if ".." in path.parts:
                    sys.exit(f"{ARCHIVE} holds {member.name}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(package.extractfile(member).read())
    # Written by Essentia's own build.
    version = '#define ESSENTIA_VERSION "2.1-beta6-dev"\n#define ESSENTIA_GIT_SHA "unknown"\n'
    (root / "essentia/version.h").write_text(version)
    return root


def compile_plugin(folder, essentia, library, scratch):
    """Compiles and links libsleeve_essentia.so."""
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    # Only to be named: where the module really is, is known when it is loaded.
    module = scratch / "essentia_module.so"
    run([*compiler, "-shared", "-x", "c++", os.devnull, f"-Wl,-soname,{MODULE}", "-o", module])
    flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra"]
    # The wheels are built for libstdc++'s old strings and lists.
    flags += ["-D_GLIBCXX_USE_CXX11_ABI=0"]
    flags += [f"-I{HERE.parent / 'src'}", f"-I{HERE.parent / 'include'}", f"-I{REPOSITORY / 'include'}"]
    for include in ["", "essentia", "essentia/scheduler", "essentia/streaming", "essentia/utils"]:
        flags += ["-isystem", essentia / include]
    flags += ["-isystem", HERE / "eigen"]
    flags += shlex.split(os.environ.get("CXXFLAGS", ""))
    sources = sorted([*(HERE.parent / "src").glob("*.cpp"), *(HERE / "src").glob("*.cpp")])
    # The module first: nothing is linked with it but what it has, and that is seen when it is loaded.
    # Sleeve's by its file's name: cargo gives it no other.
    libraries = ["-Wl,--no-as-needed", module, f"-L{library.parent}", f"-l:{library.name}", "-Wl,-rpath,$ORIGIN"]
    run([*compiler, *flags, *sources, *libraries, "-o", folder / "libsleeve_essentia.so"])


def run(command, **options):
    subprocess.run([str(word) for word in command], check=True, **options)
