"""cv2.dnn's models: a net, how frames become its input, and what its output means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from netc.dnn import detections
from netc.dnn.blobs import blobFromImage
from netc.dnn.choosing import readNet
from netc.dnn.errors import BAD_IMAGE, BAD_OUTPUT, EMPTY, refuse
from netc.dnn.net import Net
from netc.layer import Array, format_shape

M = TypeVar("M", bound="Model")


class Model:
    """A net (or the paths of its two files) and its input: frames, resized to `size`; scale * (pixel - mean).

    size: (width, height), the prototxt's at first. Raises error.
    """

    def __init__(self, model: Any = None, config: Any = "", *, network: Net | None = None) -> None:
        net = model if network is None else network
        self._net: Net = net if isinstance(net, Net) else readNet(net, config)
        if self._net.empty():
            raise refuse(EMPTY, "the net has no layers", help="read one with readNetFromCaffe")
        first = next(iter(self._net.input_shapes().values()), ())
        self._size: tuple[int, ...] = first[:1:-1] if len(first) == 4 else ()
        self._scale: Any = 1.0
        self._mean: Any = ()
        self._swap, self._crop = False, False
        self._outputs: Sequence[str] = self._net.getUnconnectedOutLayersNames()

    # ------------------------------------------------------------ the input

    def setInputParams(
        self, scale: float = 1.0, size: Any = (0, 0), mean: Any = (), swapRB: bool = False, crop: bool = False
    ) -> None:
        """Set all of it."""
        self._scale, self._size, self._mean, self._swap, self._crop = scale, tuple(size), mean, swapRB, crop

    def setInputSize(self: M, size: Any, height: int | None = None) -> M:
        """Set the size: `(width, height)`, or the two numbers."""
        self._size = tuple(size) if height is None else (int(size), height)
        return self

    def setInputMean(self: M, mean: Any) -> M:
        """Set what is subtracted: a number for each channel, in the blob's order."""
        self._mean = mean
        return self

    def setInputScale(self: M, scale: Any) -> M:
        """Set the factor."""
        self._scale = scale
        return self

    def setInputCrop(self: M, crop: bool) -> M:
        """Set whether frames keep their ratio, and lose what stands out."""
        self._crop = crop
        return self

    def setInputSwapRB(self: M, swapRB: bool) -> M:
        """Set whether the first three channels are turned round."""
        self._swap = swapRB
        return self

    def setOutputNames(self: M, outNames: Sequence[str]) -> M:
        """Set the layers whose outputs are looked at; those that no other reads at first."""
        self._outputs = tuple(outNames)
        return self

    # ------------------------------------------------------------ accepted

    def setPreferableBackend(self: M, backendId: int) -> M:
        """Accepted: netc is the backend."""
        return self

    def setPreferableTarget(self: M, targetId: int) -> M:
        """Accepted: netc runs on the CPU."""
        return self

    def enableWinograd(self: M, useWinograd: bool) -> M:
        """Accepted: netc chooses how to convolve."""
        return self

    # ------------------------------------------------------------ running

    def predict(self, frame: Any) -> tuple[Array, ...]:
        """Run the net on a frame: what its output layers make."""
        self._net.setInput(self._blob(frame))
        if "im_info" in self._net.input_shapes():
            width, height = self._size
            self._net.setInput(np.array([[height, width, 1.6]], np.float32), "im_info")
        outputs: tuple[Array, ...] = self._net.forward(list(self._outputs))
        return outputs

    def _blob(self, frame: Any) -> Array:
        if len(self._size) != 2 or min(self._size) < 1:
            help = "call setInputSize or setInputParams with (width, height)"
            raise refuse(BAD_IMAGE, f"the model does not know the size of its input: {self._size}", help=help)
        blob = blobFromImage(frame, 1.0, self._size, self._mean, self._swap, self._crop)
        return blob * _scales(self._scale, blob.shape[1]).reshape(1, -1, 1, 1)

    def _only(self, frame: Any) -> Array:
        """What the only output layer makes of a frame."""
        outputs = self.predict(frame)
        if len(outputs) != 1:
            help = "say by setOutputNames which of them is meant"
            raise refuse(BAD_OUTPUT, f"the net has {len(outputs)} outputs: {', '.join(self._outputs)}", help=help)
        return outputs[0]


class ClassificationModel(Model):
    """A net that gives each class a score."""

    _softmax = False

    def setEnableSoftmaxPostProcessing(self, enable: bool) -> ClassificationModel:
        """Set whether scores become probabilities that sum to 1; for nets that do not end in a Softmax."""
        self._softmax = enable
        return self

    def getEnableSoftmaxPostProcessing(self) -> bool:
        """Whether scores become probabilities that sum to 1."""
        return self._softmax

    def classify(self, frame: Any) -> tuple[int, float]:
        """The class of the best score (the first of equals), and the score."""
        scores = self._only(frame).reshape(-1)
        if self._softmax:
            scores = np.exp(scores - scores.max())
            scores = scores / scores.sum()
        best = int(scores.argmax())
        return best, float(scores[best])


class SegmentationModel(Model):
    """A net that gives each class a map of scores."""

    def segment(self, frame: Any) -> Array:
        """The class of the best score at each position of the first output (the first of equals), as uint8."""
        maps = self.predict(frame)[0]
        if maps.ndim != 4:
            help = "maps are 1 x classes x height x width"
            raise refuse(BAD_OUTPUT, f"the output is {format_shape(maps.shape)}, and no maps", help=help)
        classes: Array = maps[0].argmax(axis=0).astype(np.uint8)
        return classes


class KeypointsModel(Model):
    """A net that says where points are: a map of scores for each, and one for the background; or their coordinates."""

    def estimate(self, frame: Any, thresh: float = 0.5) -> Array:
        """Rows of x, y in float32: the best position of each map, in pixels of the frame; -1, -1 if it scores less.

        thresh: what a position must score more than. Coordinates that the net gives are left as they are.
        """
        found = self._only(frame)
        if found.ndim == 3:
            return np.ascontiguousarray(found[0, :, :2])
        if found.ndim != 4 or found.shape[1] < 2:
            raise refuse(BAD_OUTPUT, f"the output is {format_shape(found.shape)}: neither maps nor points")
        rows, columns = np.shape(frame)[:2]
        height, width = found.shape[2:]
        scale = np.array([np.float32(columns) / np.float32(width), np.float32(rows) / np.float32(height)])
        points = np.full((found.shape[1] - 1, 2), -1, np.float32)
        for point, scores in zip(points, found[0], strict=False):
            y, x = np.unravel_index(scores.argmax(), scores.shape)
            if scores[y, x] > thresh:
                point[:] = np.array([x, y], np.float32) * scale
        return points


class DetectionModel(Model):
    """A net that ends in a DetectionOutput."""

    _across = False

    def setNmsAcrossClasses(self, value: bool) -> DetectionModel:
        """Accepted: boxes of a DetectionOutput have been chosen by the net."""
        self._across = value
        return self

    def getNmsAcrossClasses(self) -> bool:
        """What was set."""
        return self._across

    def detect(self, frame: Any, confThreshold: float = 0.5, nmsThreshold: float = 0.0) -> tuple[Any, Any, Any]:
        """Classes, confidences and boxes (x, y, width, height in pixels of the frame); three times () if there is none.

        nmsThreshold changes nothing: boxes of a DetectionOutput have been chosen by the net.
        """
        last = self._net.getLayer(self._net.getLayerNames()[-1])
        if last.type != detections.TYPE:
            raise refuse(BAD_OUTPUT, f'the last layer "{last.name}" is of type {last.type}, not {detections.TYPE}')
        rows = np.concatenate([output.reshape(-1, 7) for output in self.predict(frame)])
        rows = rows[rows[:, 2] >= np.float32(confThreshold)]
        if not len(rows):
            return (), (), ()
        height, width = np.shape(frame)[:2]
        return rows[:, 1].astype(np.int32), np.ascontiguousarray(rows[:, 2]), _boxes(rows[:, 3:], width, height)


def _boxes(corners: Array, width: int, height: int) -> Array:
    """Boxes within the frame; corners that are parts of the frame (boxes of up to 2 pixels) are multiplied by it."""
    frame = np.array([width, height, width, height], np.float32)
    pixels = corners.astype(np.int32)
    small = (pixels[:, 2:] - pixels[:, :2] + 1 <= 2).any(axis=1)
    pixels[small] = (corners[small] * frame).astype(np.int32)
    sizes = pixels[:, 2:] - pixels[:, :2] + 1
    places = pixels[:, :2].clip(0, (width - 1, height - 1))
    return np.concatenate([places, np.minimum(sizes, (width, height) - places).clip(1)], axis=1).astype(np.int32)


def _scales(scale: Any, channels: int) -> Array:
    """A factor for each channel; one number counts for all."""
    given = np.atleast_1d(np.asarray(scale, np.float32)).reshape(-1)[:4]
    if not given.size or given[0] == 0:
        raise refuse(BAD_IMAGE, f"a scale of {scale!r} leaves nothing of a frame")
    scales = np.zeros(4, np.float32)
    scales[: len(given)] = given
    return np.full(channels, given[0]) if not scales[1:].any() else scales[:channels]
