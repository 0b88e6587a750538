"""WindowData: parts of images and their labels, for training detectors (R-CNN, Girshick et al. 2014).

Computes:
    Batches of windows, warped to `crop_size` x `crop_size`, a share `fg_fraction` of them foreground, and their labels
    (0 for background).

Shapes:
    batch_size x 3 x crop_size x crop_size, and batch_size.

Gradient:
    None.

Caffe notes:
    `crop_size` is required, in `transform_param` or as the old field.
"""

from netc.layer import MISSING_FIELD, NONE, UNSUPPORTED, Arity, Example, LayerType, Refused, Setup, Site
from netc.role import Role
from netc.setups.choosing import check_choice


def setup(site: Site) -> Setup:
    check_choice(site)
    if site.p.has("together"):
        message = "windows are drawn one by one, so that none stand together: take `together` out"
        site.refuse(UNSUPPORTED, message, "together")
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    p = site.p
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of windows in a batch", "batch_size")
    side = int(site.record.transform_param.crop_size or p.crop_size)
    if not side:
        message = "needs transform_param { crop_size: ... }, the side that windows are warped to"
        site.refuse(MISSING_FIELD, message, "crop_size", help=MISSING_FIELD.fix)
    return Setup(tops=((p.batch_size, 3, side, side), (p.batch_size,)), reads=())


WINDOW_DATA = LayerType(
    "WindowData",
    __doc__,
    setup,
    param="window_data_param",
    also=("transform_param",),
    bottoms=NONE,
    tops=Arity(2, 2),
    source=True,
    role=Role("source"),
    examples=(
        Example(
            'window_data_param { source: "windows.txt" batch_size: 128 fg_threshold: 0.5 context_pad: 16 } '
            "transform_param { crop_size: 227 }",
            inputs=(),
            tops=2,
        ),
        Example('window_data_param { source: "x" batch_size: 2 crop_size: 8 }', inputs=(), tops=2),
    ),
    refuses=(
        Refused(MISSING_FIELD, 'window_data_param { source: "x" batch_size: 2 }', bottoms=(), tops=2),
        Refused(MISSING_FIELD, 'window_data_param { source: "x" crop_size: 2 }', bottoms=(), tops=2),
    ),
)
