"""A bench for one layer: its record, its setup and its kernels on plain arrays, without graph, planner or executor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.catalogue import Catalogue, catalogue
from netc.errors import NetError, Report
from netc.kernels.fillers import fill
from netc.language import parse
from netc.layer import (
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    ParamBlob,
    Phase,
    Setup,
    Shape,
    Site,
)
from netc.schema.load import load_net
from netc.schema.record import Record, Schema
from netc.schema.registry import base_schema

Array = NDArray[Any]

INTEGERS = {"int32": np.int32, "int64": np.int64, "uint8": np.uint8}
SHIFTS = (0.0, 0.01, -0.01, 0.005, -0.005)  # so that the ladders of two bottoms have no ties


@cache
def known() -> Catalogue:
    return catalogue()


@cache
def schema() -> Schema:
    return base_schema().extended(known().messages, known().layer_fields)


def layers_of(text: str) -> tuple[Record, ...]:
    """The layers of a net; raises NetError if the schema refuses the text."""
    report = Report()
    record = load_net(parse(text, "example.net"), schema(), report)
    report.finish()
    layers: tuple[Record, ...] = record.layer
    return layers


def site(layer_type: LayerType, fields: str, bottoms: tuple[Shape, ...], tops: int, phase: Phase) -> Site:
    """What `setup` sees of a layer with these fields."""
    names = "".join(f' bottom: "x{i}"' for i in range(len(bottoms)))
    names += "".join(f' top: "y{i}"' for i in range(tops))
    (record,) = layers_of(f'layer {{ name: "tested" type: "{layer_type.name}"{names}\n{fields} }}')
    return Site(record, layer_type, bottoms, phase)


def values_of(given: Input, index: int) -> Array:
    """The float64 values of an example's bottom; the same in every run."""
    rng = np.random.default_rng([index, len(given.shape), *given.shape])
    count = int(np.prod(given.shape))
    match given.kind:
        case "normal":
            array = rng.standard_normal(given.shape)
        case "uniform":
            array = rng.uniform(given.low, given.high, given.shape)
        case "labels":
            array = rng.integers(int(given.low), int(given.high), given.shape).astype(float)
        case "distinct":
            ladder = (np.arange(count) - count // 2 + 0.5) * 0.1
            array = rng.permutation(ladder).reshape(given.shape) + SHIFTS[index % len(SHIFTS)]
        case "probabilities":
            array = rng.uniform(0.1, 1, given.shape)
            array /= array.sum(min(1, array.ndim - 1), keepdims=True)
        case "binary":
            array = rng.integers(0, 2, given.shape).astype(float)
        case "values":
            array = np.array(given.values, float).reshape(given.shape)
    return np.ascontiguousarray(array, float)


def buffer_array(buffer: Buffer, dtype: Any = np.float64) -> Array:
    """Memory as a layer may find it: zeros for state, garbage for the rest."""
    kind = dtype if buffer.dtype == "float" else INTEGERS[buffer.dtype]
    garbage = np.nan if buffer.dtype == "float" else 99
    return np.full(buffer.shape, 0 if buffer.kind == "state" else garbage, kind)


def start_of(blob: ParamBlob, index: int) -> Array:
    """A start for a parameter that makes its gradient interesting: constants of learned blobs get some noise."""
    array = np.empty(blob.shape)
    fill(array, blob.filler, seed=1, stream=index)
    constant = isinstance(blob.filler, int | float) or blob.filler.type == "constant"
    if constant and blob.learned:
        array += 0.3 * np.random.default_rng(index).standard_normal(blob.shape)
    return array


@dataclass
class Run:
    """What one forward (and backward) pass left behind."""

    call: Call
    tops: tuple[Array, ...]
    bottom_diffs: tuple[Array | None, ...] = ()
    param_diffs: tuple[Array | None, ...] = ()


@dataclass
class Bench:
    """One layer with the values that go into it; every run starts from the same state."""

    type: LayerType
    site: Site
    setup: Setup
    bottoms: tuple[Array, ...]
    params: tuple[Array, ...]
    discrete: frozenset[int] = frozenset()  # bottoms that hold labels or choices: no difference quotients
    dtype: Any = np.float64
    weights: dict[int, Array] = field(default_factory=dict)
    kept: dict[str, Array] = field(default_factory=dict)  # state buffers that an earlier pass left, if it is to go on
    use_weights: bool = False

    @classmethod
    def of(cls, layer_type: LayerType, example: Example) -> Bench:
        shapes = tuple(given.shape for given in example.inputs)
        place = replace(site(layer_type, example.fields, shapes, example.tops, example.phase), given=example.given)
        setup = layer_type.setup(place)
        bottoms = tuple(values_of(given, i) for i, given in enumerate(example.inputs))
        params = tuple(start_of(p, i) for i, p in enumerate(setup.params))
        discrete = frozenset(i for i, given in enumerate(example.inputs) if given.kind in {"labels", "binary"})
        return cls(layer_type, place, setup, bottoms, params, discrete)

    def call(self) -> Call:
        """Fresh copies of everything; tops and buffers hold garbage."""
        return Call(
            record=self.site.record,
            p=self.site.p,
            setup=self.setup,
            phase=self.site.phase,
            bottoms=tuple(b.copy() for b in self.bottoms),
            tops=tuple(np.full(shape, np.nan, self.dtype) for shape in self.setup.tops),
            params=tuple(p.copy() for p in self.params),
            buffers={b.name: self.buffer(b) for b in self.setup.buffers},
            seed=1,
            stream=2,
            iteration=3,
        )

    def buffer(self, buffer: Buffer) -> Array:
        return self.kept[buffer.name].copy() if buffer.name in self.kept else buffer_array(buffer, self.dtype)

    def forward(self, call: Call | None = None) -> Run:
        call = call or self.call()
        assert self.type.forward is not None
        self.type.forward(call)
        call.tops = tuple(
            top.reshape(-1)[: int(np.prod(shape))].reshape(shape)
            for top, shape in ((top, call.resized.get(i, top.shape)) for i, top in enumerate(call.tops))
        )
        return Run(call, call.tops)

    def backward(
        self,
        call: Call,
        bottoms: frozenset[int] | None = None,
        params: frozenset[int] | None = None,
        start: float = 0.0,
        in_place: bool = False,
    ) -> Run:
        """Gradients of `objective` for the bottoms and parameters asked for (None: all that have one).

        `start` is what parameter diffs hold before; `in_place` gives bottom 0 and top 0 one diff.
        """
        bottoms = self.gradient_bottoms() if bottoms is None else bottoms
        params = self.learned() if params is None else params
        call.top_diffs = tuple(self.weight(i, top.shape) for i, top in enumerate(call.tops))
        call.bottom_diffs = tuple(np.full_like(b, np.nan) if i in bottoms else None for i, b in enumerate(call.bottoms))
        if in_place and 0 in bottoms:
            call.bottom_diffs = (call.top_diffs[0], *call.bottom_diffs[1:])
        call.param_diffs = tuple(np.full_like(p, start) if i in params else None for i, p in enumerate(call.params))
        assert self.type.backward is not None
        self.type.backward(call)
        return Run(call, call.tops, call.bottom_diffs, call.param_diffs)

    def objective(self, run: Run) -> float:
        """A number that depends on every value that has a gradient: the tops, weighted with random numbers."""
        return float(sum((self.weight(i, top.shape) * top).sum() for i, top in enumerate(run.tops)))

    def weight(self, index: int, shape: Shape) -> Array:
        """The diff of a top. A loss has a gradient through its first top only, as in Caffe."""
        if self.type.loss and not self.use_weights:
            return np.full(shape, 0.7 if index == 0 else 0.0, self.dtype)
        if index not in self.weights or self.weights[index].shape != shape:
            self.weights[index] = np.random.default_rng([index, 5]).standard_normal(shape).astype(self.dtype)
        return self.weights[index].copy()

    def gradient_bottoms(self) -> frozenset[int]:
        return frozenset(i for i in range(len(self.bottoms)) if self.type.gives_gradient(i))

    def learned(self) -> frozenset[int]:
        return frozenset(i for i, p in enumerate(self.setup.params) if p.learned)


def codes_of(layer_type: LayerType, fields: str, bottoms: tuple[Shape, ...], tops: int) -> set[str]:
    """The codes with which a layer of these fields is refused; empty if it is not."""
    try:
        layer_type.setup(site(layer_type, fields, bottoms, tops, "TRAIN"))
    except NetError as error:
        return {d.code.id for d in error.diagnostics}
    return set()
