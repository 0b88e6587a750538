"""ImageFolder: images from a folder that has a folder for each class.

Computes:
    Batches of images, resized to `new_height` x `new_width` if given and transformed as `transform_param` says, and, if
    there is a second top, of their labels: the place of the image's class folder among all, by name, from 0. `split`
    takes a part of each class: of every class, `test_share` of the images (at least one of two) are the test split and
    the others the train split. Which ones depends on the names of the files only, so it is the same in every run.

Shapes:
    batch_size x channels x height x width, and batch_size; 3 channels, 1 with `is_color: false`. Where the folder is
    not there the sizes are assumed from `crop_size`, or else `new_height` and `new_width`.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. `netc data images FOLDER train_lmdb` makes a database of the same images for it.
"""

from netc.kernels.image_shape import image_shape
from netc.layer import (
    BAD_FIELD,
    MISSING_FIELD,
    NONE,
    SHAPE_UNKNOWN,
    Arity,
    Example,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
)
from netc.role import Role
from netc.schema.choosing import CLASSES, PART
from netc.schema.declare import Message, optional
from netc.setups.choosing import check_choice

PARAMETER = Message(
    "ImageFolderParameter",
    (
        optional("source", 1, "string", doc="Folder with a folder of images for each class.", origin="netc"),
        optional("batch_size", 2, "uint32", 0, "Images in a batch.", origin="netc"),
        optional("shuffle", 3, "bool", False, "Another order in every epoch.", origin="netc"),
        optional("new_height", 4, "uint32", 0, "Resize images to this height; 0: as they are.", origin="netc"),
        optional("new_width", 5, "uint32", 0, "Resize images to this width; 0: as they are.", origin="netc"),
        optional("is_color", 6, "bool", True, "Read 3 channels, not 1.", origin="netc"),
        optional("split", 7, "string", "all", "all, or a part of each class: train or test.", origin="netc"),
        optional("test_share", 8, "float", 0.2, "Share of each class that is in the test split.", origin="netc"),
        *PART,
        *CLASSES,
    ),
    doc="Images in a folder for each class.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p = site.p
    check_choice(site)
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of images in a batch", "batch_size")
    if bool(p.new_height) != bool(p.new_width):
        site.refuse(BAD_FIELD, "needs both new_height and new_width, or none of them", "new_height", "new_width")
    if p.split not in {"all", "train", "test"}:
        site.refuse(BAD_FIELD, f'split: "{p.split}" must be "all", "train" or "test"', "split")
    if not 0 < p.test_share < 1:
        site.refuse(BAD_FIELD, f"test_share: {p.test_share:g} must be between 0 and 1", "test_share")
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    resize = (int(p.new_height), int(p.new_width))
    image = image_shape(site.record.transform_param, resize=resize, gray=not p.is_color)
    if image is None:
        message = f'the folder "{p.source}" is not there, and no crop_size or new_height says how large its images are'
        shape = f"--input {site.record.top[0]}={p.batch_size}x3xHEIGHTxWIDTH"
        help = f"put it there, or correct the path; or give the shape with {shape}"
        site.refuse(SHAPE_UNKNOWN, message, "source", help=help)
    return Setup(tops=((p.batch_size, *image), (p.batch_size,))[: site.top_count], reads=())


IMAGE_FOLDER = LayerType(
    "ImageFolder",
    __doc__,
    setup,
    param="image_folder_param",
    also=("transform_param",),
    own=Param(
        optional("image_folder_param", 1105, "ImageFolderParameter", doc="Fields of ImageFolder.", origin="netc"),
        (PARAMETER,),
    ),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    origin="netc",
    role=Role("source"),
    examples=(
        Example(
            'image_folder_param { source: "flowers" batch_size: 32 new_height: 256 new_width: 256 shuffle: true } '
            "transform_param { crop_size: 227 mirror: true }",
            inputs=(),
            tops=2,
        ),
        Example(
            'image_folder_param { source: "x" batch_size: 2 new_height: 5 new_width: 6 is_color: false }', inputs=()
        ),
    ),
    refuses=(
        Refused(SHAPE_UNKNOWN, 'image_folder_param { source: "x" batch_size: 2 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'image_folder_param { source: "x" batch_size: 2 new_height: 2 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'image_folder_param { source: "x" batch_size: 2 split: "val" }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'image_folder_param { source: "x" batch_size: 2 test_share: 1 }', bottoms=(), tops=2),
        Refused(MISSING_FIELD, 'image_folder_param { source: "x" new_height: 2 }', bottoms=(), tops=2),
    ),
)
