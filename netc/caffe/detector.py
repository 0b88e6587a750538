"""pycaffe's Detector: a net that classifies windows of images, with context around them if asked for.

The way of R-CNN: R. Girshick, J. Donahue, T. Darrell, J. Malik, Rich feature hierarchies for accurate object detection
and semantic segmentation, CVPR 2014.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from netc.api.definition import PathLike
from netc.caffe import io
from netc.caffe.classifier import transformer_of
from netc.caffe.net import Net
from netc.layer import Array


class Detector(Net):
    """A Net in phase TEST with `detect_windows`.

    mean, input_scale, raw_scale, channel_swap: as in `io.Transformer`. context_pad: how many pixels at each border of
    the net's input show what is around the window; beyond the image they hold the mean.
    """

    def __init__(
        self,
        model_file: PathLike,
        pretrained_file: PathLike,
        mean: Array | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, phase="TEST", weights=pretrained_file)
        self.transformer = transformer_of(self, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows: Iterable[tuple[Any, Sequence[Any]]]) -> list[dict[str, Any]]:
        """Run windows of images through the net, each scaled to its input.

        images_windows: an image file and its windows (ymin, xmin, ymax, xmax), for each image. Gives a dict with
        `window`, `prediction` and `filename` for each window.
        """
        pairs = [(filename, list(windows)) for filename, windows in images_windows]
        inputs, found = [], []
        for filename, windows in pairs:
            image = io.load_image(filename).astype(np.float32)
            inputs += [self.crop(image, np.asarray(window)) for window in windows]
            found += [{"window": window, "filename": filename} for window in windows]
        name = self.inputs[0]
        if not inputs:
            return []
        prepared = np.stack([self.transformer.preprocess(name, crop) for crop in inputs])
        predictions = self.forward_all(None, **{name: prepared})[self.outputs[0]]
        return [{**one, "prediction": prediction} for one, prediction in zip(found, predictions, strict=True)]

    def detect_selective_search(self, image_fnames: Iterable[Any]) -> list[dict[str, Any]]:
        """`detect_windows` over the windows that the package selective_search_ijcv_with_python proposes."""
        search: Any = import_module("selective_search_ijcv_with_python")
        paths = [str(Path(name).absolute()) for name in image_fnames]
        return self.detect_windows(zip(paths, search.get_windows(paths), strict=True))

    def crop(self, im: Array, window: Array) -> Array:
        """A window of an image, with context in the size of the net's input if context_pad is set."""
        top, left, bottom, right = (int(edge) for edge in window)
        if not self.context_pad:
            return im[top:bottom, left:right]
        size = self.blobs[self.inputs[0]].width  # inputs are squares
        box = self._with_context(np.asarray(window, float), size)
        scale = size / (box[2:] - box[:2] + 1)
        limits = np.array([*im.shape[:2], *im.shape[:2]])
        inside = np.clip(box, 0, limits).astype(int)
        pad = np.round(np.maximum(0, -box[:2]) * scale).astype(int)
        shown = np.round((inside[2:] - inside[:2] + 1) * scale).astype(int)
        shown = np.minimum(shown, size - pad)
        part = im[inside[0] : inside[2], inside[1] : inside[3]]
        out = np.ones(tuple(self.crop_dims), np.float32) * self.crop_mean
        out[pad[0] : pad[0] + shown[0], pad[1] : pad[1] + shown[1]] = io.resize_image(part, tuple(shown))
        return np.asarray(out, np.float32)

    def _with_context(self, window: Array, size: int) -> Array:
        """The window grown around its centre, so that in an input of this size the context is context_pad wide."""
        assert self.context_pad is not None
        scale = size / (size - 2.0 * self.context_pad)
        half = (window[2:] - window[:2] + 1) / 2
        centre = window[:2] + half
        return np.round(np.concatenate([centre - scale * half, centre + scale * half]))

    def configure_crop(self, context_pad: int | None) -> None:
        """Set how much context crops show, and what they hold beyond the image: the mean as an image shows it."""
        name = self.inputs[0]
        order = np.argsort(self.transformer.transpose[name])
        self.crop_dims = np.array(self.blobs[name].data.shape[1:])[order]
        self.context_pad = context_pad
        if not context_pad:
            return
        mean = self.transformer.mean.get(name)
        if mean is None:
            self.crop_mean = np.zeros(tuple(self.crop_dims), np.float32)
            return
        image = mean.transpose(order)
        if name in self.transformer.channel_swap:
            image = image[:, :, np.argsort(self.transformer.channel_swap[name])]
        self.crop_mean = image / self.transformer.raw_scale.get(name, 1)
