"""Upsample: larger planes, by a pooling mask (SegNet) or by repeating cells (YOLO).

Computes:
    Two bottoms, x and a mask from Pooling's second top (SegNet, Badrinarayanan et al. 2017): a plane of zeros, in which
    cell mask[i] gets x[i]; if two name one cell, the later one stays.
    One bottom (YOLOv3, Redmon & Farhadi 2018): each cell becomes a square of `scale` x `scale` equal cells.

Shapes:
    Height and width are multiplied by `scale` (or `scale_h`, `scale_w`), minus one with `pad_out_h`, `pad_out_w`; or
    they are `upsample_h` and `upsample_w`. The mask has x's shape.

Gradient:
    With a mask, dx[i] = dy[mask[i]]; else dx is the sum of dy over each square. The mask gets none.

Caffe notes:
    Layers of forks. SegNet's `scale` is 2 if left out, YOLO's 1; `pad_out_h` and `pad_out_w` are for planes of odd size
    before a pooling of stride 2. A mask value outside the plane is an error (RUN320), as in SegNet; -1 (an empty
    pooling window) is passed over. YOLO's takes `scale` only.
"""

from netc.errors import Code, Diagnostic, NetError
from netc.jit import kernel
from netc.kernels.geometry import UpsampleGeometry
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    UNSUPPORTED,
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
from netc.role import ANYTHING, Role, whole
from netc.schema.declare import Message, optional

ORIGIN = "SegNet (alexgkendall/caffe-segnet)"
PARAMETER = Message(
    "UpsampleParameter",
    (
        optional("scale", 1, "uint32", 2, "How much larger both sides become."),
        optional("scale_h", 2, "uint32", doc="How much larger the height becomes."),
        optional("scale_w", 3, "uint32", doc="How much larger the width becomes."),
        optional("pad_out_h", 4, "bool", False, "One row less than the scale gives (scale 2 only)."),
        optional("pad_out_w", 5, "bool", False, "One column less than the scale gives (scale 2 only)."),
        optional("upsample_h", 6, "uint32", doc="The height of the top."),
        optional("upsample_w", 7, "uint32", doc="The width of the top."),
    ),
    origin=ORIGIN,
)

MASK_OUT_OF_RANGE = Code(
    "RUN320",
    "a mask of Upsample points outside its plane",
    why="The mask holds the index of a cell in the plane that Pooling saw. If Upsample makes a smaller plane, the cell "
    "does not exist.",
    example='layer { name: "up" type: "Upsample" bottom: "x" bottom: "mask" top: "y" upsample_param { scale: 2 } }',
    fix="Give `upsample_h` and `upsample_w` of the plane before Pooling, or `pad_out_h` / `pad_out_w` for an odd size.",
)


def setup(site: Site) -> Setup:
    bottom = site.bottoms[0]
    if len(bottom) != 4:
        shape = format_shape(bottom)
        site.refuse(BAD_BOTTOM_SHAPE, f"needs num x channels x height x width, but its bottom is {shape}", "bottom")
    masked = len(site.bottoms) > 1
    if masked and site.bottoms[1] != bottom:
        shapes = f"{format_shape(bottom)} and {format_shape(site.bottoms[1])}"
        site.refuse(
            BAD_BOTTOM_SHAPE, f"the mask must have the shape of the first bottom, but they are {shapes}", "bottom"
        )
    height, width, scale = _sizes(site, bottom[2], bottom[3], masked)
    return Setup(
        tops=((*bottom[:2], height, width),),
        reads=("x1",) if masked else (),
        holds=(ANYTHING, whole(height * width)),
        geometry=UpsampleGeometry(bottom[2], bottom[3], height, width, scale),
    )


def _sizes(site: Site, height: int, width: int, masked: bool) -> tuple[int, int, tuple[int, int]]:
    p = site.p
    if p.has("upsample_h") != p.has("upsample_w"):
        site.refuse(BAD_FIELD, "give both upsample_h and upsample_w", "upsample_h", "upsample_w")
    if p.has("upsample_h"):
        if not masked:
            site.refuse(UNSUPPORTED, "upsample_h and upsample_w need a mask as second bottom; use scale", "upsample_h")
        if not p.upsample_h or not p.upsample_w:
            site.refuse(BAD_FIELD, "upsample_h and upsample_w must be at least 1", "upsample_h")
        return p.upsample_h, p.upsample_w, (1, 1)
    if p.has("scale_h") != p.has("scale_w") or (p.has("scale") and p.has("scale_h")):
        site.refuse(BAD_FIELD, "give either scale, or both scale_h and scale_w", "scale_h", "scale_w")
    both = p.scale if masked or p.has("scale") else 1
    scale_h, scale_w = (p.scale_h, p.scale_w) if p.has("scale_h") else (both, both)
    if scale_h < 1 or scale_w < 1:
        site.refuse(BAD_FIELD, "scale must be at least 1", "scale", "scale_h")
    for name, scale in (("pad_out_h", scale_h), ("pad_out_w", scale_w)):
        if getattr(p, name) and (scale != 2 or not masked):
            site.refuse(BAD_FIELD, f"{name} needs a mask and a scale of 2", name)
    return height * scale_h - p.pad_out_h, width * scale_w - p.pad_out_w, (scale_h, scale_w)


@kernel
def _unpool(x: Array, mask: Array, y: Array) -> int:
    """Returns the first position whose mask is outside the plane, or -1."""
    y[:] = 0
    for plane in range(x.shape[0]):
        for i in range(x.shape[1]):
            value = mask[plane, i]
            if not (-1 <= value < y.shape[1]):
                return int(plane * x.shape[1] + i)
            if value >= 0:
                y[plane, int(value)] = x[plane, i]
    return -1


@kernel
def _unpool_backward(dx: Array, mask: Array, dy: Array) -> None:
    for plane in range(dx.shape[0]):
        for i in range(dx.shape[1]):
            value = mask[plane, i]
            dx[plane, i] = dy[plane, int(value)] if 0 <= value < dy.shape[1] else 0


def forward(call: Call) -> None:
    g = call.known(UpsampleGeometry)
    x, y = call.bottoms[0].reshape(-1, g.height * g.width), call.tops[0].reshape(-1, g.top_height * g.top_width)
    if len(call.bottoms) == 1:
        scale_h, scale_w = g.scale
        squares = y.reshape(-1, g.height, scale_h, g.width, scale_w)
        squares[...] = x.reshape(-1, g.height, 1, g.width, 1)
        return
    mask = call.bottoms[1].reshape(x.shape)
    if (wrong := _unpool(x, mask, y)) >= 0:
        cells = f"the top has {y.shape[1]} cells a plane"
        said = f"the mask is {mask.flat[wrong]:g} at position {wrong}, but {cells}"
        raise NetError(Diagnostic.of_layer(call.record, MASK_OUT_OF_RANGE, said))


def backward(call: Call) -> None:
    g = call.known(UpsampleGeometry)
    if (diff := call.bottom_diffs[0]) is None:
        return
    dx, dy = diff.reshape(-1, g.height * g.width), call.top_diffs[0].reshape(-1, g.top_height * g.top_width)
    if len(call.bottoms) > 1:
        _unpool_backward(dx, call.bottoms[1].reshape(dx.shape), dy)
        return
    scale_h, scale_w = g.scale
    dx.reshape(-1, g.height, g.width)[...] = dy.reshape(-1, g.height, scale_h, g.width, scale_w).sum((2, 4))


_MASK = Input((1, 2, 2, 3), "values", values=(0.0, 3.0, 11.0, 12.0, 20.0, 17.0, 1.0, 2.0, 5.0, -1.0, 14.0, 23.0))
_ODD = Input((1, 1, 2, 2), "values", values=(0.0, 2.0, 5.0, 8.0))

UPSAMPLE = LayerType(
    "Upsample",
    __doc__,
    setup,
    forward,
    backward,
    param="upsample_param",
    own=Param(optional("upsample_param", 2141, "UpsampleParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    bottoms=Arity(1, 2),
    differentiable=(True, False),
    codes=(MASK_OUT_OF_RANGE,),
    role=Role("pooling", called={"upsampling": ""}),
    examples=(
        Example("upsample_param { scale: 2 }", inputs=(Input((1, 2, 2, 3)), _MASK)),
        Example("upsample_param { pad_out_h: true pad_out_w: true }", inputs=(Input((1, 1, 2, 2)), _ODD)),
        Example("upsample_param { upsample_h: 3 upsample_w: 3 }", inputs=(Input((1, 1, 2, 2)), _ODD)),
        Example("upsample_param { scale: 3 }"),
        Example("upsample_param { scale_h: 1 scale_w: 2 }"),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4),)),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4, 5), (2, 3, 4, 4))),
        Refused(BAD_FIELD, "upsample_param { scale: 0 }"),
        Refused(BAD_FIELD, "upsample_param { scale_h: 2 }"),
        Refused(BAD_FIELD, "upsample_param { upsample_h: 8 }"),
        Refused(BAD_FIELD, "upsample_param { scale: 3 pad_out_h: true }", bottoms=((2, 3, 4, 5), (2, 3, 4, 5))),
        Refused(UNSUPPORTED, "upsample_param { upsample_h: 8 upsample_w: 10 }"),
    ),
)
