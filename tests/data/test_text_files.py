"""A byte order mark before a text, as editors on Windows write it, is no part of it: whatever file it is."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import netc
from netc import dnn, language
from netc.cli import cli
from netc.cli._files import read_lines
from netc.data import classes
from netc.data.array_files import read_csv
from netc.data.box_files import read_boxes, read_label_map
from netc.data.codes import NOT_DATA
from netc.data.dense_images import read_pairs
from netc.data.hdf5 import read_files
from netc.data.lists import read_list, read_text
from netc.data.window_data import read_windows
from tests.data.test_window_data import FILE

ROOT = Path(netc.__file__).parent
XML = """<?xml version="1.0" encoding="utf-8"?><annotation><size><height>9</height><width>9</width></size>
<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>
"""
NET = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 2] } } }
layer { name: "y" type: "ReLU" bottom: "x" top: "y" }
"""


def _hdf5(path: Path) -> Any:
    with h5py.File(path.parent / "rows.h5", "w") as file:
        file["data"] = np.zeros((2, 3))
    return [(file.path.name, file.rows) for file in read_files(path, ["data"])]


def _sizes(path: Path) -> Any:
    from netc.graph import State, build  # noqa: PLC0415
    from netc.layers.detection_evaluate import Geometry  # noqa: PLC0415
    from netc.plan import plan  # noqa: PLC0415

    text = f"""
    layer {{ name: "a" type: "Input" top: "a" input_param {{ shape {{ dim: [1, 1, 2, 7] }} }} }}
    layer {{ name: "b" type: "Input" top: "b" input_param {{ shape {{ dim: [1, 1, 2, 8] }} }} }}
    layer {{ name: "e" type: "DetectionEvaluate" bottom: "a" bottom: "b" top: "e"
      detection_evaluate_param {{ num_classes: 3 background_label_id: 0 name_size_file: "{path}" }} }}
    """
    definition = netc.loads(text)
    found = plan(build(definition.record, definition.types, State("TEST")))
    geometry = found.layers[2].setup.geometry
    assert isinstance(geometry, Geometry)
    return geometry.sizes


def _imported(path: Path) -> Any:
    (path.parent / "main.net").write_text(f'import "{path.name}"\nx = Input() {{ shape {{ dim: [1, width] }} }}\n')
    return netc.load(path.parent / "main.net").record.layer


READERS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "images": (read_list, "list.txt", "a.png 1\nb.png 2\n"),
    "pairs": (read_pairs, "list.txt", "a.png b.png\n"),
    "HDF5 files": (_hdf5, "list.txt", "rows.h5\n"),
    "windows": (read_windows, "windows.txt", FILE.format(folder="x")),
    "table": (
        lambda path: [part if isinstance(part, list) else part.tolist() for part in read_csv(path)],
        "t.csv",
        "a,b\n1,2\n",
    ),
    "table without names": (lambda path: read_csv(path)[0].tolist(), "t.csv", "1,2\n3,4\n"),
    "boxes": (lambda path: read_boxes(path, {}, 9, 9).tolist(), "boxes.txt", "1 0 0 5 5\n"),
    "boxes by name": (lambda path: read_boxes(path, {"cat": 3}, 9, 9).tolist(), "boxes.txt", "cat 0 0 5 5\n"),
    "boxes in XML": (lambda path: read_boxes(path, {"cat": 3}, 9, 9).tolist(), "boxes.xml", XML),
    "class numbers": (read_label_map, "map.prototxt", 'item { name: "cat" label: 8 }'),
    "class names": (read_label_map, "names.txt", "cat\ndog\n"),
    "class names of commands": (lambda path: read_lines(path, NOT_DATA), "names.txt", "cat\ndog\n"),
    "sizes of images": (_sizes, "sizes.txt", "a 10 20\n"),
    "prototxt": (lambda path: netc.load(path).record.layer, "net.prototxt", NET),
    "net": (lambda path: netc.load(path).record.layer, "net.net", "x = Input() { shape { dim: [1, 2] } }\n"),
    "imported": (_imported, "part.net", "let width = 2\n"),
    "solver": (
        lambda path: language.read(path).block.fields[0].name,
        "solver.prototxt",
        "base_lr: 0.1\n",
    ),
    "cv2.dnn": (lambda path: dnn.readNetFromCaffe(str(path)).getLayerNames(), "net.prototxt", NET),
    "cv2.dnn's bytes": (
        lambda path: dnn.readNetFromCaffe(bufferProto=path.read_bytes()).getLayerNames(),
        "net.prototxt",
        NET,
    ),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_byte_order_mark_is_no_text(kind: str, tmp_path: Path) -> None:
    reader, name, text = READERS[kind]
    path = tmp_path / name
    path.write_text(text)
    plain = reader(path)
    assert len(plain)
    for before in ("\ufeff", ""):
        path.write_bytes((before + text.replace("\n", "\r\n")).encode())
        assert reader(path) == plain, "CRLF" if not before else "CRLF and a mark"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert reader(path) == plain


def test_the_classes_of_a_database(tmp_path: Path) -> None:
    from tests.data.common import image_lmdb, images, layer  # noqa: PLC0415

    path = image_lmdb(tmp_path / "db", images(2))
    (path / "labels.txt").write_bytes("\ufeffcat\r\ndog\r\n".encode())
    record = layer("Data", f'data_param {{ source: "{path}" batch_size: 1 backend: LMDB }}')
    assert classes(record) in ((), ("cat", "dog"))


def test_what_comes_by_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(cli, ["fmt", "-"], input=io.BytesIO(b"\xef\xbb\xbfname:'x'\n"))
    assert (done.exit_code, done.output) == (0, 'name: "x"\n')


def test_only_the_mark_goes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("\ufeff\ufeffa\ufeff".encode())
    assert read_text(tmp_path / "x").text == "\ufeffa\ufeff"
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbf\xc4\xd6")
    assert read_text(tmp_path / "x").text == "\udcc4\udcd6"


OWN = {
    "convert/torch/library.py": "netc's own pieces of code",
    "report/explain.py": "netc's own files",
    "api/gallery.py": "netc's own nets",
    "language/tables.py": "netc's own grammar",
    "pages/html.py": "netc's own pages",
    "api/history.py": "metrics that netc wrote",
}


def test_nobody_else_makes_text_of_files() -> None:
    """Texts that users have go through `files.text_of`: nothing else reads and decodes in one expression."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                inner = ast.dump(node.func.value)
                reads = "read_bytes" in inner or "read_regular" in inner or "'read'" in inner
                bare = node.func.attr == "read_text" and "encoding" in [k.arg for k in node.keywords]
                if bare or (node.func.attr == "decode" and reads):
                    found.add(str(path.relative_to(ROOT)))
    assert found - set(OWN) <= {"data/database.py", "data/annotated.py"}  # keys of records
