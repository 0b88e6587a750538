"""`AnnotatedDatum`: one record of SSD's databases, an image with its boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.datum import Datum
from netc.data.datum import parse as parse_datum
from netc.data.labels import label_problem
from netc.layer import Array
from netc.schema.record import Record
from netc.schema.registry import base_schema
from netc.schema.scan import BYTES, VARINT, WireError, encode_bytes, scan
from netc.schema.wire import decode, encode

MOST_BOXES = 100_000
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class Annotated(NamedTuple):
    """An image and its boxes, or None if it only has a label.

    boxes: N x 7 float32: class, number of the object, xmin, ymin, xmax, ymax (shares of the image), difficult.
    """

    datum: Datum
    boxes: Array | None


def parse(data: bytes, *, boxes: bool = False) -> Annotated:
    """A serialized AnnotatedDatum. boxes: it holds boxes even if it does not say so. Raises BadRecordError."""
    image: bytes | None = None
    groups: list[Record] = []
    typed = boxes
    message = base_schema().message("AnnotationGroup")
    try:
        for number, wire, first, last in scan(data):
            if (number, wire) == (1, BYTES):
                image = data[first:last]
            elif (number, wire) == (2, VARINT):
                if first != 0:
                    raise BadRecordError(f"its notes are of type {first}, not boxes (0)")
                typed = True
            elif (number, wire) == (3, BYTES):
                groups.append(decode(data[first:last], message))
            elif number <= 3:
                raise BadRecordError("it is not an AnnotatedDatum: it looks like a Datum; use a Data layer")
    except WireError as error:
        raise BadRecordError(f"it is not an AnnotatedDatum: {error.message}") from None
    if image is None:
        raise BadRecordError("it is not an AnnotatedDatum: it has no datum")
    return Annotated(parse_datum(image), _checked(list(_rows(groups))) if typed else None)


def _rows(groups: list[Record]) -> Iterator[tuple[float, ...]]:
    for group in groups:
        for note in group.annotation:
            box = note.bbox
            yield (group.group_label, note.instance_id, *(getattr(box, n) for n in _CORNERS), bool(box.difficult))


def _checked(rows: list[tuple[float, ...]]) -> Array:
    if len(rows) > MOST_BOXES:
        raise BadRecordError(f"it has {len(rows):,} boxes")
    for label, number, *_ in rows:
        if problem := label_problem(label, "class") or label_problem(number, "the object's number"):
            raise BadRecordError(problem)
    boxes = np.array(rows, np.float32).reshape(-1, 7)
    bad = np.flatnonzero(~np.isfinite(boxes).all(1))
    if len(bad):
        raise BadRecordError(f"box {bad[0]} has corners that are not finite")
    return boxes


def encode_annotated(datum: bytes, boxes: Array | None) -> bytes:
    """A serialized Datum and its boxes (as in `Annotated`) as a serialized AnnotatedDatum."""
    schema = base_schema()
    head = encode_bytes(1, datum)
    if boxes is None:
        return head
    groups = []
    for label in dict.fromkeys(boxes[:, 0].tolist()):
        notes = [_note(row) for row in boxes[boxes[:, 0] == label].tolist()]
        groups.append(schema.message("AnnotationGroup").make(group_label=int(label), annotation=notes))
    return head + encode(schema.message("AnnotatedDatum").make(type="BBOX", annotation_group=groups))


def _note(row: list[float]) -> Any:
    schema = base_schema()
    corners = dict(zip(_CORNERS, row[2:6], strict=True))
    box = schema.message("NormalizedBBox").make(**corners, difficult=bool(row[6]))
    return schema.message("Annotation").make(instance_id=int(row[1]), bbox=box)
