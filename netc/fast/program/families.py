"""Which family serves a layer type: the one that it brings, or the `FAMILY` of a file somewhere in `netc/fast/`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache

import netc.fast
from netc.fast.program.family import Family
from netc.layer import LayerType


def family_of(type: LayerType) -> Family | None:
    """The family of a type; None: its layers run on their own kernels. Raises TypeError if its own is not a Family."""
    if type.fast is None:
        return _families().get(type.name)
    if not isinstance(type.fast, Family):
        raise TypeError(f"fast= of the layer type {type.name} must be a Family, but is {type.fast!r}")
    return type.fast


@cache
def _families() -> dict[str, Family]:
    """By layer type."""
    found = [vars(importlib.import_module(name)).get("FAMILY") for name in _modules("netc.fast", netc.fast.__path__)]
    return {kind: family for family in found if isinstance(family, Family) for kind in family.types}


def _modules(package: str, folders: Iterable[str]) -> Iterator[str]:
    """Every module of a package and of those in it, but what families are made of."""
    for module in pkgutil.iter_modules(folders, f"{package}."):
        if module.name not in ("netc.fast.machine", "netc.fast.program"):
            yield module.name
            if module.ispkg:
                yield from _modules(module.name, importlib.import_module(module.name).__path__)
