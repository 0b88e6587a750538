"""Which family serves a layer type: `FAMILY` of a file in `netc/fast/`, found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import netc.fast
import netc.fast.old.rules
from netc.fast.program.family import Family


@cache
def families() -> dict[str, Family]:
    """By layer type."""
    packages = (netc.fast, netc.fast.old.rules)
    names = [f"{p.__name__}.{m.name}" for p in packages for m in pkgutil.iter_modules(p.__path__)]
    found = [vars(importlib.import_module(name)).get("FAMILY") for name in names]
    return {kind: family for family in found if isinstance(family, Family) for kind in family.types}
