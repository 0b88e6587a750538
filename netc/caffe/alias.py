"""Another name for a package: `import caffe.draw` gives `netc.caffe.draw`, the same module object, imported once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Finder(MetaPathFinder, Loader):
    """Finds the submodules of a package under its other name."""

    def __init__(self, alias: str, package: str) -> None:
        self.alias, self.package = alias, package
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(self.alias + ".") or sys.modules.get(self.alias) is not sys.modules.get(self.package):
            return None
        try:
            module = import_module(self.package + name.removeprefix(self.alias))
        except ModuleNotFoundError:
            return None
        self._specs[name] = module.__spec__
        return ModuleSpec(name, self, is_package=hasattr(module, "__path__"))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[self.package + spec.name.removeprefix(self.alias)]

    def exec_module(self, module: ModuleType) -> None:
        """The module runs already; only its own spec is put back, which importing it by another name has replaced."""
        spec = module.__spec__
        if spec is not None and spec.name in self._specs:
            module.__spec__ = self._specs.pop(spec.name)


def answer_to_the_name(alias: str, package: str) -> None:
    """Let `package` be imported as `alias` too, unless another package is known by that name already."""
    if sys.modules.setdefault(alias, sys.modules[package]) is sys.modules[package]:
        sys.meta_path.insert(0, _Finder(alias, package))
