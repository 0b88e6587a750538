"""ArrayData: rows of arrays from an NPZ file or a CSV table.

Computes:
    From an NPZ file each top holds the next `batch_size` rows of the array of its name. From a CSV table the first top
    holds all columns but the label's, the second the column `label` (a name of the first line, or a number from 0), the
    last one if none is given. `transform_param` is for a first top of images (channels x height x width).

Shapes:
    batch_size, then the array's sizes after its first axis; batch_size x columns and batch_size from a table. Only the
    file knows them: where it is not there, `--input blob=SHAPE` says the shape.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer; it reads arrays from HDF5 files.
"""

from netc.layer import ANY, MISSING_FIELD, NONE, SHAPE_UNKNOWN, Example, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.choosing import CLASSES, PART
from netc.schema.declare import Message, optional
from netc.setups.choosing import check_choice

PARAMETER = Message(
    "ArrayDataParameter",
    (
        optional("source", 1, "string", doc="An .npz file, or a table as text (.csv).", origin="netc"),
        optional("batch_size", 2, "uint32", 0, "Rows in a batch.", origin="netc"),
        optional("shuffle", 3, "bool", False, "Another order in every epoch.", origin="netc"),
        optional("label", 4, "string", doc="The label's column of a table.", origin="netc"),
        *PART,
        *CLASSES,
    ),
    doc="Arrays from NPZ and CSV files.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p = site.p
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of rows in a batch", "batch_size")
    check_choice(site)
    if site.given is None:
        message = f'the file "{p.source}" is not there, and only it says which shapes the tops have'
        help = "give the shapes with " + " ".join(f"--input {top}={p.batch_size}x..." for top in site.record.top)
        site.refuse(SHAPE_UNKNOWN, message, "source", help=help)
    return Setup(tops=site.given, reads=())


ARRAY_DATA = LayerType(
    "ArrayData",
    __doc__,
    setup,
    param="array_data_param",
    also=("transform_param",),
    own=Param(
        optional("array_data_param", 1107, "ArrayDataParameter", doc="Fields of ArrayData.", origin="netc"),
        (PARAMETER,),
    ),
    bottoms=NONE,
    tops=ANY,
    source=True,
    origin="netc",
    role=Role("source"),
    examples=(
        Example(
            'array_data_param { source: "iris.csv" batch_size: 10 shuffle: true label: "species" }',
            inputs=(),
            tops=2,
            given=((10, 4), (10,)),
        ),
    ),
    refuses=(
        Refused(SHAPE_UNKNOWN, 'array_data_param { source: "x.npz" batch_size: 2 }', bottoms=(), tops=2),
        Refused(MISSING_FIELD, 'array_data_param { source: "x.npz" }', bottoms=(), tops=2),
    ),
)
