"""ProposalTarget: which regions a Fast R-CNN learns from, and what it should say of them (Ren et al. 2015).

Computes:
    The true boxes are added to the regions. A region that overlaps some true box by `fg_overlap` or more is an object
    of the class of the one that it overlaps most; one whose largest overlap is from `bg_low` to below `bg_high` is
    background, class 0. Of the objects at most `fraction` * `samples` are drawn at random, of the background as many
    as are missing to `samples`. Targets are the offsets of a region from its true box, divided by `std`, in the four
    columns of its class; inside and outside weights are 1 there, and 0 elsewhere.

Shapes:
    Bottoms: regions (R x 5: image, x1, y1, x2, y2 in pixels); true boxes, rows of 8 as AnnotatedData gives them, or of
    5 (x1, y1, x2, y2 in pixels, class); and image information (height, width, scale). Tops: regions, B x 5, labels, B,
    then targets, inside and outside weights, B x (4 * `num_classes`). B is at most `samples`; forward tells it.

Gradient:
    None.

Caffe notes:
    The C++ form of py-faster-rcnn's Python layer of this name; `std` is its TRAIN.BBOX_NORMALIZE_STDS. One image at a
    time. The draws are netc's. `num_classes` counts the background.
"""

from dataclasses import dataclass

import numpy as np

from netc.kernels.anchors import drawn, offsets_of, pixel_overlaps
from netc.kernels.philox import fill_uniform
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
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
from netc.role import Holds, Role
from netc.schema.declare import Message, optional, repeated
from netc.setups.truths import BAD_TRUTH, check_pixels, held, pixel_boxes

_NAME = "ProposalTargetParameter"
STD = (0.1, 0.1, 0.2, 0.2)
SIDE = 100.0  # of an image of made-up regions
PARAMETER = Message(
    _NAME,
    (
        optional("num_classes", 1, "uint32", 0, "Classes, the background among them."),
        optional("samples", 2, "uint32", 128, "So many regions come out at most."),
        optional("fraction", 3, "float", 0.25, "Share of these that are objects at most."),
        optional("fg_overlap", 4, "float", 0.5, "From here on a region is an object."),
        optional("bg_high", 5, "float", 0.5, "Below this largest overlap a region is background."),
        optional("bg_low", 6, "float", 0.0, "Regions that overlap less are not looked at."),
        repeated("std", 7, "float", "What offsets are divided by; 0.1, 0.1, 0.2, 0.2 if left out."),
    ),
    doc="Targets of regions.",
    origin="netc",
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Classes, and what offsets are divided by."""

    classes: int
    std: tuple[float, ...]


def setup(site: Site) -> Setup:
    p, regions = site.p, site.bottoms[0]
    if p.num_classes < 2:
        message = "needs num_classes, the background among them"
        site.refuse(BAD_FIELD if p.has("num_classes") else MISSING_FIELD, message, "num_classes")
    std = tuple(p.std) or STD
    if len(std) != 4 or min(std) <= 0:
        site.refuse(BAD_FIELD, "std must be four numbers above 0", "std")
    if not 0 <= p.bg_low <= p.bg_high <= p.fg_overlap <= 1:
        message = f"bg_low: {p.bg_low:g}, bg_high: {p.bg_high:g} and fg_overlap: {p.fg_overlap:g} must be in this order"
        site.refuse(BAD_FIELD, f"{message} within 0 and 1", "bg_low", "bg_high", "fg_overlap")
    if not 0 < p.fraction <= 1 or not p.samples:
        site.refuse(BAD_FIELD, "samples must be at least 1, fraction above 0 and at most 1", "fraction", "samples")
    if len(regions) < 2 or regions[1] != 5 or any(d != 1 for d in regions[2:]):
        shape = format_shape(regions)
        site.refuse(BAD_BOTTOM_SHAPE, f"needs regions as rows of 5 values, but they are {shape}", "bottom")
    check_pixels(site, 1, 2)
    table = (int(p.samples), 4 * int(p.num_classes))
    image = Holds("image", width=SIDE, height=SIDE)
    return Setup(
        tops=((table[0], 5), table[:1], table, table, table),
        reads=(),
        dynamic=True,
        random=True,
        holds=(Holds("regions", high=1, width=SIDE, height=SIDE), held(1, p.num_classes - 1), image),
        geometry=Geometry(int(p.num_classes), std),
    )


def forward(call: Call) -> None:
    p, g = call.p, call.known(Geometry)
    truths = pixel_boxes(call, 1, 2, g.classes - 1).astype(np.float64)
    regions = call.bottoms[0].reshape(-1, 5).astype(np.float64)
    boxes = np.concatenate([regions[:, 1:], truths[:, 1:]])
    images = np.concatenate([regions[:, 0], np.zeros(len(truths))])
    draws = np.empty(len(boxes))
    fill_uniform(draws, call.seed, call.stream, call.iteration)
    overlaps = pixel_overlaps(boxes, truths[:, 1:]) if len(truths) else np.zeros((len(boxes), 1))
    nearest, most = overlaps.argmax(axis=1), overlaps.max(axis=1)
    objects = most >= p.fg_overlap if len(truths) else np.zeros(len(boxes), np.bool_)
    ground = (most < p.bg_high) & (most >= p.bg_low)
    kept = drawn(np.flatnonzero(objects), round(p.fraction * p.samples), draws)
    kept = np.concatenate([kept, drawn(np.flatnonzero(ground), int(p.samples) - len(kept), draws)])
    count, found = len(kept), objects[kept]
    top = call.resize_top(0, (count, 5))
    top[:, 0], top[:, 1:] = images[kept], boxes[kept]
    labels = np.where(found, truths[nearest[kept], 0], 0) if len(truths) else np.zeros(count)
    call.resize_top(1, (count,))[:] = labels
    targets, inner, outer = (call.resize_top(index, (count, 4 * g.classes)) for index in (2, 3, 4))
    targets.fill(0)
    inner.fill(0)
    places, columns = _columns(labels, found)
    if len(places):
        wanted = truths[nearest[kept[places[:, 0]]], 1:]
        targets[places, columns] = offsets_of(boxes[kept[places[:, 0]]], wanted) / np.array(g.std)
        inner[places, columns] = 1
    outer[...] = inner


def _columns(labels: Array, found: Array) -> tuple[Array, Array]:
    """The rows of objects and the four columns of their classes, N x 1 and N x 4."""
    rows = np.flatnonzero(found)
    return rows[:, None], 4 * labels[rows, None].astype(np.intp) + np.arange(4)


def backward(call: Call) -> None:
    """Nothing: no bottom is ever asked for."""


_REGIONS = Input((4, 5), "values", values=(0, 1, 2, 20, 22, 0, 0, 0, 9, 9, 0, 20, 4, 39, 30, 0, 3, 2, 18, 20))
_TRUTHS = Input((1, 1, 2, 8), "values", values=(0, 2, 0, 0.05, 0.1, 0.5, 0.6, 0, *(-1,) * 8))
_PIXELS = Input((2, 5), "values", values=(2, 3, 17, 19, 1, 22, 3, 38, 30, 2))
_INFO = Input((1, 3), "values", values=(32, 40, 1))
_SHAPES = ((4, 5), (1, 1, 2, 8), (1, 3))
_FIELDS = "num_classes: 3 samples: 6"

PROPOSAL_TARGET = LayerType(
    "ProposalTarget",
    __doc__,
    setup,
    forward,
    backward,
    param="proposal_target_param",
    own=Param(
        optional("proposal_target_param", 1126, _NAME, doc="Fields of ProposalTarget.", origin="netc"), (PARAMETER,)
    ),
    bottoms=Arity(3, 3),
    tops=Arity(5, 5),
    differentiable=False,
    origin="netc",
    role=Role("detection", apart=(0, 1, 2)),
    codes=(BAD_TRUTH,),
    examples=(
        Example(f"proposal_target_param {{ {_FIELDS} }}", inputs=(_REGIONS, _TRUTHS, _INFO), tops=5),
        Example(
            "proposal_target_param { num_classes: 3 samples: 3 fraction: 0.5 std: [1, 1, 1, 1] bg_low: 0.1 }",
            inputs=(_REGIONS, _PIXELS, _INFO),
            tops=5,
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=_SHAPES, tops=5),
        Refused(BAD_FIELD, "proposal_target_param { num_classes: 1 }", _SHAPES, 5),
        Refused(BAD_FIELD, f"proposal_target_param {{ {_FIELDS} std: 1 }}", _SHAPES, 5),
        Refused(BAD_FIELD, f"proposal_target_param {{ {_FIELDS} bg_low: 0.6 }}", _SHAPES, 5),
        Refused(BAD_FIELD, f"proposal_target_param {{ {_FIELDS} fraction: 2 }}", _SHAPES, 5),
        Refused(BAD_BOTTOM_SHAPE, f"proposal_target_param {{ {_FIELDS} }}", ((4, 4), *_SHAPES[1:]), 5),
    ),
)
