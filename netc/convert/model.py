"""What a model is on its way from one file to another, and what a conversion is asked for and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Protocol

from netc.api.definition import Definition
from netc.api.preprocess import Preprocessing
from netc.convert.codes import NO_NET, NO_PARAMETERS
from netc.errors import Diagnostic, NetError
from netc.layer import Array, Shape
from netc.run.net import Net
from netc.schema.weights import Weights


@dataclass(frozen=True)
class Model:
    """What a file holds. definition: the net, if it is known; weights: the parameters, if there are any.

    unread: what is wrong with a net that stands in the file beside parameters, which need none. weight_files: the
    snapshots that parameters are from. prepared: how images were prepared for each blob, as these say.
    """

    path: Path
    definition: Definition | None = None
    weights: Weights | None = None
    unread: tuple[Diagnostic, ...] = ()
    weight_files: tuple[Path, ...] = ()
    prepared: Mapping[str, Preprocessing] = field(default_factory=dict)


def definition_of(model: Model) -> Definition:
    """The model's net; raises NetError (CNV001, or what is wrong with it) if there is none."""
    if model.unread:
        raise NetError(model.unread)
    if model.definition is None:
        message = f"{model.path} holds parameters, but not the net they belong to"
        raise NetError(Diagnostic(NO_NET, message, help=NO_NET.fix))
    return model.definition


def weights_of(model: Model) -> Weights:
    """The model's parameters; raises NetError (CNV005) if there are none."""
    if model.weights is None:
        message = f"{model.path} holds a net, but no parameters"
        raise NetError(Diagnostic(NO_PARAMETERS, message, help=NO_PARAMETERS.fix))
    return model.weights


# ---------------------------------------------------------------- what is asked for


@dataclass(frozen=True)
class Options:
    """What a format may be told; it says which of these it takes (`Format.takes`), and the others are refused.

    A field is called as the option of `netc convert` is (`option` knows); its default means that nobody asked.

    batch, inputs: shapes of the inputs of a net that predicts, instead of its own. half: parameters in FP16.
    upto: blobs that the net ends with, instead of its outputs. with_preprocessing: it takes pixels.
    dynamic: which axes of its inputs are free (N, H, W). opset: the version of ONNX's operators. domain: whose own
    nodes may be used ("opencv", "openvino"). labels: the names of its classes.
    profile: the tool that is to read the file. fold: put what scales channels into the layer before. in_place: let
    layers write over what they read.
    """

    batch: int | None = None
    inputs: Mapping[str, Shape] = field(default_factory=dict)
    half: bool = False
    upto: tuple[str, ...] = ()
    with_preprocessing: bool = False
    dynamic: tuple[str, ...] = ()
    opset: int | None = None
    domain: str = ""
    labels: tuple[str, ...] = ()
    profile: str = ""
    fold: bool = False
    in_place: bool = False

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the options that somebody asked for."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != getattr(NOTHING, f.name))


NOTHING = Options()
"""Nobody asked for anything."""


def option(name: str) -> str:
    """How a field of Options is written on the command line."""
    return {"inputs": "--input", "profile": "--for"}.get(name) or f"--{name.replace('_', '-')}"


# ---------------------------------------------------------------- what is given


class Runner(Protocol):
    """Runs what was written, so that it can be held to netc's numbers (`netc/convert/check.py`)."""

    @property
    def name(self) -> str:
        """Who runs it: "onnxruntime"."""

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[int, Array]:
        """Run on values for the inputs, by blob name: every value that can be told, by its index in the net's graph.

        The net's outputs are among them. Values that the target does not make (folded away, say) are left out.
        """


@dataclass(frozen=True)
class Checkable:
    """A net as netc has it, and what runs it elsewhere.

    net: makes the net, in memory with its parameters. start: makes the runner; it raises NetError (CNV003) without its
    package. sizes: shapes of inputs, besides the net's own, at which the file says that it runs. rounded: its
    parameters are rounded to FP16 where the net's are not.
    """

    net: Callable[[], Net]
    start: Callable[[], Runner]
    sizes: tuple[Mapping[str, Shape], ...] = ()
    rounded: bool = False


Parts = tuple[bytes | memoryview, ...]
"""The content of a file, one part after the other: large arrays need not be copied to be written."""


@dataclass(frozen=True)
class Made:
    """What a conversion gives. parts: of the file that was asked for; notes: what a person should know.

    beside: further files, which stand beside that one under its name with these endings.
    checkable: what `--check` runs, where the file is a net that predicts; unchecked: why it cannot, where nothing does.
    """

    parts: Parts
    notes: tuple[str, ...] = ()
    beside: Mapping[str, Parts] = field(default_factory=dict)
    checkable: Checkable | None = None
    unchecked: str = "it holds nothing that runs"

    @property
    def content(self) -> bytes:
        """All of the file in one piece."""
        return b"".join(self.parts)


@dataclass(frozen=True)
class Format:
    """A format that is written. endings: of files' names, and what `--to` calls it; takes: names of fields of Options.

    file: what the file is called in a folder, if not `model` with the first ending. Its `write` raises NetError with
    all that it cannot write.
    """

    endings: tuple[str, ...]
    write: Callable[[Model, Options], Made]
    takes: frozenset[str] = frozenset()
    file: str = ""

    @property
    def in_folder(self) -> str:
        """What the file is called in a folder."""
        return self.file or f"model{self.endings[0]}"
