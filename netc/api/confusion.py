"""Per-class precision and recall, and the confusion matrix, of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from netc.errors import Code, Diagnostic, NetError, suggest
from netc.graph import Graph, Node
from netc.kernels.confusion import Classes, matrix_of
from netc.layer import Array, Call, flat, format_shape
from netc.plan.model import Plan
from netc.run import Net

NO_SCORES = Code(
    "RUN053",
    "scores and labels of the net cannot be compared",
    why="Precision, recall and the confusion matrix compare the class of the largest score with the label. The blobs "
    "are those that the net's Accuracy layer (or else a loss over classes) reads, or those that `--scores` and "
    "`--labels` name: scores with a value for each class along axis 1, and one label for each position.",
    example="netc test lenet.net --weights lenet.caffemodel --scores ip2 --labels labels  # the blob is called label",
    fix="Name two blobs of the net; `netc summary` shows them with their shapes.",
)


class Confusion:
    """Counts, batch by batch, what a net gives to samples of each label.

    scores, labels: blob names; without them the blobs of the net's first Accuracy layer, or else of its first loss
    over classes (with its axis and ignore_label). `positions`: there are several labels a sample, as in a segmentation.
    A net planned with `keep` is counted by `add` after each pass; for another one this is an observer
    (of the reference executor) that counts as that layer runs. Raises NetError(RUN053) if the two blobs do not
    fit.
    """

    def __init__(self, net: Net, scores: str | None = None, labels: str | None = None) -> None:
        self.net = net
        self.ignore: int | None = None
        self._layer = -1
        axis = 1
        graph = net.graph
        if scores is None or labels is None:
            node = _comparing(net.plan)
            assert node is not None
            p, self._layer = getattr(node.record, str(node.type.param)), node.index
            axis = node.record.softmax_param.axis if node.type.loss else p.axis
            self.ignore = p.ignore_label if p.has("ignore_label") else None
            self._scores, self._labels = node.bottoms[:2]
        else:
            self._scores, self._labels = (_value(graph, name) for name in (scores, labels))
        shape, label_shape = net.plan.shapes[self._scores], net.plan.shapes[self._labels]
        self.axis = axis % len(shape) if -len(shape) <= axis < len(shape) else -1
        if self.axis < 0 or prod(shape) != prod(label_shape) * shape[self.axis]:
            shapes = f"{format_shape(shape)} and {format_shape(label_shape)}"
            message = f"scores and labels are {shapes}: there must be one label for each position of the scores"
            raise NetError(Diagnostic(NO_SCORES, message))
        self.matrix = np.zeros((shape[self.axis],) * 2, np.int64)
        self.outside = 0  # labels that are no class
        self.positions = prod(label_shape) > prod(label_shape[:1])

    @staticmethod
    def possible(plan: Plan) -> bool:
        """Whether a layer compares scores with labels (Accuracy, a loss), so that the blobs need not be named."""
        return _comparing(plan) is not None

    def __call__(self, kind: str, layer: int, call: Call) -> None:
        if layer == self._layer and kind == "forward":
            self.count(*call.bottoms[:2])

    def add(self) -> None:
        """Count the batch that has just gone through the net."""
        self.count(*self.blobs())

    def blobs(self) -> tuple[Array, Array]:
        """Scores and labels of the batch that has just gone through the net."""
        scores, labels = (self.net.executor.value(v) for v in (self._scores, self._labels))
        assert scores is not None
        assert labels is not None
        return scores, labels

    def count(self, scores: Array, labels: Array) -> None:
        """Count samples; the class is that of the largest score, the first of equal ones."""
        given = flat(scores, self.axis).argmax(axis=1).reshape(-1)
        wanted = labels.reshape(-1).astype(np.int64)
        classes = len(self.matrix)
        counted = np.ones(wanted.shape, np.bool_) if self.ignore is None else wanted != self.ignore
        known = counted & (wanted >= 0) & (wanted < classes)
        self.outside += int((counted & ~known).sum())
        self.matrix += matrix_of(given, np.where(known, wanted, -1), classes)

    @property
    def classes(self) -> Classes:
        """What was counted so far."""
        return Classes(self.matrix.copy())


def _comparing(plan: Plan) -> Node | None:
    """The layer whose scores and labels are compared: rather a measure than a loss."""
    fitting = [n for n in plan.graph.nodes if plan.layers[n.index].setup.bottom_holds(1).kind == "labels"]
    measures = (n for n in fitting if n.type.role.end == "measure")
    losses = (n for n in fitting if n.type.loss and "softmax_param" in n.type.also and n.type.param == "loss_param")
    return next(measures, None) or next(losses, None)


def _value(graph: Graph, name: str) -> int:
    found = {v.name: v.index for v in graph.values}
    if name not in found:
        close = suggest(name, found)
        help = f'did you mean "{close}"?' if close else f"its blobs are {', '.join(found)}"
        raise NetError(Diagnostic(NO_SCORES, f'the net has no blob "{name}"', help=help))
    return found[name]


def as_csv(classes: Classes, names: Sequence[str]) -> str:
    """The matrix as CSV: a row for each label, a column for each class that was given."""
    head = ",".join(("label", *(f'"{n}"' for n in names)))
    rows = [",".join((f'"{name}"', *map(str, row))) for name, row in zip(names, classes.matrix, strict=True)]
    return "\n".join((head, *rows)) + "\n"
