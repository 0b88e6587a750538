"""Models for PyTorch as text: every layer type is written or refused by name; what is written passes ruff."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netc.convert import files
from netc.convert.codes import NO_COUNTERPART, NO_COUNTERPART_FIELD
from netc.convert.model import Options
from netc.convert.torch.library import pieces
from netc.errors import NetError
from tests.convert.torch_nets import CASES, build, written

HERE = Path(__file__).parent
NETS = HERE.parents[1] / "nets"
UNWRITTEN = {
    "AnchorTarget",
    "DetectionEvaluate",
    "Dice",
    "GridTarget",
    "InceptionScore",
    "MeanAveragePrecision",
    "MeanIoU",
    "MultiBoxLoss",
    "NegativeSamplingLoss",
    "NgramBLEU",
    "OneShot",
    "PrecisionRecall",
    "ProposalTarget",
    "Python",
    "Verification",
}
UNWRITTEN_FIELDS = {  # what fields of examples ask for that nothing is written for
    "BN": ("bn_param { scale_filler",),
    "Convolution": ("kernel_size: 2 pad: 1 weight",),
    "DummyData": ('data_filler { type: "',),
    "Im2col": ("axis: 0",),
    "SoftmaxFocalLoss": ("softmax_param { axis: 0 }", "focal_loss_param { axis: -1 }"),
}


def test_every_example_is_written_or_refused_by_name(tmp_path: Path) -> None:
    """And ruff has nothing against any of the files."""
    refused: dict[str, set[str]] = {}
    for number, (layer_type, example) in enumerate(CASES):
        net = build(layer_type, example)
        try:
            model = written(net)
        except NetError as error:
            found = error.diagnostics[0]
            assert found.code in (NO_COUNTERPART, NO_COUNTERPART_FIELD)
            assert layer_type.name in found.message
            assert layer_type.name in UNWRITTEN or any(
                text in example.fields for text in UNWRITTEN_FIELDS[layer_type.name]
            )
            refused.setdefault(layer_type.name, set()).add(found.code.id)
            continue
        compile(model.text, "model.py", "exec")
        (tmp_path / f"m{number}.py").write_text(model.text)
    assert {name for name, codes in refused.items() if codes == {"CNV010"}} == UNWRITTEN
    clean(tmp_path)


def clean(folder: Path) -> None:
    """Whether ruff has nothing to say of the files of a folder, as it is set by default and as this project sets it."""
    for options in (
        ["check", "--isolated"],
        ["check", "--config", str(HERE.parents[1] / "pyproject.toml")],
        ["format", "--isolated", "--check"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *options, "--no-cache", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("name", ["lenet", "resnet18", "unet"])
def test_a_model_reads(name: str, expected: Callable[[Path, str], None]) -> None:
    """Composites are modules; phases are methods; only what the net uses is there."""
    made = files.dump(files.read(NETS / f"{name}.net"), ".py", Options())
    expected(HERE / f"fixtures/torch/{name}.py.txt", made.content.decode())
    assert list(made.beside) == [".safetensors"]
    assert made.notes == ("no weights were given: parameters are as their fillers say",)


def test_gallery_passes_ruff(tmp_path: Path) -> None:
    for path in sorted(NETS.glob("*.net")):
        if path.stem not in (
            "alexnet",
            "vgg16",
            "resnet101",
            "resnet152",
        ):  # large, and nothing in them that others lack
            made = files.dump(files.read(path), ".torch", Options())
            (tmp_path / f"{path.stem}.py").write_bytes(made.content)
    clean(tmp_path)


def test_a_piece_is_in_one_file_and_has_a_docstring() -> None:
    for piece in pieces().values():
        assert '"""' in piece.text, piece.name


@pytest.mark.parametrize(
    ("title", "name"), [('3\\"\\"\\" \\\\ odd', "Net3Odd"), ("Tensor", "Tensor2"), ("crop", "Crop2"), ("path", "Path2")]
)
def test_names_that_python_or_modules_have(title: str, name: str, tmp_path: Path) -> None:
    """Nets, layers and blobs may be called anything."""
    net = tmp_path / "odd.prototxt"
    net.write_text(
        f'name: "{title}"\n'
        'layer { name: "data" type: "Input" top: "class" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }\n'
        'layer { name: "forward" type: "Convolution" bottom: "class" top: "F"'
        " convolution_param { num_output: 2 kernel_size: 1 } }\n"
        'layer { name: "train" type: "PReLU" bottom: "F" top: "F" }\n'
        'layer { name: "1/2" type: "InnerProduct" bottom: "F" top: "l" inner_product_param { num_output: 2 } }\n'
        'layer { name: "1-2" type: "InnerProduct" bottom: "l" top: "self" inner_product_param { num_output: 2 } }\n'
        'layer { name: "\\303\\244" type: "ReLU" bottom: "self" top: "torch" }\n'
    )
    made = files.dump(files.read(net), ".py", Options())
    compile(made.content, "odd.py", "exec")
    assert f"class {name}(nn.Module):" in made.content.decode()
    (tmp_path / "odd.py").write_bytes(made.content)
    clean(tmp_path)


def test_into_a_folder(tmp_path: Path) -> None:
    """`--to torch` and a folder: the two files there are called `model`."""
    command = [sys.executable, "-c", "from netc.cli import main; main()", "convert", str(NETS / "lenet.net")]
    for folder in ("new", "new", "other.py"):
        (tmp_path / "other.py").mkdir(exist_ok=True)
        done = subprocess.run(
            [*command, folder, "--to", "torch"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert sorted(p.name for p in (tmp_path / folder).iterdir()) == ["model.py", "model.safetensors"]


def test_everything_without_counterpart_is_named(tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(
        'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }\n'
        'layer { name: "p" type: "Im2col" bottom: "a" top: "p" convolution_param { kernel_size: 3 axis: 2 } }\n'
        'layer { name: "q" type: "Im2col" bottom: "a" top: "q" convolution_param { kernel_size: 2 axis: 2 } }\n'
    )
    with pytest.raises(NetError) as caught:
        files.dump(files.read(net), ".py", Options())
    assert [d.code for d in caught.value.diagnostics] == [NO_COUNTERPART_FIELD] * 2
    span = caught.value.diagnostics[1].span
    assert span is not None
    assert (span.line, span.source.text[span.start : span.end]) == (3, "2")


NEGATIVES = """data = Input() { shape { dim: [4, 6] } }
train, test { label = Input() { shape { dim: 4 } } }
a = InnerProduct(data) { num_output: 5 }
train { loss = NegativeSamplingLoss(a, label) { num_output: 9 negative: 2 } }
test { accuracy = Accuracy(a, label) }
"""


def test_a_loss_that_nothing_is_written_for_is_left_out_of_what_predicts(tmp_path: Path) -> None:
    path = tmp_path / "net.net"
    path.write_text(NEGATIVES + "deploy { prob = Softmax(a) }\n")
    made = files.dump(files.read(path), ".py", Options())
    assert (
        made.notes[-1] == 'left out: loss(), as of layer "loss": PyTorch has nothing for the loss NegativeSamplingLoss'
    )
    tree = ast.parse(made.content)
    (net,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    assert [f.name for f in net.body if isinstance(f, ast.FunctionDef)] == ["__init__", "features", "forward", "test"]
    path.write_text(
        "data, label = Input() { shape { dim: [4, 6] } shape { dim: 4 } }\n"
        "loss = NegativeSamplingLoss(data, label) { num_output: 9 negative: 2 }\n"
    )
    with pytest.raises(NetError) as caught:  # it is all that there is
        files.dump(files.read(path), ".py", Options())
    assert caught.value.diagnostics[0].code is NO_COUNTERPART


def test_a_table_that_is_updated_by_rows_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "net.net"
    path.write_text(
        "word, want = Input() { shape { dim: 4 } shape { dim: [4, 3] } }\n"
        "e = Embed(word) { input_dim: 9 num_output: 3 bias_term: false param { lazy: true } }\n"
        "loss = EuclideanLoss(e, want)\n"
    )
    made = files.dump(files.read(path), ".py", Options())
    assert made.notes[-1].startswith("e/weights: netc updates only the rows that a batch reads (lazy: true)")


HOSTILE = 'x\\"\\"\\"\\nimport os\\nos.abort()\\n\\\\'


def test_no_name_is_code(tmp_path: Path) -> None:
    """Names of nets, layers and blobs only become names and strings: the code is the same whatever they are."""
    plain, hostile = (_code(tmp_path, name) for name in ("x", HOSTILE))
    assert plain == hostile


def _code(folder: Path, name: str) -> str:
    """The model of a net whose names all are this one, with every string and every name left out."""
    path = folder / "net.prototxt"
    dims = "dim: 2 dim: 3 dim: 4 dim: 4"
    path.write_text(
        f'name: "{name}" layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}'
        f'layer {{ name: "a/{name}" type: "Convolution" bottom: "{name}" top: "{name}1"'
        " convolution_param { num_output: 2 kernel_size: 1 } }"
        f'layer {{ name: "b/{name}" type: "Slice" bottom: "{name}1" top: "{name}2" top: "{name}3" }}'
    )
    tree = ast.parse(files.dump(files.read(path), ".py", Options()).content)
    for node in ast.walk(tree):
        for field in ("id", "attr", "name", "arg"):
            if isinstance(getattr(node, field, None), str):
                setattr(node, field, "n")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)
