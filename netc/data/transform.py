"""`transform_param`: what is done to an image before it enters the net, as Caffe's DataTransformer does it.

An image is resized (SSD's `resize_param`), the mean is subtracted, it is cropped (anywhere in TRAIN, in the centre in
TEST), mirrored, and multiplied by `scale`. netc's own augmentations, in TRAIN only, are in `augment.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from netc.data import augment
from netc.data.bad import BadRecordError
from netc.data.codes import BAD_TRANSFORM, MEAN_FILE
from netc.data.draws import Draws
from netc.data.images import Colour
from netc.data.order import Ticket
from netc.data.paths import find
from netc.data.resize import resize
from netc.data.source import Opening
from netc.errors import Code, Diagnostic, NetError
from netc.layer import Array, Shape, format_shape
from netc.schema.record import Record
from netc.schema.weights import read_blob

MIRROR, ROW, COLUMN = 0, 1, 2  # numbers of draws; those of the augmentations follow


def colour(record: Record, otherwise: Colour = "as is") -> Colour:
    """How encoded images are decoded: `force_color`, `force_gray` or as the layer says otherwise."""
    p = record.transform_param
    if p.force_color and p.force_gray:
        raise _refuse(record, BAD_TRANSFORM, "force_color and force_gray cannot both be true", "force_gray")
    if p.force_color:
        return "color"
    return "gray" if p.force_gray else otherwise


def transformed(record: Record, shape: Shape) -> Shape:
    """Channels, height and width of an image after the transformation; the crop is not compared with the size."""
    p = record.transform_param
    channels, height, width = shape
    if p.crop_size:
        return channels, int(p.crop_size), int(p.crop_size)
    if p.has("resize_param"):
        height, width = _resized(p.resize_param, height, width)
    return channels, height, width


class Transform:
    """The transformation of one data layer, for images like the first one (channels x height x width).

    shape: of the images that it gives. slow: whether it takes long enough to use threads.

    Raises NetError: DAT006 if the fields cannot be used, or not with these images; DAT007 for the mean file.
    """

    def __init__(self, opening: Opening, shape: Shape) -> None:
        record, p = opening.record, opening.record.transform_param
        self._stream, self._train = opening.stream, opening.phase == "TRAIN"
        self._crop, self._mirror, self._scale = int(p.crop_size), bool(p.mirror), np.float32(p.scale)
        self._resize = p.resize_param if p.has("resize_param") else None
        self.shape = transformed(record, shape)
        _check(record)
        self._augment = augment.plan(record) if self._train else None
        channels, height, width = shape if self._resize is None else (shape[0], *_resized(self._resize, *shape[1:]))
        if self._crop > min(height, width) and not (self._augment and self._augment.resizes):
            size = f"crop_size: {self._crop} is larger than the images, {height} x {width}"
            raise _refuse(record, BAD_TRANSFORM, size, "crop_size")
        self._mean = _mean(record, (channels, height, width))
        self._mean_image = bool(p.mean_file)
        self.slow = self._augment is not None
        self._draws = self._mirror or (self._train and (self._crop > 0 or self._augment is not None))

    def __call__(self, image: Array, out: Array, ticket: Ticket) -> None:
        """Write an image (channels x height x width) transformed into `out`. Raises BadRecordError."""
        if self._resize is not None:
            rows = np.ascontiguousarray(image.transpose(1, 2, 0))
            image = resize(rows, *_resized(self._resize, *image.shape[1:])).transpose(2, 0, 1)
        self._check_size(image)
        draws = Draws(self._stream, ticket) if self._draws else None
        mirror = self._mirror and draws is not None and draws.below(MIRROR, 2) == 1
        target = out[:, :, ::-1] if mirror else out
        if self._augment is not None and draws is not None:
            values = image.astype(np.float32)
            if self._mean is not None:
                values -= self._mean
            augment.apply(self._augment, values, self._crop, self._scale, draws, target)
            return
        window = self._window(image, draws)
        if self._mean is None:
            np.multiply(image[window], self._scale, out=target)
            return
        mean = self._mean[window] if self._mean_image else self._mean
        np.subtract(image[window], mean, out=target)
        if self._scale != 1:
            np.multiply(target, self._scale, out=target)

    def _window(self, image: Array, draws: Draws | None) -> tuple[slice, slice, slice]:
        if not self._crop:
            return slice(None), slice(None), slice(None)
        room = (image.shape[1] - self._crop, image.shape[2] - self._crop)
        if self._train and draws is not None:
            row, column = draws.below(ROW, room[0] + 1), draws.below(COLUMN, room[1] + 1)
        else:
            row, column = room[0] // 2, room[1] // 2
        return slice(None), slice(row, row + self._crop), slice(column, column + self._crop)

    def _check_size(self, image: Array) -> None:
        channels, height, width = image.shape
        if channels != self.shape[0]:
            raise BadRecordError(f"it has {channels} channels, the batch {self.shape[0]}")
        if self._mean is not None and self._mean_image and image.shape != self._mean.shape:
            raise BadRecordError(f"it is {format_shape(image.shape)}, the mean image {format_shape(self._mean.shape)}")
        if self._augment is not None and self._augment.resizes:
            return
        if self._crop:
            if min(height, width) < self._crop:
                raise BadRecordError(f"it is {height} x {width}, smaller than crop_size: {self._crop}")
        elif (height, width) != self.shape[1:]:
            wanted = " x ".join(map(str, self.shape[1:]))
            raise BadRecordError(f"it is {height} x {width}, the batch {wanted}, and there is no crop_size")


# ---------------------------------------------------------------- what the fields say


def _resized(p: Any, height: int, width: int) -> tuple[int, int]:
    """Height and width after SSD's resize_param: WARP, or FIT_SMALL_SIZE (the sides cover height x width)."""
    wanted_height, wanted_width = int(p.height), int(p.width)
    if p.resize_mode == "FIT_SMALL_SIZE":
        if width / height < wanted_width / wanted_height:
            wanted_height = int(wanted_width / (width / height))
        else:
            wanted_width = int(width / height * wanted_height)
    return wanted_height, wanted_width


def _check(record: Record) -> None:
    p = record.transform_param
    if p.has("mean_file") and p.mean_value:
        raise _refuse(record, BAD_TRANSFORM, "has both mean_file and mean_value; only one of them can be", "mean_value")
    if not p.has("resize_param"):
        return
    r = p.resize_param
    if not r.height or not r.width:
        raise _refuse(record, BAD_TRANSFORM, "resize_param needs height and width", "resize_param")
    if r.resize_mode == "FIT_LARGE_SIZE_AND_PAD" or r.prob < 1 or set(r.interp_mode) - {"LINEAR"}:
        message = "of resize_param netc does WARP and FIT_SMALL_SIZE, with prob: 1 and interp_mode: LINEAR only"
        raise _refuse(record, BAD_TRANSFORM, message, "resize_param")
    if r.resize_mode == "FIT_SMALL_SIZE" and not p.crop_size:
        message = "resize_mode: FIT_SMALL_SIZE gives images of several sizes; add a crop_size"
        raise _refuse(record, BAD_TRANSFORM, message, "resize_param")


def _mean(record: Record, shape: Shape) -> Array | None:
    """The mean of images of this shape as channels x 1 x 1 or as an image, or None."""
    mean = mean_of(record, shape[0])
    if mean is not None and record.transform_param.mean_file and mean.shape != shape:
        shapes = f"is {format_shape(mean.shape)}, the images are {format_shape(shape)}"
        message = f'the mean image in "{record.transform_param.mean_file}" {shapes}'
        raise _refuse(record, MEAN_FILE, message, "mean_file")
    return mean


def mean_of(record: Record, channels: int) -> Array | None:
    """The mean values as channels x 1 x 1, or the mean image, or None. Raises NetError: DAT006, DAT007."""
    p = record.transform_param
    if p.mean_value:
        if len(p.mean_value) not in (1, channels):
            message = f"has {len(p.mean_value)} mean values for images of {channels} channels"
            raise _refuse(record, BAD_TRANSFORM, message, "mean_value")
        values = np.array(p.mean_value, np.float32)
        return np.ascontiguousarray(np.broadcast_to(values.reshape(-1, 1, 1), (channels, 1, 1)))
    if not p.mean_file:
        return None
    path = find(record, p.mean_file)
    if path is None:
        raise _refuse(record, MEAN_FILE, f'there is no mean file "{p.mean_file}"', "mean_file")
    return _read_mean(record, path)


def _read_mean(record: Record, path: Path) -> Array:
    """The mean image of a file, without leading axes of one."""
    try:
        mean = np.asarray(read_blob(path), np.float32)
    except NetError as error:
        reason = error.diagnostics[0].message
        raise _refuse(record, MEAN_FILE, f"the mean file cannot be read: {reason}", "mean_file") from None
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    return np.ascontiguousarray(mean)


def _refuse(record: Record, code: Code, message: str, field: str) -> NetError:
    span = record.transform_param.span_of(field) or record.span
    return NetError(Diagnostic(code, f'layer "{record.name}" ({record.type}): {message}', span))
