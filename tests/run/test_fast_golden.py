"""Every golden case of BVLC Caffe and its forks on the fast executor, without Winograd, to the same 1e-5."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.run.common import make
from tests.run.test_golden import CASES, close, group, run


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_case(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_PRECISION", "exact")
    with np.load(path) as numbers:
        meta = json.loads(str(numbers["meta"]))
        data = {name: numbers[name] for name in numbers.files if name != "meta"}
    text = path.with_suffix(".prototxt").read_text()
    shared = make(text, meta["phase"], training=True, executor="fast", threads=2)
    inspected = make(text, meta["phase"], training=True, keep=True, executor="fast", threads=2)
    for net in (shared, inspected):
        for layer, blobs in net.params.items():
            for i, blob in enumerate(blobs):
                blob[...] = data[f"param/{layer}/{i}"]
    for step in range(meta["steps"]):
        run(shared, data, f"step{step}/")
        run(inspected, data, f"step{step}/")
        for name, value in group(data, f"step{step}/blob/").items():
            close(f"blob {name}", inspected.blobs[name], value)
