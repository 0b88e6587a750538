"""GridTarget and GridOutput: fields that say what the maps of a detector are, and the check of these maps."""

from __future__ import annotations

from netc.kernels.grid import GridMap
from netc.layer import BAD_BOTTOM_SHAPE, BAD_FIELD, MISSING_FIELD, Shape, Site, format_shape
from netc.schema.declare import optional, repeated

FIELDS = (
    optional("classes", 1, "uint32", 0, "Classes of objects, without the background."),
    repeated("anchor", 2, "float", "Width and height of each anchor: of cells, or of pixels with `stride`."),
    repeated("mask", 3, "uint32", "Which anchors the maps have, from 0, map by map; all in order if none is named."),
    repeated("stride", 4, "float", "What anchors are divided by to be in cells, for each map or for all; 1 if unset."),
)
"""The first fields of both messages. YOLO v2 gives anchors in cells, v3 in pixels of the net's input."""


def grid_maps(site: Site, shapes: tuple[Shape, ...]) -> tuple[GridMap, ...]:
    """The maps of these shapes; refuses what the fields or shapes cannot be."""
    p, values = site.p, 5 + site.p.classes
    for name in ("classes", "anchor"):
        if not p.has(name) or not getattr(p, name):
            site.refuse(MISSING_FIELD, f"needs {name}", name)
    if len(p.anchor) % 2 or min(p.anchor) <= 0:
        message = f"anchor must be pairs of a width and a height above 0, but has {len(p.anchor)} numbers"
        site.refuse(BAD_FIELD, message, "anchor")
    strides = tuple(p.stride) or (1.0,)
    if len(strides) not in (1, len(shapes)) or min(strides) <= 0:
        site.refuse(BAD_FIELD, f"stride must be above 0, one number or one for each of {len(shapes)} maps", "stride")
    if len(strides) == 1:
        strides *= len(shapes)
    anchors = tuple(zip(p.anchor[::2], p.anchor[1::2], strict=True))
    counts = [_anchors(site, shape, values, index) for index, shape in enumerate(shapes)]
    mask = _mask(site, len(anchors), sum(counts))
    maps = []
    for shape, count, stride in zip(shapes, counts, strides, strict=True):
        own, mask = mask[:count], mask[count:]
        cells = tuple((width / stride, height / stride) for width, height in anchors)
        maps.append(GridMap(shape[2], shape[3], p.classes, cells, own))
    return tuple(maps)


def _anchors(site: Site, shape: Shape, values: int, index: int) -> int:
    """How many anchors a map has, by its channels."""
    if len(shape) != 4 or shape[0] != site.bottoms[0][0] or not shape[1] or shape[1] % values:
        wanted = f"{values} values (4 of the box, 1 of the object, {values - 5} of the classes) for each anchor"
        message = f"needs a map of num x channels x H x W with {wanted}, but it is {format_shape(shape)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", "classes", index=index)
    return shape[1] // values


def _mask(site: Site, anchors: int, count: int) -> tuple[int, ...]:
    mask = tuple(site.p.mask) or tuple(range(anchors))
    if len(mask) != count or max(mask) >= anchors or len(set(mask)) != len(mask):
        named = f"mask names {len(mask)}" if site.p.mask else f"there are {anchors}"
        message = f"the channels of its maps are for {count} anchors, but {named}"
        wrong = f"mask must name each anchor once, from 0 to {anchors - 1}"
        site.refuse(BAD_FIELD, message if len(mask) != count else wrong, "mask", "anchor")
    return mask
