"""True boxes of layers that make targets: rows of AnnotatedData and DigitScenes, or of py-faster-rcnn."""

from __future__ import annotations

from math import prod

import numpy as np

from netc.errors import Code, Diagnostic, NetError
from netc.layer import BAD_BOTTOM_SHAPE, Array, Call, Site, format_shape
from netc.role import Holds

BAD_TRUTH = Code(
    "RUN325",
    "a true box cannot be used",
    why="A true box must belong to an image of the batch and to a class of objects (classes count from 1, 0 is the "
    "background), lie where its corners say and have a size: targets are logarithms of sizes.",
    example="truth: (0, 25, 0, 0.1, 0.1, 0.4, 0.4, 0) for 20 classes",
    fix="Number classes from 1, give corners with xmin < xmax and ymin < ymax, and -1 as the image of rows that are "
    "not used.",
)


def check_rows(site: Site, bottom: int) -> None:
    """Refuse a bottom that is not rows of 8 (item, class, number, four corners as shares, difficult)."""
    rows = site.bottoms[bottom]
    if not rows or rows[-1] != 8:
        message = f"needs true boxes as rows of 8 values, as AnnotatedData gives them, not {format_shape(rows)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", index=bottom)


def held(images: int, classes: int) -> Holds:
    """What such a bottom may hold."""
    return Holds("boxes", high=images, classes=classes + 1)


def true_boxes(call: Call, bottom: int, images: int, classes: int) -> list[Array]:
    """For each image its boxes as rows (class, xmin, ymin, xmax, ymax), corners as shares; rows of -1 are passed over.

    Classes count from 1 to `classes`. Raises NetError(RUN325).
    """
    given = call.bottoms[bottom]
    rows = given.reshape(prod(given.shape[:-1]), 8)
    rows = rows[rows[:, 0] != -1]
    image, label, corners = rows[:, 0], rows[:, 1], rows[:, 3:7]
    good = (image >= 0) & (image < images) & (label >= 1) & (label < classes + 1) & np.isfinite(corners).all(axis=1)
    good &= (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
    if not good.all():
        values = ", ".join(f"{value:g}" for value in rows[good.argmin()])
        said = f"true box {good.argmin()} is ({values}); there are {images} images, and classes 1 to {classes}"
        raise NetError(Diagnostic.of_layer(call.record, BAD_TRUTH, said))
    table = np.concatenate([np.trunc(label)[:, None], corners], axis=1)
    return [table[np.trunc(image) == n] for n in range(images)]


def check_pixels(site: Site, boxes: int, info: int) -> None:
    """Refuse true boxes that are no rows of 8 or 5, and image information of fewer than three numbers."""
    rows = site.bottoms[boxes]
    if not rows or rows[-1] not in (5, 8):
        message = f"needs true boxes as rows of 8 (shares) or 5 (pixels, class last), not {format_shape(rows)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", index=boxes)
    if prod(site.bottoms[info]) < 3:
        message = f"needs height, width and scale of the image, but has {format_shape(site.bottoms[info])}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", index=info)


def pixel_boxes(call: Call, boxes: int, info: int, classes: int) -> Array:
    """The true boxes of the one image as rows (class, x1, y1, x2, y2) in pixels of the net's input, corners included.

    Rows of 8 are as `true_boxes` reads them, rows of 5 as py-faster-rcnn gives them: x1, y1, x2, y2, class; those of
    class 0 or less are passed over. Raises NetError(RUN325).
    """
    height, width = call.bottoms[info].ravel()[:2]
    if call.bottoms[boxes].shape[-1] == 8:
        (found,) = true_boxes(call, boxes, 1, classes)
        found[:, 1:] *= np.array([width, height, width, height], found.dtype)
        found[:, 3:] -= 1
        return found
    rows = call.bottoms[boxes].reshape(-1, 5)
    rows = rows[rows[:, 4] > 0]
    good = (rows[:, 4] < classes + 1) & np.isfinite(rows).all(axis=1)
    good &= (rows[:, 2] >= rows[:, 0]) & (rows[:, 3] >= rows[:, 1])
    if not good.all():
        values = ", ".join(f"{value:g}" for value in rows[good.argmin()])
        said = f"true box {good.argmin()} is ({values}); there are classes 1 to {classes}"
        raise NetError(Diagnostic.of_layer(call.record, BAD_TRUTH, said))
    return np.concatenate([np.trunc(rows[:, 4:]), rows[:, :4]], axis=1)
