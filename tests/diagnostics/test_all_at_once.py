"""One mistake does not hide the others: each is said, in its place, and nobody is blamed for what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netc.api import planning
from netc.errors import NetError

CASES = {
    "a type that is not there hides nothing": (
        "x = Input() { shape { dim: [1, 3, 8, 8] } }\n"
        "y = Conv2D(x) { num_output: 3 kernel_size: 3 }\n"
        "z = Pooling(y) { kernal_size: 2 }\n"
        "w = InnerProduct(q) { num_output: 4 }\n"
        "v = Dense(w)\n"
        "u = ReLU(v)\n"
        "t = Softmax(u) { axes: 1 }\n",
        [("SYN045", 2), ("SYN045", 5), ("SCH001", 3), ("SCH001", 7), ("GRA003", 4)],
    ),
    "a blob is taken over by a layer that is not there": (
        "x = Input() { shape { dim: [1, 3, 8, 8] } }\n"
        "x = Conv2D(x) { num_output: 64 }\n"
        "y = Scale(x, x)\n"
        "z = Crop(y, z0) { offset: 1 }\n",
        [("SYN045", 2), ("GRA003", 4)],
    ),
    "inside a composite": (
        "def block(x) -> y { y = Convolve(x)  y = ReLU(y) }\n"
        "x = Input() { shape { dim: [1, 3, 8, 8] } }\n"
        "a = block(x)\nb = block(x, x)\nc = Convolution(b) { num_output: 4 }\nd = Convolution(x) { num_output: 4 }\n",
        [("SYN045", 1), ("SYN036", 4), ("LAY007", 6)],
    ),
    "what a loop should have made may be any blob": (
        "x = Input() { shape { dim: [1, 3, 8, 8] } }\n"
        "for i in 1..n { y = ReLU(x) }\n"
        "z = Sigmoid(y)\nw = Softmax(x) { axes: 1 }\n",
        [("SYN035", 2), ("SCH001", 4)],
    ),
    "plain, on lines of their own": (
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 3, 8, 8] } } }\n'
        'layer { name: "y" type: "Conv2D" bottom: "x" top: "y" }\n'
        'layer { name: "z" type: "Pooling" bottom: "y" top: "z" pooling_param { kernal_size: 2 } }\n'
        'layer { name: "w" type: "InnerProduct" bottom: "q" top: "w" inner_product_param { num_output: 4 } }\n',
        [("SCH001", 3), ("GRA001", 2), ("GRA003", 4)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_all_at_once(name: str, tmp_path: Path) -> None:
    text, wanted = CASES[name]
    file = tmp_path / "a.net"
    file.write_text(text)
    with pytest.raises(NetError) as caught:
        planning.check(file)
    found = [(d.code.id, d.span.line if d.span else 0) for d in caught.value.diagnostics if d.severity == "error"]
    assert found == wanted
