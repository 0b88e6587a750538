"""Makes `AnnotatedDatum` records of image files and the files of their boxes, as SSD's convert_annoset does.

Boxes stand in PASCAL VOC's XML (`annotation/object` with `name`, `bndbox` and `difficult`), or in a text file with
lines of `class xmin ymin xmax ymax`; both in pixels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from netc.data.annotated_datum import encode_annotated
from netc.data.bad import BadRecordError
from netc.data.codes import NOT_DATA
from netc.data.datum import encode_file
from netc.data.dense_images import Pair
from netc.data.images import decode_image, encode_image, read_bytes
from netc.data.labels import EXACT, label_problem
from netc.data.lists import read_text
from netc.data.paths import Root
from netc.data.resize import resize
from netc.data.writing import Item, record_key
from netc.errors import Diagnostic, NetError
from netc.files import text_of
from netc.layer import Array
from netc.untrusted import library

_MOST_BYTES = 1 << 24
_ITEM = re.compile(r"item\s*\{([^{}]*)\}")
_NAME, _LABEL = re.compile(r'\bname\s*:\s*"([^"]*)"'), re.compile(r"\blabel\s*:\s*(-?\d+)")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")

Row = tuple[int, float, float, float, float, bool]  # class, corners in pixels, difficult


class BoxOptions(NamedTuple):
    """Where relative paths start, what is put before them, class numbers by name, and what images are resized to."""

    folder: Path
    prefix: str = ""
    classes: Mapping[str, int] = {}
    size: tuple[int, int] | None = None


def read_label_map(path: Path) -> dict[str, int]:
    """Class numbers by name: a label map of SSD (`item { name: "cat" label: 8 }`), or a line for each class from 0 on.

    Raises NetError(DAT012).
    """
    text = read_text(path).text
    if path.suffix != ".prototxt":
        return {name.strip(): number for number, name in enumerate(text.splitlines()) if name.strip()}
    items = [(_NAME.search(item), _LABEL.search(item)) for item in _ITEM.findall(text)]
    found = {name[1]: _class(label[1]) for name, label in items if name and label}
    if bad := next((name for name, label in found.items() if label is None), None):
        raise NetError(Diagnostic(NOT_DATA, f'{path} gives class "{bad}" a number beyond {EXACT:,}'))
    if not found:
        raise NetError(Diagnostic(NOT_DATA, f'{path} is no label map: it has no item {{ name: "..." label: ... }}'))
    return {name: label for name, label in found.items() if label is not None}


def _class(text: str) -> int | None:
    """The number of a class, or None if floats do not hold it exactly."""
    return int(text) if len(text) < 12 and abs(int(text)) <= EXACT else None


def box_items(pairs: Sequence[Pair], options: BoxOptions) -> list[Item]:
    """Items of image files with boxes, with the keys of SSD's convert_annoset: `00000000_path`."""

    def value(pair: Pair) -> Callable[[], bytes]:
        return lambda: box_record(pair, options)

    return [(record_key(i, pair.image), value(pair)) for i, pair in enumerate(pairs)]


def box_record(pair: Pair, options: BoxOptions) -> bytes:
    """The AnnotatedDatum of an image file, which is stored as it is, or resized as JPEG. Raises BadRecordError."""
    root = Root(options.prefix, options.folder, tools=True)
    with root.reading(pair.image) as path:
        data = read_bytes(path)
    pixels = decode_image(data, "color")
    try:
        with root.reading(pair.labels) as path:
            boxes = read_boxes(path, options.classes, pixels.shape[0], pixels.shape[1])
    except BadRecordError as error:
        raise BadRecordError(f"its boxes, {root.path(pair.labels)}: {error}", error.help) from None
    if options.size:
        data = encode_image(resize(pixels, *options.size), "jpg")
    return encode_annotated(encode_file(data, -1), boxes)


def read_boxes(path: Path, classes: Mapping[str, int], height: int, width: int) -> Array:
    """The boxes (as in `Annotated`) of an image of this size, objects of a class numbered. Raises BadRecordError."""
    data = read_bytes(path, _MOST_BYTES)
    if path.suffix.lower() == ".xml":
        root = _xml(data)
        height, width = (_number(root, f"size/{side}", own) for side, own in (("height", height), ("width", width)))
        rows = list(_objects(root, classes))
    else:
        rows = list(_lines(text_of(data), classes))
    if not (height and width):
        raise BadRecordError("it says that its image has no size")
    found, counts = [], dict[int, int]()
    for label, left, top, right, bottom, difficult in rows:
        counts[label] = counts.get(label, -1) + 1
        found.append((label, counts[label], left / width, top / height, right / width, bottom / height, difficult))
    return np.array(found, np.float32).reshape(-1, 7)


def _xml(data: bytes) -> Any:
    def declares(*_: object) -> None:
        raise BadRecordError("it declares entities, which are not read")

    with library(lambda reason: BadRecordError(f"it is no XML: {reason}")):
        parser = expat.ParserCreate()  # by itself first: in UTF-16 the declaration looks different
        parser.StartDoctypeDeclHandler = declares
        parser.Parse(data, True)
        return ElementTree.fromstring(data)


def _number(node: Any, path: str, otherwise: int | None = None) -> Any:
    text = node.findtext(path)
    if text is None and otherwise is not None:
        return otherwise
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise BadRecordError(f"{path} is {text!r}, not a number")
    return value


def _objects(root: Any, classes: Mapping[str, int]) -> Iterator[Row]:
    for index, node in enumerate(root.findall("object")):
        name = (node.findtext("name") or "").strip()
        if name not in classes:
            raise BadRecordError(f'object {index} is "{name}", {_unknown(classes)}')
        corners = [_number(node, f"bndbox/{corner}") for corner in _CORNERS]
        yield _row(index, classes[name], corners, (node.findtext("difficult") or "0").strip() == "1")


def _unknown(classes: Mapping[str, int]) -> str:
    """What is wrong with a class's name that has no number."""
    return "which the label map does not have" if classes else "a name: --label-map says which number it is"


def _lines(text: str, classes: Mapping[str, int]) -> Iterator[Row]:
    """Lines of `class xmin ymin xmax ymax`; the class is its number, or its name, which may have spaces."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for index, (number, line) in enumerate(lines):
        name, *numbers = line.strip().rsplit(maxsplit=4)
        try:
            corners = [float(word) for word in numbers]
        except ValueError:
            corners = []
        if len(corners) != 4:
            raise BadRecordError(f"line {number} is not a class and four numbers")
        yield _row(index, _label(name, number, classes), corners, False)


def _label(name: str, line: int, classes: Mapping[str, int]) -> int:
    """The number of a class that a line names or numbers."""
    if name in classes:
        return classes[name]
    try:
        label = int(name)
    except ValueError:
        raise BadRecordError(f'line {line}: the class is "{name}", {_unknown(classes)}') from None
    if problem := label_problem(label, "class"):
        raise BadRecordError(f"line {line}: {problem}")
    return label


def _row(index: int, label: int, corners: Sequence[float], difficult: bool) -> Row:
    left, top, right, bottom = corners
    if not (np.isfinite(corners).all() and right > left and bottom > top):
        raise BadRecordError(f"box {index} ({left:g}, {top:g}, {right:g}, {bottom:g}) has no size")
    return label, left, top, right, bottom, difficult
