# SPDX-License-Identifier: AGPL-3.0-or-later
"""The wheel: the package, the plugin built for the wheels of Essentia, and Sleeve's own library."""

import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import plugin  # noqa: E402


class BuildWithPlugin(build_py):
    """Compiles the plugin into the package, beside its Python files."""

    def run(self):
        super().run()
        folder = Path(self.build_lib) / "sleeve_essentia"
        folder.mkdir(parents=True, exist_ok=True)
        plugin.build(folder)


class AnyPython(bdist_wheel):
    """Tagged for this platform and any Python 3: nothing in it is compiled against Python."""

    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class WithLibraries(Distribution):
    def has_ext_modules(self):
        return True


setup(cmdclass={"build_py": BuildWithPlugin, "bdist_wheel": AnyPython}, distclass=WithLibraries)
