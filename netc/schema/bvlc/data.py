"""Layers that bring data in, and the transformation of images."""

from __future__ import annotations

from netc.schema.choosing import CLASSES, PART
from netc.schema.declare import Enum, Field, Message, optional, repeated
from netc.schema.forks import GREENTEA, SSD

_OLD = "transform_param"
_SEEN = "netc sees it from the files"


def _moved(scale: int, mean_file: int, crop_size: int, mirror: int) -> tuple[Field, ...]:
    """Transformation fields that stood in the data layers before `transform_param` existed."""
    return (
        optional("scale", scale, "float", 1.0, "Multiplies pixel values.", deprecated=_OLD),
        optional("mean_file", mean_file, "string", doc="Mean image to subtract.", deprecated=_OLD),
        optional("crop_size", crop_size, "uint32", 0, "Side of the crop; 0: none.", deprecated=_OLD),
        optional("mirror", mirror, "bool", False, "Flip images at random.", deprecated=_OLD),
    )


_AUGMENTATION = tuple(
    optional(name, tag, type, default, f"{doc}; in TRAIN only.", origin="netc")
    for tag, name, type, default, doc in (
        (1101, "rotation", "float", 0.0, "Turn images by up to so many degrees"),
        (1102, "min_area", "float", 1.0, "Crop parts of at least this share of the area, resized to crop_size"),
        (1103, "max_aspect", "float", 1.3333, "How much longer one side of such a part may be"),
        (1104, "contrast", "float", 0.0, "Change the contrast by up to this share"),
        (1105, "color_shift", "float", 0.0, "Add up to so much to each channel, or take it away"),
        (1106, "lighting", "float", 0.0, "Standard deviation of AlexNet's colour changes (0.1 there)"),
        (1107, "noise", "float", 0.0, "Standard deviation of noise added to each pixel"),
        (1108, "cutout", "uint32", 0, "Side of a square that is set to zero"),
    )
)

_SSD = tuple(
    optional(name, tag, type, default, doc, origin=SSD)
    for tag, name, type, default, doc in (
        (8, "resize_param", "ResizeParameter", None, "Resize images before the crop."),
        (9, "noise_param", "NoiseParameter", None, "Spoil images, after they are resized."),
        (10, "emit_constraint", "EmitConstraint", None, "Which boxes are kept when an image is cut (AnnotatedData)."),
        (11, "crop_h", "uint32", 0, "Rows of the crop, if it is not square; together with crop_w."),
        (12, "crop_w", "uint32", 0, "Columns of the crop, if it is not square; together with crop_h."),
        (13, "distort_param", "DistortionParameter", None, "Change colours at random (AnnotatedData)."),
        (14, "expand_param", "ExpansionParameter", None, "Put images into larger ones at random (AnnotatedData)."),
    )
)

MESSAGES = (
    Message(
        "TransformationParameter",
        (
            optional("scale", 1, "float", 1.0, "Multiplies pixel values after the mean is subtracted."),
            optional("mirror", 2, "bool", False, "Flip images left to right at random."),
            optional("crop_size", 3, "uint32", 0, "Side of the square crop: random in TRAIN, central in TEST; 0: off."),
            optional("mean_file", 4, "string", doc="File with the mean image to subtract."),
            repeated("mean_value", 5, "float", "Mean to subtract: one for all channels, or one each."),
            optional("force_color", 6, "bool", False, "Decode images to 3 channels."),
            optional("force_gray", 7, "bool", False, "Decode images to 1 channel."),
            *_SSD,
            *_AUGMENTATION,
        ),
        doc="What is done to an image before it enters the net.",
    ),
    Message(
        "DataParameter",
        (
            optional("source", 1, "string", doc="Path of the database."),
            optional("batch_size", 4, "uint32", doc="Images in a batch."),
            optional("rand_skip", 7, "uint32", 0, "Skip up to this many records at the start."),
            optional("backend", 8, "DataParameter.DB", "LEVELDB", "Kind of database.", ignored=_SEEN),
            *_moved(2, 3, 5, 6),
            optional("force_encoded_color", 9, "bool", False, "Decode images to 3 channels."),
            optional("prefetch", 10, "uint32", 4, "Batches read ahead."),
            *PART,
            *CLASSES,
        ),
        (Enum("DB", {"LEVELDB": 0, "LMDB": 1}, "Kind of database."),),
        doc="Images from a database of `Datum` records.",
    ),
    Message(
        "ImageDataParameter",
        (
            optional("source", 1, "string", doc="Text file with a path and a label in each line."),
            optional("batch_size", 4, "uint32", 1, "Images in a batch."),
            optional("rand_skip", 7, "uint32", 0, "Skip up to this many lines at the start."),
            optional("shuffle", 8, "bool", False, "Shuffle the lines every epoch."),
            optional("new_height", 9, "uint32", 0, "Resize images to this height; 0: as they are."),
            optional("new_width", 10, "uint32", 0, "Resize images to this width; 0: as they are."),
            optional("is_color", 11, "bool", True, "Read 3 channels, not 1."),
            *_moved(2, 3, 5, 6),
            optional("root_folder", 12, "string", "", "Put before every path."),
            *PART,
            *CLASSES,
        ),
        doc="Images from files listed in a text file.",
    ),
    Message(
        "WindowDataParameter",
        (
            optional("source", 1, "string", doc="Text file with images and their windows."),
            optional("scale", 2, "float", 1.0, "Multiplies pixel values.", deprecated=_OLD),
            optional("mean_file", 3, "string", doc="Mean image to subtract.", deprecated=_OLD),
            optional("batch_size", 4, "uint32", doc="Windows in a batch."),
            optional("crop_size", 5, "uint32", 0, "Side a window is warped to.", deprecated=_OLD),
            optional("mirror", 6, "bool", False, "Flip windows at random.", deprecated=_OLD),
            optional("fg_threshold", 7, "float", 0.5, "Overlap from which a window is foreground."),
            optional("bg_threshold", 8, "float", 0.5, "Overlap below which a window is background."),
            optional("fg_fraction", 9, "float", 0.25, "Share of foreground windows in a batch."),
            optional("context_pad", 10, "uint32", 0, "Pixels of context around a window, after warping."),
            optional("crop_mode", 11, "string", "warp", "warp or square."),
            optional("cache_images", 12, "bool", False, "Keep all image files in memory."),
            optional("root_folder", 13, "string", "", "Put before every path."),
            *PART,
            *CLASSES,
        ),
        doc="Windows of images, for detection.",
    ),
    Message(
        "HDF5DataParameter",
        (
            optional("source", 1, "string", doc="Text file with the path of an HDF5 file in each line."),
            optional("batch_size", 2, "uint32", doc="Rows in a batch."),
            optional("shuffle", 3, "bool", False, "Shuffle files, and rows within a file, every epoch."),
            *PART,
            *CLASSES,
        ),
        doc="Arrays from HDF5 files.",
    ),
    Message(
        "HDF5OutputParameter",
        (optional("file_name", 1, "string", doc="HDF5 file to write the bottoms to."),),
        doc="Writes blobs to an HDF5 file.",
    ),
    Message(
        "MemoryDataParameter",
        (
            optional("batch_size", 1, "uint32", doc="Images in a batch."),
            optional("channels", 2, "uint32", doc="Channels of an image."),
            optional("height", 3, "uint32", doc="Rows of an image."),
            optional("width", 4, "uint32", doc="Columns of an image."),
            repeated("dim", 1001, "uint32", "Sizes of the batch, batch_size first.", origin=GREENTEA),
        ),
        doc="Arrays that a program hands over.",
    ),
    Message(
        "DummyDataParameter",
        (
            repeated("data_filler", 1, "FillerParameter", "How to fill each top; none: zeros, one: for all tops."),
            repeated("shape", 6, "BlobShape", "Shape of each top, or one for all."),
            repeated("num", 2, "uint32", "First of four sizes.", deprecated="shape"),
            repeated("channels", 3, "uint32", "Second of four sizes.", deprecated="shape"),
            repeated("height", 4, "uint32", "Third of four sizes.", deprecated="shape"),
            repeated("width", 5, "uint32", "Fourth of four sizes.", deprecated="shape"),
        ),
        doc="Blobs filled by fillers.",
    ),
    Message(
        "InputParameter",
        (repeated("shape", 1, "BlobShape", "Shape of each top, or one for all."),),
        doc="Blobs that a program fills.",
    ),
)
