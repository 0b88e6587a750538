"""HDF5Data: arrays from HDF5 files that a text file lists.

Computes:
    Each top holds the next `batch_size` rows of the dataset of its name.

Shapes:
    batch_size, then the dataset's sizes after its first axis. Only the files know them: where they are not there,
    `--input blob=SHAPE` says the shape.

Gradient:
    None.

Caffe notes:
    With `shuffle` files and the rows within a file are shuffled, but rows of different files are not mixed. A
    `transform_param` is refused, as in Caffe.
"""

from netc.layer import ANY, MISSING_FIELD, NONE, SHAPE_UNKNOWN, UNSUPPORTED, Example, LayerType, Refused, Setup, Site
from netc.role import Role
from netc.setups.choosing import check_choice


def setup(site: Site) -> Setup:
    p = site.p
    if site.record.has("transform_param"):
        site.refuse(UNSUPPORTED, "does not transform data, as in Caffe; take `transform_param` out", "transform_param")
    check_choice(site)
    if site.given is None:
        if not p.batch_size:
            site.refuse(MISSING_FIELD, "needs batch_size, the number of rows in a batch", "batch_size")
        message = f'the list "{p.source}" is not there, and only its files say which shapes the tops have'
        help = "give the shapes with " + " ".join(f"--input {top}={p.batch_size}x..." for top in site.record.top)
        site.refuse(SHAPE_UNKNOWN, message, "source", help=help)
    return Setup(tops=site.given, reads=())


HDF5_DATA = LayerType(
    "HDF5Data",
    __doc__,
    setup,
    param="hdf5_data_param",
    also=("transform_param",),
    bottoms=NONE,
    tops=ANY,
    source=True,
    role=Role("source"),
    examples=(
        Example(
            'hdf5_data_param { source: "train.txt" batch_size: 10 shuffle: true }',
            inputs=(),
            tops=2,
            given=((10, 8), (10,)),
        ),
    ),
    refuses=(
        Refused(SHAPE_UNKNOWN, 'hdf5_data_param { source: "x" batch_size: 2 }', bottoms=(), tops=2),
        Refused(MISSING_FIELD, 'hdf5_data_param { source: "x" }', bottoms=(), tops=2),
        Refused(UNSUPPORTED, "transform_param { scale: 2 }", bottoms=(), tops=2),
    ),
)
