"""DenseImageData: pairs of an image and an image of labels, from files that a text file lists.

Computes:
    Batches of images, resized to `new_height` x `new_width` if given, and of their labels, one for each pixel. Each
    line of `source` is the path of an image and the path of its labels, an image of grey values: the value of a pixel
    is its label. Labels are resized by taking the nearest, and cropped and mirrored as their image is.

Shapes:
    batch_size x channels x height x width, and batch_size x 1 x height x width; 3 channels, 1 with `is_color: false`.
    With `label_divide_factor` labels have that part of the height and width.

Gradient:
    None.

Caffe notes:
    A layer of SegNet's fork (Badrinarayanan et al. 2015); `label_divide_factor` and `mirror` are those of ENet's.
    With `batch_size: 1` each image may have a size of its own. There labels with colours are read as brightness; here
    they are an error.
"""

from netc.kernels.image_shape import image_shape
from netc.layer import BAD_FIELD, NONE, SHAPE_UNKNOWN, Arity, Example, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.choosing import PART
from netc.schema.declare import Message, optional

SEGNET, ENET = "SegNet (alexgkendall/caffe-segnet)", "ENet (TimoSaemann/ENet)"

PARAMETER = Message(
    "DenseImageDataParameter",
    (
        optional("source", 1, "string", doc="Text file with two paths in each line.", origin=SEGNET),
        optional("batch_size", 4, "uint32", 1, "Images in a batch.", origin=SEGNET),
        optional("rand_skip", 7, "uint32", 0, "Skip up to this many lines at the start.", origin=SEGNET),
        optional("shuffle", 8, "bool", False, "Shuffle the lines every epoch.", origin=SEGNET),
        optional("new_height", 9, "uint32", 0, "Resize images to this height; 0: as they are.", origin=SEGNET),
        optional("new_width", 10, "uint32", 0, "Resize images to this width; 0: as they are.", origin=SEGNET),
        optional("is_color", 11, "bool", True, "Read 3 channels, not 1.", origin=SEGNET),
        optional("root_folder", 12, "string", "", "Put before every path.", origin=SEGNET),
        optional("label_divide_factor", 13, "uint32", 1, "Divides the labels' height and width.", origin=SEGNET),
        optional("mirror", 1006, "bool", False, "Flip images and labels at random.", origin=ENET),
        *PART,
    ),
    doc="Images with a label for each pixel.",
    origin=SEGNET,
)


def setup(site: Site) -> Setup:
    p = site.p
    for name in ("batch_size", "label_divide_factor"):
        if not getattr(p, name):
            site.refuse(BAD_FIELD, f"{name} must be at least 1", name)
    if bool(p.new_height) != bool(p.new_width):
        site.refuse(BAD_FIELD, "new_height and new_width go together", "new_height", "new_width")
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    resize = (int(p.new_height), int(p.new_width))
    image = image_shape(site.record.transform_param, resize=resize, gray=not p.is_color)
    if image is None:
        data, label = site.record.top
        message = f'the list "{p.source}" is not there, and no new_height and new_width say how large its images are'
        help = f"give the shapes with --input {data}={p.batch_size}x3xHxW --input {label}={p.batch_size}x1xHxW"
        site.refuse(SHAPE_UNKNOWN, message, "source", help=help)
    labels = (side // int(p.label_divide_factor) for side in image[1:])
    return Setup(tops=((p.batch_size, *image), (p.batch_size, 1, *labels)), reads=())


DENSE_IMAGE_DATA = LayerType(
    "DenseImageData",
    __doc__,
    setup,
    param="dense_image_data_param",
    also=("transform_param",),
    own=Param(
        optional("dense_image_data_param", 2191, "DenseImageDataParameter", doc="Fields of the layer.", origin=SEGNET),
        (PARAMETER,),
    ),
    bottoms=NONE,
    tops=Arity(2, 2),
    source=True,
    origin=SEGNET,
    role=Role("source"),
    examples=(
        Example(
            'dense_image_data_param { source: "train.txt" batch_size: 4 new_height: 360 new_width: 480 shuffle: true }',
            inputs=(),
            tops=2,
        ),
        Example(
            'dense_image_data_param { source: "x" batch_size: 2 new_height: 64 new_width: 128 label_divide_factor: 8 }',
            inputs=(),
            tops=2,
        ),
    ),
    refuses=(
        Refused(SHAPE_UNKNOWN, 'dense_image_data_param { source: "x" batch_size: 4 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'dense_image_data_param { source: "x" batch_size: 0 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'dense_image_data_param { source: "x" label_divide_factor: 0 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'dense_image_data_param { source: "x" new_height: 9 }', bottoms=(), tops=2),
    ),
)
