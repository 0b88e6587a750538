"""The numeric gradient check of whole nets."""

from pathlib import Path

import pytest

from netc.api.definition import loads
from netc.api.gradcheck import gradcheck
from netc.errors import NetError

NET = """
layer {{ name: "data" type: "Digits" top: "data" top: "label" digits_param {{ split: "train" batch_size: 16 }} }}
layer {{
  name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" {param}
  inner_product_param {{ num_output: 6 weight_filler {{ type: "xavier" }} }}
}}
layer {{ name: "bn" type: "BatchNorm" bottom: "ip1" top: "ip1" }}
layer {{ name: "act" type: "{type}" bottom: "ip1" top: "act" }}
layer {{ name: "drop" type: "Dropout" bottom: "act" top: "act" }}
layer {{
  name: "ip2" type: "InnerProduct" bottom: "act" top: "ip2"
  inner_product_param {{ num_output: 10 weight_filler {{ type: "xavier" }} }}
}}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }}
"""

WRONG = '''
"""A layer whose backward forgets a factor.

Computes:
    y = x^2.
"""
from netc.layer import Call, LayerType, Setup, Site, same_shape

def setup(site: Site) -> Setup:
    return Setup(tops=(same_shape(site),), reads=("x",))

def forward(call: Call) -> None:
    call.tops[0][...] = call.bottoms[0] ** 2

def backward(call: Call) -> None:
    call.bottom_diffs[0][...] = call.top_diffs[0] * call.bottoms[0]

SQUARE = LayerType("ForgetfulSquare", __doc__, setup, forward, backward)
'''


@pytest.mark.parametrize("type", ["ReLU", "TanH"])
def test_right_gradients_are_found_right(type: str) -> None:
    found = list(gradcheck(loads(NET.format(type=type, param="")), values=6))
    assert [c.blob for c in found] == ["ip1/weights", "ip1/bias", "ip2/weights", "ip2/bias"]
    assert [c.shape for c in found] == [(6, 64), (6,), (10, 6), (10,)]
    assert all(c.fine(1e-5) for c in found)


def test_a_wrong_backward_is_found(tmp_path: Path) -> None:
    (tmp_path / "square.py").write_text(WRONG)
    definition = loads(NET.format(type="ForgetfulSquare", param=""), layers=[tmp_path / "square.py"])
    fine = {c.blob: c.fine(1e-4) for c in gradcheck(definition, values=6)}
    assert fine == {"ip1/weights": False, "ip1/bias": True, "ip2/weights": True, "ip2/bias": True}


def test_frozen_parameters_are_left_out() -> None:
    text = NET.format(type="ReLU", param="param { lr_mult: 0 } param { lr_mult: 0 }")
    assert [c.blob for c in gradcheck(loads(text), values=2)] == ["ip2/weights", "ip2/bias"]


def test_a_net_without_a_loss() -> None:
    with pytest.raises(NetError) as caught:
        list(gradcheck(loads(NET.format(type="ReLU", param="").split('layer { name: "loss"')[0])))
    assert caught.value.diagnostics[0].code.id == "RUN054"


def test_a_gradient_that_is_a_forks_own_formula_is_excused() -> None:
    text = NET.format(type="Normalize", param="").replace(
        'type: "Normalize"',
        'type: "Normalize" norm_param { '
        'channel_shared: false across_spatial: false scale_filler { type: "uniform" min: 1 max: 9 } }',
    )
    found = {c.blob: c for c in gradcheck(loads(text), values=6)}
    before, after = found["ip1/weights"], found["ip2/weights"]
    assert not before.fine(1e-4)
    assert not before.wrong(1e-4)
    assert "Normalize" in before.excuse
    assert found["act/scale"].fine(1e-4)
    assert after.fine(1e-4)
    assert (found["act/scale"].excuse, after.excuse) == ("", "")


@pytest.mark.parametrize("type", ["LSTM", "RNN", "GRU"])
def test_an_encoder_learns_from_the_state_that_a_decoder_begins_with(type: str) -> None:
    """Nothing but the encoder's last state leads to the loss."""
    states = ["h", "c"] if type == "LSTM" else ["h"]
    fillers = 'num_output: 3 weight_filler { type: "gaussian" } bias_filler { type: "gaussian" }'
    shapes = {"x": "4, 2, 4", "words": "4, 2, 2", "t": "4, 2, 3", **dict.fromkeys(states, "1, 2, 3")}
    text = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ dim: [{dims}] }} }} }}\n'
        for name, dims in shapes.items()
    )
    for name, steps in (("cont", 4), ("go", 4)):
        fields = f'data_filler {{ type: "constant" value: 1 }} shape {{ dim: {steps} dim: 2 }}'
        text += f'layer {{ name: "{name}" type: "DummyData" top: "{name}" dummy_data_param {{ {fields} }} }}\n'
    for name, bottoms, ends in (("enc", ["x", "cont"], states), ("dec", ["words", "go"], [f"enc_{s}" for s in states])):
        reads = " ".join(f'bottom: "{b}"' for b in (*bottoms, *ends))
        tops = " ".join(f'top: "{t}"' for t in (name, *(f"{name}_{s}" for s in states)))
        fields = f"recurrent_param {{ expose_hidden: true {fillers} }}"
        text += f'layer {{ name: "{name}" type: "{type}" {reads} {tops} {fields} }}\n'
    text += 'layer { name: "loss" type: "EuclideanLoss" bottom: "dec" bottom: "t" top: "loss" }'
    found = {c.blob: c for c in gradcheck(loads(text), values=8)}
    assert all(c.fine(1e-4) for c in found.values())
    assert all(abs(c.analytic) > 1e-9 for name, c in found.items() if name.startswith("enc/W_x"))


def test_a_black_image_does_not_stand_at_a_corner() -> None:
    """Digits have black borders, and biases start at zero: there the ReLU's input would be exactly zero."""
    text = """
    data, label = Digits() { batch_size: 4 }
    h = Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
    h = ReLU(h)
    score = InnerProduct(h) { num_output: 10 weight_filler { type: "xavier" } }
    loss = SoftmaxWithLoss(score, label)
    """
    found = {c.blob: c for c in gradcheck(loads(text), values=6)}
    assert found["h/bias"].kinks == 0
    assert all(c.fine(1e-5) for c in found.values())


def test_a_corner_on_a_slope_is_one() -> None:
    """a is 0, where its ReLU bends downhill, and the second loss curves: the derivative is outside of both slopes."""
    fields = (
        '{ num_output: 1 weight_filler { value: -0.5 } bias_filler { value: 0.5 } param { name: "w" } '
        'param { name: "b" } }'
    )
    text = f"""
    one = DummyData() {{ shape {{ dim: [1, 1] }} data_filler {{ value: 1 }} }}
    two = DummyData() {{ shape {{ dim: [1, 1] }} data_filler {{ value: 2 }} }}
    a = InnerProduct(one) {fields}
    r = ReLU(a)
    b = InnerProduct(two) {fields}
    corner = EuclideanLoss(r, one)
    curve = EuclideanLoss(b, one) {{ loss_weight: 10 }}
    """
    assert [(c.blob, c.kinks) for c in gradcheck(loads(text))] == [("w", 1), ("b", 1)]


@pytest.mark.parametrize(("together", "batch", "samples"), [(3, 4, 12), (2, 9, 10), (0, 4, 4)])
def test_groups_stay_whole(together: int, batch: int, samples: int) -> None:
    """Of one class alone, no pair is unlike, and the loss has no gradient."""
    text = f"""
    data, label = Digits() {{ batch_size: 30 together: {together} shuffle: true }}
    e = InnerProduct(data) {{ num_output: 4 weight_filler {{ type: "xavier" }} }}
    loss = TripletLoss(e, label) {{ margin: 1 }}
    """
    shapes: list[tuple[int, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netc.api.gradcheck.fill_inputs", lambda net, seed: shapes.append(net.plan.shapes[0]))
        found = list(gradcheck(loads(text), batch=batch, values=2))
    assert shapes == [(samples, 1, 8, 8)]
    assert together == 0 or not any(c.zero for c in found if c.blob == "e/weights")
