"""IDXData: images and labels from IDX files, the format of MNIST's, plain or compressed with gzip.

Computes:
    Batches of images, transformed as `transform_param` says, and, if there is a second top, of their labels. `first`
    and `count` take a part of the files.

Shapes:
    batch_size x channels x height x width, and batch_size. The sizes are those of the files; where they are not there
    they are assumed from `crop_size`, with 1 channel.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer; it makes a database of MNIST first, as `netc data mnist` does.
"""

from netc.layer import MISSING_FIELD, NONE, SHAPE_UNKNOWN, Arity, Example, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.choosing import CLASSES
from netc.schema.declare import Message, optional
from netc.setups.choosing import check_choice

PARAMETER = Message(
    "IDXDataParameter",
    (
        optional("source", 1, "string", doc="IDX file with images.", origin="netc"),
        optional("labels", 2, "string", doc="IDX file with their labels.", origin="netc"),
        optional("batch_size", 3, "uint32", 0, "Images in a batch.", origin="netc"),
        optional("shuffle", 4, "bool", False, "Another order in every epoch.", origin="netc"),
        optional("first", 5, "uint32", 0, "Number of the first image to take.", origin="netc"),
        optional("count", 6, "uint32", 0, "How many images to take; 0: all.", origin="netc"),
        *CLASSES,
    ),
    doc="Images from MNIST's files.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    check_choice(site)
    p = site.p
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of images in a batch", "batch_size")
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    side = int(site.record.transform_param.crop_size)
    if not side:
        files = f'the files "{p.source}" and "{p.labels}" are' if site.top_count > 1 else f'the file "{p.source}" is'
        help = f"give the shape with --input {site.record.top[0]}={p.batch_size}x1xHEIGHTxWIDTH"
        site.refuse(SHAPE_UNKNOWN, f"{files} not there, and no crop_size says how large the images are", help=help)
    return Setup(tops=((p.batch_size, 1, side, side), (p.batch_size,))[: site.top_count], reads=())


IDX_DATA = LayerType(
    "IDXData",
    __doc__,
    setup,
    param="idx_data_param",
    also=("transform_param",),
    own=Param(
        optional("idx_data_param", 1106, "IDXDataParameter", doc="Fields of IDXData.", origin="netc"), (PARAMETER,)
    ),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    origin="netc",
    role=Role("source"),
    examples=(
        Example(
            'idx_data_param { source: "train-images-idx3-ubyte.gz" labels: "train-labels-idx1-ubyte.gz" '
            "batch_size: 64 shuffle: true } transform_param { scale: 0.00390625 }",
            inputs=(),
            tops=2,
            given=((64, 1, 28, 28), (64,)),
        ),
        Example('idx_data_param { source: "x" batch_size: 2 } transform_param { crop_size: 5 }', inputs=()),
    ),
    refuses=(
        Refused(SHAPE_UNKNOWN, 'idx_data_param { source: "x" labels: "y" batch_size: 2 }', bottoms=(), tops=2),
        Refused(MISSING_FIELD, 'idx_data_param { source: "x" labels: "y" }', bottoms=(), tops=2),
    ),
)
