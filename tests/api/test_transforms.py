"""`netc check` and training see what is wrong with a transform_param: of every data layer, with data and without."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import netc
from netc import caffe
from netc.api.planning import check
from netc.api.session import Solver
from netc.data import source_types
from netc.data.annotated_datum import encode_annotated
from netc.data.datum import encode, encode_file
from netc.data.images import encode_image
from netc.errors import Diagnostic, NetError
from netc.schema.registry import base_schema
from netc.schema.weights_write import write_blob
from tests.data.common import image_lmdb, images, write_lmdb
from tests.data.test_window_data import FILE

PIXELS = images(4, (3, 20, 30))
REST = """
layer { name: "t" type: "DummyData" top: "t" dummy_data_param { shape { dim: [2, 1] } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" }
"""
LAYERS = {
    "Data": 'data_param { source: "db" batch_size: 2 backend: LMDB }',
    "ImageData": 'image_data_param { source: "list.txt" batch_size: 2 }',
    "ImageFolder": 'image_folder_param { source: "folder" batch_size: 2 }',
    "DenseImageData": 'dense_image_data_param { source: "pairs.txt" batch_size: 2 }',
    "WindowData": 'window_data_param { source: "windows.txt" batch_size: 2 }',
    "AnnotatedData": 'data_param { source: "boxes" batch_size: 2 backend: LMDB }',
    "IDXData": 'idx_data_param { source: "idx3" labels: "idx1" batch_size: 2 }',
    "ArrayData": 'array_data_param { source: "rows.npz" batch_size: 2 }',
    "Digits": "digits_param { batch_size: 2 }",
}
GRAY = ("IDXData", "Digits")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("there")
    image_lmdb(folder / "db", PIXELS)
    write_lmdb(folder / "encoded", (encode_file(encode_image(p.transpose(1, 2, 0), "png"), 0) for p in PIXELS))
    boxes = np.array([[1, 0, 0.1, 0.1, 0.5, 0.5, 0]], np.float32)
    write_lmdb(folder / "boxes", (encode_annotated(encode(p, 0), boxes) for p in PIXELS))
    (folder / "folder/cats").mkdir(parents=True)
    for name in ("0.png", "1.png", "folder/cats/0.png", "label.png"):
        pixels = PIXELS[0].transpose(1, 2, 0)
        (folder / name).write_bytes(encode_image(pixels[:, :, :1] % 5 if name == "label.png" else pixels, "png"))
    (folder / "list.txt").write_text("0.png 0\n1.png 1\n")
    (folder / "pairs.txt").write_text("0.png label.png\n")
    (folder / "windows.txt").write_text(FILE.format(folder=folder))
    (folder / "idx3").write_bytes(b"\0\0\x08\x03\0\0\0\2\0\0\0\x14\0\0\0\x1e" + bytes(2 * 20 * 30))
    (folder / "idx1").write_bytes(b"\0\0\x08\x01\0\0\0\2\0\1")
    np.savez(folder / "rows.npz", data=PIXELS, label=np.zeros(4))
    out = BytesIO()
    write_blob(out, np.zeros((1, 3, 7, 7), np.float32))
    (folder / "mean7").write_bytes(out.getvalue())
    return folder


def net(type: str, transform: str, own: str = "", end: str = REST) -> str:
    fields = own or LAYERS[type]
    extra = "crop_size: 6" if type == "WindowData" and "crop_size" not in transform else ""
    return f"""layer {{ name: "d" type: "{type}" top: "data" top: "label" {fields}
      transform_param {{ {transform} {extra} }} }}
    layer {{ name: "s" type: "Silence" bottom: "label" }} {end}"""


def said(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Code, severity and marked text of what `check` says of the data layer."""
    monkeypatch.chdir(folder)
    Path("net.prototxt").write_text(text)
    try:
        found: tuple[Diagnostic, ...] = check("net.prototxt")
    except NetError as error:
        found = error.diagnostics
    return [
        (d.code.id, d.severity, d.span.source.text[d.span.start : d.span.end] if d.span else "")
        for d in found
        if d.code.id.startswith("DAT") or d.severity == "error"
    ]


EVERYWHERE = (  # what no source could do, whatever its data: fields, mark
    ('mean_file: "m" mean_value: 3', "3"),
    ("force_gray: true force_color: true", "true"),
    ("crop_h: 3", "3"),
)


@pytest.mark.parametrize("type", LAYERS)
@pytest.mark.parametrize(("fields", "mark"), EVERYWHERE, ids=["means", "colours", "crop"])
def test_fields_that_contradict_each_other(
    type: str, fields: str, mark: str, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = net(type, fields)
    for folder in (there, tmp_path):
        errors = [found for found in said(folder, text, monkeypatch) if found[1] == "error" and found[0] != "LAY010"]
        assert errors == [("DAT006", "error", mark)], folder
    monkeypatch.chdir(there)
    Path("solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1')
    with pytest.raises(NetError) as caught:
        Solver("solver.prototxt")
    assert "DAT006" in [d.code.id for d in caught.value.diagnostics]


WITH_DATA = (  # what these images, 3 x 20 x 30, do not allow
    ("crop_size: 25", "DAT006", "25"),
    ("crop_h: 4 crop_w: 31", "DAT006", "4"),
    ("mean_value: 1 mean_value: 2", "DAT006", "1"),
    ('mean_file: "mean7"', "DAT007", '"mean7"'),
    ('mean_file: "nowhere"', "DAT007", '"nowhere"'),
    ("resize_param { height: 5 width: 5 } crop_size: 6", "DAT006", "6"),
    ("resize_param { height: 5 }", "DAT006", "resize_param"),
    ("noise_param { clahe: true }", "DAT006", "noise_param"),
    ("rotation: 900", "DAT006", "900"),
)


@pytest.mark.parametrize("type", [name for name in LAYERS if name not in ("WindowData", "Digits")])
@pytest.mark.parametrize(("fields", "code", "mark"), WITH_DATA, ids=[fields for fields, *_ in WITH_DATA])
def test_what_the_images_do_not_allow(
    type: str, fields: str, code: str, mark: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [one for one in said(there, net(type, fields), monkeypatch) if one[1] == "error"]
    only_train = "rotation" in fields or type in ("DenseImageData", "AnnotatedData")
    assert found == [(code, "error", mark)] or (only_train and [c for c, *_ in found] == [code])
    text = net(type, fields) + "solver { base_lr: 0.1 max_iter: 1 }"
    Path("net.prototxt").write_text(text)
    with pytest.raises(NetError) as caught:
        Solver("net.prototxt")
    assert caught.value.diagnostics[0].code.id == code


@pytest.mark.parametrize(
    ("type", "own", "fields", "mark"),
    [
        ("ImageData", 'image_data_param { source: "x" is_color: false }', "crop_size: 5 mean_value: [1, 2, 3]", "1"),
        ("ImageData", 'image_data_param { source: "x" new_height: 9 new_width: 9 }', "crop_size: 12", "12"),
        (
            "ImageFolder",
            'image_folder_param { source: "x" new_height: 9 new_width: 9 batch_size: 1 }',
            "crop_size: 12",
            "12",
        ),
        ("DenseImageData", 'dense_image_data_param { source: "x" new_height: 9 new_width: 20 }', "crop_size: 12", "12"),
        (
            "DenseImageData",
            'dense_image_data_param { source: "x" }',
            "resize_param { height: 5 width: 5 }",
            "resize_param",
        ),
        ("AnnotatedData", 'data_param { source: "x" batch_size: 1 }', "crop_size: 5 min_area: 0.5", "0.5"),
    ],
)
def test_what_the_fields_alone_say(
    type: str, own: str, fields: str, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [one for one in said(tmp_path, net(type, fields, own), monkeypatch) if one[0] != "LAY010"]
    ((code, severity, marked),) = [one for one in found if one[0] == "DAT006"]
    assert (code, severity) == ("DAT006", "error")
    assert marked.startswith(mark)


def test_all_layers_are_looked_at_and_the_rest_of_the_net(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = net("Data", "crop_size: 99").replace('"label"', '"l1"') + net("ImageData", "crop_size: 98", end="").replace(
        'name: "d"', 'name: "e"'
    ).replace('top: "data"', 'top: "other"').replace('name: "s"', 'name: "s2"')
    wrong = '\nlayer { name: "w" type: "TanH" bottom: "nowhere" top: "w" }'
    found = said(there, two + wrong, monkeypatch)
    assert {("DAT006", "error", "99"), ("DAT006", "error", "98")} <= set(found)
    assert "GRA003" in [code for code, *_ in found]


def test_broken_data_hides_nothing_and_says_no_more(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = 'image_data_param { source: "db" batch_size: 2 }'  # a folder: there is no list
    found = said(there, net("ImageData", "", own), monkeypatch)
    assert found == [("DAT012", "error", '"db"')]


# ---------------------------------------------------------------- fields that a source does not read


@pytest.mark.parametrize("type", LAYERS)
def test_fields_that_a_source_does_not_read(
    type: str, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = source_types()[type].transform
    assert reads is not None
    values = {"bool": "true", "message": "{ }", "float": "0.5", "int": "3", "string": '"x"'}
    fields = base_schema().message("TransformationParameter").fields
    foreign = {name: values[field.kind] for name, field in fields.items() if name not in reads}
    for name, value in foreign.items():
        if name == "force_color" and type in ("ImageData", "ImageFolder", "DenseImageData"):
            continue  # is_color says the same
        if name in ("crop_h", "crop_w"):
            continue  # only both
        for folder in (there, tmp_path):
            found = [one for one in said(folder, net(type, f"{name}: {value}"), monkeypatch) if one[0] == "DAT019"]
            assert found == [("DAT019", "warning", name if value == "{ }" else value)], name


@pytest.mark.parametrize(
    ("own", "transform", "help"),
    [
        ("", "force_gray: true", "`image_data_param { is_color: false }`"),
        ("is_color: false", "force_color: true", "`image_data_param { is_color: true }`"),
        ("is_color: false", "force_gray: true", ""),
        ("", "force_color: true", ""),
        ("", "force_gray: false", ""),
        ("", "distort_param { hue_prob: 0.5 }", "only AnnotatedData reads it"),
    ],
)
def test_the_colour_of_image_lists(
    own: str, transform: str, help: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(there)
    text = net("ImageData", transform, f'image_data_param {{ source: "list.txt" batch_size: 2 {own} }}')
    for source in ("list.txt", "nowhere.txt"):
        sized = text.replace("transform_param {", "transform_param { crop_size: 5 ")
        Path("net.prototxt").write_text(sized.replace("list.txt", source))
        plan = netc.plan("net.prototxt", "TRAIN")
        found = [d for d in plan.warnings if d.code.id == "DAT019"]
        assert [help in (d.help or "") for d in found] == [True] * bool(help)
        assert plan.shapes[0][1] == (1 if "is_color: false" in own else 3)
        assert [d.code.id for d in netc.Net("net.prototxt", "TRAIN").plan.warnings].count("DAT019") == len(found)


@pytest.mark.parametrize("type", ["Data", "AnnotatedData"])
@pytest.mark.parametrize(
    ("transform", "own", "mark"),
    [("force_gray: true", "", "true"), ("force_color: true", "", "true"), ("", "force_encoded_color: true", "true")],
)
def test_pixels_are_not_decoded(
    type: str, transform: str, own: str, mark: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caffe: "force_color and force_gray only for encoded datum"."""
    fields = LAYERS[type].replace("batch_size", f"{own} batch_size")
    assert said(there, net(type, transform, fields), monkeypatch) == [("DAT019", "warning", mark)]
    if type == "Data":
        assert said(there, net(type, transform, fields.replace('"db"', '"encoded"')), monkeypatch) == []


def test_arrays_that_are_handed_over(tmp_path: Path) -> None:
    text = """layer { name: "d" type: "MemoryData" top: "data" top: "label" transform_param { scale: 2 }
      memory_data_param { batch_size: 1 channels: 1 height: 2 width: 2 } }"""
    (tmp_path / "net.prototxt").write_text(text)
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    with pytest.warns(RuntimeWarning, match="DAT019"):
        net.set_input_arrays(np.ones((1, 1, 2, 2), np.float32), np.zeros(1, np.float32))
    assert (net.forward()["data"] == 1).all()
