"""Finding layer types: every file of `netc/layers/`, and the user's own layer files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from netc.errors import Code, Diagnostic, NetError
from netc.files import check_regular
from netc.layer import LayerType
from netc.schema.declare import Field, Message

DUPLICATE_TYPE = Code(
    "LAY001",
    "two layer files give the same type",
    why="A type name in a net must mean one layer.",
    fix="Rename the type in your own layer file.",
)
NOT_A_LAYER_FILE = Code(
    "LAY004", "not a layer file", why="A layer file is a Python file that defines a LayerType.", fix="Give its path."
)


_MOST_BYTES = 1 << 23  # of a layer file


_AXES = re.compile(r"(?<=[a-z])[123]d(?=transpose$|$)")
"""What others write behind a type for the number of its axes: MaxPool2d, Conv2DTranspose."""


@dataclass(frozen=True)
class Catalogue:
    """The layer types that are known, by name (aliases too)."""

    types: Mapping[str, LayerType]

    def judged(self, loss: str) -> str:
        """The type that makes of a loss's scores what the loss judges ("Softmax"); "" for types that judge nothing."""
        return self.types[loss].role.judges if loss in self.types else ""

    @property
    def input(self) -> str:
        """The type of the layers whose tops the caller fills."""
        return next(name for name, known in self.types.items() if known.role.fed == "caller")

    def usually(self, name: str) -> str | None:
        """What netc writes for what others call so: `"Pooling" with ...`, or `"Concat" or "Eltwise"`."""
        alias = _AXES.sub("", name.lower().replace("_", ""))
        if alias != name.lower() and (same := next((t for t in self.types if t.lower() == alias), None)):
            return f'"{self.types[same].name}"'
        known = {t.name: t.role.called[alias] for t in self.types.values() if alias in t.role.called}
        written = [f'"{type}" {how}'.rstrip() for type, how in known.items()]
        return " or ".join(filter(None, (", ".join(written[:-1]), *written[-1:]))) or None

    @property
    def usual_params(self) -> dict[str, str]:
        """The field of LayerParameter that a type's own fields stand in, by what others call the type."""
        return {alias: t.param for t in self.types.values() if t.param for alias in t.role.called}

    @property
    def messages(self) -> tuple[Message, ...]:
        """Messages declared in layer files, each once."""
        own = [t.own for t in self.types.values() if t.own]
        return tuple({m.name: m for o in own for m in o.messages}.values())

    @property
    def layer_fields(self) -> tuple[Field, ...]:
        """Fields of LayerParameter declared in layer files, each once."""
        return tuple({t.own.field.name: t.own.field for t in self.types.values() if t.own}.values())


def catalogue(files: Iterable[Path] = ()) -> Catalogue:
    """Every type in `netc/layers/`, then those of the user's own layer files.

    Raises NetError(LAY001) if two files give the same type name.
    """
    found = dict(_built_in())
    for path in files:
        for layer_type in _types_of(_load_file(path)):
            _add(found, layer_type)
    return Catalogue(found)


@cache
def _built_in() -> dict[str, LayerType]:
    package = importlib.import_module("netc.layers")
    found: dict[str, LayerType] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        for layer_type in _types_of(importlib.import_module(f"netc.layers.{module}")):
            _add(found, layer_type)
    return found


def _types_of(module: ModuleType) -> list[LayerType]:
    return [value for value in vars(module).values() if isinstance(value, LayerType)]


def _add(found: dict[str, LayerType], layer_type: LayerType) -> None:
    for name in (layer_type.name, *layer_type.aliases):
        if found.setdefault(name, layer_type) is not layer_type:
            raise NetError(Diagnostic(DUPLICATE_TYPE, f"two layer files give the type {name}"))


def _load_file(path: Path) -> ModuleType:
    try:
        check_regular(path, _MOST_BYTES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NetError(Diagnostic(NOT_A_LAYER_FILE, f"{path} cannot be read: {reason}")) from None
    content = path.read_bytes()
    digest = hashlib.sha256(os.fsencode(path.absolute()) + b"\0" + content).hexdigest()[:16]
    # one name a file and content: names of modules become those of machine code, and two of one name would be mixed up
    spec = importlib.util.spec_from_file_location(f"netc_user_{path.stem}_{digest}", path)
    if spec is None or spec.loader is None:
        raise NetError(Diagnostic(NOT_A_LAYER_FILE, f"{path} is not a Python file"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its kernels are known by the name of their module
    spec.loader.exec_module(module)
    return module
