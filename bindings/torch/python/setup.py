"""Packs the engine that cargo built, `SLEEVE_TORCH_LIBRARY` or that of the release profile, for one platform."""

import os
import pathlib
import shutil

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
BUILT = HERE.parents[2] / "target" / "release" / "libsleeve_torch.so"


class WithEngine(build_py):
    def run(self):
        super().run()
        engine = pathlib.Path(os.environ.get("SLEEVE_TORCH_LIBRARY", BUILT))
        if not engine.is_file():
            raise SystemExit(f"{engine} is missing: cargo xtask libtorch && cargo build --release -p sleeve-torch")
        shutil.copy(engine, pathlib.Path(self.build_lib) / "sleeve_torch" / "libsleeve_torch.so")


class ForThePlatform(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        # Any Python: the engine does not know of it.
        return "py3", "none", super().get_tag()[2]


setup(cmdclass={"build_py": WithEngine, "bdist_wheel": ForThePlatform})
