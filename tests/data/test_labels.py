"""Labels that floats do not hold are refused wherever they come from; the largest that floats hold is taken."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netc.data import annotated_datum, box_files, datum, idx, window_data
from netc.data.bad import BadRecordError
from netc.data.codes import BAD_ARRAY, BAD_LIST
from netc.errors import NetError
from netc.schema.registry import base_schema
from netc.schema.wire import encode


def of_datum(_: Path, label: int) -> float:
    return datum.parse(datum.encode(np.zeros((1, 1, 1), np.uint8), label)).label


def of_annotation(_: Path, label: int, number: int = 0) -> float:
    schema = base_schema()
    box = schema.message("NormalizedBBox").make(xmin=0.1, ymin=0.1, xmax=0.5, ymax=0.5)
    note = schema.message("Annotation").make(instance_id=number, bbox=box)
    group = schema.message("AnnotationGroup").make(group_label=label, annotation=[note])
    image = annotated_datum.encode_annotated(datum.encode(np.zeros((1, 1, 1), np.uint8), 0), None)
    data = image + encode(schema.message("AnnotatedDatum").make(type="BBOX", annotation_group=[group]))
    boxes = annotated_datum.parse(data).boxes
    assert boxes is not None
    return float(boxes[0, 1 if number else 0])


def of_boxes(folder: Path, label: int) -> float:
    path = folder / "a.txt"
    path.write_text(f"{label} 1 2 3 4\n")
    return float(box_files.read_boxes(path, {}, 10, 10)[0, 0])


def of_windows(folder: Path, label: int) -> float:
    path = folder / "windows.txt"
    path.write_text(f"# 0\na.png\n3 20 20\n1\n{label} 0.7 1 1 5 5\n")
    return window_data.read_windows(path)[0].label


def of_idx(folder: Path, label: int) -> float:
    images, labels = folder / "images", folder / "labels"
    images.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 1, 1, 1) + b"\0")
    labels.write_bytes(struct.pack(">4BIi", 0, 0, 12, 1, 1, label))
    found = idx.read_images(images, labels)[1]
    assert found is not None
    return float(found[0])


SOURCES: dict[str, Callable[[Path, int], float]] = {
    "datum": of_datum,
    "annotation": of_annotation,
    "number of an object": lambda folder, number: of_annotation(folder, 1, number),
    "boxes": of_boxes,
    "windows": of_windows,
    "idx": of_idx,
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_label_is_exact_or_refused(source: str, tmp_path: Path) -> None:
    assert SOURCES[source](tmp_path, 1 << 24) == 1 << 24
    with pytest.raises((BadRecordError, NetError), match="16777217 is too large") as caught:
        SOURCES[source](tmp_path, (1 << 24) + 1)
    if isinstance(caught.value, NetError):
        assert caught.value.diagnostics[0].code in (BAD_LIST, BAD_ARRAY)


@pytest.mark.parametrize("source", ["boxes", "windows"])
def test_so_is_one_beyond_integers(source: str, tmp_path: Path) -> None:
    with pytest.raises((BadRecordError, NetError), match="99999999999 is too large"):
        SOURCES[source](tmp_path, 99999999999)
