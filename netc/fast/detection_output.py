"""DetectionOutput: boxes are decoded, each class is sorted and suppressed, and rows are written; how many, a cell says.

Threads share priors, then classes. The steps are those of the layer's own kernels (`netc/kernels/detections.py`), so
the bits are theirs.
"""

from __future__ import annotations

from typing import NamedTuple

from netc.fast.machine.addresses import floats, integer_matrix, integers, matrix
from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Scratch, Update, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.kernels.boxes import decode_box
from netc.kernels.detections import COLUMNS, DetectionGeometry, detect_class, write_none, write_rows
from netc.plan.model import Step

HELD = 5 * 4 + 8  # bytes of a box that is looked at: five floats, and its number


class Sizes(NamedTuple):
    """As `DetectionGeometry` has them; rows: of the top."""

    images: int
    priors: int
    classes: int
    loc_classes: int
    top_k: int
    background: int
    keep: int
    rows: int


# ---------------------------------------------------------------- kernels


@entry
def _boxes(
    tid: int, nth: int, offsets: Read[Region], prior: Read[Region], boxes: Write[Region], sizes: Sizes, code: int,
    encoded: bool,
) -> None:  # fmt: skip
    """images x loc_classes x priors boxes from images x priors x loc_classes offsets."""
    priors, loc_classes = sizes.priors, sizes.loc_classes
    count = sizes.images * loc_classes * priors
    given, found = matrix(offsets, count, 4), matrix(boxes, count, 4)
    known, variances = matrix(prior, priors, 4), matrix(prior + priors * 16, 0 if encoded else priors, 4)
    for item in share(sizes.images * priors, tid, nth):
        image, i = item // priors, item % priors
        for place in range(loc_classes):
            to = (image * loc_classes + place) * priors + i
            decode_box(code, known, variances, i, given, item * loc_classes + place, found, to)


@entry
def _classes(
    tid: int, nth: int, boxes: Read[Region], scores: Read[Region], kept: Write[Region], counts: Write[Region],
    top: Write[Region], room: Scratch[Region], sizes: Sizes, confidence: float, overlap: float, eta: float,
) -> None:  # fmt: skip
    """What is left of each class of each image: images x classes x top_k numbers, then 0. The top becomes 0."""
    priors, classes, top_k = sizes.priors, sizes.classes, sizes.top_k
    found, left = integers(counts, sizes.images * classes), integer_matrix(kept, sizes.images * classes, top_k)
    order = integers(room + tid * top_k * 28, top_k)
    held = matrix(room + tid * top_k * 28 + top_k * 8, 5, top_k)
    for item in share(sizes.images * classes, tid, nth):
        image, label = item // classes, item % classes
        place, count = image * sizes.loc_classes + (label if sizes.loc_classes > 1 else 0), 0
        if label != sizes.background:
            own = floats(scores + image * priors * classes * 4, priors * classes)
            count = detect_class(
                matrix(boxes + place * priors * 16, priors, 4), own, label, classes, confidence, overlap, eta,
                left[item], order, held,
            )  # fmt: skip
        found[item] = count
        for i in range(count, top_k):
            left[item, i] = 0
    rows = floats(top, sizes.rows * 7)
    for i in share(sizes.rows * 7, tid, nth):
        rows[i] = 0


@entry
def _rows(
    tid: int, nth: int, boxes: Read[Region], scores: Read[Region], kept: Read[Region], counts: Read[Region],
    top: Update[Region], cell: Write[Region], room: Scratch[Region], sizes: Sizes,
) -> None:  # fmt: skip
    """The rows of the top, and in the cell how many there are."""
    if tid > 0:
        return
    priors, classes, top_k = sizes.priors, sizes.classes, sizes.top_k
    found, left = integer_matrix(counts, sizes.images, classes), integer_matrix(kept, sizes.images * classes, top_k)
    most, per_image = classes * top_k, sizes.loc_classes * priors
    best, order, values = integers(room, most), integers(room + most * 8, most), floats(room + most * 16, most)
    rows, end = matrix(top, sizes.rows, 7), 0
    for image in range(sizes.images):
        end = write_rows(
            image, floats(scores + image * priors * classes * 4, priors * classes),
            matrix(boxes + image * per_image * 16, per_image, 4), left[image * classes : (image + 1) * classes],
            found[image], sizes.keep, values, best, order, rows, end,
        )  # fmt: skip
    integers(cell, 1)[0] = end if end > 0 else write_none(rows, sizes.images)


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    g = b.planned(layer).setup.known(DetectionGeometry)
    return "plain" if g.top_k > 0 and g.priors > 0 else None


def forward(b: Builder, layer: int) -> None:
    g = b.planned(layer).setup.known(DetectionGeometry)
    offsets, scores, prior = (b.read_plain(b.bottom(layer, i)).flat for i in range(3))
    top = b.write_plain(b.top(layer)).flat
    sizes = Sizes(
        g.images, g.priors, g.classes, g.loc_classes, g.top_k, g.background, g.keep, top.nbytes // (4 * COLUMNS)
    )  # fmt: skip
    boxes = b.new("boxes", offsets.nbytes)
    found = g.images * g.classes
    kept, counts = b.new("kept boxes", found * g.top_k * 8), b.new("kept boxes", found * 8)
    held = b.new("suppression", b.threads * g.top_k * HELD)
    room = b.new("detections", g.classes * g.top_k * 20)
    cell = b.counted_by(layer, axis=2)
    limits = {"confidence": g.confidence, "overlap": g.overlap, "eta": g.eta}
    launches = [
        _boxes(offsets=offsets, prior=prior, boxes=boxes, sizes=sizes, code=g.code, encoded=g.encoded),
        _classes(boxes=boxes, scores=scores, kept=kept, counts=counts, top=top, room=held, sizes=sizes, **limits),
        _rows(boxes=boxes, scores=scores, kept=kept, counts=counts, top=top, cell=cell, room=room, sizes=sizes),
    ]
    b.emit(launches, "detections")


def backward(b: Builder, step: Step) -> None:
    raise NotImplementedError("it has no gradient")


FAMILY = Family(("DetectionOutput",), accepts, forward, backward)
