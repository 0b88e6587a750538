"""Input: blobs that a program fills.

Computes:
    Nothing: the values are put into the tops from outside.

Shapes:
    One `shape` for each top, or one for all. `--input blob=SHAPE` on the command line goes before them.

Gradient:
    None.

Caffe notes:
    Caffe allows tops without a shape and lets the program reshape them before it runs the net. netc asks for the shape
    when it plans the net.
"""

from netc.layer import (
    ANY,
    BAD_FIELD,
    MISSING_FIELD,
    NONE,
    Example,
    LayerType,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import Role


def setup(site: Site) -> Setup:
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    shapes, count = site.p.shape, site.top_count
    if not shapes:
        blob = site.record.top[0] if site.record.top else "blob"
        message = "its tops have no shape; add `input_param { shape { dim: ... } }`"
        site.refuse(MISSING_FIELD, message, "shape", help=f"or give the shape with --input {blob}=1x3x224x224")
    if len(shapes) not in {1, count}:
        site.refuse(BAD_FIELD, f"needs one shape or {count}, one for each top, but has {len(shapes)}", "shape")
    tops = tuple(tuple(int(dim) for dim in shape.dim) for shape in shapes)
    for top in tops:
        if any(dim < 1 for dim in top):
            site.refuse(BAD_FIELD, f"shape {format_shape(top)}: every dim must be at least 1", "shape")
    return Setup(tops=tops if len(tops) == count else tops * count, reads=())


INPUT = LayerType(
    "Input",
    __doc__,
    setup,
    param="input_param",
    also=("transform_param",),
    bottoms=NONE,
    tops=ANY,
    source=True,
    role=Role("source", fed="caller"),
    examples=(
        Example("input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }", inputs=()),
        Example("input_param { shape { dim: 2 dim: 3 } }", inputs=(), tops=2),
        Example("input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } }", inputs=(), tops=2),
        Example("input_param { shape { } }", inputs=()),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=()),
        Refused(BAD_FIELD, "input_param { shape { dim: 2 } shape { dim: 2 } }", bottoms=(), tops=3),
        Refused(BAD_FIELD, "input_param { shape { dim: 2 dim: 0 } }", bottoms=()),
        Refused(BAD_FIELD, "input_param { shape { dim: -1 dim: 3 } }", bottoms=()),
    ),
)
