"""Databases of images with boxes, made from VOC's XML and from text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netc.cli import data as command
from netc.data.bad import BadRecordError
from netc.data.box_files import read_boxes, read_label_map
from netc.data.images import encode_image
from netc.data.lmdb_file import LmdbFile
from netc.errors import NetError
from netc.schema.registry import base_schema
from tests.data.common import images, layer, read, refused

PIXELS = images(2, (20, 40, 3))
MAP = """item { name: "none_of_the_above" label: 0 display_name: "background" }
item {
  name: "cat"
  label: 8
}
item { label: 12 name: "dog" }
"""
XML = """<annotation><filename>a.png</filename><size><width>40</width><height>20</height><depth>3</depth></size>
<object><name>dog</name><difficult>1</difficult><bndbox><xmin>4</xmin><ymin>5</ymin><xmax>20</xmax><ymax>15</ymax></bndbox>
<part><name>head</name><bndbox><xmin>4</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part></object>
<object><name>cat</name><bndbox><ymin>0</ymin><xmin>0</xmin><xmax>40</xmax><ymax>10</ymax></bndbox></object>
<object><name>dog</name><bndbox><xmin>10</xmin><ymin>10</ymin><xmax>30</xmax><ymax>20</ymax></bndbox></object>
</annotation>"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    for name, pixels in zip("ab", PIXELS, strict=True):
        (tmp_path / f"{name}.png").write_bytes(encode_image(pixels, "png"))
    (tmp_path / "a.xml").write_text(XML)
    (tmp_path / "b.txt").write_text("3 10 5 30 15\n\n5 0 0 4 2\n")
    (tmp_path / "map.prototxt").write_text(MAP)
    path = tmp_path / "trainval.txt"
    path.write_text("a.png a.xml\nb.png b.txt\n")
    return path


def run(*arguments: object) -> int:
    return int(command.command.main([str(a) for a in arguments], standalone_mode=False) or 0)


def test_a_database_from_files(listed: Path) -> None:
    out = listed.with_name("lmdb")
    assert run("boxes", listed, out, "--label-map", listed.with_name("map.prototxt")) == 0
    fields = f'data_param {{ source: "{out}" batch_size: 2 backend: LMDB }} annotated_data_param {{ max_boxes: 3 }}'
    ((image, label),) = read(layer("AnnotatedData", fields))
    np.testing.assert_array_equal(image, PIXELS.transpose(0, 3, 1, 2))
    wanted = [  # by class, in the order in which the classes come
        (0, 12, 0, 0.1, 0.25, 0.5, 0.75, 1),
        (0, 12, 1, 0.25, 0.5, 0.75, 1, 0),
        (0, 8, 0, 0, 0, 1, 0.5, 0),
        (1, 3, 0, 0.25, 0.25, 0.75, 0.75, 0),
        (1, 5, 0, 0, 0, 0.1, 0.1, 0),
    ]
    np.testing.assert_allclose(label[0, 0, :5], wanted, rtol=1e-6)
    key, value = LmdbFile(out).read(0)
    assert key == b"00000000_a.png"
    message = base_schema().message_class("AnnotatedDatum").FromString(value)
    assert message.datum.data == listed.with_name("a.png").read_bytes()
    assert message.datum.label == -1


def test_resized_and_shuffled(listed: Path) -> None:
    out = listed.with_name("lmdb")
    run("boxes", listed, out, "--label-map", listed.with_name("map.prototxt"), "--resize", "30x30", "--shuffle")
    fields = f'data_param {{ source: "{out}" batch_size: 2 backend: LMDB }}'
    ((image, label),) = read(layer("AnnotatedData", fields))
    assert image.shape == (2, 3, 30, 30)
    assert (label[0, 0, :, 0] >= 0).sum() == 5


def test_label_maps(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("background\ncat\ndog\n")
    assert read_label_map(tmp_path / "names.txt") == {"background": 0, "cat": 1, "dog": 2}
    (tmp_path / "map.prototxt").write_text(MAP)
    assert read_label_map(tmp_path / "map.prototxt") == {"none_of_the_above": 0, "cat": 8, "dog": 12}
    (tmp_path / "net.prototxt").write_text('name: "net"')
    assert refused(read_label_map, tmp_path / "net.prototxt").code.id == "DAT012"


def test_without_a_size_that_of_the_image_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(XML.replace("size>", "other>"))
    boxes = read_boxes(path, {"cat": 1, "dog": 2}, 40, 80)
    np.testing.assert_allclose(boxes[0, 2:6], [0.05, 0.125, 0.25, 0.375])


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.xml", "<annotation>", "it is no XML"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "declares entities"),
        ("a.xml", XML.replace("cat", "cow"), 'object 1 is "cow", which the label map does not have'),
        ("a.xml", XML.replace("<ymax>15</ymax>", ""), "bndbox/ymax is None, not a number"),
        ("a.xml", XML.replace("<xmin>4<", "<xmin>four<"), "bndbox/xmin is 'four', not a number"),
        ("a.xml", XML.replace("<xmax>20<", "<xmax>2<"), "box 0 (4, 5, 2, 15) has no size"),
        ("a.xml", XML.replace("<width>40<", "<width>0<"), "its image has no size"),
        ("a.txt", "1 2 3 4\n", "line 1 is not a class and four numbers"),
        ("a.txt", "1 2 3 4 5\ncow 2 3 4 5\n", 'line 2: the class is "cow", which the label map does not have'),
        ("a.txt", "1 2 3 nan 5\n", "has no size"),
        ("none.txt", None, "cannot be read"),
    ],
)
def test_files_that_make_no_sense(tmp_path: Path, name: str, text: str | None, reason: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BadRecordError) as caught:
        read_boxes(tmp_path / name, {"cat": 1, "dog": 2}, 20, 40)
    assert reason in str(caught.value)


def test_bad_files_stop_or_are_left_out(listed: Path) -> None:
    out = listed.with_name("lmdb")
    with pytest.raises(NetError) as caught:  # no label map
        run("boxes", listed, out)
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code.id == "DAT002"
    assert "a.png: its boxes" in diagnostic.message
    assert run("boxes", listed, out, "--on-bad-record", "skip") == 0
    assert len(LmdbFile(out)) == 1
    with pytest.raises(NetError) as caught:
        run("boxes", listed.with_name("none.txt"), out)
    assert caught.value.diagnostics[0].code.id == "DAT016"
