"""DenseImageData: pairs of an image and an image of labels, one for each pixel (SegNet, Badrinarayanan et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from netc.data.bad import BadRecordError
from netc.data.choosing import ordered
from netc.data.codes import BAD_TRANSFORM, NO_RECORDS
from netc.data.content import of_files, sampled
from netc.data.images import decode_image, opened, read_bytes, read_image
from netc.data.interpolate import interpolate
from netc.data.lists import bad_line, read_text
from netc.data.order import Ticket, random_skip
from netc.data.paths import Root, find
from netc.data.reading import Reading, blamed, missing, problem
from netc.data.resize import resize
from netc.data.source import Opening, Source, SourceType
from netc.data.transform import Transform, transformed
from netc.data.transform_fields import PIXELS
from netc.errors import Diagnostic, NetError, Report
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record


class Pair(NamedTuple):
    """An image file and the file of its labels."""

    image: str
    labels: str


def read_pairs(path: Path) -> list[Pair]:
    """The lines of a list: two paths without spaces. Raises NetError: DAT009 for lines that make no sense, DAT012."""
    source = read_text(path, "a list of pairs of images")
    found, report = [], Report()
    for number, line in enumerate(source.text.split("\n"), 1):
        words = line.split()
        if len(words) == 2:
            found.append(Pair(*words))
        elif words:
            count = f"it has {len(words)} word{'s' * (len(words) != 1)}"
            bad_line(report, source, number, f"{count}; it needs the path of an image and the path of its labels")
    report.finish()
    return found


class Pairs(NamedTuple):
    """The files of a list, where they lie, and how they are read."""

    listed: list[Pair]
    root: Root
    p: Any  # the layer's own fields

    def path(self, name: str) -> Path:
        return self.root.path(name)

    def image(self, index: int) -> Array:
        """Channels x height x width. Raises BadRecordError."""
        with self.root.reading(self.listed[index].image) as path:
            pixels = read_image(path, "color" if self.p.is_color else "gray")
        if self.p.new_height:
            pixels = resize(pixels, int(self.p.new_height), int(self.p.new_width))
        return pixels.transpose(2, 0, 1)

    def labels(self, index: int, size: tuple[int, int]) -> Array:
        """Height x width; must be as large as the image, unless they are resized. Raises BadRecordError."""
        name = self.listed[index].labels
        try:
            with self.root.reading(name) as path:
                labels = _label_pixels(read_bytes(path))
            if not self.p.new_height and labels.shape != size:
                raise BadRecordError(f"they are {_text(labels.shape)}, the image is {_text(size)}")
        except BadRecordError as error:
            raise BadRecordError(f"its labels, {self.path(name)}: {error}", error.help) from None
        height, width = (side // int(self.p.label_divide_factor) for side in size)
        return interpolate(labels[:, :, None], height, width, "NEAREST")[:, :, 0]


def _label_pixels(data: bytes) -> Array:
    """An image's numbers. Raises BadRecordError for an image with colours: their brightness is no label."""
    pixels = decode_image(data, "as is")
    if pixels.shape[2] == 1:
        return pixels[:, :, 0]
    if _palette(data):
        raise BadRecordError("they are an image with a palette; save the palette's indices as grey values")
    if (pixels[:, :, :1] != pixels).any():
        raise BadRecordError("they are an image with colours; a label is a grey value")
    return pixels[:, :, 0]


def _palette(data: bytes) -> bool:
    with opened(data) as image:
        return bool(image.mode == "P")


def _text(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


class PairReader:
    """Images and their labels; both are cropped and mirrored alike."""

    slow = True

    def __init__(self, opening: Opening, pairs: Pairs) -> None:
        _check(opening.record)
        self._pairs = pairs
        self._factor = int(pairs.p.label_divide_factor)
        self._transform = Transform(_mirrored(opening), _first(opening.record, pairs))
        self.varies = pairs.p.batch_size == 1 and not pairs.p.new_height and self._transform.any_size

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return self._transform.shape, _label_shape(self._transform.shape, self._factor)

    def __len__(self) -> int:
        return len(self._pairs.listed)

    def content(self) -> Iterator[bytes]:
        pairs = self._pairs
        names = "\n".join(f"{Path(image).name} {Path(labels).name}" for image, labels in pairs.listed)
        yield names.encode("utf-8", "surrogateescape")
        chosen = [pairs.listed[at] for at in sampled(len(pairs.listed))]
        yield from of_files(pairs.path(name) for pair in chosen for name in pair)

    def name(self, record: int) -> str:
        return str(self._pairs.path(self._pairs.listed[record].image))

    def fetch(self, record: int) -> int | tuple[Array, Array]:
        return self._read(record) if self.varies else record

    def _read(self, record: int) -> tuple[Array, Array]:
        image = self._pairs.image(record)
        return image, self._pairs.labels(record, (image.shape[1], image.shape[2]))

    def shapes_of(self, item: tuple[Array, Array]) -> tuple[Shape, ...]:
        return item[0].shape, _label_shape(item[0].shape, self._factor)

    def fill(self, item: int | tuple[Array, Array], ticket: Ticket, rows: Sequence[Array]) -> None:
        image, labels = self._read(item) if isinstance(item, int) else item
        place = self._transform(image, rows[0][0], ticket)
        if self._factor == 1:
            labels = labels[place.window]
        rows[1][0, 0] = labels[:, ::-1] if place.mirror else labels


def _mirrored(opening: Opening) -> Opening:
    """With the layer's own `mirror` where the transformation reads it."""
    if not opening.record.dense_image_data_param.mirror:
        return opening
    p = opening.record.transform_param.replace(mirror=True)
    return replace(opening, record=opening.record.replace(transform_param=p))


def _label_shape(image: Shape, factor: int) -> Shape:
    return (1, image[1] // factor, image[2] // factor)


def _check(record: Record) -> None:
    """Raise NetError(DAT006) for what cannot be done to labels in the same way."""
    p, own = record.transform_param, record.dense_image_data_param
    wrong = next((name for name in ("resize_param", "rotation", "min_area") if p.has(name)), None)
    if wrong:
        message, help = f"{wrong} would move the image, but not its labels", "use new_height, new_width and crop_size"
    elif own.label_divide_factor > 1 and (p.crop_size or p.crop_h):
        wrong, message = "crop_size" if p.crop_size else "crop_h", "labels of another size cannot be cropped alike"
        help = "leave out the crop, or label_divide_factor"
    else:
        return
    raise NetError(Diagnostic.of_layer(record, BAD_TRANSFORM, message, p.span_of(wrong), (), help, field=wrong))


def _first(record: Record, pairs: Pairs) -> Shape:
    """The shape of the first image that can be read."""
    reason, help = "it names no images", None
    for index in range(min(len(pairs.listed), 20)):
        try:
            shape: Shape = pairs.image(index).shape
            return shape
        except BadRecordError as error:
            path, help = pairs.path(pairs.listed[index].image), error.help
            reason = f"none of its first images can be read: {path}: {error}"
    raise NetError(problem(record, NO_RECORDS, f"{pairs.p.source}: {reason}", help))


def _pairs(record: Record) -> Pairs | None:
    p = record.dense_image_data_param
    path = find(record, p.source)
    if path is None:
        return None
    with blamed(record):
        return Pairs(read_pairs(path), Root(p.root_folder, path.parent), p)


def _open(opening: Opening) -> Source:
    record, p = opening.record, opening.record.dense_image_data_param
    pairs = _pairs(record)
    if pairs is None:
        raise missing(record, f'there is no "{p.source}"', p.source)
    reader = PairReader(opening, pairs)
    skip = random_skip(int(p.rand_skip), opening.seed, opening.stream)
    order = ordered(opening, p, len(reader), shuffle=p.shuffle, stream=opening.stream, start=skip)
    return Reading(opening, reader, order, int(p.batch_size))


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    p = record.dense_image_data_param
    if not p.batch_size or not p.label_divide_factor or bool(p.new_height) != bool(p.new_width):
        return None  # the layer says what is wrong
    pairs = _pairs(record)
    if pairs is None:
        return None
    shape = transformed(record, _first(record, pairs))
    size = int(p.batch_size)
    return (size, *shape), (size, *_label_shape(shape, int(p.label_divide_factor)))


DENSE_IMAGE_DATA = SourceType("DenseImageData", _open, _probe, transform=PIXELS, check=_check)
