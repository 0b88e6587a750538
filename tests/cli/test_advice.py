"""What a person is told who has mistaken something: the message names it, and the help says what to write."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from netc.api.planning import check
from netc.api.session import Net, Solver
from netc.data import box_files
from netc.data.bad import BadRecordError
from netc.errors import NetError
from netc.run.arena import aligned_bytes
from tests.cli.conftest import Run

NET = """
name: "small"
layer { name: "data" type: "Digits" top: "data" top: "label" digits_param { split: "train" batch_size: 16 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 10 } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" include { phase: TEST stage: "validate" } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "small.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "s"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a net, its solver and a snapshot, to work in."""
    monkeypatch.chdir(tmp_path)
    Path("small.prototxt").write_text(NET)
    Path("other.prototxt").write_text(NET.replace("num_output: 10", "num_output: 12"))
    Path("solver.prototxt").write_text(SOLVER)
    Solver("solver.prototxt").solve()
    return tmp_path


def test_a_state_is_no_weights_and_weights_are_no_state(folder: Path) -> None:
    with pytest.raises(NetError) as refused:
        Net("small.prototxt", weights="s_iter_1.solverstate")
    (said,) = refused.value.diagnostics
    assert said.code.id == "SNP002"
    assert "it is a solver's state" in said.message
    assert said.help == "go on from it with --snapshot, or give its weights: s_iter_1.caffemodel"
    with pytest.raises(NetError) as refused:
        Solver("solver.prototxt").restore("s_iter_1.caffemodel")
    (said,) = refused.value.diagnostics
    assert (said.code.id, "it is a net's weights" in said.message) == ("SNP002", True)
    assert "--weights" in (said.help or "")


def test_weights_of_another_size_say_to_rename_the_layer(folder: Path) -> None:
    with pytest.raises(NetError) as refused:
        Net("other.prototxt", weights="s_iter_1.caffemodel")
    (said,) = refused.value.diagnostics
    assert said.code.id == "SNP010"
    assert "give the layer another name" in (said.help or "")


def test_a_stage_that_no_rule_names(folder: Path) -> None:
    warnings = Net("small.prototxt", stages=["validat"]).plan.warnings
    assert [(d.code.id, d.help) for d in warnings] == [("PLN029", 'did you mean "validate"?')]
    assert Net("small.prototxt", stages=["validate"]).plan.warnings == ()
    Path("none.prototxt").write_text('state { stage: "x" }\n' + NET.replace('stage: "validate"', ""))
    (said,) = check("none.prototxt")
    assert (said.code.id, said.help, said.span is not None) == ("PLN029", "none of its rules names a stage", True)


def test_test_iter_without_test_interval(folder: Path) -> None:
    Path("tested.prototxt").write_text(SOLVER + "test_iter: 3")
    (said,) = check("tested.prototxt")
    assert (said.code.id, said.severity) == ("SOL019", "warning")
    assert "test_interval: 500" in (said.help or "")
    assert [d.code.id for d in Solver("tested.prototxt").warnings] == ["SOL019"]


def test_what_is_too_large_says_of_the_batch_and_the_budget(run: Run, folder: Path) -> None:
    done = run("summary", "small.prototxt", "--batch", "2000000000")
    assert "error[PLN002]" in done.err
    assert "help: use a smaller batch (now 2,000,000,000)" in done.err
    with pytest.raises(NetError) as refused:
        aligned_bytes(1 << 60)
    (said,) = refused.value.diagnostics
    assert said.code.id == "RUN019"
    assert all(word in (said.help or "") for word in ("batch_size", "--budget"))


@pytest.mark.parametrize(
    ("text", "help"),
    [
        (
            "train { x = Input() { shape { dim: 2 } } }\nh = ReLU(x)",
            "make `x` in test, too, or read it in a block `train",
        ),
        ("train { test { x = Input() { shape { dim: 2 } } } }", "move the block out"),
        (
            'train { x = Input() { shape { dim: 2 } } }\ntest { layer { name: "y" type: "Input" top: "y" '
            "include { phase: TEST } input_param { shape { dim: 2 } } } }",
            "take `include` out",
        ),
    ],
)
def test_phases_that_contradict_each_other(text: str, help: str, tmp_path: Path) -> None:
    (tmp_path / "x.net").write_text(text)
    with pytest.raises(NetError) as refused:
        check(tmp_path / "x.net")
    found = [d for d in refused.value.diagnostics if d.code.id == "SYN043"]
    assert found
    assert help in (found[0].help or "")


# ---------------------------------------------------------------- data


def test_a_list_of_hdf5_files(run: Run, tmp_path: Path) -> None:
    for name, bad in (("a.h5", 0.0), ("b.h5", np.nan)):
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = np.full((3, 2), bad, np.float32)
            file["label"] = np.arange(3, dtype=np.float32)
    (tmp_path / "list.txt").write_text("a.h5\nb.h5\n")
    done = run("data", "info", "list.txt")
    assert done.out.splitlines()[0] == "list of 2 HDF5 files, 6 records"
    done = run("data", "check", "list.txt")
    assert done.code == 1
    assert 'b.h5: row 0 of "data": it holds values that are not finite' in done.out
    (tmp_path / "list.txt").write_text("a.h5\nc.h5\n")
    assert run("data", "info", "list.txt").code == 1


@pytest.mark.parametrize("root", [".", "./", "../{}/", ""])
def test_boxes_behind_a_root_with_class_names(run: Run, tmp_path: Path, root: str) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("traffic light 1 2 5 6\n\n2 1 2 5 6\n")
    (tmp_path / "list.txt").write_text("a.png a.txt\n")
    (tmp_path / "names.txt").write_text("background\ntraffic light\ncat\n")
    done = run("data", "boxes", "list.txt", "out", "--root", root.format(tmp_path.name), "--label-map", "names.txt")
    assert done.code == 0, done.err
    assert "labels 1 to 2, 2 different" in run("data", "info", "out").out


def test_the_name_of_a_class_without_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat 1 2 5 6\n")
    with pytest.raises(BadRecordError, match=r'^line 1: the class is "cat", a name: --label-map says'):
        box_files.read_boxes(tmp_path / "a.txt", {}, 8, 8)
    with pytest.raises(BadRecordError, match=r'^line 1: the class is "cat", which the label map does not have'):
        box_files.read_boxes(tmp_path / "a.txt", {"dog": 1}, 8, 8)


def test_unequal_photos_say_how_to_make_them_equal(folder: Path) -> None:
    for i, size in enumerate([(6, 6), (6, 7)]):
        Path("p/a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(f"p/a/{i}.png")
    Path("a.net").write_text('x = ImageFolder() { source: "p" batch_size: 2 }')
    with pytest.raises(NetError) as refused:
        Net("a.net").forward()
    (said,) = refused.value.diagnostics
    assert said.code.id == "DAT002"
    assert "new_height and new_width" in (said.help or "")


def test_labels_beyond_the_scores_say_how_many_it_takes(folder: Path) -> None:
    Path("five.prototxt").write_text(NET.replace("num_output: 10", "num_output: 5"))
    with pytest.raises(NetError) as refused:
        Net("five.prototxt", "TRAIN").forward()
    (said,) = refused.value.diagnostics
    assert said.code.id == "LAY100"
    assert "its scores need 9 classes or more (num_output of the layer that makes them)" in (said.help or "")


def test_swapped_inputs_of_a_loss_are_told_to_be_swapped(folder: Path) -> None:
    Path("a.prototxt").write_text(
        NET.replace('bottom: "ip" bottom: "label" top: "loss"', 'bottom: "label" bottom: "ip" top: "loss"')
    )
    with pytest.raises(NetError) as refused:
        check("a.prototxt")
    helps = {d.code.id: d.help or "" for d in refused.value.diagnostics}
    assert "its bottoms seem to be swapped" in helps["LAY003"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("max_iter: 10", 'layer "acc" is for tests, but the solver has no test_iter: the net is never tested'),
        ("max_iter: 10 test_iter: 1 test_interval: 20", "the net is tested only before it has learned anything"),
        ("max_iter: 10 test_iter: 1 test_interval: 20 test_initialization: false", "the net is tested never"),
        ("max_iter: 10 test_iter: 1 test_interval: 10", ""),
    ],
)
def test_tests_that_never_run(folder: Path, fields: str, said: str) -> None:
    Path("small.prototxt").write_text(NET.replace(' stage: "validate"', ""))
    Path("s.prototxt").write_text(f'net: "small.prototxt" base_lr: 0.1 lr_policy: "fixed" {fields}')
    found = [d.message for d in check("s.prototxt") if d.code.id == "SOL021"]
    assert [said in message for message in found] == [True] * bool(said)


def test_gradients_of_exactly_zero_and_a_batch_of_one_class_are_said(run: Run, tmp_path: Path) -> None:
    text = NET.replace("num_output: 10", "num_output: 1")
    (tmp_path / "one.net").write_text(
        text.replace("Digits", "DummyData").replace(
            'digits_param { split: "train" batch_size: 16 }',
            "dummy_data_param { shape { dim: [4, 3] } shape { dim: 4 } }",
        )
        + "solver { base_lr: 0.1 max_iter: 3 }"
    )
    done = run("gradcheck", "one.net")
    assert done.code == 0
    assert "the gradient of ip/weights, ip/bias is exactly zero: nothing was compared" in done.err
    done = run("train", "one.net", "--overfit-batch", "4")
    assert "the loss has not changed at all" in done.err
    (tmp_path / "p" / "a").mkdir(parents=True)
    for i in range(4):
        Image.new("RGB", (2, 2), (i, 90, 3)).save(tmp_path / f"p/a/{i}.png")
    source = 'image_folder_param { source: "p" batch_size: 4 } transform_param { scale: 0.01 }'
    text = NET.replace("Digits", "ImageFolder").replace('digits_param { split: "train" batch_size: 16 }', source)
    (tmp_path / "p.net").write_text(text + "solver { base_lr: 0.1 max_iter: 3 }")
    done = run("train", "p.net", "--overfit-batch", "4", "--iterations", "2")
    assert "all 4 samples are of class 0: a net that always says 0 learns them" in done.err
