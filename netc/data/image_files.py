"""ImageData and ImageFolder: image files that a list names, or that lie in a folder for each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.choosing import ordered
from netc.data.codes import NO_RECORDS
from netc.data.content import of_files, sampled
from netc.data.images import Colour, read_image
from netc.data.lists import Listed, Split, part_of, read_folder, read_list
from netc.data.order import Ticket, random_skip
from netc.data.paths import Root, find
from netc.data.reading import Reading, blamed, missing, problem
from netc.data.resize import resize
from netc.data.source import Opening, Source, SourceType
from netc.data.transform import Transform, transformed
from netc.data.transform_fields import PIXELS
from netc.errors import NetError
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record


class Files(NamedTuple):
    """Image files, where they lie, and how they are decoded."""

    listed: list[Listed]
    root: Root
    colour: Colour
    size: tuple[int, int]  # height and width that images are resized to, or zeros

    @property
    def label_shape(self) -> Shape:
        """() if each image has one label, or how many there are."""
        several = len(self.listed[0].more) if self.listed else 0
        return (several + 1,) if several else ()

    def path(self, index: int) -> Path:
        return self.root.path(self.listed[index].path)

    def image(self, index: int) -> Array:
        """Channels x height x width. Raises BadRecordError."""
        with self.root.reading(self.listed[index].path) as path:
            pixels = read_image(path, self.colour)
        if all(self.size):
            pixels = resize(pixels, *self.size)
        return pixels.transpose(2, 0, 1)


class FileReader:
    """Image files, transformed."""

    slow = True

    def __init__(self, opening: Opening, files: Files) -> None:
        self._files = files
        self._labels = len(opening.record.top) > 1
        self._transform = Transform(opening, _first(opening.record, files))
        one = _parameter(opening.record).batch_size == 1 and not all(files.size)
        self.varies = one and self._transform.any_size

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (self._transform.shape, self._files.label_shape)[: 2 if self._labels else 1]

    def __len__(self) -> int:
        return len(self._files.listed)

    def content(self) -> Iterator[bytes]:
        listed = self._files.listed
        yield "\n".join(f"{Path(each.path).name} {each.labels}" for each in listed).encode("utf-8", "surrogateescape")
        yield from of_files(map(self._files.path, sampled(len(listed))))

    def labels(self) -> Array | None:
        return None if self._files.label_shape else np.array([each.labels[0] for each in self._files.listed])

    def name(self, record: int) -> str:
        return str(self._files.path(record))

    def fetch(self, record: int) -> tuple[int, Array | None]:
        return record, self._files.image(record) if self.varies else None

    def shapes_of(self, item: tuple[int, Array]) -> tuple[Shape, ...]:
        return (item[1].shape, self._files.label_shape)[: len(self.shapes)]

    def fill(self, item: tuple[int, Array | None], ticket: Ticket, rows: Sequence[Array]) -> None:
        record, image = item
        self._transform(self._files.image(record) if image is None else image, rows[0][0], ticket)
        if self._labels:
            labels = self._files.listed[record].labels
            rows[1][0] = labels if self._files.label_shape else labels[0]


def _first(record: Record, files: Files) -> Shape:
    """The shape of the first image that can be read."""
    reason, help = "it names no images", None
    for index in range(min(len(files.listed), 20)):
        try:
            return files.image(index).shape
        except BadRecordError as error:
            reason, help = f"none of its first images can be read: {files.path(index)}: {error}", error.help
    raise NetError(problem(record, NO_RECORDS, f"{_parameter(record).source}: {reason}", help))


def _parameter(record: Record) -> Any:
    return record.image_data_param if record.type == "ImageData" else record.image_folder_param


def _files(record: Record) -> Files | None:
    p = _parameter(record)
    path = find(record, p.source)
    if path is None:
        return None
    size = (int(p.new_height), int(p.new_width))
    with blamed(record):
        if record.type == "ImageData":
            colour: Colour = "color" if p.is_color else "gray"
            return Files(read_list(path), Root(p.root_folder, path.parent), colour, size)
        listed = part_of(read_folder(path)[0], p.split, p.test_share)
        return Files(listed, Root(f"{path}/", path), "color" if p.is_color else "gray", size)


def _open(opening: Opening) -> Source:
    record, p = opening.record, _parameter(opening.record)
    files = _files(record)
    if files is None:
        raise missing(record, f'there is no "{p.source}"', p.source)
    reader = FileReader(opening, files)
    stream = opening.stream
    skip = random_skip(int(p.rand_skip), opening.seed, stream) if record.type == "ImageData" else 0
    order = ordered(opening, p, len(reader), reader.labels, shuffle=p.shuffle, stream=stream, start=skip)
    return Reading(opening, reader, order, int(p.batch_size))


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    p = _parameter(record)
    if not p.batch_size or bool(p.new_height) != bool(p.new_width):
        return None  # the layer says what is wrong
    if record.type == "ImageFolder" and (p.split not in get_args(Split) or not 0 < p.test_share < 1):
        return None
    files = _files(record)
    if files is None:
        return None
    shape = transformed(record, _first(record, files))
    size = int(p.batch_size)
    return ((size, *shape), (size, *files.label_shape))[: len(record.top)]


def _classes(record: Record) -> tuple[str, ...]:
    """The names of the folders."""
    path = find(record, record.image_folder_param.source)
    if path is None:
        return ()
    with blamed(record):
        return tuple(read_folder(path)[1])


IMAGE_DATA = SourceType("ImageData", _open, _probe, transform=PIXELS)
IMAGE_FOLDER = SourceType("ImageFolder", _open, _probe, _classes, PIXELS)
