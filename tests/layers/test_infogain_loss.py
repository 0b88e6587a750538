"""InfogainLoss with its matrix in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Example, Input
from tests.layers.harness import Array, Bench, known, schema

INPUTS = (Input((4, 3)), Input((4,), "labels", 0, 3))


def bench(path: Path) -> Bench:
    return Bench.of(known().types["InfogainLoss"], Example(f'infogain_loss_param {{ source: "{path}" }}', INPUTS))


def write(path: Path, values: Array) -> None:
    blob = schema().message_class("BlobProto")()
    blob.data.extend(values.ravel())
    blob.shape.dim.extend(values.shape)
    path.write_bytes(blob.SerializeToString())


def test_the_identity_makes_it_softmax_with_loss(tmp_path: Path) -> None:
    path = tmp_path / "eye.binaryproto"
    write(path, np.eye(3))
    tested = bench(path)
    run = tested.forward()
    plain = Bench.of(known().types["SoftmaxWithLoss"], Example("", INPUTS))
    expected = plain.backward(plain.forward().call)
    np.testing.assert_allclose(run.tops[0], expected.tops[0])
    got = tested.backward(run.call)
    assert got.bottom_diffs[0] is not None
    assert expected.bottom_diffs[0] is not None
    np.testing.assert_allclose(got.bottom_diffs[0], expected.bottom_diffs[0])


@pytest.mark.parametrize("content", [None, b"\xff\xff\xff", "wrong size"])
def test_a_file_without_the_matrix_is_told(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "matrix.binaryproto"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        write(path, np.eye(2))
    with pytest.raises(NetError) as refused:
        bench(path).forward()
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.code.id == "LAY104"
    assert str(path) in diagnostic.message
