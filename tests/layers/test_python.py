"""Python layers run only with permission, like pycaffe's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Example, Input
from netc.layers import python
from tests.layers.harness import Bench, known

MODULE = """
import caffe


class Twice(caffe.Layer):
    def setup(self, bottom, top):
        if len(bottom) != 1:
            raise Exception("one bottom please")
        self.offset = float(self.param_str) if self.phase == caffe.TRAIN else 0.0

    def reshape(self, bottom, top):
        top[0].reshape(bottom[0].num, bottom[0].count // bottom[0].num)

    def forward(self, bottom, top):
        top[0].data[...] = 2 * bottom[0].data.reshape(top[0].data.shape) + self.offset

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = 2 * top[0].diff.reshape(bottom[0].diff.shape)


class Grows(Twice):
    def forward(self, bottom, top):
        top[0].reshape(1, 2, 3)
"""
FIELDS = 'python_param {{ module: "netc_mine" layer: "{}" param_str: "0.5" }}'


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netc_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def allowed() -> Iterator[None]:
    python.allow()
    yield
    python.allow(False)


def bench(layer: str, *inputs: Input) -> Bench:
    return Bench.of(known().types["Python"], Example(FIELDS.format(layer), inputs))


def code_of(layer: str, *inputs: Input) -> tuple[str, str]:
    with pytest.raises(NetError) as refused:
        bench(layer, *inputs).forward()
    (diagnostic,) = refused.value.diagnostics
    return diagnostic.code.id, diagnostic.message


@pytest.mark.usefixtures("module")
def test_without_permission_nothing_is_imported() -> None:
    code, message = code_of("Twice", Input((2, 3)))
    assert code == "LAY105"
    assert message == 'layer "tested" (Python): runs the code of netc_mine.Twice, which is not allowed'


@pytest.mark.usefixtures("module", "allowed")
def test_with_permission_it_runs() -> None:
    tested = bench("Twice", Input((2, 3, 2)))
    run = tested.forward()
    np.testing.assert_array_equal(run.tops[0], 2 * tested.bottoms[0].reshape(2, 6) + 0.5)
    run = tested.backward(run.call)
    assert run.bottom_diffs[0] is not None
    assert run.bottom_diffs[0].shape == (2, 3, 2)


@pytest.mark.usefixtures("module", "allowed")
@pytest.mark.parametrize(
    ("layer", "inputs", "said"),
    [
        ("Nothing", 1, "has no attribute 'Nothing'"),
        ("Twice", 2, "Exception: one bottom please"),
        ("Grows", 1, "ValueError: a blob of shape 2x3 cannot become 1x2x3 in a running net"),
    ],
)
def test_what_fails_is_told(layer: str, inputs: int, said: str) -> None:
    code, message = code_of(layer, *[Input((2, 3))] * inputs)
    assert code == "LAY106"
    assert said in message


@pytest.mark.usefixtures("allowed")
def test_a_net_file_cannot_reach_into_the_layer_file_itself() -> None:
    fields = 'python_param { module: "netc.layers.python" layer: "allow" }'
    with pytest.raises(NetError) as refused:
        Bench.of(known().types["Python"], Example(fields, (Input((2, 3)),)))
    assert refused.value.diagnostics[0].code.id == "LAY105"


def test_a_well_known_layer_is_told_what_stands_in_its_place() -> None:
    fields = "python_param { module: 'rpn.proposal_layer' layer: 'ProposalLayer' param_str: \"'feat_stride': 16\" }"
    with pytest.raises(NetError) as error:
        Bench.of(known().types["Python"], Example(fields, (Input((1, 18, 4, 5)), Input((1, 36, 4, 5)), Input((1, 3)))))
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code.id == "LAY105"
    assert 'replace the layer by `type: "Proposal"`' in (diagnostic.help or "")
