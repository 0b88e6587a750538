"""`netc summary`, `netc draw`, `netc explain`, `netc time`: what tools and people read."""

import json
from pathlib import Path

from netc.catalogue import catalogue
from tests.cli.conftest import ROOT, Run


def test_json_has_the_documented_keys(run: Run) -> None:
    done = run("summary", ROOT / "nets/digits.net", "--json", "--phase", "TRAIN", "--batch", "7")
    found = json.loads(done.out)
    assert list(found)[:9] == [
        "name",
        "phase",
        "inputs",
        "outputs",
        "layers",
        "parameters",
        "blob_values",
        "macs",
        "memory",
    ]
    assert found["outputs"] == {"loss": []}
    conv = next(layer for layer in found["layers"] if layer["name"] == "conv2")
    assert conv == {
        "name": "conv2",
        "type": "Convolution",
        "bottoms": ["pool1"],
        "tops": {"conv2": [7, 64, 4, 4]},
        "parameters": 32 * 64 * 9,
        "blob_values": 32 * 64 * 9,
        "macs": 7 * 64 * 16 * 32 * 9,
        "receptive_field": [8, 8],
        "jump": [2, 2],
    }
    norm = next(layer for layer in found["layers"] if layer["name"] == "conv2/bn")
    assert (norm["parameters"], norm["blob_values"]) == (0, 129)
    assert found["blob_values"] - found["parameters"] == 65 + 129
    memory = found["memory"]["reference_arena"]
    assert memory["lower_bound_bytes"] <= memory["planned_bytes"] <= memory["unshared_bytes"]


def test_the_table_names_every_layer(run: Run) -> None:
    done = run("summary", ROOT / "nets/digits.net", "--expand")
    for name in ("conv1/bn", "SoftmaxWithLoss", "100x64x4x4", "--memory shows"):
        assert name in done.out


def test_a_data_layer_whose_file_is_missing_is_assumed_from_its_crop(run: Run, tmp_path: Path) -> None:
    text = (
        'layer {{ name: "data" type: "Data" top: "data" top: "label" {crop}'
        ' data_param {{ source: "no_such_lmdb" batch_size: 4 }} }}\n'
        'layer {{ name: "s" type: "Silence" bottom: "data" bottom: "label" }}'
    )
    (tmp_path / "a.net").write_text(text.format(crop="transform_param { crop_size: 9 }"))
    done = run("summary", "a.net", "--json")
    found = json.loads(done.out)
    assert found["assumed"] == ["data"]
    assert found["layers"][0]["tops"] == {"data": [4, 3, 9, 9], "label": [4]}
    (tmp_path / "b.net").write_text(text.format(crop=""))
    refused = run("summary", "b.net", "--json")
    assert refused.code == 1
    assert "--input" in refused.err
    given = run("summary", "b.net", "--json", "--input", "data=2x1x28x28")
    assert json.loads(given.out)["layers"][0]["tops"]["data"] == [2, 1, 28, 28]


def test_draw_writes_dot(run: Run) -> None:
    done = run("draw", ROOT / "nets/digits.net")
    assert done.out.startswith("digraph")
    assert "conv2" in done.out
    assert "64x32x8x8" in done.out


def test_draw_to_a_place_that_is_not_there(run: Run) -> None:
    done = run("draw", ROOT / "nets/digits.net", "-o", "missing/net.dot")
    assert done.code == 1
    assert "error[CLI002]" in done.err


def test_explain_a_code_and_a_type(run: Run) -> None:
    page = run("explain", "LAY002").out
    assert page.startswith("# LAY002")
    assert "## Fix" in page
    page = run("explain", "LRN").out
    for heading in (
        "# LRN",
        "## Computes",
        "## Fields",
        "`local_size = 5`",
        "## Gradient",
        "## Caffe notes",
        "## Example",
    ):
        assert heading in page
    wrong = run("explain", "Convolutoin")
    assert wrong.code == 2
    assert "Convolution" in wrong.err


def test_explain_lists_every_type(run: Run) -> None:
    listed = run("explain", "--list").out
    for name in catalogue().types:
        assert f"\n{name} " in "\n" + listed


def test_time_prints_medians(run: Run) -> None:
    done = run("time", ROOT / "nets/digits.net", "--iterations", "2", "--json")
    found = json.loads(done.out.splitlines()[-1])
    assert set(found) == {"forward_ms", "backward_ms", "update_ms", "step_ms", "peak_bytes"}
    assert all(value > 0 for value in found.values())


def test_time_runs_a_net_without_a_loss_as_it_is_used(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "deploy.net"
    layers = "y = InnerProduct(x) { num_output: 4 }\nz = Dropout(y)\nprob = Softmax(z)\n"
    file.write_text("x = Input() { shape { dim: [2, 3] } }\n" + layers)
    found = json.loads(run("time", file, "--iterations", "1", "--json").out.splitlines()[-1])
    assert found["forward_ms"] > 0
    assert found["backward_ms"] == found["update_ms"] == 0


def test_memory_says_what_is_alive_at_the_peak(run: Run) -> None:
    done = run("summary", ROOT / "nets/digits.net", "--memory")
    for name in ("solver history", "planned peak", "alive at the peak, backward", "conv1"):
        assert name in done.out


def test_memory_as_json(run: Run) -> None:
    done = run("summary", ROOT / "nets/digits.net", "--memory", "--json", "--threads", "2")
    found = json.loads(done.out)["memory"]
    always = found["parameters_bytes"] + found["gradients_bytes"] + found["history_bytes"]
    assert found["executor"] == "fast"
    assert found["total_bytes"] == always + found["arena_bytes"]
    assert found["lower_bound_bytes"] == max(step["bytes"] for step in found["curve"]) <= found["arena_bytes"]
    assert found["peak_step"].startswith("backward ")
    assert found["alive"][0]["bytes"] == max(array["bytes"] for array in found["alive"])
    test = json.loads(run("summary", ROOT / "nets/digits.net", "--memory", "--json", "--phase", "TEST").out)["memory"]
    assert test["history_bytes"] == test["gradients_bytes"] == 0


def test_memory_says_which_layers_have_no_kernels_of_the_fast_executor(run: Run, tmp_path: Path) -> None:
    (tmp_path / "best.net").write_text(
        "data = Input() { shape { dim: [2, 6] } }\nip = InnerProduct(data) { num_output: 4 }\nbest = ArgMax(ip)\n"
    )
    options = ("best.net", "--memory", "--phase", "TEST")
    assert "on reference kernels: best" in run("summary", *options).out
    found = json.loads(run("summary", *options, "--json").out)["memory"]
    assert found["on_reference_kernels"] == ["best"]
    assert "on reference kernels" not in run("summary", *options, "--executor", "reference").out


def test_a_budget_says_what_runs_again(run: Run) -> None:
    net = ROOT / "nets/resnet18.net"
    before = json.loads(run("summary", net, "--memory", "--json", "--batch", "2").out)["memory"]
    budget = int(0.9 * before["total_bytes"])
    found = json.loads(run("summary", net, "--budget", str(budget), "--json", "--batch", "2").out)["memory"]
    assert found["budget"]["before_bytes"] == before["total_bytes"]
    assert found["total_bytes"] <= budget
    assert found["budget"]["recomputed"]
    done = run("summary", net, "--budget", str(budget), "--batch", "2")
    assert "run again in backward" in done.out


def test_a_budget_that_cannot_be_met(run: Run) -> None:
    done = run("summary", ROOT / "nets/digits.net", "--budget", "10kB")
    assert done.code == 1
    assert "PLN010" in done.err
    assert "at least" in done.err
    assert run("summary", ROOT / "nets/digits.net", "--budget", "plenty").code == 1


def test_draw_pictures(run: Run, tmp_path: Path) -> None:
    for ending, starts in (("svg", b"<?xml"), ("png", b"\x89PNG\r\n\x1a\n")):
        done = run("draw", ROOT / "nets/digits.net", "-o", f"net.{ending}")
        assert (done.code, done.err) == (0, f"wrote net.{ending}\n")
        assert (tmp_path / f"net.{ending}").read_bytes().startswith(starts)
    done = run("draw", ROOT / "nets/digits.net", "-o", "net.nothing")
    assert done.code == 1
    assert "error[CLI001]: no .nothing picture can be written" in done.err
    assert not (tmp_path / "net.nothing").exists()
