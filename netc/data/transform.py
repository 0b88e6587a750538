"""`transform_param`: what is done to an image before it enters the net, as Caffe's DataTransformer does it.

An image is resized (SSD's `resize_param`), spoilt (`noise_param`), the mean is subtracted, it is cropped (anywhere in
TRAIN, in the centre in TEST), mirrored, and multiplied by `scale`. netc's own augmentations, in TRAIN only, are in
`augment.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from netc.data import augment
from netc.data.bad import BadRecordError
from netc.data.codes import MEAN_FILE
from netc.data.draws import Draws
from netc.data.images import Colour
from netc.data.order import Ticket
from netc.data.paths import find
from netc.data.sizing import Sizing, sizing
from netc.data.source import Opening
from netc.data.spoil import spoiling
from netc.data.transform_fields import check_crop, check_fields, check_means, crop_of, crop_text, refuse
from netc.errors import NetError
from netc.layer import Array, Shape, format_shape
from netc.schema.record import Record
from netc.schema.weights import read_blob

MIRROR, ROW, COLUMN = 0, 1, 2  # numbers of draws; those of the augmentations follow


def colour(record: Record, otherwise: Colour = "as is") -> Colour:
    """How encoded images are decoded: `force_color`, `force_gray` or as the layer says otherwise. Raises NetError."""
    check_fields(record)
    p = record.transform_param
    if p.force_color:
        return "color"
    return "gray" if p.force_gray else otherwise


def transformed(record: Record, shape: Shape) -> Shape:
    """Channels, height and width of an image after the transformation; the crop is not compared with the size."""
    crop = crop_of(record)
    if all(crop):
        return shape[0], *crop
    p = record.transform_param
    return shape[0], *(Sizing(p.resize_param).size(*shape[1:]) if p.has("resize_param") else shape[1:])


ONE_SIZE = (
    "images of a batch have one size: give the layer new_height and new_width, or transform_param a resize_param or a "
    "crop_size; or leave this one out with --on-bad-record skip"
)


class Placement(NamedTuple):
    """Where an image came to lie: the size it was resized to, the part of that which was taken, and if it was turned.

    window: rows and columns of the part. mirror: left and right are exchanged.
    """

    size: tuple[int, int]
    window: tuple[slice, slice]
    mirror: bool


class Transform:
    """The transformation of one data layer, for images like the first one (channels x height x width).

    shape: of the images that it gives. slow: whether it takes long enough to use threads.

    Raises NetError: DAT006 if the fields cannot be used, or not with these images; DAT007 for the mean file.
    """

    def __init__(self, opening: Opening, shape: Shape) -> None:
        record, p = opening.record, opening.record.transform_param
        self._stream, self._train = opening.stream, opening.phase == "TRAIN"
        check_fields(record)
        self._crop, self._mirror, self._scale = crop_of(record), bool(p.mirror), np.float32(p.scale)
        self.sizing, self._spoil = sizing(record, shape[0]), spoiling(record, shape[0])
        self.shape = transformed(record, shape)
        self._augment = augment.plan(record) if self._train else None
        size = shape if self.sizing is None else (shape[0], *self.sizing.size(*shape[1:]))
        check_crop(record, shape[1:], opening.phase)
        self._mean = _mean(record, size)
        self._mean_image = bool(p.mean_file)
        self.slow = bool(self._augment or self.sizing or self._spoil)
        self._draws = self._mirror or any(each.draws for each in (self.sizing, self._spoil) if each)
        self._draws |= self._train and (all(self._crop) or self._augment is not None)

    def __call__(self, image: Array, out: Array, ticket: Ticket) -> Placement:
        """Write an image (channels x height x width) transformed into `out`. Raises BadRecordError."""
        draws = Draws(self._stream, ticket) if self._draws else None
        for step in (self.sizing, self._spoil):
            if step is not None:
                image = step(np.ascontiguousarray(image.transpose(1, 2, 0)), draws).transpose(2, 0, 1)
        self._check_size(image, out.shape)
        mirror = self._mirror and draws is not None and draws.below(MIRROR, 2) == 1
        target = out[:, :, ::-1] if mirror else out
        window = self._window(image, draws)
        placement = Placement((image.shape[1], image.shape[2]), window[1:], mirror)
        if self._augment is not None and draws is not None:
            values = image.astype(np.float32)
            if self._mean is not None:
                values -= self._mean
            augment.apply(self._augment, values, self._crop, self._scale, draws, target)
            return placement
        if self._mean is None:
            np.multiply(image[window], self._scale, out=target)
            return placement
        mean = self._mean[window] if self._mean_image else self._mean
        np.subtract(image[window], mean, out=target)
        if self._scale != 1:
            np.multiply(target, self._scale, out=target)
        return placement

    def _window(self, image: Array, draws: Draws | None) -> tuple[slice, slice, slice]:
        if not all(self._crop) or (self._augment is not None and self._augment.resizes):
            return slice(None), slice(0, image.shape[1]), slice(0, image.shape[2])
        room = (image.shape[1] - self._crop[0], image.shape[2] - self._crop[1])
        if self._train and draws is not None:
            row, column = draws.below(ROW, room[0] + 1), draws.below(COLUMN, room[1] + 1)
        else:
            row, column = room[0] // 2, room[1] // 2
        return slice(None), slice(row, row + self._crop[0]), slice(column, column + self._crop[1])

    @property
    def any_size(self) -> bool:
        """Whether images keep the size that they have."""
        resizes = self.sizing is not None or (self._augment is not None and self._augment.resizes)
        return not (all(self._crop) or resizes or self._mean_image)

    def _check_size(self, image: Array, shape: Shape) -> None:
        channels, height, width = image.shape
        if channels != self.shape[0]:
            raise BadRecordError(f"it has {channels} channels, the batch {self.shape[0]}")
        if self._mean is not None and self._mean_image and image.shape != self._mean.shape:
            raise BadRecordError(f"it is {format_shape(image.shape)}, the mean image {format_shape(self._mean.shape)}")
        if self._augment is not None and self._augment.resizes:
            return
        if all(self._crop):
            if height < self._crop[0] or width < self._crop[1]:
                raise BadRecordError(f"it is {height} x {width}, smaller than {crop_text(self._crop)}")
        elif (height, width) != shape[1:]:
            wanted = " x ".join(map(str, shape[1:]))
            said = f"it is {height} x {width}, the batch {wanted}, and there is no crop_size"
            raise BadRecordError(said, ONE_SIZE)


# ---------------------------------------------------------------- what the fields say


def _mean(record: Record, shape: Shape) -> Array | None:
    """The mean of images of this shape as channels x 1 x 1 or as an image, or None."""
    mean = mean_of(record, shape[0])
    if mean is not None and record.transform_param.mean_file and mean.shape != shape:
        shapes = f"is {format_shape(mean.shape)}, the images are {format_shape(shape)}"
        message = f'the mean image in "{record.transform_param.mean_file}" {shapes}'
        raise refuse(record, MEAN_FILE, message, "mean_file")
    return mean


def mean_of(record: Record, channels: int) -> Array | None:
    """The mean values as channels x 1 x 1, or the mean image, or None. Raises NetError: DAT006, DAT007."""
    p = record.transform_param
    if p.mean_value:
        check_means(record, channels)
        values = np.array(p.mean_value, np.float32)
        return np.ascontiguousarray(np.broadcast_to(values.reshape(-1, 1, 1), (channels, 1, 1)))
    if not p.mean_file:
        return None
    path = find(record, p.mean_file)
    if path is None:
        raise refuse(record, MEAN_FILE, f'there is no mean file "{p.mean_file}"', "mean_file")
    return _read_mean(record, path)


def _read_mean(record: Record, path: Path) -> Array:
    """The mean image of a file, without leading axes of one."""
    try:
        mean = np.asarray(read_blob(path), np.float32)
    except NetError as error:
        reason = error.diagnostics[0].message
        raise refuse(record, MEAN_FILE, f"the mean file cannot be read: {reason}", "mean_file") from None
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    return np.ascontiguousarray(mean)
