"""Messages of SSD's fork that several layer types share: boxes in databases, and what is done to images.

Facts (names, wire tags, types, defaults) are those of `src/caffe/proto/caffe.proto` of weiliu89/caffe, branch ssd.
"""

from __future__ import annotations

from netc.schema.declare import Enum, Field, Message, optional, repeated
from netc.schema.forks import SSD


def _distortion(tag: int, name: str, low: str, high: str) -> tuple[Field, ...]:
    return (
        optional(f"{name}_prob", tag, "float", 0.0, f"Probability that the {name} is changed."),
        optional(f"{name}_lower", tag + 1, "float", 0.0, low),
        optional(f"{name}_upper", tag + 2, "float", 0.0, high),
    )


_CORNERS = ((1, "xmin", "Left"), (2, "ymin", "Top"), (3, "xmax", "Right"), (4, "ymax", "Bottom"))

MESSAGES = (
    Message(
        "ResizeParameter",
        (
            optional("prob", 1, "float", 1.0, "Probability that an image is resized."),
            optional("resize_mode", 2, "ResizeParameter.Resize_mode", "WARP", "How the aspect ratio is treated."),
            optional("height", 3, "uint32", 0, "Rows to resize to."),
            optional("width", 4, "uint32", 0, "Columns to resize to."),
            optional("height_scale", 8, "uint32", 0, "Rows that FIT_SMALL_SIZE scales to, if not `height`."),
            optional("width_scale", 9, "uint32", 0, "Columns that FIT_SMALL_SIZE scales to, if not `width`."),
            optional("pad_mode", 5, "ResizeParameter.Pad_mode", "CONSTANT", "What fills the border."),
            repeated("pad_value", 6, "float", "Values that fill the border: one, or one for each channel."),
            repeated("interp_mode", 7, "ResizeParameter.Interp_mode", "Interpolation; one of these at random."),
        ),
        (
            Enum(
                "Resize_mode",
                {"WARP": 1, "FIT_SMALL_SIZE": 2, "FIT_LARGE_SIZE_AND_PAD": 3},
                "Ignore the aspect ratio, keep it by cutting, or keep it by padding.",
            ),
            Enum("Pad_mode", {"CONSTANT": 1, "MIRRORED": 2, "REPEAT_NEAREST": 3}, "What fills the border."),
            Enum("Interp_mode", {"LINEAR": 1, "AREA": 2, "NEAREST": 3, "CUBIC": 4, "LANCZOS4": 5}, "As in OpenCV."),
        ),
        doc="How images are resized.",
        origin=SSD,
    ),
    Message(
        "NoiseParameter",
        (
            optional("prob", 1, "float", 0.0, "The share of images that are spoilt.", ignored="SSD spoils every image"),
            optional("hist_eq", 2, "bool", False, "Equalize the histogram."),
            optional("inverse", 3, "bool", False, "Turn every pixel p into 255 - p."),
            optional("decolorize", 4, "bool", False, "Take the colours away."),
            optional("gauss_blur", 5, "bool", False, "Blur by 7 x 7 Gaussian of standard deviation 1.5."),
            optional("jpeg", 6, "float", -1.0, "Compress as JPEG of this quality; below 0: not."),
            optional("posterize", 7, "bool", False, "Keep four values of each channel."),
            optional("erode", 8, "bool", False, "Erode by a cross of 3 x 3."),
            optional("saltpepper", 9, "bool", False, "Set pixels at random to the values of saltpepper_param."),
            optional("saltpepper_param", 10, "SaltPepperParameter", doc="How many pixels, and to which values."),
            optional("clahe", 11, "bool", False, "Equalize histograms of parts."),
            optional("convert_to_hsv", 12, "bool", False, "Give hue, saturation and value instead of colours."),
            optional("convert_to_lab", 13, "bool", False, "Give L, a and b instead of colours."),
        ),
        doc="How images are spoilt.",
        origin=SSD,
    ),
    Message(
        "SaltPepperParameter",
        (
            optional("fraction", 1, "float", 0.0, "Share of the pixels."),
            repeated("value", 2, "float", "Values of the pixels: one, or one for each channel."),
        ),
        doc="Pixels that are overwritten.",
        origin=SSD,
    ),
    Message(
        "DistortionParameter",
        (
            optional("brightness_prob", 1, "float", 0.0, "Probability that the brightness is changed."),
            optional("brightness_delta", 2, "float", 0.0, "Add up to so much to every pixel, or take it away."),
            *_distortion(3, "contrast", "Smallest factor of pixels.", "Largest factor of pixels."),
            optional("hue_prob", 6, "float", 0.0, "Probability that the hue is changed."),
            optional("hue_delta", 7, "float", 0.0, "Add up to so much to the hue (0 to 180), or take it away."),
            *_distortion(8, "saturation", "Smallest factor of the saturation.", "Largest factor of the saturation."),
            optional("random_order_prob", 11, "float", 0.0, "Probability that channels change places."),
        ),
        doc="How colours are changed at random.",
        origin=SSD,
    ),
    Message(
        "ExpansionParameter",
        (
            optional("prob", 1, "float", 1.0, "Probability that an image is put into a larger one."),
            optional("max_expand_ratio", 2, "float", 1.0, "How many times as high and wide the larger one may be."),
        ),
        doc="How images are put into larger ones, filled with the mean.",
        origin=SSD,
    ),
    Message(
        "EmitConstraint",
        (
            optional("emit_type", 1, "EmitConstraint.EmitType", "CENTER", "What must be inside."),
            optional("emit_overlap", 2, "float", doc="Share of the box that must be inside, for MIN_OVERLAP."),
        ),
        (Enum("EmitType", {"CENTER": 0, "MIN_OVERLAP": 1}, "The centre of the box, or a share of its area."),),
        doc="Which boxes are kept when an image is cut.",
        origin=SSD,
    ),
    Message(
        "NormalizedBBox",
        (
            *(optional(n, t, "float", doc=f"{d}, as a share of the image.") for t, n, d in _CORNERS),
            optional("label", 5, "int32", doc="Class number."),
            optional("difficult", 6, "bool", doc="The object is hard to recognize."),
            optional("score", 7, "float", doc="Confidence."),
            optional("size", 8, "float", doc="Area."),
        ),
        doc="A box; corners are 0 to 1.",
        origin=SSD,
    ),
    Message(
        "Annotation",
        (
            optional("instance_id", 1, "int32", 0, "Number of the object in its group."),
            optional("bbox", 2, "NormalizedBBox", doc="Its box."),
        ),
        doc="An object in an image.",
        origin=SSD,
    ),
    Message(
        "AnnotationGroup",
        (
            optional("group_label", 1, "int32", doc="Class number of the objects."),
            repeated("annotation", 2, "Annotation", "The objects."),
        ),
        doc="The objects of one class in an image.",
        origin=SSD,
    ),
    Message(
        "AnnotatedDatum",
        (
            optional("datum", 1, "Datum", doc="The image."),
            optional("type", 2, "AnnotatedDatum.AnnotationType", doc="Kind of note; without it there is only a label."),
            repeated("annotation_group", 3, "AnnotationGroup", "The objects, by class."),
        ),
        (Enum("AnnotationType", {"BBOX": 0}, "What is noted about an image."),),
        doc="One record of a database of images with boxes.",
        origin=SSD,
    ),
)
