"""`netc diff`."""

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.pages.test_view import data_of

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [2, 3, 8, 8] } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool1" top: "ip" inner_product_param { num_output: 10 } }
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_same_net_written_in_two_ways(run: Run, tmp_path: Path) -> None:
    a = write(tmp_path, "a.prototxt", NET)
    b = write(
        tmp_path,
        "b.net",
        """
        name: "other"
        data = Input() { shape { dim: [2, 3, 8, 8] } }
        conv1 = Convolution(data) { num_output: 4 kernel_size: 3 pad: 1 group: 1 bias_term: true }
        conv1 = ReLU(conv1) as relu1
        pool1 = Pooling(conv1) { pool: MAX kernel_size: 2 stride: 2 }
        ip = InnerProduct(pool1) { num_output: 10 }
        train { Silence(ip) }
        """,
    )
    done = run("diff", a, b)
    assert (done.code, done.out, done.err) == (0, "the same net\n", "")
    assert json.loads(run("diff", a, b, "--json").out)["same"]


def test_layers_fields_and_what_follows(run: Run, tmp_path: Path) -> None:
    a = write(tmp_path, "a.prototxt", NET)
    text = NET.replace("kernel_size: 3 pad: 1", "kernel_size: 5").replace('"ReLU"', '"Sigmoid"')
    text = text.replace('name: "ip"', 'name: "score"') + 'layer { name: "prob" type: "Softmax" bottom: "ip" top: "p" }'
    b = write(tmp_path, "b.prototxt", text)
    done = run("diff", a, b, "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert not found["same"]
    assert not found["reordered"]
    assert [layer["name"] for layer in found["removed"]] == ["ip"]
    added = [(layer["name"], layer["type"]) for layer in found["added"]]
    assert added == [("score", "InnerProduct"), ("prob", "Softmax")]
    changed = {layer["name"]: layer for layer in found["changed"]}
    assert list(changed) == ["conv1", "relu1", "pool1"]
    conv = changed["conv1"]
    assert conv["fields"] == {
        "convolution_param.kernel_size": [[3], [5]],
        "convolution_param.pad": [[1], None],
    }
    assert conv["shapes"] == [{"conv1": [2, 4, 8, 8]}, {"conv1": [2, 4, 4, 4]}]
    assert conv["parameters"] == [4 * 27 + 4, 4 * 75 + 4]
    assert conv["macs"] == [2 * 4 * 64 * 27, 2 * 4 * 16 * 75]
    assert conv["receptive_field"] == [[3, 3], [5, 5]]
    assert changed["relu1"]["fields"] == {"type": ["ReLU", "Sigmoid"]}
    assert changed["pool1"]["fields"] == {}
    assert found["totals"]["layers"] == [5, 6]
    assert found["totals"]["parameters"] == [112 + 64 * 10 + 10, 304 + 16 * 10 + 10]
    assert found["totals"]["outputs"] == [{"ip": [2, 10]}, {"p": [2, 10]}]
    assert found["totals"]["reference_arena_bytes"][0] > found["totals"]["reference_arena_bytes"][1]


def test_text(run: Run, tmp_path: Path) -> None:
    a = write(tmp_path, "a.prototxt", NET)
    b = write(tmp_path, "b.prototxt", NET.replace("num_output: 10", "num_output: 20").replace("pool1", "pool2"))
    done = run("diff", a, b)
    assert done.code == 1
    assert "- pool1 (Pooling): pool1 2x4x4x4" in done.out
    assert "+ pool2 (Pooling): pool2 2x4x4x4" in done.out
    assert "    inner_product_param.num_output: 10 -> 20" in done.out
    assert "    bottom: pool1 -> pool2" in done.out
    assert "    parameters: 650 -> 1,300 (+650, +100.0%)" in done.out
    assert "multiply-adds" in done.out


def test_order_counts(run: Run, tmp_path: Path) -> None:
    a = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 dim: 3 } } }\n'
    one, two = (f'layer {{ name: "{n}" type: "{n}" bottom: "d" top: "d" }}\n' for n in ("ReLU", "TanH"))
    done = run("diff", write(tmp_path, "a.net", a + one + two), write(tmp_path, "b.net", a + two + one))
    assert done.code == 1
    assert "another order" in done.out


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    done = run("diff", write(tmp_path, "a.net", NET), tmp_path / "missing.net")
    assert done.code == 1
    assert "missing.net" in done.err


def test_a_single_number_has_no_empty_shape(run: Run, small: Path, tmp_path: Path) -> None:
    lines = small.read_text().splitlines()
    other = write(tmp_path, "other.net", "\n".join(line for line in lines if '"Accuracy"' not in line))
    done = run("diff", small, other, "--phase", "TEST")
    assert done.code == 1
    assert "- accuracy (Accuracy): accuracy scalar\n" in done.out


def test_the_net_in_a_weight_file(run: Run, tmp_path: Path) -> None:
    a = write(tmp_path, "a.prototxt", NET)
    assert run("convert", a, "a.caffemodel").code == 0
    assert run("diff", a, "a.caffemodel").code == 0


def test_the_page(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small, "--iterations", "2")
    run("train", small, "--iterations", "3")
    nets = run("diff", small, small, "--html", "n.html")
    assert (nets.code, nets.err) == (0, "wrote n.html\n")
    assert data_of((tmp_path / "n.html").read_text())["same"]
    done = run("diff", "small_iter_2.caffemodel", "small_iter_3.caffemodel", "--html", "w.html")
    assert done.code == 1
    data = data_of((tmp_path / "w.html").read_text())
    changed = [row for row in data["rows"] if row["kind"] == "weights"]
    assert changed
    for row in changed:
        for side in data["sides"]:
            assert len(side["weights"][row["name"]]) == 2
        assert all(blob["relative"] > 0 for blob in row["blobs"])
