"""The contract between a layer type and everything else.

A file in `netc/layers/` ends with one or more `LayerType`s; that is all there is to adding a layer. The type says how
many bottoms and tops it takes, `setup` turns fields and bottom shapes into a `Setup` (everything that is known before
memory exists), and `forward` and `backward` run on the plain arrays of a `Call`.

Conventions of every layer:
- arrays are C-contiguous, all of one float type (float32; float64 in gradient checks); labels are floats, as in Caffe;
- `forward` writes every element of its tops;
- `backward` *writes* `bottom_diffs` (fan-in is added up outside) and *adds* to `param_diffs` (shared parameters and
  `iter_size` accumulate); either may be None where no gradient is asked for;
- backward reads only what `Setup.reads` names, its saved buffers and its parameters: the planner reuses the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, NoReturn, TypeVar

from numpy.typing import NDArray

from netc.errors import Code, Diagnostic, NetError, Note, Span
from netc.role import ANYTHING, ORDINARY, Holds, Kind, Role
from netc.schema.declare import Field, Message
from netc.schema.record import Record
from netc.writes import Writes

Shape = tuple[int, ...]
MOST_AXES = 32
"""That a blob may have, as in Caffe."""
Array = NDArray[Any]
Phase = Literal["TRAIN", "TEST"]
T = TypeVar("T")


# ---------------------------------------------------------------- what setup says


@dataclass(frozen=True, slots=True)
class ParamBlob:
    """A parameter blob: what it is called in reports, its shape, and how it starts (a FillerParameter or a constant).

    `learned` is False for blobs that training must never touch by gradient (BatchNorm's statistics).
    own_gradient: why its diff is the fork's own rule and not a derivative; gradient checks show this instead of a
    mistake. Empty where it is the derivative.
    rows: of a table, how many rows a pass reads at most, if backward adds to those alone (`Call.placed`); else 0.
    """

    name: str
    shape: Shape
    filler: Record | float = 0.0
    learned: bool = True
    own_gradient: str = ""
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory of a layer besides its blobs.

    kind "saved": written by forward, read by backward; "scratch": garbage before and after each call;
    "state": kept across iterations, zero at first. dtype "float" is the net's float type.
    """

    name: str
    shape: Shape
    dtype: Literal["float", "int32", "int64", "uint8"] = "float"
    kind: Literal["saved", "scratch", "state"] = "saved"


@dataclass(frozen=True, slots=True)
class Window:
    """What one output position sees, per spatial axis: `kernel` cells `dilation` apart, moved by `stride`, from -`pad`.

    A transposed window (Deconvolution) spreads instead of gathering. `whole` sees all positions (InnerProduct, global
    pooling). A layer without a Window is pointwise in space.
    """

    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    pad: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    transposed: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """All that is known of one layer once its bottoms have shapes.

    reads: what backward reads besides params and saved buffers: "x" (all bottoms), "y" (all tops), "x0", "y1"...
    in_place: tops[0] may live in the storage of bottoms[0] (kernels then see the same array twice, diffs too).
    shares: tops hold bottoms[0]'s values in the same order (Reshape, Flatten, Split): the planner may give them one
        storage, for diffs too if there is one top, and forward/backward are then not called.
    dynamic: leading dimensions of tops are upper bounds; forward tells the true ones by `Call.resize_top`.
    constant: tops depend on fields and on the bottoms' shapes only: forward reads no bottom, and need run only once.
    random: tops hold draws, others in each forward: of two nets with the same parameters they are not the same.
    own_gradient: why backward is the fork's own formula and not the derivative of forward; gradient checks then show
        this instead of a mistake in what lies before the layer. Empty where it is the derivative.
    macs: multiply-adds of one forward pass over the whole batch.
    holds: what each bottom may hold, the last entry repeated; empty: any numbers. Made-up data keeps to it.
    geometry: whatever the type's own kernels want to have worked out once; `known` gives it by its type.
    """

    tops: tuple[Shape, ...]
    params: tuple[ParamBlob, ...] = ()
    buffers: tuple[Buffer, ...] = ()
    reads: tuple[str, ...] = ("x", "y")
    in_place: bool = False
    shares: bool = False
    dynamic: bool = False
    constant: bool = False
    random: bool = False
    own_gradient: str = ""
    macs: int = 0
    window: Window | None = None
    holds: tuple[Holds, ...] = ()
    geometry: object = None

    def bottom_holds(self, bottom: int) -> Holds:
        """What the bottom at this index may hold."""
        return self.holds[min(bottom, len(self.holds) - 1)] if self.holds else ANYTHING

    def known(self, kind: type[T]) -> T:
        """The geometry, which is of this type; raises TypeError if it is of another."""
        if not isinstance(self.geometry, kind):
            raise TypeError(f"the layer's geometry is {self.geometry!r}, not of type {kind.__name__}")
        return self.geometry


# ---------------------------------------------------------------- what setup is given


class RefusalError(NetError):
    """A layer's `setup` says no."""


@dataclass(frozen=True)
class Site:
    """One layer of a net, as `setup` sees it: its record, the shapes of its bottoms, the phase.

    `p` is the record of the type's own parameter message (defaults where the file says nothing). `given` holds the
    shapes of a data layer's tops where they are known (from the source, or from `--input`); else it is None.
    """

    record: Record
    type: LayerType
    bottoms: tuple[Shape, ...]
    phase: Phase
    given: tuple[Shape, ...] | None = None
    warnings: list[Diagnostic] = field(default_factory=list, compare=False)

    @property
    def p(self) -> Any:
        return getattr(self.record, self.type.param) if self.type.param else self.record

    @property
    def top_count(self) -> int:
        return len(self.record.top)

    def axis(self, axis: int, bottom: int = 0, name: str = "axis") -> int:
        """A possibly negative axis as an index into the bottom's shape; refuses one that is out of range."""
        rank = len(self.bottoms[bottom])
        if not -rank <= axis < rank:
            message = f"{name}: {axis} is out of range for a bottom of shape {format_shape(self.bottoms[bottom])}"
            self.refuse(AXIS_OUT_OF_RANGE, message, name)
        return axis % rank

    def span(self, *path: str, index: int | None = None) -> Span | None:
        """Where a field of the layer's own message (or else of the layer) was written, else the layer's span.

        index: which element of a repeated field.
        """
        record = self.p
        for name in path:
            if isinstance(record, Record) and record.has(name):
                return record.span_of(name, index)
            if self.record.has(name):
                return self.record.span_of(name, index)
        if self.type.param and self.record.has(self.type.param):
            return self.record.span_of(self.type.param) if not path else self.record.span
        return self.record.span

    def refuse(
        self,
        code: Code,
        message: str,
        *fields: str,
        index: int | None = None,
        notes: Sequence[Note] = (),
        help: str | None = None,
    ) -> NoReturn:
        """Raise the diagnostic that this layer cannot be: its span is that of the first of `fields` written.

        index: which element, if the field is repeated (a bottom, say). Without `help`, the code's own fix is shown
        where it says more than the message, and of a missing field where to write the first of `fields`.
        """
        general = None if code.fix.startswith("The message") else code.fix
        if code is MISSING_FIELD and fields:
            general = self._where_to_add(fields[0])
        span, field = self.span(*fields, index=index), next(iter(fields), "")
        found = Diagnostic.of_layer(self.record, code, message, span, tuple(notes), help or general, field=field)
        raise RefusalError(found)

    def _where_to_add(self, name: str) -> str:
        """How to give the layer a field of its own message; with the message that has it by mistake, if one does."""
        param = self.type.param
        if not param or self.record.has(param):
            return f"add `{name}: ...`"
        others = (n for n, v in self.record.values.items() if isinstance(v, Record) and name in v.message_type.fields)
        other = next(others, None)
        return f"add `{param} {{ {name}: ... }}`" + (f"; {self.type.name} does not read `{other}`" if other else "")

    def warn(self, code: Code, message: str, *fields: str, help: str | None = None) -> None:
        span, field = self.span(*fields), next(iter(fields), "")
        self.warnings.append(Diagnostic.of_layer(self.record, code, message, span, (), help, "warning", field))


# ---------------------------------------------------------------- what kernels are given


@dataclass(slots=True)
class Call:
    """One layer of a running net: its arrays, and what its randomness is a function of.

    `top_diffs` are arrays wherever backward is called (zero for tops that no loss depends on); a scalar loss's top diff
    holds its loss weight. Entries of `bottom_diffs` and `param_diffs` are None where no gradient is asked for.
    Random draws are a pure function of (seed, stream, iteration, index); `iteration` counts forward passes.
    """

    record: Record
    p: Any
    setup: Setup
    phase: Phase
    bottoms: tuple[Array, ...]
    tops: tuple[Array, ...]
    params: tuple[Array, ...] = ()
    buffers: dict[str, Array] = field(default_factory=dict)
    bottom_diffs: tuple[Array | None, ...] = ()
    top_diffs: tuple[Array, ...] = ()
    param_diffs: tuple[Array | None, ...] = ()
    places: tuple[Callable[[Array], Array] | None, ...] = ()  # of parameters that are updated by rows; () if none is
    seed: int = 0
    stream: int = 0
    iteration: int = 0
    resized: dict[int, Shape] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)  # Python objects a layer keeps between calls (a Python layer)
    writes: Writes = field(default_factory=Writes)  # where it may write files

    def known(self, kind: type[T]) -> T:
        """The geometry that `setup` worked out, which is of this type; raises TypeError if it is of another."""
        return self.setup.known(kind)

    def placed(self, param: int, rows: Array) -> Array:
        """Where `param_diffs[param]` has these rows of a table (int64): there, or where one that is `lazy` has them."""
        return place(rows) if self.places and (place := self.places[param]) is not None else rows

    def resize_top(self, index: int, shape: Shape) -> Array:
        """For `dynamic` layers: the true shape of a top, at most the planned one; returns the array to fill."""
        self.resized[index] = shape
        planned = self.tops[index]
        return planned.reshape(-1)[: prod(shape)].reshape(shape)


# ---------------------------------------------------------------- examples


@dataclass(frozen=True, slots=True)
class Input:
    """Values of one bottom of an example.

    kind: "normal" (mean 0, std 1), "uniform" (low..high), "labels" (integers low..high-1 as floats),
    "distinct" (a shuffled ladder with steps of 0.1: no ties, no kinks within 0.04 of zero), "probabilities" (sum to 1
    over axis 1), "values" (exactly `values`, flat), "binary" (0 or 1).
    """

    shape: Shape
    kind: Kind = "normal"
    low: float = 0.0
    high: float = 1.0
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A small layer: the text of its fields (without name, type, bottom and top), its inputs, how many tops.

    The generic tests check its gradient, its shapes and that it runs in place like out of place; `netc explain` shows
    the first. `gradient` False only where the formula defines no derivative (why: `note`). given: data's shapes.
    """

    fields: str = ""
    inputs: tuple[Input, ...] = (Input((2, 3, 4, 5)),)
    tops: int = 1
    phase: Phase = "TRAIN"
    gradient: bool = True
    note: str = ""
    given: tuple[Shape, ...] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Fields and bottom shapes that the layer must refuse, and with which code."""

    code: Code
    fields: str = ""
    bottoms: tuple[Shape, ...] = ((2, 3, 4, 5),)
    tops: int = 1


# ---------------------------------------------------------------- the layer type


@dataclass(frozen=True, slots=True)
class Arity:
    """How many blobs a layer takes or gives: from `least` to `most` (None: any number)."""

    least: int
    most: int | None

    def __contains__(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


ONE = Arity(1, 1)
NONE = Arity(0, 0)
ANY = Arity(1, None)


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter message of the layer's own, and the field of LayerParameter that holds it."""

    field: Field
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LayerType:
    """One type of layer. `doc` is the module's docstring, with the headings Computes, Shapes, Gradient, Caffe notes.

    param: the field of LayerParameter that holds this type's fields ("convolution_param"), None if it has none; declare
        it with `own` if BVLC's schema does not have it.
    also: other messages of LayerParameter that the type reads ("transform_param", "loss_param"...). One that stands in
        the file and is neither this nor `param` is reported (PLN021).
    tops: an Arity, or "same" for as many as bottoms.
    differentiable: per bottom, the last entry repeated; a bool for all. False: never gets a gradient (labels).
    loss: top 0 is a loss (weight 1 unless the file says otherwise).
    source: a data layer; its tops are filled from outside, it has no kernels.
    auto_tops: Caffe makes tops of its own where the file names fewer (losses).
    role: what the rest of netc asks of the type: what it is, what it is called elsewhere, how others treat it.
    onnx: writes the layer into an ONNX graph, for types of users' own files: it gets a `LayerWriter`
        (`netc/convert/onnx/writer.py`), adds operations and gives the names of the tops.
    torch: says how the layer is written in PyTorch, for types of users' own files: it gets a `LayerWriter`
        (`netc/convert/torch/writer.py`) and gives a `Written`.
    fast: its compiled steps, for types of users' own files: a `Family` (`netc/fast/program/family.py`).
    data: what reads its data, for data layers of users' own files: a `SourceType` (`netc/data/source.py`).
    backward is None for types without gradient (Accuracy); asking for one is then a diagnostic.
    """

    name: str
    doc: str
    setup: Callable[[Site], Setup]
    forward: Callable[[Call], None] | None = None
    backward: Callable[[Call], None] | None = None
    param: str | None = None
    own: Param | None = None
    also: tuple[str, ...] = ()
    bottoms: Arity = ONE
    tops: Arity | Literal["same"] = ONE
    differentiable: bool | tuple[bool, ...] = True
    loss: bool = False
    source: bool = False
    auto_tops: bool = False
    role: Role = ORDINARY
    onnx: Callable[[Any], str | list[str]] | None = None
    torch: Callable[[Any], Any] | None = None
    fast: object = None
    data: object = None
    origin: str = "caffe"
    aliases: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    refuses: tuple[Refused, ...] = ()
    codes: tuple[Code, ...] = ()

    def gives_gradient(self, bottom: int) -> bool:
        """Whether the bottom at this index can get a gradient at all."""
        if self.backward is None and not self.source:
            return False
        if isinstance(self.differentiable, bool):
            return self.differentiable
        return self.differentiable[min(bottom, len(self.differentiable) - 1)]


# ---------------------------------------------------------------- small things every layer file wants


def format_shape(shape: Shape) -> str:
    """`2x3x4x5`, or `scalar`; the beginning of one with more axes than a blob may have."""
    return "x".join(map(str, shape[:MOST_AXES])) + "x..." * (len(shape) > MOST_AXES) or "scalar"


def format_count(count: int) -> str:
    """A number of values, however large it is."""
    return f"{count:,}" if count < 10**18 else "more than 10^18"


def flat(array: Array, axis: int, end: int | None = None) -> Array:
    """A 3-d view (outer, middle, inner): middle is the axes axis..end-1 (one axis by default)."""
    end = axis + 1 if end is None else end
    shape = array.shape
    return array.reshape(prod(shape[:axis]), prod(shape[axis:end]), prod(shape[end:]))


def same_shape(site: Site) -> Shape:
    """The shape that all bottoms have; refuses bottoms that differ (with the trail added by the planner)."""
    first = site.bottoms[0]
    for other in site.bottoms[1:]:
        if other != first:
            shapes = ", ".join(map(format_shape, site.bottoms))
            message = f"its bottoms must have one shape, but have {shapes}"
            site.refuse(SHAPES_DIFFER, message, "bottom", index=odd_one_out(site.bottoms))
    return first


def odd_one_out(kinds: Sequence[object]) -> int:
    """The index of the first that is not like most of them (of two, the second)."""
    usual = max(kinds, key=lambda kind: (kinds.count(kind), -kinds.index(kind)))
    return next(index for index, kind in enumerate(kinds) if kind != usual)


SHAPES_DIFFER = Code(
    "LAY002",
    "bottoms that must have the same shape differ",
    why="Elementwise layers combine values position by position, so their bottoms must agree in every dimension. "
    "Eltwise repeats what has size 1 along an axis. The trail in the notes shows which layers gave the shapes.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    "conv1 = Convolution(x) { num_output: 3 kernel_size: 3 }\n"
    "sum = Eltwise(x, conv1)",
    fix="Make the two branches end in the same shape: the same num_output, and strides and pads that agree; a 1x1 "
    "Convolution with the right num_output and stride is the usual projection.",
)
AXIS_OUT_OF_RANGE = Code(
    "LAY003",
    "an axis is out of range",
    why="Axes count from 0 (num, channels, height, width) or from the end with negative numbers; this one does not "
    "exist in the bottom's shape.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\ny = Concat(x, x) { axis: 4 }",
    fix="Use an axis from -rank to rank-1.",
)
KERNEL_TOO_LARGE = Code(
    "LAY005",
    "the kernel is larger than its padded input",
    why="A window that does not fit into height + 2 pad (or width) has no output position at all.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\npool5 = Pooling(x) { kernel_size: 9 }",
    fix="Use a smaller kernel or dilation, more pad, a larger input, or `global_pooling: true`.",
)
MISSING_FIELD = Code(
    "LAY006",
    "a field that the layer needs is missing",
    why="The layer has no sensible default for it.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\nconv1 = Convolution(x) { kernel_size: 3 }  # no num_output",
    fix="Add the field.",
)
BAD_FIELD = Code(
    "LAY007",
    "a field has a value that the layer cannot use",
    why="The value, or the combination with another field or with the bottom's shape, has no meaning for this layer.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\ny = Dropout(x) { dropout_ratio: 1.5 }",
    fix="The message says which values are possible.",
)
BAD_BOTTOM_SHAPE = Code(
    "LAY008",
    "a bottom has a shape that the layer cannot take",
    why="The layer needs a certain number of dimensions, or sizes that agree between bottoms.",
    fix="The message says what it needs; the trail in the notes shows where the shape came from.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    "label = Input() { shape { dim: 5 } }\n"
    "loss = SoftmaxWithLoss(x, label)  # 2 x 8 x 8 labels are needed",
)
UNSUPPORTED = Code(
    "LAY009",
    "a combination that the layer does not support",
    why="Caffe refuses it too, or it has no defined result.",
    fix="The message says what to use instead.",
)
SHAPE_UNKNOWN = Code(
    "LAY010",
    "the shape of a data layer is not known",
    why="The data is not there, and the file does not say how large it is: without crop_size images keep their size.",
    example='data, label = Data() { source: "not_here_lmdb" batch_size: 64 backend: LMDB }',
    fix="Give the shape with --input data=64x3x227x227, or put the data where the layer looks for it.",
)
