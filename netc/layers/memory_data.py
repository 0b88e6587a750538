"""MemoryData: images and labels that a program hands over.

Computes:
    Nothing: the values are put into the tops from outside.

Shapes:
    batch_size x channels x height x width (or the sizes in `dim`, the batch first), and one label for each item.

Gradient:
    None.

Caffe notes:
    `dim` is a field of the Greentea fork, for images with more than two spatial axes.
"""

from netc.layer import MISSING_FIELD, NONE, Arity, Example, LayerType, Refused, Setup, Site
from netc.role import Role

_SIZES = ("batch_size", "channels", "height", "width")


def setup(site: Site) -> Setup:
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    p = site.p
    shape = tuple(int(size) for size in p.dim or (getattr(p, field) for field in _SIZES))
    if 0 in shape:
        missing = "dim" if p.dim else _SIZES[shape.index(0)]
        site.refuse(MISSING_FIELD, f"needs {missing} of at least 1", missing)
    return Setup(tops=(shape, shape[:1]), reads=())


MEMORY_DATA = LayerType(
    "MemoryData",
    __doc__,
    setup,
    param="memory_data_param",
    also=("transform_param",),
    bottoms=NONE,
    tops=Arity(2, 2),
    source=True,
    role=Role("source", fed="push"),
    examples=(
        Example("memory_data_param { batch_size: 1 channels: 3 height: 256 width: 256 }", inputs=(), tops=2),
        Example("memory_data_param { dim: 1 dim: 2 dim: 16 dim: 44 dim: 44 }", inputs=(), tops=2),
    ),
    refuses=(
        Refused(MISSING_FIELD, "memory_data_param { batch_size: 1 channels: 3 height: 256 }", bottoms=(), tops=2),
        Refused(MISSING_FIELD, "memory_data_param { dim: 1 dim: 0 }", bottoms=(), tops=2),
    ),
)
