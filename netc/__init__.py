"""netc: compile, train and run declarative, Caffe-style networks on a CPU.

`load`, `plan`, `Net` and `Solver` are imported when first used, so that `import netc` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["Definition", "Net", "NetError", "Plan", "Solver", "check", "load", "loads", "plan"]

_HOME = {
    "Definition": "netc.api.definition",
    "Net": "netc.api.session",
    "NetError": "netc.errors",
    "Plan": "netc.plan.model",
    "Solver": "netc.api.session",
    "check": "netc.api.planning",
    "load": "netc.api.planning",
    "loads": "netc.api.definition",
    "plan": "netc.api.planning",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'netc' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
