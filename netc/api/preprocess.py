"""From an image file to a net's input: what the data layer did in training, stored in the model, done again."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.codes import MEAN_FILE
from netc.data.find import classes, probe
from netc.data.images import read_image
from netc.data.paths import find
from netc.data.resize import resize
from netc.data.rows import parse_npy
from netc.errors import Code, Diagnostic, NetError
from netc.files import read_regular
from netc.layer import Array, Shape, format_shape
from netc.plan.model import Plan
from netc.schema.record import Record
from netc.schema.registry import base_schema
from netc.schema.scan import BYTES, WireError, scan
from netc.schema.weights import MOST_BYTES, parse_blob, read_blob, read_file
from netc.schema.weights_write import write_blob
from netc.schema.wire import decode

BAD_MEAN = Code(
    "RUN052",
    "the mean cannot be used",
    why="A mean is one number, one number for each channel (blue, green, red), or an image as a .binaryproto or .npy "
    "file. The message says what was given instead.",
    example="netc predict deploy.prototxt --weights w.caffemodel --mean 104,117 photo.jpg",
    fix="netc predict deploy.prototxt --weights w.caffemodel --mean 104,117,123 photo.jpg",
)
_FIELD = 1001  # `preprocessing` of NetParameter


@dataclass(frozen=True)
class Preprocessing:
    """Resize to `size` (height, width), subtract `mean`, cut out the centre, multiply by `scale`.

    channels: 3 (blue first) or 1. size: None for the crop's own size, or the input's without a crop. crop: 0 for none.
    mean: None, channels x 1 x 1, or an image of `size`. Values are 0..255 before. class_names: what class N of the
    labels is called, where the data says it.
    """

    channels: int = 3
    size: tuple[int, int] | None = None
    crop: int = 0
    mean: Array | None = None
    scale: float = 1.0
    class_names: tuple[str, ...] = ()

    def __call__(self, image: Array, shape: Shape) -> Array:
        """An image (height x width x channels, uint8) as an input (channels x height x width, of this shape).

        Raises BadRecordError if the input takes no images, or the mean or the crop does not fit it.
        """
        if len(shape) != 3 or shape[0] != image.shape[2]:
            raise BadRecordError(f"the net's input is {format_shape(shape)}, which is no image; give values as .npz")
        height, width = self.size or ((self.crop, self.crop) if self.crop else shape[1:])
        values = resize(image, height, width).transpose(2, 0, 1).astype(np.float32)
        if self.mean is not None:
            if self.mean.shape not in (values.shape, (shape[0], 1, 1)):
                raise BadRecordError(f"the mean is {format_shape(self.mean.shape)}, the image {shape_of(values)}")
            values -= self.mean
        height, width = shape[1:]
        row, column = (values.shape[1] - height) // 2, (values.shape[2] - width) // 2
        if row < 0 or column < 0:
            raise BadRecordError(f"the image is {shape_of(values)} after resizing, the input {format_shape(shape)}")
        return values[:, row : row + height, column : column + width] * np.float32(self.scale)


def undone(how: Preprocessing, values: Array) -> Array:
    """The picture (height x width x 3, uint8, red first) that an input (1 or 3 channels x height x width) was made of.

    A mean image is taken as its mean: where it was cut out is not kept.
    """
    pixels = values.astype(np.float64) / (how.scale or 1.0)
    if how.mean is not None:
        pixels += how.mean.mean(axis=(1, 2), keepdims=True)
    shown = np.nan_to_num(pixels).round().clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(shown, (3, *shown.shape[1:]))[::-1].transpose(1, 2, 0))


def shape_of(array: Array) -> str:
    return format_shape(array.shape)


def read(path: Path, how: Preprocessing, shape: Shape) -> Array:
    """An image file as an input of this shape. Raises BadRecordError."""
    return how(read_image(path, "gray" if shape[0] == 1 else "color"), shape)


def of_layer(record: Record, shape: Shape) -> Preprocessing | None:
    """What a data layer with tops of this shape does to images in TEST; None if its first top holds none.

    Raises NetError(DAT007) for a mean file that cannot be read.
    """
    if len(shape) != 4 or shape[1] not in (1, 3):
        return None
    channels = shape[1]
    if record.type == "Digits":  # pixels are 0..16 there
        return Preprocessing(channels, None, 0, None, record.digits_param.scale * 16 / 255)
    if record.type == "Input" and not record.has("transform_param"):
        return None
    p = record.transform_param
    mean = _mean(record, channels)
    size = _size(record) or (mean.shape[1:] if mean is not None and mean.shape[1:] != (1, 1) else _first_size(record))
    return Preprocessing(channels, size, int(p.crop_size), mean, float(p.scale), classes_of(record))


def classes_of(record: Record, own: object = None) -> tuple[str, ...]:
    """What class N of a data layer's labels is called, () where its data does not say it or cannot be read."""
    try:
        return classes(record, own)
    except NetError:  # the data layer itself says what is wrong with its data
        return ()


def _size(record: Record) -> tuple[int, int] | None:
    """What images are resized to: new_height and new_width of the layer's own fields, or SSD's resize_param."""
    for value in record.values.values():
        if isinstance(value, Record) and value.values.get("new_height") and value.values.get("new_width"):
            return int(value.new_height), int(value.new_width)
    p = record.transform_param
    if p.has("resize_param") and p.resize_param.resize_mode == "WARP":
        return int(p.resize_param.height), int(p.resize_param.width)
    return None


def _first_size(record: Record) -> tuple[int, int] | None:
    """Of images that are cropped: the size of the first one, before the crop; None if the data is not there."""
    p = record.transform_param
    if not p.crop_size or record.type == "Input":
        return None
    try:
        found = probe(record.replace(transform_param=p.replace(crop_size=None)), "TEST")
    except NetError:  # the data layer itself says what is wrong with its data
        return None
    return (found[0][2], found[0][3]) if found and len(found[0]) == 4 else None


def _mean(record: Record, channels: int) -> Array | None:
    p = record.transform_param
    if p.mean_value:
        return mean_of(p.mean_value, channels)
    if not p.mean_file:
        return None
    path = find(record, p.mean_file)
    if path is None:
        message = f'layer "{record.name}": there is no mean file "{p.mean_file}"'
        raise NetError(Diagnostic(MEAN_FILE, message, p.span_of("mean_file") or record.span))
    return image_mean(read_blob(path))


def mean_of(values: Iterable[float], channels: int) -> Array:
    """Mean values, one or one a channel, as channels x 1 x 1."""
    array = np.array(tuple(values), np.float32).reshape(-1, 1, 1)
    return np.ascontiguousarray(np.broadcast_to(array, (channels, 1, 1)))


def image_mean(array: Array) -> Array:
    """A mean image without leading axes of one."""
    mean = np.asarray(array, np.float32)
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    return mean


# ---------------------------------------------------------------- in a model


def stored(plan: Plan) -> tuple[Record, ...]:
    """The preprocessing of a train net's data layers, to be kept in its NetParameter (field `preprocessing`)."""
    found = []
    message = base_schema().message("Preprocessing")
    for node in plan.graph.nodes:
        if not (node.type.source and node.type.forward is None and node.tops and node.type.name != "Input"):
            continue
        try:
            how = of_layer(node.record, plan.shapes[node.tops[0]])
        except NetError:  # the data layer itself says what is wrong with its mean file
            how = None
        if how is not None:
            fields: dict[str, Any] = {"blob": plan.graph.values[node.tops[0]].name, "channels": how.channels}
            if how.size:
                fields |= {"height": how.size[0], "width": how.size[1]}
            if how.mean is not None:
                fields["mean"] = _blob(how.mean)
            names = tuple(map(_text, how.class_names))
            found.append(message.make(**fields, crop_size=how.crop, scale=how.scale, class_name=names))
    return tuple(found)


def _text(name: str) -> str:
    """A name as a protobuf string holds it: bytes of a folder's name that are no UTF-8 become escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _blob(array: Array) -> bytes:
    out = io.BytesIO()
    write_blob(out, array)
    return out.getvalue()


def of_model(path: Path) -> dict[str, Preprocessing]:
    """The preprocessing that training stored in a `.caffemodel`, by blob; none in files that others wrote.

    Raises NetError (SNP001 to SNP004).
    """
    return of_message(read_file(path), path)


def class_names_of(plan: Plan, weights: Iterable[Path]) -> tuple[str, ...]:
    """What the classes of a net are called: as its weights say, or else its data; () where neither does.

    Raises NetError (SNP001 to SNP004) for weights that cannot be read.
    """
    stored = (how.class_names for path in weights for how in of_model(path).values())
    sources = (n for n in plan.graph.nodes if n.type.source and n.type.forward is None)
    read = (classes_of(node.record, node.type.data) for node in sources)
    return next((names for names in chain(stored, read) if names), ())


def of_message(data: bytes, path: Path) -> dict[str, Preprocessing]:
    """As `of_model`, from the file's bytes; `path` is the name diagnostics show."""
    message = base_schema().message("Preprocessing")
    try:
        found = [decode(data[a:b], message) for number, wire, a, b in scan(data) if (number, wire) == (_FIELD, BYTES)]
    except WireError:  # HDF5, or damaged; reading the weights says so
        return {}
    return {record.blob: _unpacked(record, path) for record in found}


def _unpacked(record: Any, path: Path) -> Preprocessing:
    size = (record.height, record.width) if record.height and record.width else None
    mean = np.array(parse_blob(record.mean, str(path)), np.float32) if record.mean else None
    return Preprocessing(record.channels, size, record.crop_size, mean, record.scale, tuple(record.class_name))


def written(record: Record, make: Callable[..., Record]) -> Record | None:
    """The `transform_param` of a deploy net's Input (Caffe reads and ignores it there): what TEST does to images."""
    if record.type == "Digits":
        return make(scale=float(np.float32(record.digits_param.scale * 16 / 255)))
    if not record.has("transform_param"):
        return None
    p = record.transform_param
    names = ("scale", "crop_size", "mean_file", "mean_value", "force_color", "force_gray")
    fields = {name: p.values[name] for name in names if p.has(name)}
    return make(**fields) if fields else None


def given_mean(given: str, channels: int) -> Array:
    """A mean as people give it: numbers with commas, or a file (.npy, .binaryproto). Raises NetError(RUN052)."""
    path = Path(given)
    try:
        if path.suffix == ".npy":
            array = image_mean(parse_npy(read_regular(path, MOST_BYTES)))
            return array if array.ndim == 3 else mean_of(array.reshape(-1), channels)
        if path.suffix == ".binaryproto":
            return image_mean(read_blob(path))
        return mean_of((float(v) for v in given.split(",")), channels)
    except (OSError, ValueError, BadRecordError) as error:
        message = f'"{given}" is no mean for {channels} channels: {str(error).lower()}'
        raise NetError(Diagnostic(BAD_MEAN, message, help="give --mean 104,117,123, or a file")) from None
