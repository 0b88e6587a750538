"""pycaffe's io: blobs and datums as arrays, reading and resizing images, and the Transformer that prepares inputs.

Images are height x width x channels, RGB, float32 between 0 and 1, as in pycaffe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from netc.caffe.errors import BAD_IMAGE, NO_PILLOW, refuse
from netc.caffe.proto import caffe_pb2
from netc.caffe.zoom import zoomed
from netc.data.bad import BadRecordError
from netc.data.images import MOST_BYTES, opened
from netc.files import read_regular
from netc.layer import Array, Shape
from netc.schema.blobs import blob as read_blob
from netc.schema.scan import WireError

# ---------------------------------------------------------------- messages and arrays


def blobproto_to_array(blob: Any, return_diff: bool = False) -> Array:
    """The values (or the gradient) of a BlobProto, in its shape, old or new. Raises ValueError if they do not fit."""
    name = "diff" if return_diff else "data"
    if blob.HasField(f"raw_{name}"):  # NVCaffe's
        data = blob.SerializeToString()
        try:
            return np.array(read_blob(data, 0, len(data), "the blob")[return_diff], np.float64)
        except WireError as error:
            raise ValueError(error.message) from None
    values = getattr(blob, name) or getattr(blob, f"double_{name}")
    old = ("num", "channels", "height", "width")
    shape = [getattr(blob, axis) for axis in old] if any(blob.HasField(axis) for axis in old) else blob.shape.dim
    return np.array(values, np.float64).reshape(tuple(shape))


def array_to_blobproto(arr: Array, diff: Array | None = None) -> Any:
    """An array, and its gradient if given, as a BlobProto."""
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(arr.astype(float).flat)
    if diff is not None:
        blob.diff.extend(diff.astype(float).flat)
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[Array]) -> bytes:
    """Arrays as the bytes of a BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector()
    vector.blobs.extend([array_to_blobproto(arr) for arr in arraylist])
    return bytes(vector.SerializeToString())


arraylist_to_blobprotovecor_str = arraylist_to_blobprotovector_str  # as pycaffe spells it


def blobprotovector_str_to_arraylist(data: bytes) -> list[Array]:
    """The arrays in the bytes of a BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector()
    vector.ParseFromString(data)
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: Array, label: int | None = None) -> Any:
    """An array of channels x height x width as a Datum: bytes if it is uint8, else floats. Raises ValueError."""
    if arr.ndim != 3:
        raise ValueError(f"a datum has channels, height and width, but the array has {arr.ndim} axes")
    datum = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).flat)
    if label is not None:
        datum.label = int(label)
    return datum


def datum_to_array(datum: Any) -> Array:
    """The values of a Datum, channels x height x width; its label is `datum.label`."""
    shape = (datum.channels, datum.height, datum.width)
    if len(datum.data):
        return np.frombuffer(datum.data, np.uint8).reshape(shape)
    return np.array(datum.float_data, np.float64).reshape(shape)


# ---------------------------------------------------------------- preparing inputs


class Transformer:
    """Makes network inputs of images, and back: for each input, what has been set is applied in a fixed order.

    preprocess: resize to the input's height and width, transpose, swap channels, times raw_scale, minus mean, times
    input_scale. inputs: the shape of each input blob, by name.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs: dict[str, Shape] = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def _shape(self, in_: str) -> Shape:
        if in_ not in self.inputs:
            raise ValueError(f"{in_} is not one of the net's inputs: {', '.join(self.inputs)}")
        return self.inputs[in_]

    def preprocess(self, in_: str, data: Array) -> Array:
        """An image (height x width x channels) as an input blob takes it (channels x height x width, float32)."""
        size = self._shape(in_)[2:]
        image = np.asarray(data).astype(np.float32, copy=False)
        if image.shape[:2] != size:
            image = resize_image(image, size)
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            image = image[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            image = image * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            image = (image - self.mean[in_]).astype(np.float32)
        if in_ in self.input_scale:
            image = image * np.float32(self.input_scale[in_])
        return image

    def deprocess(self, in_: str, data: Array) -> Array:
        """The image that an input was made of (in the input's size)."""
        self._shape(in_)
        image = np.array(data).squeeze()
        if in_ in self.input_scale:
            image = image / self.input_scale[in_]
        if in_ in self.mean:
            image = image + self.mean[in_]
        if in_ in self.raw_scale:
            image = image / self.raw_scale[in_]
        if in_ in self.channel_swap:
            image = image[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            image = image.transpose(np.argsort(self.transpose[in_]))
        return image

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of the axes; (2, 0, 1) puts the channels of an image first."""
        if len(order) != len(self._shape(in_)) - 1:
            raise ValueError(f"the order has {len(order)} axes, an item of the input {len(self.inputs[in_]) - 1}")
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of the channels; (2, 1, 0) makes BGR of RGB. The channels are the first axis by then."""
        if len(order) != self._shape(in_)[1]:
            raise ValueError(f"the order has {len(order)} channels, the input {self.inputs[in_][1]}")
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """A factor before the mean is subtracted: 255 for nets that were trained on values from 0 to 255."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: Array) -> None:
        """What to subtract: a value for each channel, or an image (resized to the input if it has another size)."""
        shape = self._shape(in_)
        mean = np.asarray(mean)
        if mean.ndim == 1:
            if len(mean) != shape[1]:
                raise ValueError(f"the mean has {len(mean)} channels, the input {shape[1]}")
            mean = mean[:, None, None]
        elif mean.ndim not in (2, 3):
            raise ValueError(f"a mean has channels, height and width, but the array has {mean.ndim} axes")
        elif ((1,) * (3 - mean.ndim) + mean.shape) != shape[1:]:
            image = mean.reshape((1,) * (3 - mean.ndim) + mean.shape).transpose(1, 2, 0)
            mean = resize_image(image, shape[2:]).transpose(2, 0, 1)
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """A factor after the mean has been subtracted."""
        self._shape(in_)
        self.input_scale[in_] = scale


# ---------------------------------------------------------------- images


def load_image(filename: Any, color: bool = True) -> Array:
    """An image file as float32 from 0 to 1: height x width x 3 (RGB), or x 1 (intensity) if `color` is False.

    Grey images get three equal channels, an alpha channel is dropped. Intensity is that of Rec. 709, 0.2125 R +
    0.7154 G + 0.0721 B. Raises CaffeError(RUN063, RUN064).
    """
    try:
        import_module("PIL.Image")
    except ImportError:
        raise refuse(NO_PILLOW, "Pillow is not installed") from None
    try:
        with opened(read_regular(filename, MOST_BYTES)) as image:
            values = _values(image)
    except (OSError, BadRecordError) as error:
        raise refuse(BAD_IMAGE, f"{filename} cannot be read: {error}") from None
    if color:
        return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values
    if values.shape[2] == 1:
        return values
    return (values @ np.array([0.2125, 0.7154, 0.0721], np.float32))[:, :, None].astype(np.float32)


def _values(image: Any) -> Array:
    """Grey images of 8 or 16 bit with one channel, everything else as RGB."""
    if image.mode.startswith("I"):
        return (np.asarray(image, np.float32) / np.float32(65535))[:, :, None]
    grey = image.mode in ("1", "L", "LA", "F")
    values = np.asarray(image.convert("L" if grey else "RGB"), np.float32) / np.float32(255)
    return values[:, :, None] if grey else values


def resize_image(im: Array, new_dims: Sequence[int] | Array, interp_order: int = 1) -> Array:
    """An image in another size (height, width), by spline interpolation of this order (1: linear), float32.

    As pycaffe: images of 1 or 3 channels are sampled at the centres of the new pixels, with the image's least value
    beyond its border; others on a grid whose corners are the image's corner pixels. Orders other than 1 need scipy
    (`pip install 'netc[pycaffe]'`).
    """
    height, width = int(new_dims[0]), int(new_dims[1])
    if im.shape[-1] not in (1, 3):
        return zoomed(im, (height, width), interp_order, centres=False).astype(np.float32)
    low, high = float(im.min()), float(im.max())
    if low == high:
        return np.full((height, width, im.shape[-1]), low, np.float32)
    standard = (np.asarray(im, np.float64) - low) / (high - low)
    resized = zoomed(standard, (height, width), interp_order, centres=True)
    return np.asarray(resized * (high - low) + low, np.float32)


def oversample(images: Sequence[Array], crop_dims: Sequence[int] | Array) -> Array:
    """The four corners and the centre of each image, and their mirror images: ten crops an image, float32."""
    height, width = int(crop_dims[0]), int(crop_dims[1])
    rows, columns, channels = images[0].shape
    starts = [(y, x) for y in (0, rows - height) for x in (0, columns - width)]
    starts.append((int(rows / 2 - height / 2), int(columns / 2 - width / 2)))
    crops = np.empty((len(images), 2, 5, height, width, channels), np.float32)
    for image, both in zip(images, crops, strict=True):
        for at, (y, x) in enumerate(starts):
            both[0, at] = image[y : y + height, x : x + width]
            both[1, at] = both[0, at, :, ::-1]
    return crops.reshape(-1, height, width, channels)
