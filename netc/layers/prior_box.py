"""PriorBox: the default boxes of a feature map (SSD, Liu et al. 2016; FaceBoxes, Zhang et al. 2017).

Computes:
    For each cell of the first bottom, boxes around (w + `offset`) * step_w, (h + `offset`) * step_h: for each
    `min_size` s a square of s, with `max_size` m a square of sqrt(s m), and for each aspect ratio r but 1 a box of
    s sqrt(r) by s / sqrt(r). Before them, for each `fixed_size` s with its `density` d, d x d boxes whose centres are
    int(s / d) apart, the first int(s) // 2 before the same point and half a distance after that: of each `fixed_ratio`
    r, or, if there is none, squares and then each aspect ratio. Coordinates are divided by the image's size, and cut to
    0..1 with `clip`; those of fixed sizes always.

Shapes:
    1 x 2 x (height * width * boxes * 4): the boxes (xmin, ymin, xmax, ymax), then the variances of each.

Gradient:
    None: boxes depend on shapes only.

Caffe notes:
    A layer of the SSD fork. Sizes are cut to whole numbers, as there. `flip` (true) adds 1 / r for each r; equal ratios
    count once. The image's size is `img_size`, `img_h` and `img_w`, or else the second bottom's; a step is the image's
    size divided by the map's unless `step` says otherwise. `variance` is one number or four, 0.1 if left out. Fixed
    sizes are those of faceboxes_lqy, whose rule OpenVINO's PriorBox has too; squares without a ratio have whole sides.
    The fork of FaceBoxes' authors has no such fields: it makes 4 x 4 boxes of a `min_size` of 32, 2 x 2 of 64, and all
    sides one pixel shorter. A net for it says here `fixed_size: [32, 64, 128] density: [4, 2, 1]`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

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
from netc.role import Role
from netc.schema.declare import Enum, Message, optional, repeated
from netc.schema.forks import OPENVINO

ORIGIN, FACEBOXES = "SSD (weiliu89/caffe)", "FaceBoxes (lippman1125/faceboxes_lqy)"
PARAMETER = Message(
    "PriorBoxParameter",
    (
        repeated("min_size", 1, "float", "Sides of the small squares, in pixels."),
        repeated("max_size", 2, "float", "Sides of the large squares, one for each min_size or none."),
        repeated("aspect_ratio", 3, "float", "Width divided by height of further boxes."),
        optional("flip", 4, "bool", True, "Also the inverse of each aspect ratio."),
        optional("clip", 5, "bool", False, "Cut boxes to the image."),
        repeated("variance", 6, "float", "What predicted offsets are multiplied by: one number or four."),
        optional("img_size", 7, "uint32", doc="Side of the image."),
        optional("img_h", 8, "uint32", doc="Height of the image."),
        optional("img_w", 9, "uint32", doc="Width of the image."),
        optional("step", 10, "float", doc="Pixels between cells."),
        optional("step_h", 11, "float", doc="Pixels between rows."),
        optional("step_w", 12, "float", doc="Pixels between columns."),
        optional("offset", 13, "float", 0.5, "Where in its cell a box's centre lies."),
        repeated("fixed_size", 2014, "float", "Sides of boxes that stand in a grid, in pixels.", origin=FACEBOXES),
        repeated("fixed_ratio", 2015, "float", "Width divided by height of these boxes.", origin=FACEBOXES),
        repeated("density", 2016, "float", "Rows and columns of each fixed_size's grid.", origin=FACEBOXES),
        repeated("width", 2017, "float", "Widths of PriorBoxClustered's boxes, in pixels.", origin=OPENVINO),
        repeated("height", 2018, "float", "Their heights, one for each width.", origin=OPENVINO),
    ),
    (Enum("CodeType", {"CORNER": 1, "CENTER_SIZE": 2, "CORNER_SIZE": 3}, "How offsets from a box are written."),),
    origin=ORIGIN,
)


class Box(NamedTuple):
    """One box of a cell, in pixels: its size, how far its centre lies from the cell's, and whether it is cut."""

    width: float
    height: float
    right: float = 0.0
    down: float = 0.0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Geometry:
    """The map's size, the image's, the steps, a cell's boxes, and the four variances."""

    height: int
    width: int
    image: tuple[int, int]
    step: tuple[float, float]
    boxes: tuple[Box, ...]
    variance: tuple[float, ...]


def setup(site: Site) -> Setup:
    p = site.p
    for shape in site.bottoms:
        if len(shape) != 4:
            text = format_shape(shape)
            site.refuse(BAD_BOTTOM_SHAPE, f"needs num x channels x height x width, but a bottom is {text}", "bottom")
    height, width = site.bottoms[0][2:]
    image = _image(site)
    step = _step(site, image, (height, width))
    variance = tuple(p.variance) or (0.1,)
    if len(variance) not in {1, 4} or min(variance) <= 0:
        site.refuse(BAD_FIELD, "variance is one positive number or four", "variance")
    boxes = _clustered(site) if site.type.name == "PriorBoxClustered" else (*_fixed(site), *_sized(site))
    g = Geometry(height, width, image, step, boxes, variance * (4 // len(variance)))
    return Setup(tops=((1, 2, height * width * len(boxes) * 4),), reads=(), constant=True, geometry=g)


def _image(site: Site) -> tuple[int, int]:
    p = site.p
    if p.has("img_size") and (p.has("img_h") or p.has("img_w")):
        site.refuse(BAD_FIELD, "give either img_size, or img_h and img_w", "img_size")
    h, w = (p.img_size, p.img_size) if p.has("img_size") else (p.img_h, p.img_w)
    if h and w:
        return h, w
    if p.has("img_size") or p.has("img_h") or p.has("img_w"):
        site.refuse(BAD_FIELD, "img_size, or both img_h and img_w, must be positive", "img_size", "img_h", "img_w")
    if len(site.bottoms) < 2:
        message = "needs a second bottom with the image's shape, or img_size"
        site.refuse(MISSING_FIELD, message, "img_size", "bottom", help=MISSING_FIELD.fix)
    return site.bottoms[1][2], site.bottoms[1][3]


def _step(site: Site, image: tuple[int, int], map_size: tuple[int, int]) -> tuple[float, float]:
    p = site.p
    if p.has("step") and (p.has("step_h") or p.has("step_w")):
        site.refuse(BAD_FIELD, "give either step, or step_h and step_w", "step")
    h, w = (p.step, p.step) if p.has("step") else (p.step_h, p.step_w)
    if h > 0 and w > 0:
        return h, w
    if p.has("step") or p.has("step_h") or p.has("step_w"):
        site.refuse(BAD_FIELD, "step, or both step_h and step_w, must be positive", "step", "step_h", "step_w")
    return image[0] / max(map_size[0], 1), image[1] / max(map_size[1], 1)


def _clustered(site: Site) -> tuple[Box, ...]:
    p = site.p
    if not p.width or len(p.width) != len(p.height):
        site.refuse(MISSING_FIELD, f"needs width and height equally often: {len(p.width)}, {len(p.height)}", "width")
    if min((*p.width, *p.height)) <= 0:
        site.refuse(BAD_FIELD, "width and height must be positive", "width", "height")
    return tuple(Box(width, height) for width, height in zip(p.width, p.height, strict=True))


def _fixed(site: Site) -> Iterator[Box]:
    p = site.p
    if len(p.density) != len(p.fixed_size):
        site.refuse(BAD_FIELD, f"{len(p.density)} density for {len(p.fixed_size)} fixed_size", "density", "fixed_size")
    for size, density in zip(p.fixed_size, p.density, strict=True):
        count = int(density)
        if size <= 0 or count != density or count < 1 or min(p.fixed_ratio, default=1) <= 0:
            site.refuse(BAD_FIELD, "fixed_size and fixed_ratio must be positive, density a whole number", "density")
        whole, shift = int(size), int(size / count)
        start = shift / 2 - whole // 2
        sides = [(size * ratio**0.5, size / ratio**0.5) for ratio in p.fixed_ratio or _ratios(site)]
        for width, height in sides if p.fixed_ratio else [(whole, whole), *sides]:
            for row, column in product(range(count), repeat=2):
                yield Box(width, height, start + column * shift, start + row * shift, True)


def _sized(site: Site) -> Iterator[Box]:
    p = site.p
    if not p.min_size and not p.fixed_size:
        site.refuse(MISSING_FIELD, "needs min_size, the side of the smallest box", "min_size")
    if p.max_size and len(p.max_size) != len(p.min_size):
        site.refuse(BAD_FIELD, f"{len(p.max_size)} max_size for {len(p.min_size)} min_size", "max_size")
    if any(s <= 0 for s in p.min_size) or any(m <= s for s, m in zip(p.min_size, p.max_size, strict=False)):
        site.refuse(BAD_FIELD, "min_size must be positive, and max_size larger than min_size", "max_size", "min_size")
    ratios = _ratios(site)
    for i, written in enumerate(p.min_size):
        small = float(int(written))
        yield Box(small, small)
        if p.max_size:
            large = float(np.sqrt(small * int(p.max_size[i])))
            yield Box(large, large)
        yield from (Box(float(small * np.sqrt(r)), float(small / np.sqrt(r))) for r in ratios)


def _ratios(site: Site) -> list[float]:
    """The aspect ratios but 1, each once, with their inverses if `flip`."""
    ratios = [1.0]
    for ratio in site.p.aspect_ratio:
        if ratio <= 0:
            site.refuse(BAD_FIELD, f"aspect_ratio is {ratio:g}: it must be positive", "aspect_ratio")
        if all(abs(ratio - known) >= 1e-6 for known in ratios):
            ratios.append(ratio)
            if site.p.flip:
                ratios.append(1.0 / ratio)
    return ratios[1:]


def forward(call: Call) -> None:
    g = call.known(Geometry)
    y = call.tops[0].reshape(2, g.height, g.width, len(g.boxes), 4)
    width, height, right, down, cut = np.array(g.boxes, float).T
    centre_x = ((np.arange(g.width) + call.p.offset) * g.step[1])[None, :, None] + right
    centre_y = ((np.arange(g.height) + call.p.offset) * g.step[0])[:, None, None] + down
    boxes: Array = y[0]
    boxes[..., 0] = (centre_x - width / 2) / g.image[1]
    boxes[..., 1] = (centre_y - height / 2) / g.image[0]
    boxes[..., 2] = (centre_x + width / 2) / g.image[1]
    boxes[..., 3] = (centre_y + height / 2) / g.image[0]
    if call.p.clip:
        np.clip(boxes, 0, 1, out=boxes)
    np.maximum(boxes[..., :2], np.where(cut, 0, -np.inf)[:, None], out=boxes[..., :2])
    np.minimum(boxes[..., 2:], np.where(cut, 1, np.inf)[:, None], out=boxes[..., 2:])
    y[1] = g.variance


_MAP = (Input((1, 2, 2, 3)), Input((1, 3, 30, 40)))
_SHAPES = ((1, 2, 2, 3), (1, 3, 30, 40))


def _refused(fields: str) -> Refused:
    return Refused(BAD_FIELD, f"prior_box_param {{ {fields} }}", bottoms=_SHAPES)


PRIOR_BOX = LayerType(
    "PriorBox",
    __doc__,
    setup,
    forward,
    param="prior_box_param",
    own=Param(optional("prior_box_param", 203, "PriorBoxParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    bottoms=Arity(1, 2),
    differentiable=False,
    role=Role("detection"),
    examples=(
        Example("prior_box_param { min_size: 6 max_size: 12 aspect_ratio: 2 aspect_ratio: 3 clip: true }", inputs=_MAP),
        Example(
            "prior_box_param { min_size: 6 min_size: 9.5 aspect_ratio: 2 flip: false step: 8 offset: 0 "
            "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }",
            inputs=_MAP,
        ),
        Example("prior_box_param { min_size: 6 img_size: 30 variance: 0.2 }", inputs=_MAP[:1]),
        Example(
            "prior_box_param { fixed_size: 8 fixed_size: 16 density: 2 density: 1 fixed_ratio: 1 fixed_ratio: 2 }",
            inputs=_MAP,
        ),
        Example("prior_box_param { fixed_size: 9 density: 2 aspect_ratio: 2 min_size: 6 }", inputs=_MAP),
    ),
    refuses=(
        Refused(MISSING_FIELD, "prior_box_param { max_size: 2 }", bottoms=_SHAPES),
        Refused(MISSING_FIELD, "prior_box_param { min_size: 2 }", bottoms=_SHAPES[:1]),
        Refused(BAD_BOTTOM_SHAPE, "prior_box_param { min_size: 2 }", bottoms=((1, 2, 3), (1, 3, 4, 5))),
        _refused("min_size: 6 max_size: 5"),
        _refused("min_size: 6 max_size: 9 max_size: 12"),
        _refused("min_size: 6 variance: 0.1 variance: 0.1"),
        _refused("min_size: 6 img_size: 3 img_h: 3"),
        _refused("min_size: 6 step: 3 step_h: 3"),
        _refused("min_size: 6 step_h: 3"),
        _refused("min_size: 6 img_h: 30"),
        _refused("min_size: 6 aspect_ratio: -1"),
        _refused("fixed_size: 6"),
        _refused("fixed_size: 6 density: 0"),
        _refused("fixed_size: 6 density: 1.5"),
    ),
)

CLUSTERED_DOC = """PriorBoxClustered: default boxes of any widths and heights (OpenVINO).

Computes:
    For each cell of the first bottom, a box of each `width` and `height` around (w + `offset`) * step_w,
    (h + `offset`) * step_h. Coordinates are divided by the image's size, and cut to 0..1 with `clip`.

Shapes:
    1 x 2 x (height * width * boxes * 4): the boxes (xmin, ymin, xmax, ymax), then the variances of each.

Gradient:
    None: boxes depend on shapes only.

Caffe notes:
    A layer of OpenVINO's training toolbox. The image's size, the steps and the variances are as in PriorBox.
"""

PRIOR_BOX_CLUSTERED = LayerType(
    "PriorBoxClustered",
    CLUSTERED_DOC,
    setup,
    forward,
    param="prior_box_param",
    own=PRIOR_BOX.own,
    origin=OPENVINO,
    bottoms=Arity(1, 2),
    differentiable=False,
    examples=(
        Example("prior_box_param { width: 6 width: 9.5 height: 4 height: 12 clip: true }", inputs=_MAP),
        Example("prior_box_param { width: 6 height: 4 step: 8 img_size: 30 }", inputs=_MAP[:1]),
    ),
    refuses=(
        Refused(MISSING_FIELD, "prior_box_param { width: 6 }", bottoms=_SHAPES),
        Refused(MISSING_FIELD, "prior_box_param { min_size: 6 }", bottoms=_SHAPES),
        _refused("width: 6 height: -1"),
    ),
)
