"""What the examples need of OpenCV's images, for machines without OpenCV: it has no Caffe reader, like OpenCV 5.

Pictures are drawn by marking their corners: tests look at what was found, and that a picture was written.
"""

from typing import Any

import numpy as np
from PIL import Image

from cv2 import dnn as dnn
from netc.dnn.resize import resized

FONT_HERSHEY_SIMPLEX = 0
COLOR_BGR2LAB, COLOR_LAB2BGR = 44, 56
TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
WHITE = np.array([0.950456, 1.0, 1.088754])


class error(Exception):  # noqa: N801, N818
    """As in OpenCV."""


def imread(path: str) -> Any:
    return np.asarray(Image.open(path).convert("RGB"))[..., ::-1].copy()


def imwrite(path: str, image: Any) -> bool:
    Image.fromarray(image[..., ::-1] if image.ndim == 3 else image).save(path)
    return True


def resize(image: Any, size: Any) -> Any:
    return resized(image, *size)


def rectangle(image: Any, first: Any, second: Any, colour: Any, thickness: int = 1) -> Any:
    for x, y in (first, second):
        assert (type(x), type(y)) == (int, int)
        image[np.clip(y, 0, len(image) - 1), np.clip(x, 0, len(image[0]) - 1)] = colour
    return image


line = rectangle


def putText(image: Any, text: str, place: Any, font: int, scale: float, colour: Any, thickness: int) -> Any:
    return rectangle(image, place, place, colour)


def minMaxLoc(array: Any) -> Any:
    low, high = (np.unravel_index(at, array.shape)[::-1] for at in (array.argmin(), array.argmax()))
    return array.min(), array.max(), low, high


def cvtColor(image: Any, code: int) -> Any:
    """Floats from 0 to 1 to CIE L*a*b*, and back."""
    if code == COLOR_BGR2LAB:
        linear = np.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)[..., ::-1]
        xyz = linear @ TO_XYZ.T / WHITE
        x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), -1, 0)
        return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).astype(np.float32)
    y = (image[..., 0] + 16) / 116
    f = np.stack([y + image[..., 1] / 500, y, y - image[..., 2] / 200], -1)
    linear = np.where(f > 0.206893, f**3, (f - 16 / 116) / 7.787) * WHITE @ np.linalg.inv(TO_XYZ).T
    linear = linear.clip(0)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)[..., ::-1].astype(
        np.float32
    )
