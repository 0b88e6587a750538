"""ImageData: images and labels from files that a text file lists.

Computes:
    Batches of images, resized to `new_height` x `new_width` if given and transformed as `transform_param` says, and
    their labels. Each line of `source` is a path (after `root_folder`) and a label; or several, in all lines as many as
    in the first, after the name of an image file: `a.png 1 0.5`.

Shapes:
    batch_size x channels x height x width, and batch_size (x labels, if each image has several); 3 channels, 1 with
    `is_color: false`. Where the files are not there the sizes are assumed from `crop_size`, or else `new_height` and
    `new_width`.

Gradient:
    None.

Caffe notes:
    Caffe reads one whole number a line (3.7 as 3); here labels are the numbers that are written. The
    old fields `scale`, `mean_file`, `crop_size` and `mirror` are ignored, as in Caffe (SCH026). Either both
    or none of `new_height` and `new_width` must be given.
"""

from netc.kernels.image_shape import image_shape
from netc.layer import BAD_FIELD, NONE, SHAPE_UNKNOWN, Arity, Example, LayerType, Refused, Setup, Site
from netc.role import Role
from netc.setups.choosing import check_choice


def setup(site: Site) -> Setup:
    check_choice(site)
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    p = site.p
    if not p.batch_size:
        site.refuse(BAD_FIELD, "batch_size must be at least 1", "batch_size")
    if bool(p.new_height) != bool(p.new_width):
        site.refuse(BAD_FIELD, "needs both new_height and new_width, or none of them", "new_height", "new_width")
    resize = (int(p.new_height), int(p.new_width))
    image = image_shape(site.record.transform_param, resize=resize, gray=not p.is_color)
    if image is None:
        message = f'the list "{p.source}" is not there, and no crop_size or new_height says how large its images are'
        help = f"give the shape with --input {site.record.top[0]}={p.batch_size}x3xHEIGHTxWIDTH"
        site.refuse(SHAPE_UNKNOWN, message, "source", help=help)
    return Setup(tops=((p.batch_size, *image), (p.batch_size,))[: site.top_count], reads=())


IMAGE_DATA = LayerType(
    "ImageData",
    __doc__,
    setup,
    param="image_data_param",
    also=("transform_param",),
    bottoms=NONE,
    tops=Arity(2, 2),
    source=True,
    role=Role("source"),
    examples=(
        Example(
            'image_data_param { source: "train.txt" batch_size: 50 new_height: 256 new_width: 256 shuffle: true } '
            "transform_param { crop_size: 227 mirror: true }",
            inputs=(),
            tops=2,
        ),
        Example('image_data_param { source: "x" new_height: 5 new_width: 6 is_color: false }', inputs=(), tops=2),
    ),
    refuses=(
        Refused(SHAPE_UNKNOWN, 'image_data_param { source: "x" batch_size: 2 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'image_data_param { source: "x" new_height: 2 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, 'image_data_param { source: "x" batch_size: 0 }', bottoms=(), tops=2),
    ),
)
