"""A user's own layer file brings a data layer and what reads its data: the one in docs/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc import data
from netc.catalogue import catalogue
from netc.errors import NetError
from tests.cli.conftest import Run

FILE = Path(__file__).parents[2] / "docs/examples/cifar_data.py"
NET = """
data, label = CifarData() {{ source: "{source}" batch_size: 8 shuffle: true }}
a = Convolution(data) {{ num_output: 4 kernel_size: 5 stride: 4 weight_filler {{ type: "xavier" }} }}
b = InnerProduct(a) {{ num_output: 10 weight_filler {{ type: "xavier" }} }}
loss = SoftmaxWithLoss(b, label)
"""


def batch_file(path: Path, count: int, seed: int) -> np.ndarray[Any, Any]:
    """A file of `count` records; the label of each is its number modulo 10. Returns its bytes, a record a row."""
    records = np.random.default_rng(seed).integers(0, 256, (count, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(count) % 10
    path.write_bytes(records.tobytes())
    return records


def test_plans_and_nets_take_its_shapes_and_records(tmp_path: Path) -> None:
    parts = [batch_file(tmp_path / name, 7, seed) for seed, name in enumerate(("one.bin", "two.bin"))]
    text = NET.format(source=f"{tmp_path}/one.bin, {tmp_path}/two.bin").replace("shuffle: true", "shuffle: false")
    definition = netc.loads(text, layers=[FILE])
    assert [tuple(netc.plan(definition, "TRAIN").shapes[i]) for i in (0, 1)] == [(8, 3, 32, 32), (8,)]
    net: Any = netc.Net(definition, "TRAIN", keep=True)
    net.forward()
    records = np.concatenate(parts)
    np.testing.assert_array_equal(net.blobs["data"].reshape(8, -1), records[:8, 1:])
    np.testing.assert_array_equal(net.blobs["label"], records[:8, 0])


@pytest.mark.parametrize(("content", "code"), [(None, "DAT016"), (b"x" * 4000, "DAT014")])
def test_its_reader_says_what_is_wrong(content: bytes | None, code: str, tmp_path: Path) -> None:
    path = tmp_path / "some.bin"
    if content is not None:
        path.write_bytes(content)
    definition = netc.loads(NET.format(source=path), layers=[FILE])
    with pytest.raises(NetError) as caught:
        first_pass(definition)
    (found,) = caught.value.diagnostics
    assert found.code.id == code
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == f'"{path}"'


def first_pass(definition: Any) -> None:
    netc.Net(definition, "TRAIN").forward()


def test_what_is_no_source_type_is_refused(tmp_path: Path) -> None:
    (known,) = [t for t in catalogue([FILE]).types.values() if t.name == "CifarData"]
    with pytest.raises(TypeError, match="must be a SourceType"):
        data.has_source(known.name, replace(known, data=open).data)


def test_commands_train_on_it_and_go_on(run: Run, tmp_path: Path) -> None:
    batch_file(tmp_path / "some.bin", 30, 1)
    solver = 'solver { base_lr: 0.001 lr_policy: "fixed" max_iter: 6 snapshot: 3 snapshot_prefix: "s" }'
    (tmp_path / "own.net").write_text(NET.format(source="some.bin") + solver)
    done = run("train", "own.net", "--layers", FILE)
    assert done.code == 0, done.err
    (tmp_path / "s_iter_6.caffemodel").rename(tmp_path / "whole.caffemodel")
    again = run("train", "own.net", "--layers", FILE, "--snapshot", "s_iter_3.solverstate")
    assert again.code == 0, again.err
    assert (tmp_path / "s_iter_6.caffemodel").read_bytes() == (tmp_path / "whole.caffemodel").read_bytes()
