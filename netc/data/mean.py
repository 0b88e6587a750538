"""The mean image of a database, as Caffe's compute_image_mean writes it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.codes import BAD_RECORD, NO_RECORDS, NOT_MADE
from netc.data.database import image_of, open_lmdb
from netc.data.datum import parse
from netc.errors import Diagnostic, NetError
from netc.files import write_whole
from netc.layer import Array, format_shape
from netc.schema.weights_write import write_blob


def mean_image(path: Path, progress: Callable[[int, int], object]) -> Array:
    """The mean of all images of an LMDB (1 x channels x height x width, float32), summed in float64.

    Raises NetError: DAT002 for bad records and for images of several sizes, DAT011.
    """
    file = open_lmdb(path)
    total: Array | None = None
    for done, (key, value) in enumerate(file, 1):
        try:
            image = image_of(parse(value), "as is")
            if total is None:
                total = np.zeros(image.shape, np.float64)
            elif image.shape != total.shape:
                shapes = f"{format_shape(image.shape)}, those before it {format_shape(total.shape)}"
                raise BadRecordError(f"its image is {shapes}: a mean needs images of one size")
            np.add(total, image, out=total)
        except BadRecordError as error:
            name = key.decode("utf-8", "replace")
            raise NetError(Diagnostic(BAD_RECORD, f"record {name!r} of {path}: {error}")) from None
        progress(done, len(file))
    if total is None:
        raise NetError(Diagnostic(NO_RECORDS, f"{path} has no records"))
    return (total / len(file)).astype(np.float32)[None]


def as_bytes(mean: Array) -> bytes:
    """A mean image as a BlobProto."""
    out = io.BytesIO()
    write_blob(out, mean)
    return out.getvalue()


def write_mean(path: Path, mean: Array) -> None:
    """Write a mean image as a BlobProto; the file is whole or not there. Raises NetError(DAT015)."""
    try:
        write_whole(path, lambda file: write_blob(file, mean))
    except OSError as error:
        raise NetError(Diagnostic(NOT_MADE, f"{path} cannot be written: {(error.strerror or '').lower()}")) from None
