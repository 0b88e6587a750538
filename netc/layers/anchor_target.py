"""AnchorTarget: what a region proposal network should say of its anchors (Faster R-CNN, Ren et al. 2015).

Computes:
    The anchors are Proposal's: boxes of area (`base_size` * scale)^2 for each `ratio` and `scale` at every cell. Those
    within the image are told 1 if they overlap a true box by `positive_overlap` or more, or overlap some true box most
    of all; 0 if they overlap none by `negative_overlap`; all others -1. Of the ones at most `fraction` * `samples` are
    kept, of the zeros as many as are missing to `samples`, drawn at random; the rest becomes -1, too. Targets are the
    offsets of each anchor from the true box that it overlaps most. Inside weights are 1 where the label is 1, outside
    weights 1 divided by how many are kept where one is.

Shapes:
    Bottoms: scores of the network, 1 x (2 * anchors) x H x W, of which only the shape is read; true boxes, rows of 8 as
    AnnotatedData gives them, or of 5 (x1, y1, x2, y2 in pixels, class); and image information (height, width, scale).
    Tops: labels, 1 x 1 x (anchors * H) x W, then targets, inside and outside weights, 1 x (4 * anchors) x H x W.

Gradient:
    None.

Caffe notes:
    The C++ form of py-faster-rcnn's Python layer of this name, with the anchors of Proposal. One image at a time.
    Labels go to a SoftmaxWithLoss with `ignore_label: -1` over the scores as 1 x 2 x (anchors * H) x W, the others to
    a SmoothL1Loss. The draws are netc's.
"""

from dataclasses import dataclass

import numpy as np

from netc.kernels.anchors import anchor_boxes, drawn, everywhere, offsets_of, pixel_overlaps
from netc.kernels.philox import fill_uniform
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import ANYTHING, Holds, Role
from netc.schema.declare import Message, optional, repeated
from netc.setups.truths import BAD_TRUTH, check_pixels, held, pixel_boxes

_NAME = "AnchorTargetParameter"
PARAMETER = Message(
    _NAME,
    (
        optional("feat_stride", 1, "uint32", 16, "Pixels between cells."),
        optional("base_size", 2, "uint32", 16, "Side of the anchor of ratio 1 and scale 1, in pixels."),
        repeated("ratio", 3, "float", "Height divided by width of the anchors; 0.5, 1 and 2 if left out."),
        repeated("scale", 4, "float", "Sizes of the anchors, in base_size; 8, 16 and 32 if left out."),
        optional("positive_overlap", 5, "float", 0.7, "From here on an anchor is told 1."),
        optional("negative_overlap", 6, "float", 0.3, "Below this overlap with every true box it is told 0."),
        optional("samples", 7, "uint32", 256, "So many anchors are told something at most."),
        optional("fraction", 8, "float", 0.5, "Share of these that is told 1 at most."),
        optional("border", 9, "float", 0.0, "Pixels that an anchor may reach over the image."),
    ),
    doc="Targets of anchors.",
    origin="netc",
)
MOST_CLASSES = 1 << 24


@dataclass(frozen=True, eq=False, slots=True)
class Geometry:
    """The map's size, and all anchors of it, anchor by anchor."""

    height: int
    width: int
    anchors: Array


def setup(site: Site) -> Setup:
    p, scores = site.p, site.bottoms[0]
    ratios, scales = tuple(p.ratio) or (0.5, 1.0, 2.0), tuple(p.scale) or (8.0, 16.0, 32.0)
    for name, values in (("ratio", ratios), ("scale", scales), ("base_size", (p.base_size,))):
        if min(values) <= 0:
            site.refuse(BAD_FIELD, f"{name} must be positive", name)
    if not 0 <= p.negative_overlap <= p.positive_overlap <= 1:
        message = f"negative_overlap: {p.negative_overlap:g} and positive_overlap: {p.positive_overlap:g} must be in "
        site.refuse(BAD_FIELD, message + "this order within 0 and 1", "negative_overlap", "positive_overlap")
    if not 0 < p.fraction <= 1 or not p.samples:
        site.refuse(BAD_FIELD, "samples must be at least 1, fraction above 0 and at most 1", "fraction", "samples")
    check_pixels(site, 1, 2)
    anchors = anchor_boxes(p.base_size, ratios, scales)
    if len(scores) != 4 or scores[:2] != (1, 2 * len(anchors)) or 0 in scores:
        message = f"{len(anchors)} anchors need scores of 1x{2 * len(anchors)}xHxW, but they are {format_shape(scores)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    height, width = scores[2:]
    offsets = (1, 4 * len(anchors), height, width)
    return Setup(
        tops=((1, 1, len(anchors) * height, width), offsets, offsets, offsets),
        reads=(),
        random=True,
        holds=(ANYTHING, held(1, 2), Holds("image", width=width * p.feat_stride, height=height * p.feat_stride)),
        geometry=Geometry(height, width, everywhere(anchors, p.feat_stride, height, width)),
    )


def forward(call: Call) -> None:
    p, g = call.p, call.known(Geometry)
    height, width = call.bottoms[2].ravel()[:2]
    truths = pixel_boxes(call, 1, 2, MOST_CLASSES)[:, 1:]
    low, high = g.anchors[:, :2], g.anchors[:, 2:]
    inside = np.flatnonzero((low >= -p.border).all(axis=1) & (high < (width + p.border, height + p.border)).all(axis=1))
    labels, targets = np.full(len(g.anchors), -1.0), np.zeros((len(g.anchors), 4))
    if len(truths) and len(inside):
        overlaps = pixel_overlaps(g.anchors[inside], truths)
        nearest, most = overlaps.argmax(axis=1), overlaps.max(axis=1)
        best = overlaps.max(axis=0)
        chosen = (most >= p.positive_overlap) | ((overlaps == best) & (best > 0)).any(axis=1)
        labels[inside] = np.where(chosen, 1, np.where(most < p.negative_overlap, 0, -1))
        targets[inside] = offsets_of(g.anchors[inside], truths[nearest])
    else:
        labels[inside] = 0
    _sample(call, labels)
    _write(call, g, labels, targets)


def _sample(call: Call, labels: Array) -> None:
    """Take labels back that are too many."""
    draws, p = np.empty(len(labels)), call.p
    fill_uniform(draws, call.seed, call.stream, call.iteration)
    positives = drawn(np.flatnonzero(labels == 1), int(p.fraction * p.samples), draws)
    negatives = drawn(np.flatnonzero(labels == 0), int(p.samples) - len(positives), draws)
    labels.fill(-1)
    labels[positives], labels[negatives] = 1, 0


def _write(call: Call, g: Geometry, labels: Array, targets: Array) -> None:
    """Labels and offsets by anchor, row and column; offsets of an anchor are four channels."""
    top, offsets, inner, outer = call.tops
    top.reshape(-1)[:] = labels
    counts, shape = labels >= 0, (-1, 4, g.height, g.width)
    for blob, values in (
        (offsets, targets * counts[:, None]),
        (inner, np.repeat(labels[:, None] == 1, 4, axis=1)),
        (outer, np.repeat(counts[:, None], 4, axis=1) / max(1, int(counts.sum()))),
    ):
        blob.reshape(shape)[...] = np.moveaxis(values.reshape(-1, g.height, g.width, 4), -1, 1)


def backward(call: Call) -> None:
    """Nothing: no bottom is ever asked for."""


_FIELDS = "feat_stride: 8 base_size: 8 ratio: 1 scale: 1 scale: 2"
_TRUTHS = Input((1, 1, 2, 8), "values", values=(0, 1, 0, 0.1, 0.1, 0.5, 0.6, 0, *(-1,) * 8))
_PIXELS = Input((2, 5), "values", values=(2, 3, 17, 19, 1, 20, 1, 30, 12, 2))
_INFO = Input((1, 3), "values", values=(32, 40, 1))
_SHAPES = ((1, 4, 4, 5), (1, 1, 2, 8), (1, 3))

ANCHOR_TARGET = LayerType(
    "AnchorTarget",
    __doc__,
    setup,
    forward,
    backward,
    param="anchor_target_param",
    own=Param(optional("anchor_target_param", 1125, _NAME, doc="Fields of AnchorTarget.", origin="netc"), (PARAMETER,)),
    bottoms=Arity(3, 3),
    tops=Arity(4, 4),
    differentiable=False,
    origin="netc",
    role=Role("detection"),
    codes=(BAD_TRUTH,),
    examples=(
        Example(f"anchor_target_param {{ {_FIELDS} }}", inputs=(Input((1, 4, 4, 5)), _TRUTHS, _INFO), tops=4),
        Example(
            f"anchor_target_param {{ {_FIELDS} samples: 6 border: 4 positive_overlap: 0.3 }}",
            inputs=(Input((1, 4, 4, 5)), _PIXELS, _INFO),
            tops=4,
        ),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=_SHAPES, tops=4),
        Refused(BAD_BOTTOM_SHAPE, f"anchor_target_param {{ {_FIELDS} }}", (_SHAPES[0], (2, 6), (1, 3)), 4),
        Refused(BAD_BOTTOM_SHAPE, f"anchor_target_param {{ {_FIELDS} }}", (*_SHAPES[:2], (1, 2)), 4),
        Refused(BAD_FIELD, "anchor_target_param { ratio: 0 }", _SHAPES, 4),
        Refused(BAD_FIELD, f"anchor_target_param {{ {_FIELDS} negative_overlap: 0.8 }}", _SHAPES, 4),
        Refused(BAD_FIELD, f"anchor_target_param {{ {_FIELDS} fraction: 0 }}", _SHAPES, 4),
    ),
)
