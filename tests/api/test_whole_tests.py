"""A test that takes more records than there are is warned of; one that takes them all, or some, is not."""

from __future__ import annotations

from pathlib import Path

import pytest

import netc

NET = """
train {{ data, label = Digits() {{ split: "train" batch_size: 8 }} }}
test {{ data, label = Digits() {{ split: "test" batch_size: 100 }} }}
score = InnerProduct(data) {{ num_output: 10 weight_filler {{ type: "xavier" }} }}
loss = SoftmaxWithLoss(score, label)
solver {{ base_lr: 0.01 max_iter: 1 test_iter: {} test_interval: 1 }}
"""


@pytest.mark.parametrize(("iterations", "said"), [(2, None), (4, None), (5, "500"), (100, "10,000")])
def test_batches_and_records(iterations: int, said: str | None, tmp_path: Path) -> None:
    path = tmp_path / "net.net"
    path.write_text(NET.format(iterations))
    solver = netc.Solver(path, executor="reference")
    found = [w for w in solver.warnings if w.code.id == "SOL020"]
    if said is None:
        assert not found
        return
    (warning,) = found
    assert f"takes {said} records in batches of 100, but there are 400" in warning.message
    assert warning.help == "write test_iter: 4"
    assert warning.span is not None
    assert warning.span.line == 3
