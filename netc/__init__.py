"""netc: compile, train and run declarative, Caffe-style networks on a CPU.

`load`, `plan`, `Net` and `Solver` are imported when first used, so that `import netc` costs nothing.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "Definition",
    "Events",
    "History",
    "Net",
    "NetError",
    "Plan",
    "Pool",
    "Solver",
    "check",
    "draw",
    "load",
    "loads",
    "plan",
    "predict",
    "search",
    "summary",
]

_HOME = {
    "Definition": "netc.api.definition",
    "Events": "netc.solve.events",
    "History": "netc.api.history",
    "Net": "netc.api.session",
    "NetError": "netc.errors",
    "Plan": "netc.plan.model",
    "Pool": "netc.api.pool",
    "Solver": "netc.api.session",
    "check": "netc.api.planning",
    "draw": "netc.api.notebook",
    "load": "netc.api.planning",
    "loads": "netc.api.definition",
    "predict": "netc.api.notebook",
    "search": "netc.api.search.searching",
    "summary": "netc.api.notebook",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'netc' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__", "__doc__"))


class _Planner(ModuleType):
    """The package `netc.plan`, which is called like the function that `netc.plan(...)` means."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return import_module("netc.api.planning").plan(*arguments, **options)


class _Package(ModuleType):
    """This module, where the name `plan` is a package and a function at once."""

    @property
    def plan(self) -> Any:
        return import_module("netc.plan")

    @plan.setter
    def plan(self, module: ModuleType) -> None:
        """The import system binds the package to its name when it is first imported."""
        module.__class__ = _Planner


sys.modules[__name__].__class__ = _Package
