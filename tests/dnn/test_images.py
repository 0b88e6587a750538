"""What is no image, blob or box is refused, by code; what OpenCV's golden numbers do not show."""

from typing import Any

import numpy as np
import pytest

from netc import dnn
from netc.errors import NetError
from tools.opencv_golden import image

GOOD = image(0, 6, 8, 3)
BAD_IMAGES: dict[str, Any] = {
    "none": lambda: dnn.blobFromImage(None),
    "two channels": lambda: dnn.blobFromImage(GOOD[..., :2]),
    "four axes": lambda: dnn.blobFromImage(GOOD[None]),
    "empty": lambda: dnn.blobFromImage(GOOD[:0]),
    "text": lambda: dnn.blobFromImage(np.array([["a"]])),
    "no images": lambda: dnn.blobFromImages([]),
    "mixed": lambda: dnn.blobFromImages([GOOD, GOOD[..., 0]]),
    "half a size": lambda: dnn.blobFromImage(GOOD, 1, (3, 0)),
    "negative size": lambda: dnn.blobFromImage(GOOD, 1, (3, -2)),
    "three sizes": lambda: dnn.blobFromImage(GOOD, 1, (3, 2, 1)),
    "scaled bytes": lambda: dnn.blobFromImage(GOOD, 0.5, ddepth=0),
    "bytes less a mean": lambda: dnn.blobFromImage(GOOD, mean=3, ddepth=0),
    "bytes of floats": lambda: dnn.blobFromImage(GOOD.astype(np.float32), ddepth=0),
    "another depth": lambda: dnn.blobFromImage(GOOD, ddepth=6),
    "five means": lambda: dnn.blobFromImage(GOOD, mean=(1, 2, 3, 4, 5)),
    "wide integers": lambda: dnn.blobFromImage(GOOD.astype(np.int32), 1, (3, 3)),
    "no blob": lambda: dnn.imagesFromBlob(GOOD),
    "blob of bytes": lambda: dnn.imagesFromBlob(GOOD[None]),
}
BAD_BOXES: dict[str, Any] = {
    "three numbers": lambda: dnn.NMSBoxes([[1, 2, 3]], [0.5], 0.1, 0.1),
    "more scores": lambda: dnn.NMSBoxes([[1, 2, 3, 4]], [0.5, 0.6], 0.1, 0.1),
    "classes": lambda: dnn.NMSBoxesBatched([[1, 2, 3, 4]], [0.5], [], 0.1, 0.1),
    "method": lambda: dnn.softNMSBoxes([[1, 2, 3, 4]], [0.5], 0.1, 0.1, method=7),
}


@pytest.mark.parametrize(
    ("code", "call"),
    [("RUN083", call) for call in BAD_IMAGES.values()] + [("RUN084", call) for call in BAD_BOXES.values()],
    ids=[*BAD_IMAGES, *BAD_BOXES],
)
def test_refuses(code: str, call: Any) -> None:
    with pytest.raises(NetError) as error:
        call()
    assert [d.code.id for d in error.value.diagnostics] == [code]


def test_no_box_at_all() -> None:
    assert dnn.NMSBoxes([], [], 0.1, 0.1) == ()
    assert dnn.NMSBoxesBatched([], [], [], 0.1, 0.1) == ()
    assert dnn.softNMSBoxes([], [], 0.1, 0.1) == ((), ())


def test_blobs_do_not_hold_the_image() -> None:
    pixels = GOOD.copy()
    blob = dnn.blobFromImage(pixels, ddepth=0)
    images = dnn.imagesFromBlob(dnn.blobFromImage(pixels))
    pixels[...] = 0
    assert blob.any()
    assert np.array_equal(images[0], GOOD)
