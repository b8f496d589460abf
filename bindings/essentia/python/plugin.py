# SPDX-License-Identifier: AGPL-3.0-or-later
"""Builds the plugin for the wheels of Essentia.

It needs a C++17 compiler (CXX, or c++). Environment variables for what already exists:

SLEEVE_LIBRARY            libsleeve.so; otherwise cargo builds it from this repository
SLEEVE_ESSENTIA_HEADERS   a folder with Essentia's headers in `essentia/`; otherwise pip fetches the source package
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

# The newest version with a source package on PyPI. The wheels are newer: the plugin checks when it is loaded that their
# classes have the same layout.
SOURCE = "essentia==2.1b6.dev234"
ARCHIVE = "essentia-2.1b6.dev234.tar.gz"
SHA256 = "3c18d91e21d7bf29aece4f79a4fa25490fd155ce6a8e184c08c50183c6f25a29"

# The path by which the plugin links Essentia's extension module. The package creates a link there to the real file.
MODULE = "$ORIGIN/essentia_module.so"


def build(folder):
    """Writes libsleeve.so, with its licences, and libsleeve_essentia.so to `folder`."""
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"]:
        shutil.copy(REPOSITORY / licence, folder)
    # Copied without debug symbols, which are most of its size.
    library = folder / "libsleeve.so"
    shutil.copyfile(sleeve(), library)
    if shutil.which("strip"):
        run(["strip", "--strip-unneeded", library])
    with tempfile.TemporaryDirectory() as scratch:
        compile_plugin(folder, headers(Path(scratch)), library, Path(scratch))


def sleeve():
    """The path of Sleeve's shared library."""
    if "SLEEVE_LIBRARY" in os.environ:
        return Path(os.environ["SLEEVE_LIBRARY"])
    if not shutil.which("cargo"):
        sys.exit("cargo, which builds libsleeve.so, is not installed; install Rust, or set SLEEVE_LIBRARY to the file")
    run(["cargo", "build", "--release", "--package", "sleeve-capi", "--lib"], cwd=REPOSITORY)
    target = os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")
    return REPOSITORY / target / "release/libsleeve.so"


def headers(scratch):
    """The folder with Essentia's headers."""
    if "SLEEVE_ESSENTIA_HEADERS" in os.environ:
        return Path(os.environ["SLEEVE_ESSENTIA_HEADERS"])
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-binary", "essentia"]
    options += ["--use-deprecated=legacy-resolver", "--dest", scratch]
    run([sys.executable, "-m", "pip", "download", *options, SOURCE])
    archive = scratch / ARCHIVE
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{ARCHIVE} has another hash than expected")
    prefix = ARCHIVE[: -len(".tar.gz")] + "/src/essentia/"
    root = scratch / "headers"
    with tarfile.open(archive) as package:
        for member in package:
            if member.isfile() and member.name.startswith(prefix) and member.name.endswith(".h"):
                path = root / "essentia" / member.name[len(prefix) :]
                if ".." in path.parts:
                    sys.exit(f"{ARCHIVE} has an invalid path: {member.name}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(package.extractfile(member).read())
    # Essentia's build would write this file.
    version = '#define ESSENTIA_VERSION "2.1-beta6-dev"\n#define ESSENTIA_GIT_SHA "unknown"\n'
    (root / "essentia/version.h").write_text(version)
    return root


def compile_plugin(folder, essentia, library, scratch):
    """Compiles and links libsleeve_essentia.so."""
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    # An empty stand-in to link against: the real path is known only when the plugin is loaded.
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
    # The module first. Its symbols are resolved when it is loaded.
    # Sleeve's library by file name, because cargo sets no soname.
    libraries = ["-Wl,--no-as-needed", module, f"-L{library.parent}", f"-l:{library.name}", "-Wl,-rpath,$ORIGIN"]
    run([*compiler, *flags, *sources, *libraries, "-o", folder / "libsleeve_essentia.so"])


def run(command, **options):
    subprocess.run([str(word) for word in command], check=True, **options)
