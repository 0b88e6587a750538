"""Labels are floats, as in Caffe, and data: each is checked before it becomes an index."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.errors import Code, Diagnostic, NetError

Array = NDArray[Any]

SWAPPED = "its bottoms seem to be swapped: what the net gives comes first, then what it should be"
"""What to say of a loss whose labels look like scores."""

LABEL_OUT_OF_RANGE = Code(
    "LAY100",
    "a label is not a class",
    why="A loss or Accuracy reads the score of the class that the label names. Labels count from 0 to the number of "
    "classes minus 1; this one is outside (or is not a number). Caffe would read memory that is not its own.",
    example='layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" }  # label 10 of 10',
    fix="Count labels from 0, give the layer that makes the scores as many outputs as there are classes, or name the "
    "label that means nothing: loss_param { ignore_label: 255 }.",
)
INDEX_OUT_OF_RANGE = Code(
    "LAY101",
    "an index is out of range",
    why="The layer looks something up by an index that it reads from a bottom, and there is nothing at this index.",
    example='layer { name: "embed" type: "Embed" bottom: "word" top: "vector" embed_param { input_dim: 100 } }  # 100',
    fix="Indices count from 0; make the table larger or correct the data.",
)


class BadValueError(NetError):
    """A value of a bottom that a running layer cannot use; `item` says in which of the `items` of the batch it is."""

    def __init__(self, error: NetError, at: int, values: Array) -> None:
        super().__init__(error.diagnostics)
        self.items = len(values) if values.ndim else 1
        self.item = at * self.items // values.size


def class_labels(record: Any, labels: Array, classes: int, ignore: int | None = None) -> NDArray[np.int32]:
    """Flat labels as class indices, truncated as a C cast does; -1 where the label is `ignore`.

    `record` is the layer's. Raises NetError(LAY100) for the first label that is neither a class nor ignored.
    """
    flat = np.trunc(labels.ravel())
    known = (flat >= 0) & (flat < classes)
    ignored = flat == ignore if ignore is not None else np.zeros(flat.shape, np.bool_)
    bad = ~(known | ignored)
    if bad.any():
        at = int(bad.argmax())
        where = ", ".join(str(int(i)) for i in np.unravel_index(at, labels.shape)) if labels.ndim else ""
        message = f"the label at [{where}] is {labels.ravel()[at]:g}, but the classes are 0 to {classes - 1}"
        raise BadValueError(bad_value(LABEL_OUT_OF_RANGE, record, message, _label_help(flat[at], ignore)), at, labels)
    return np.where(ignored, -1, np.where(known, flat, 0)).astype(np.int32)


def indices(record: Any, values: Array, count: int) -> NDArray[np.int64]:
    """Flat values as indices below `count`, truncated as a C cast does; NetError(LAY101) for the first bad one."""
    flat = np.trunc(values.ravel())
    bad = ~((flat >= 0) & (flat < count))
    if bad.any():
        at = int(bad.argmax())
        where = ", ".join(str(int(i)) for i in np.unravel_index(at, values.shape)) if values.ndim else ""
        message = f"the index at [{where}] is {values.ravel()[at]:g}, but indices go from 0 to {count - 1}"
        raise BadValueError(bad_value(INDEX_OUT_OF_RANGE, record, message), at, values)
    return flat.astype(np.int64)


def _label_help(label: float, ignore: int | None) -> str:
    """What to do about a label that is no class."""
    if label >= 0:
        more = f"its scores need {label + 1:.0f} classes or more (num_output of the layer that makes them)"
        return f"{more}, counted from 0; or `ignore_label: {label:.0f}` if it means nothing"
    return "classes count from 0" + ("" if ignore is not None else "; `ignore_label: -1` leaves labels of -1 out")


def bad_value(code: Code, record: Any, message: str, help: str | None = None) -> NetError:
    """The exception for a value of a bottom that a running layer cannot use; its span is the layer's."""
    return NetError(Diagnostic.of_layer(record, code, message, help=help))
