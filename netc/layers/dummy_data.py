"""DummyData: blobs that fillers fill.

Computes:
    Each top is filled by its `data_filler`: zeros if there is none, the one filler if there is one, else one for each
    top. Random fillers draw anew in every iteration.

Shapes:
    One `shape` for each top, or one for all. The old fields `num`, `channels`, `height` and `width` (each given once,
    or once for each top) make 4-d tops.

Gradient:
    None.

Caffe notes:
    Caffe fills constant tops once, before the first iteration; netc's memory is shared between blobs, so they are
    filled in every forward pass, with the same values.
"""

from dataclasses import dataclass
from typing import Any

from netc.kernels.fillers import BAD_FILLER, check, fill
from netc.layer import (
    ANY,
    BAD_FIELD,
    MISSING_FIELD,
    NONE,
    Call,
    Example,
    LayerType,
    RefusalError,
    Refused,
    Setup,
    Shape,
    Site,
    format_shape,
)
from netc.role import Role
from netc.schema.record import Record

_OLD = ("num", "channels", "height", "width")


def _each(site: Site, field: str, least: int) -> list[Any]:
    """The values of a repeated field, one for each top."""
    values, count = list(getattr(site.p, field)), site.top_count
    if len(values) == 1:
        return values * count
    if len(values) != count and not (least == 0 and not values):
        say = MISSING_FIELD if not values else BAD_FIELD
        site.refuse(say, f"needs {field} once, or once for each of its {count} tops; it has {len(values)}", field)
    return values


def _shapes(site: Site) -> tuple[Shape, ...]:
    old = [field for field in _OLD if getattr(site.p, field)]
    if not old:
        return tuple(tuple(int(dim) for dim in shape.dim) for shape in _each(site, "shape", 1))
    if site.p.shape:
        site.refuse(BAD_FIELD, f"has both shape and the old field {old[0]}; give only one of them", old[0])
    return tuple(zip(*(_each(site, field, 1) for field in _OLD), strict=True))


@dataclass(frozen=True, slots=True)
class DummyDataGeometry:
    """What each top is filled with: a FillerParameter, or a constant."""

    fillers: tuple[Record | float, ...]

    @property
    def constant(self) -> tuple[bool, ...]:
        """Of each top, whether it is the same in every iteration."""
        return tuple(not isinstance(filler, Record) or filler.type == "constant" for filler in self.fillers)


def setup(site: Site) -> Setup:
    shapes = _shapes(site)
    for shape in shapes:
        if any(dim < 1 for dim in shape):
            site.refuse(BAD_FIELD, f"shape {format_shape(shape)}: every dim must be at least 1", "shape", *_OLD)
    fillers = _each(site, "data_filler", 0) or [0.0] * site.top_count
    for filler, shape in zip(fillers, shapes, strict=True):
        problem = check(filler, shape, files=False)
        if problem is not None:
            raise RefusalError(problem)
    g = DummyDataGeometry(tuple(fillers))
    return Setup(tops=shapes, reads=(), random=not all(g.constant), geometry=g)


def forward(call: Call) -> None:
    for i, (y, filler) in enumerate(zip(call.tops, call.known(DummyDataGeometry).fillers, strict=True)):
        fill(y, filler, call.seed, call.stream, call.iteration, i)


DUMMY_DATA = LayerType(
    "DummyData",
    __doc__,
    setup,
    forward,
    param="dummy_data_param",
    bottoms=NONE,
    tops=ANY,
    role=Role("source", fed="fillers"),
    examples=(
        Example(
            'dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } data_filler { type: "gaussian" } '
            "data_filler { value: 1 } }",
            inputs=(),
            tops=2,
        ),
        Example("dummy_data_param { num: 2 channels: 3 height: 4 width: 5 num: 1 }", inputs=(), tops=2),
        Example('dummy_data_param { shape { dim: 4 } data_filler { type: "uniform" } }', inputs=(), tops=2),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=()),
        Refused(MISSING_FIELD, "dummy_data_param { num: 2 channels: 3 height: 4 }", bottoms=()),
        Refused(BAD_FIELD, "dummy_data_param { shape { dim: 1 } shape { dim: 2 } }", bottoms=(), tops=3),
        Refused(BAD_FIELD, "dummy_data_param { shape { dim: 1 } num: 2 }", bottoms=()),
        Refused(BAD_FIELD, "dummy_data_param { shape { dim: 1 dim: 0 } }", bottoms=()),
        Refused(BAD_FIELD, "dummy_data_param { shape { dim: 1 } data_filler { } data_filler { } }", bottoms=()),
        Refused(BAD_FILLER, 'dummy_data_param { shape { dim: 1 } data_filler { type: "bilinear" } }', bottoms=()),
    ),
)
