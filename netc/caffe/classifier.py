"""pycaffe's Classifier: a net that classifies images, averaged over crops if asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netc.api.definition import PathLike
from netc.caffe import io
from netc.caffe.net import Net
from netc.layer import Array


def transformer_of(
    net: Net,
    mean: Array | None,
    input_scale: float | None,
    raw_scale: float | None,
    channel_swap: Sequence[int] | None,
) -> io.Transformer:
    """A Transformer for the first input of a net, which takes images."""
    name = net.inputs[0]
    made = io.Transformer({name: net.blobs[name].data.shape})
    made.set_transpose(name, (2, 0, 1))
    if mean is not None:
        made.set_mean(name, mean)
    if input_scale is not None:
        made.set_input_scale(name, input_scale)
    if raw_scale is not None:
        made.set_raw_scale(name, raw_scale)
    if channel_swap is not None:
        made.set_channel_swap(name, channel_swap)
    return made


class Classifier(Net):
    """A Net in phase TEST with `predict`.

    image_dims: the size (height, width) that images are scaled to before crops of the net's input size are taken; the
    input size itself by default. mean, input_scale, raw_scale, channel_swap: as in `io.Transformer`.
    """

    def __init__(
        self,
        model_file: PathLike,
        pretrained_file: PathLike,
        image_dims: Sequence[int] | None = None,
        mean: Array | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, phase="TEST", weights=pretrained_file)
        self.transformer = transformer_of(self, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].data.shape[2:])
        self.image_dims = self.crop_dims if image_dims is None or not len(image_dims) else np.array(image_dims)

    def predict(self, inputs: Sequence[Array], oversample: bool = True) -> Array:
        """The first output for each image (height x width x channels): images x classes.

        oversample: the mean over ten crops (corners, centre, and their mirror images); else the centre crop only.
        """
        images = [io.resize_image(image, self.image_dims) for image in inputs]
        crops = io.oversample(images, self.crop_dims) if oversample else np.stack([self._centre(i) for i in images])
        name = self.inputs[0]
        prepared = np.stack([self.transformer.preprocess(name, crop) for crop in crops])
        found = self.forward_all(None, **{name: prepared})[self.outputs[0]]
        return found.reshape(len(images), 10, -1).mean(1) if oversample else found

    def _centre(self, image: Array) -> Array:
        top, left = ((np.array(image.shape[:2]) - self.crop_dims) / 2).astype(int)
        height, width = self.crop_dims
        return image[top : top + height, left : left + width]
