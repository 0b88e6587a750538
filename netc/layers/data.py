"""Data: images and labels from a database (LMDB or LevelDB) of `Datum` records.

Computes:
    Batches of images, transformed as `transform_param` says, and, if there is a second top, of their labels.

Shapes:
    batch_size x channels x height x width, and batch_size. The sizes are those of the data; where it is not there they
    are assumed from `crop_size` (or `resize_param`) and 3 channels, 1 with `force_gray`.

Gradient:
    None.

Caffe notes:
    The old fields `scale`, `mean_file`, `crop_size` and `mirror` are ignored, as in Caffe (SCH026).
"""

from netc.kernels.image_shape import image_shape
from netc.layer import MISSING_FIELD, NONE, SHAPE_UNKNOWN, Arity, Example, LayerType, Refused, Setup, Site
from netc.role import Role
from netc.setups.choosing import check_choice


def setup(site: Site) -> Setup:
    check_choice(site)
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    p = site.p
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of images in a batch", "batch_size")
    image = image_shape(site.record.transform_param)
    if image is None:
        message = f'the data "{p.source}" is not there, and no crop_size says how large its images are'
        help = f"give the shape with --input {site.record.top[0]}={p.batch_size}x3xHEIGHTxWIDTH"
        site.refuse(SHAPE_UNKNOWN, message, "source", help=help)
    return Setup(tops=((p.batch_size, *image), (p.batch_size,))[: site.top_count], reads=())


DATA = LayerType(
    "Data",
    __doc__,
    setup,
    param="data_param",
    also=("transform_param",),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    role=Role("source"),
    examples=(
        Example(
            'data_param { source: "train_lmdb" batch_size: 64 backend: LMDB } '
            "transform_param { crop_size: 227 mirror: true mean_value: 104 mean_value: 117 mean_value: 123 }",
            inputs=(),
            tops=2,
        ),
        Example(
            'data_param { source: "x" batch_size: 2 } transform_param { crop_size: 8 force_gray: true }', inputs=()
        ),
        Example('data_param { source: "x" batch_size: 2 } transform_param { resize_param { height: 8 width: 9 } }', ()),
    ),
    refuses=(
        Refused(MISSING_FIELD, "transform_param { crop_size: 8 }", bottoms=()),
        Refused(SHAPE_UNKNOWN, 'data_param { source: "x" batch_size: 2 }', bottoms=(), tops=2),
    ),
)
