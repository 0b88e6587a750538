"""A layer written in Python, in the form of pycaffe: a class with setup, reshape, forward and backward.

Computes:
    Whatever `layer` of `module` computes: `forward(bottom, top)` fills `top[i].data` from `bottom[i].data`.

Shapes:
    Those that `setup(bottom, top)` and `reshape(bottom, top)` give the tops by `top[i].reshape(...)`. They may not
    change later. Blobs added by `self.blobs.add_blob(...)` in setup are the layer's parameters.

Gradient:
    `backward(top, propagate_down, bottom)` fills `bottom[i].diff` from `top[i].diff`, and adds to `self.blobs[i].diff`.

Caffe notes:
    A net file must not run code by itself, so these layers need permission: `--allow-python`, or `allow()` of this
    module; a class of `Layer` that the program itself has imported needs none. `param_str`, `phase` (0: TRAIN, 1: TEST)
    and `blobs` are as in pycaffe; a module's `import caffe` gets a small `caffe` with `Layer`, `TRAIN` and `TEST`,
    unless one is imported already (`from netc import caffe` gives the whole of it). Parameters start at 0, or at the
    constant that setup fills them with. `share_in_parallel` is ignored. The layer is made anew for each net.
    py-faster-rcnn's `rpn.proposal_layer.ProposalLayer` has a form without Python: the type Proposal, whose fields are
    that layer's `param_str` and settings (`ratio` and `scale` are its anchors; it gives regions below `min_size` score
    0, where the Python layer drops them).
"""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from netc.errors import Code, Diagnostic, NetError
from netc.layer import (
    MISSING_FIELD,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    ParamBlob,
    Refused,
    Setup,
    Shape,
    Site,
    format_shape,
)
from netc.role import Role

PYTHON_NOT_ALLOWED = Code(
    "LAY105",
    "a Python layer without permission",
    why="A Python layer runs code of a module that the net file names. netc runs no code for a net file unless you "
    "say so.",
    example='layer { name: "mine" type: "Python" top: "y" python_param { module: "mylayers" layer: "Mine" } }',
    fix="If you trust the module, run the command with --allow-python (in Python: netc.layers.python.allow()).",
)
PYTHON_FAILED = Code(
    "LAY106",
    "a Python layer failed",
    why="The module could not be imported, has no such class, or its code raised an exception.",
    example='python_param { module: "no_such_module" layer: "Mine" }',
    fix="The message gives the exception. The module is looked up as Python does: the current directory is on its path "
    "only if PYTHONPATH says so.",
)

# What can stand in place of well-known classes, as the end of a diagnostic's help.
_BUILT_IN = {
    ("rpn.proposal_layer", "ProposalLayer"): ', or replace the layer by `type: "Proposal"` with '
    "`proposal_param { feat_stride: 16 }`, which needs no Python",
}
_allowed = False


def allow(yes: bool = True) -> None:
    """Let Python layers run code of the modules that net files name, in this process."""
    global _allowed
    _allowed = yes


def allowed() -> bool:
    """Whether Python layers may run any code."""
    return _allowed


class Layer:
    """What pycaffe's layers inherit from; netc sets the attributes before setup."""

    param_str: str
    phase: int
    blobs: Blobs

    @property
    def param_str_(self) -> str:
        """`param_str` as Caffe called it at first."""
        return self.param_str

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Check the number of blobs, read `param_str`, add parameters."""

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Give the tops their shapes."""

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Fill `top[i].data`."""

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """Fill `bottom[i].diff` where `propagate_down[i]`."""


class Sized(ABC):
    """A blob's number of values, and the old names of its sizes. `data` and `diff` are written into, not replaced."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in ("data", "diff"):
            raise AttributeError(f"{name} stays the net's array: write into it, `blob.{name}[...] = array`")
        object.__setattr__(self, name, value)

    @property
    @abstractmethod
    def shape(self) -> Shape: ...

    @property
    def count(self) -> int:
        """How many values there are."""
        return prod(self.shape)

    @property
    def num(self) -> int:
        return self._axis(0)

    @property
    def channels(self) -> int:
        return self._axis(1)

    @property
    def height(self) -> int:
        return self._axis(2)

    @property
    def width(self) -> int:
        return self._axis(3)

    def _axis(self, axis: int) -> int:
        return self.shape[axis] if axis < len(self.shape) else 1


class Blob(Sized):
    """pycaffe's view of a blob: `data`, `diff`, `shape` and the four old names of the axes."""

    def __init__(self, data: Array | None = None, diff: Array | None = None, shape: Shape | None = None) -> None:
        self._data = data
        self._diff = diff
        self._shape = data.shape if data is not None else shape or ()

    @property
    def shape(self) -> Shape:
        return self._shape

    @property
    def data(self) -> Array:
        if self._data is None:
            self._data = np.zeros(self._shape, np.float32)
        return self._data

    @property
    def diff(self) -> Array:
        if self._diff is None:
            self._diff = np.zeros(self._shape, self.data.dtype)
        return self._diff

    def reshape(self, *shape: int) -> None:
        """Set the shape; while the net runs it must be the planned one."""
        wanted = tuple(int(size) for size in shape)
        if wanted == self._shape:
            return
        if self._data is not None:
            shapes = f"{format_shape(self._shape)} cannot become {format_shape(wanted)}"
            raise ValueError(f"a blob of shape {shapes} in a running net")
        self._shape = wanted


class Blobs(list[Blob]):
    """pycaffe's `self.blobs`."""

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(f"a blob cannot be replaced: write into it, `self.blobs[{index}].data[...] = array`")

    def add_blob(self, *shape: int) -> Blob:
        self.append(Blob(shape=tuple(int(size) for size in shape)))
        return self[-1]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the class is, and the phase as pycaffe numbers it."""

    module: str
    layer: str
    param_str: str
    phase: int


def setup(site: Site) -> Setup:
    p = site.p
    if not p.module or not p.layer:
        site.refuse(MISSING_FIELD, "needs module and layer, the name of a class in it", "module", "layer")
    if not _permitted(p.module, p.layer):
        message = f"runs the code of {p.module}.{p.layer}, which is not allowed"
        instead = _BUILT_IN.get((p.module, p.layer), "")
        site.refuse(PYTHON_NOT_ALLOWED, message, "module", help="use --allow-python if you trust it" + instead)
    g = Geometry(p.module, p.layer, p.param_str, 0 if site.phase == "TRAIN" else 1)
    bottoms = [Blob(shape=shape) for shape in site.bottoms]
    tops = [Blob() for _ in range(site.top_count)]
    try:
        layer = _make(g)
        layer.setup(bottoms, tops)
        layer.reshape(bottoms, tops)
    except Exception as error:
        site.refuse(PYTHON_FAILED, _told(g, error), "module")
    params = tuple(ParamBlob(f"blob{i}", blob.shape, _constant(blob)) for i, blob in enumerate(layer.blobs))
    shapes = tuple(top.shape for top in tops) if site.given is None else site.given
    return Setup(tops=shapes, params=params, geometry=g)


def _permitted(module: str, layer: str) -> bool:
    """Whether a net file may name this class.

    A class that the program itself has imported needs no permission: only code that it chose runs. This module's own
    example needs none either; its other names are not for net files.
    """
    if module == __name__:
        return layer == "Scaled"
    known = getattr(sys.modules.get(module), layer, None)
    return _allowed or (isinstance(known, type) and issubclass(known, Layer))


def instance(call: Call) -> Any:
    """The Python object behind a layer of a running net."""
    return _ready(call)[0]


def _constant(blob: Blob) -> float:
    values = blob.data
    return float(values.flat[0]) if values.size and (values == values.flat[0]).all() else 0.0


def _make(g: Geometry) -> Any:
    """An instance of the class, as pycaffe makes it. A module that imports caffe gets ours if there is no other."""
    if g.module != __name__:
        sys.modules.setdefault("caffe", _caffe())
    layer = getattr(importlib.import_module(g.module), g.layer)()
    layer.param_str, layer.phase, layer.blobs, layer.type = g.param_str, g.phase, Blobs(), "Python"
    return layer


def _caffe() -> ModuleType:
    module = ModuleType("caffe", "What a Python layer needs of pycaffe.")
    vars(module).update(Layer=Layer, TRAIN=0, TEST=1)
    return module


def _told(g: Geometry, error: Exception) -> str:
    return f"{g.module}.{g.layer}: {type(error).__name__}: {error}"


def _blobs(arrays: tuple[Array, ...], diffs: tuple[Array | None, ...]) -> list[Blob]:
    return [Blob(array, diff) for array, diff in zip(arrays, diffs or (None,) * len(arrays), strict=True)]


def _ready(call: Call) -> tuple[Any, list[Blob], list[Blob]]:
    """The layer of this net (made at the first call) and its blobs over the net's arrays."""
    bottoms, tops = _blobs(call.bottoms, call.bottom_diffs), _blobs(call.tops, call.top_diffs)
    layer = call.memory.get("layer")
    if layer is None:
        layer = call.memory["layer"] = _make(call.known(Geometry))
        layer.setup([Blob(shape=b.shape) for b in bottoms], [Blob(shape=t.shape) for t in tops])
    layer.blobs = Blobs(_blobs(call.params, call.param_diffs))
    return layer, bottoms, tops


def forward(call: Call) -> None:
    try:
        layer, bottoms, tops = _ready(call)
        layer.reshape(bottoms, tops)
        layer.forward(bottoms, tops)
    except Exception as error:
        raise _failed(call, error) from error


class Growing(Blob):
    """A blob that may get any shape: it has the array it was made with until then, and one of its own after."""

    def reshape(self, *shape: int) -> None:
        """Set the shape."""
        wanted = tuple(int(size) for size in shape)
        if wanted != self._shape:
            self._shape, self._data, self._diff = wanted, None, None


def forward_in_any_shape(call: Call) -> list[Array]:
    """Run forward; gives the tops' values, in the call's own arrays unless the layer gave them other shapes."""
    try:
        layer, bottoms, _ = _ready(call)
        tops: list[Blob] = [Growing(array) for array in call.tops]
        layer.reshape(bottoms, tops)
        layer.forward(bottoms, tops)
    except Exception as error:
        raise _failed(call, error) from error
    return [top.data for top in tops]


def backward(call: Call) -> None:
    wanted = [diff is not None for diff in call.bottom_diffs]
    try:
        layer, bottoms, tops = _ready(call)
        for blob, asked in zip(bottoms, wanted, strict=True):
            if asked:
                blob.diff[...] = 0
        layer.backward(tops, wanted, bottoms)
    except Exception as error:
        raise _failed(call, error) from error


def _failed(call: Call, error: Exception) -> NetError:
    return NetError(Diagnostic.of_layer(call.record, PYTHON_FAILED, _told(call.known(Geometry), error)))


class Scaled(Layer):
    """The example: y = a x with a number from `param_str`, plus a learned offset for each channel."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.factor = float(self.param_str or 1)
        self.blobs.add_blob(bottom[0].channels)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data[...] = self.factor * bottom[0].data + self.blobs[0].data[:, None]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self.blobs[0].diff[...] += top[0].diff.sum(axis=(0, 2))
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * top[0].diff


PYTHON = LayerType(
    "Python",
    __doc__ or "",
    setup,
    forward,
    backward,
    param="python_param",
    bottoms=Arity(0, None),
    tops=Arity(0, None),
    codes=(PYTHON_NOT_ALLOWED, PYTHON_FAILED),
    role=Role(foreign=True),
    examples=(
        Example(
            f'python_param {{ module: "{__name__}" layer: "Scaled" param_str: "2.5" }}', inputs=(Input((2, 3, 4)),)
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, 'python_param { module: "mylayers" }'),
        Refused(PYTHON_NOT_ALLOWED, 'python_param { module: "mylayers" layer: "Mine" }'),
        Refused(PYTHON_NOT_ALLOWED, f'python_param {{ module: "{__name__}" layer: "allow" }}'),
        Refused(PYTHON_FAILED, f'python_param {{ module: "{__name__}" layer: "Scaled" param_str: "x" }}'),
    ),
)
