"""AnnotatedData: images and their boxes from a database of `AnnotatedDatum` records.

Computes:
    Batches of images, transformed as `transform_param` says, and, if there is a second top, of their boxes: item,
    label, number of the box, four corners, and whether it is difficult. Colours are changed (`distort_param`), images
    are put into larger ones (`expand_param`), a part is taken (`batch_sampler`), which is resized, spoilt, cropped and
    mirrored; boxes follow, and `emit_constraint` says which of those that are cut are kept.

Shapes:
    batch_size x channels x height x width, and 1 x 1 x (batch_size * `max_boxes`) x 8, where rows that are not used are
    -1. batch_size numbers if the records have labels and no boxes. Where the data is not there the sizes are assumed
    from `crop_size`, `crop_h` and `crop_w`, or `resize_param`, with 3 channels (1 with `force_gray`).

Gradient:
    None.

Caffe notes:
    A layer of SSD's fork (Liu et al. 2016). There the second top has as many rows as there are boxes; layers that read
    it pass over rows of -1. More boxes in a batch than there are rows are an error (DAT018): raise `max_boxes`.
    Images are not compressed between the steps, as they are there. Of several constraints of a sample only the first
    kind (jaccard_overlap, sample_coverage, object_coverage) decides, as there.
"""

from netc.kernels.image_shape import image_shape
from netc.layer import (
    BAD_FIELD,
    MISSING_FIELD,
    NONE,
    SHAPE_UNKNOWN,
    UNSUPPORTED,
    Arity,
    Example,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
)
from netc.role import Role
from netc.schema.declare import Enum, Field, Message, optional, repeated
from netc.setups.choosing import check_choice

SSD = "SSD (weiliu89/caffe)"
YOLO = "MobileNet-YOLO (eric612/MobileNet-YOLO)"
NOT_YOLO = "images and boxes are read and changed as by SSD"
MOST_BOXES = 256
_OVERLAPS = ("jaccard_overlap", "sample_coverage", "object_coverage")


def _bounds(tag: int, name: str, doc: str) -> tuple[Field, Field]:
    return (
        optional(f"min_{name}", tag, "float", doc=f"Smallest {doc}.", origin=SSD),
        optional(f"max_{name}", tag + 1, "float", doc=f"Largest {doc}.", origin=SSD),
    )


_YOLO = (
    optional("yolo_data_type", 4, "int32", 0, "Kind of augmentation.", origin=YOLO, ignored=NOT_YOLO),
    optional("yolo_data_jitter", 5, "float", 0.3, "How far images are shifted.", origin=YOLO, ignored=NOT_YOLO),
    optional("train_diffcult", 6, "bool", False, "Train with difficult boxes.", origin=YOLO, ignored=NOT_YOLO),
    optional("single_class", 7, "bool", True, "One class in segmentation.", origin=YOLO, ignored=NOT_YOLO),
    optional("seg_scales", 8, "int32", 8, "Scale of segmentation labels.", origin=YOLO, ignored=NOT_YOLO),
    optional("seg_resize_width", 9, "int32", 0, "Width of segmentation labels.", origin=YOLO, ignored=NOT_YOLO),
    optional("seg_resize_height", 10, "int32", 0, "Height of segmentation labels.", origin=YOLO, ignored=NOT_YOLO),
)

MESSAGES = (
    Message(
        "Sampler",
        (
            optional("min_scale", 1, "float", 1.0, "Smallest area of the sample, as a share of the image.", origin=SSD),
            optional("max_scale", 2, "float", 1.0, "Largest area of the sample.", origin=SSD),
            optional("min_aspect_ratio", 3, "float", 1.0, "Smallest width / height.", origin=SSD),
            optional("max_aspect_ratio", 4, "float", 1.0, "Largest width / height.", origin=SSD),
        ),
        doc="How a random part of an image is drawn.",
        origin=SSD,
    ),
    Message(
        "SampleConstraint",
        tuple(f for i, n in enumerate(_OVERLAPS) for f in _bounds(2 * i + 1, n, n.replace("_", " "))),
        doc="Which random parts of an image are used.",
        origin=SSD,
    ),
    Message(
        "BatchSampler",
        (
            optional("use_original_image", 1, "bool", True, "Sample from the whole image.", origin=SSD),
            optional("sampler", 2, "Sampler", doc="How a part is drawn.", origin=SSD),
            optional("sample_constraint", 3, "SampleConstraint", doc="Which parts are used.", origin=SSD),
            optional("max_sample", 4, "uint32", doc="Stop after this many parts.", origin=SSD),
            optional("max_trials", 5, "uint32", 100, "Draw at most so often.", origin=SSD),
        ),
        doc="Random parts of an image.",
        origin=SSD,
    ),
    Message(
        "AnnotatedDataParameter",
        (
            repeated("batch_sampler", 1, "BatchSampler", "Random parts of the image to use instead.", origin=SSD),
            optional(
                "label_map_file", 2, "string", doc="Names of the labels.", origin=SSD, ignored="labels are numbers"
            ),
            optional("anno_type", 3, "AnnotatedDataParameter.AnnotationType", "BBOX", "Kind of note.", origin=SSD),
            *_YOLO,
            optional("max_boxes", 1001, "uint32", MOST_BOXES, "Rows of the second top for each image.", origin="netc"),
        ),
        (Enum("AnnotationType", {"BBOX": 0}, "What is noted about an image."),),
        doc="Images with boxes.",
        origin=SSD,
    ),
)


def setup(site: Site) -> Setup:
    boxes = site.record.annotated_data_param
    for field in _YOLO:
        if boxes.has(field.name):
            message = f"{field.name} is ignored: images are sampled and changed as SSD does it"
            site.warn(UNSUPPORTED, message, "annotated_data_param", help=f"take {field.name} out")
    if not boxes.max_boxes:
        site.refuse(BAD_FIELD, "max_boxes must be at least 1", "annotated_data_param")
    check_choice(site, labels=False)
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    p = site.p
    if not p.batch_size:
        site.refuse(
            MISSING_FIELD,
            "needs data_param { batch_size: ... }, the number of images in a batch",
            "batch_size",
            help=MISSING_FIELD.fix,
        )
    image = image_shape(site.record.transform_param)
    if image is None:
        message = f'the data "{p.source}" is not there, and no crop_size or resize_param says how large its images are'
        help = f"give the shape with --input {site.record.top[0]}={p.batch_size}x3xHEIGHTxWIDTH"
        site.refuse(SHAPE_UNKNOWN, message, "source", help=help)
    rows = int(p.batch_size) * int(boxes.max_boxes)
    return Setup(tops=((p.batch_size, *image), (1, 1, rows, 8))[: site.top_count], reads=())


ANNOTATED_DATA = LayerType(
    "AnnotatedData",
    __doc__,
    setup,
    param="data_param",
    also=(
        "annotated_data_param",
        "transform_param",
    ),
    own=Param(
        optional("annotated_data_param", 200, "AnnotatedDataParameter", doc="Boxes and samples.", origin=SSD), MESSAGES
    ),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    origin=SSD,
    role=Role("source"),
    examples=(
        Example(
            'data_param { source: "voc_lmdb" batch_size: 8 backend: LMDB } '
            "transform_param { resize_param { height: 300 width: 300 } } "
            'annotated_data_param { batch_sampler { max_sample: 1 max_trials: 1 } label_map_file: "voc.prototxt" }',
            inputs=(),
            tops=2,
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, "transform_param { crop_size: 8 }", bottoms=()),
        Refused(SHAPE_UNKNOWN, 'data_param { source: "x" batch_size: 2 }', bottoms=(), tops=2),
        Refused(BAD_FIELD, "annotated_data_param { max_boxes: 0 }", bottoms=()),
    ),
)
