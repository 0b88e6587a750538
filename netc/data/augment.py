"""netc's own augmentations of `transform_param`: in TRAIN only, drawn anew for every record in every epoch.

They work on an image whose mean has been subtracted, in this order: rotation, random resized crop (or the plain random
crop), contrast, colour shift, lighting, noise, scale, cut-out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from netc.data.codes import BAD_TRANSFORM
from netc.data.draws import Draws
from netc.data.resize import resize
from netc.errors import Diagnostic, NetError
from netc.kernels import rotation
from netc.layer import Array
from netc.schema.record import Record

# Numbers of draws, after those of transform.py.
_ROTATION, _AREA, _ASPECT, _ROW, _COLUMN, _CONTRAST, _CUT_ROW, _CUT_COLUMN, _SHIFT = 3, 4, 5, 6, 7, 8, 9, 10, 11
_NOISE, _LIGHTING = 1, 2  # purposes of normal numbers

# The principal components of ImageNet's colours (blue, green, red) times their standard deviations, for pixels of
# 0..255 (Krizhevsky et al. 2012, section 4.1; the numbers are those of fb.resnet.torch).
_COMPONENTS = 255 * np.array([[-0.5836, -0.6948, 0.4203], [-0.5808, -0.0045, -0.8140], [-0.5675, 0.7192, 0.4009]])
COLOURS = (_COMPONENTS * np.array([0.2175, 0.0188, 0.0045])).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far each augmentation may go; 0 is off."""

    rotation: float
    min_area: float
    max_aspect: float
    contrast: float
    color_shift: float
    lighting: float
    noise: float
    cutout: int

    @property
    def resizes(self) -> bool:
        """Whether parts of several sizes are taken, so that images may be smaller than the crop."""
        return self.min_area < 1


def plan(record: Record) -> Augmentation | None:
    """What a layer's transform_param asks for, or None. Raises NetError(DAT006)."""
    p = record.transform_param
    values = {name: getattr(p, name) for name in Augmentation.__dataclass_fields__}
    if not any(p.has(name) for name in values):
        return None
    limits = {"rotation": (0, 180), "min_area": (0, 1), "max_aspect": (1, 100), "contrast": (0, 1)}
    for name, value in values.items():
        low, high = limits.get(name, (0, math.inf))
        if not low <= value <= high or (name == "min_area" and value == 0):
            raise _refuse(record, f"{name}: {value:g} must be between {low} and {high}", name)
    if p.min_area < 1 and not p.crop_size:
        raise _refuse(record, "min_area needs a crop_size, the size that the part is resized to", "min_area")
    return Augmentation(**values)


def apply(a: Augmentation, image: Array, crop: tuple[int, int], scale: np.float32, draws: Draws, out: Array) -> None:
    """Write an augmented image (float32, channels x height x width, mean subtracted) into `out`."""
    if a.rotation:
        image = rotate(image, draws.symmetric(_ROTATION, a.rotation))
    if a.resizes:
        image = resized_crop(a, image, crop, draws)
    elif all(crop):
        row, column = (draws.below(n, s - c + 1) for n, s, c in zip((1, 2), image.shape[1:], crop, strict=True))
        image = image[:, row : row + crop[0], column : column + crop[1]]
    np.copyto(out, image)
    if a.contrast:
        average = out.mean(dtype=np.float64).astype(np.float32)
        np.subtract(out, average, out=out)
        np.multiply(out, np.float32(1 + draws.symmetric(_CONTRAST, a.contrast)), out=out)
        np.add(out, average, out=out)
    if a.color_shift:
        for channel in range(len(out)):
            out[channel] += np.float32(draws.symmetric(_SHIFT + channel % 5, a.color_shift))
    if a.lighting and len(out) == 3:
        out += (COLOURS @ (draws.normal(_LIGHTING, 3) * np.float32(a.lighting)))[:, None, None]
    if a.noise:
        out += draws.normal(_NOISE, out.size).reshape(out.shape) * np.float32(a.noise)
    if scale != 1:
        np.multiply(out, scale, out=out)
    if a.cutout:
        cut_out(out, a.cutout, draws)


def rotate(image: Array, degrees: float) -> Array:
    """The image turned counter-clockwise about its centre, bilinear; outside of it its border goes on."""
    turn, out = math.radians(degrees), np.empty_like(image)
    rotation.rotate(image, math.cos(turn), math.sin(turn), out)
    return out


def resized_crop(a: Augmentation, image: Array, size: tuple[int, int], draws: Draws) -> Array:
    """A part of the image of random area and aspect ratio, resized (Szegedy et al. 2014, section 6)."""
    _, height, width = image.shape
    area = height * width * draws.uniform(_AREA, a.min_area, 1.0)
    aspect = math.exp(draws.symmetric(_ASPECT, math.log(a.max_aspect)))
    rows = min(height, max(1, round(math.sqrt(area / aspect))))
    columns = min(width, max(1, round(math.sqrt(area * aspect))))
    row, column = draws.below(_ROW, height - rows + 1), draws.below(_COLUMN, width - columns + 1)
    part = image[:, row : row + rows, column : column + columns].transpose(1, 2, 0)
    return resize(part, *size).transpose(2, 0, 1)


def cut_out(out: Array, side: int, draws: Draws) -> None:
    """Zero in a square around a random pixel, clipped at the border (DeVries & Taylor 2017)."""
    _, height, width = out.shape
    row, column = draws.below(_CUT_ROW, height) - side // 2, draws.below(_CUT_COLUMN, width) - side // 2
    out[:, max(row, 0) : max(row + side, 0), max(column, 0) : max(column + side, 0)] = 0


def _refuse(record: Record, message: str, field: str) -> NetError:
    span = record.transform_param.span_of(field)
    return NetError(Diagnostic.of_layer(record, BAD_TRANSFORM, message, span, field=field))
