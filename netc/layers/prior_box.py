"""PriorBox: the default boxes of a feature map (SSD, Liu et al. 2016).

Computes:
    For each cell of the first bottom, boxes around (w + `offset`) * step_w, (h + `offset`) * step_h: for each
    `min_size` s a square of s, with `max_size` m a square of sqrt(s m), and for each aspect ratio r but 1 a box of
    s sqrt(r) by s / sqrt(r). Coordinates are divided by the image's size, and cut to 0..1 with `clip`.

Shapes:
    1 x 2 x (height * width * boxes * 4): the boxes (xmin, ymin, xmax, ymax), then the variances of each.

Gradient:
    None: boxes depend on shapes only.

Caffe notes:
    A layer of the SSD fork. Sizes are cut to whole numbers, as there. `flip` (true) adds 1 / r for each r; equal ratios
    count once. The image's size is `img_size`, `img_h` and `img_w`, or else the second bottom's; a step is the image's
    size divided by the map's unless `step` says otherwise. `variance` is one number or four, 0.1 if left out.
"""

from dataclasses import dataclass
from typing import Any

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
from netc.schema.declare import Enum, Message, optional, repeated

ORIGIN = "SSD (weiliu89/caffe)"
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
    ),
    (Enum("CodeType", {"CORNER": 1, "CENTER_SIZE": 2, "CORNER_SIZE": 3}, "How offsets from a box are written."),),
    origin=ORIGIN,
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The map's size, the image's, the steps, the boxes' widths and heights, and the four variances."""

    height: int
    width: int
    image: tuple[int, int]
    step: tuple[float, float]
    sizes: tuple[tuple[float, float], ...]
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
    sizes = _sizes(site)
    g = Geometry(height, width, image, step, sizes, variance * (4 // len(variance)))
    return Setup(tops=((1, 2, height * width * len(sizes) * 4),), reads=(), geometry=g)


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
        site.refuse(MISSING_FIELD, "needs a second bottom with the image's shape, or img_size", "img_size", "bottom")
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


def _sizes(site: Site) -> tuple[tuple[float, float], ...]:
    p = site.p
    if not p.min_size:
        site.refuse(MISSING_FIELD, "needs min_size, the side of the smallest box", "min_size")
    if p.max_size and len(p.max_size) != len(p.min_size):
        site.refuse(BAD_FIELD, f"{len(p.max_size)} max_size for {len(p.min_size)} min_size", "max_size")
    if any(s <= 0 for s in p.min_size) or any(m <= s for s, m in zip(p.min_size, p.max_size, strict=False)):
        site.refuse(BAD_FIELD, "min_size must be positive, and max_size larger than min_size", "max_size", "min_size")
    ratios = _ratios(p)
    sizes: list[tuple[float, float]] = []
    for i, written in enumerate(p.min_size):
        small = float(int(written))
        sizes.append((small, small))
        if p.max_size:
            large = float(np.sqrt(small * int(p.max_size[i])))
            sizes.append((large, large))
        sizes += [(float(small * np.sqrt(r)), float(small / np.sqrt(r))) for r in ratios]
    return tuple(sizes)


def _ratios(p: Any) -> list[float]:
    """The aspect ratios but 1, each once, with their inverses if `flip`."""
    ratios = [1.0]
    for ratio in p.aspect_ratio:
        if all(abs(ratio - known) >= 1e-6 for known in ratios) and ratio > 0:
            ratios.append(ratio)
            if p.flip:
                ratios.append(1.0 / ratio)
    return ratios[1:]


def forward(call: Call) -> None:
    g: Geometry = call.g
    y = call.tops[0].reshape(2, g.height, g.width, len(g.sizes), 4)
    centre_x = ((np.arange(g.width) + call.p.offset) * g.step[1])[None, :, None]
    centre_y = ((np.arange(g.height) + call.p.offset) * g.step[0])[:, None, None]
    half = np.array(g.sizes).reshape(-1, 2) / 2
    boxes: Array = y[0]
    boxes[..., 0] = (centre_x - half[:, 0]) / g.image[1]
    boxes[..., 1] = (centre_y - half[:, 1]) / g.image[0]
    boxes[..., 2] = (centre_x + half[:, 0]) / g.image[1]
    boxes[..., 3] = (centre_y + half[:, 1]) / g.image[0]
    if call.p.clip:
        np.clip(boxes, 0, 1, out=boxes)
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
    examples=(
        Example("prior_box_param { min_size: 6 max_size: 12 aspect_ratio: 2 aspect_ratio: 3 clip: true }", inputs=_MAP),
        Example(
            "prior_box_param { min_size: 6 min_size: 9.5 aspect_ratio: 2 flip: false step: 8 offset: 0 "
            "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }",
            inputs=_MAP,
        ),
        Example("prior_box_param { min_size: 6 img_size: 30 variance: 0.2 }", inputs=_MAP[:1]),
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
    ),
)
