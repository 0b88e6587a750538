"""The fast executor against the reference executor: outputs, gradients, and the same bits for any number of threads."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netc.api.definition import loads
from netc.errors import NetError
from netc.graph import State, build
from netc.plan import plan
from netc.run import Net
from netc.run.environment import BAD_ENVIRONMENT
from netc.run.fast import Fast


def make(text, phase="TRAIN", threads=2, keep=False):
    definition = loads(text)
    graph = build(definition.record, definition.types, State(phase))
    planned = plan(graph, training=phase == "TRAIN", keep=keep)
    nets = [Net(planned, seed=3), Net(planned, seed=3, executor="fast", threads=threads)]
    rng = np.random.default_rng(7)
    for name, array in nets[0].inputs.items():
        values = rng.integers(0, 3, array.shape) if name == "label" else rng.normal(size=array.shape)
        for net in nets:
            net.set_input(name, values)
    for layer, blobs in nets[0].params.items():
        kind = next(n.type.name for n in planned.graph.nodes if n.name == layer)
        for i, blob in enumerate(blobs):
            values = (
                rng.uniform(0.5, 1.5, blob.shape) if kind in ("BatchNorm", "BN") else rng.normal(size=blob.shape) * 0.3
            )
            for net in nets:
                net.params[layer][i][...] = values
    return nets


def run(net):
    """Outputs, parameter gradients and input gradients of two passes."""
    found = {}
    for _ in range(2):
        if net.plan.backward_planned:
            net.zero_param_diffs()
        found = {f"output {k}": v for k, v in net.forward().items()}
        if net.plan.backward_planned:
            net.backward()
            found |= {
                f"gradient {layer} {i}": diff.copy()
                for layer, diffs in net.param_diffs.items()
                for i, diff in enumerate(diffs)
                if diff is not None
            }
    return found


def compare(text, phase="TRAIN", threads=2, tolerance=2e-5, keep=False):
    reference, fast = make(text, phase, threads, keep)
    assert isinstance(fast.executor, Fast)
    wanted, found = run(reference), run(fast)
    assert wanted.keys() == found.keys()
    for name, array in wanted.items():
        scale = max(1e-3, np.abs(array).max())
        np.testing.assert_allclose(found[name] / scale, array / scale, atol=tolerance, rtol=0, err_msg=name)
    return fast


DATA = 'layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { %s } shape { dim: %d } } }\n'


def data(n, c, h, w):
    return DATA % (f"dim: {n} dim: {c} dim: {h} dim: {w}", n)


def layer(kind, bottom, top, fields="", name=None):
    bottoms = " ".join(f'bottom: "{b}"' for b in ([bottom] if isinstance(bottom, str) else bottom))
    return f'layer {{ name: "{name or top}" type: "{kind}" {bottoms} top: "{top}" {fields} }}\n'


def conv(bottom, top, fields):
    return layer("Convolution", bottom, top, f"convolution_param {{ {fields} }}")


def ip(bottom, top, outputs):
    return layer("InnerProduct", bottom, top, f"inner_product_param {{ num_output: {outputs} }}")


def relu(name):
    return layer("ReLU", name, name, name=f"{name}/relu")


def loss(bottom):
    return ip(bottom, "scores", 3) + layer("SoftmaxWithLoss", ["scores", "label"], "loss")


LENET = (
    data(4, 1, 12, 12)
    + conv("data", "c1", "num_output: 20 kernel_size: 5")
    + layer("Pooling", "c1", "p1", "pooling_param { kernel_size: 2 stride: 2 }")
    + conv("p1", "c2", "num_output: 50 kernel_size: 3")
    + ip("c2", "f1", 48)
    + relu("f1")
    + loss("f1")
)
CAFFENET = (
    data(2, 3, 19, 19)
    + conv("data", "c1", "num_output: 32 kernel_size: 5 stride: 2")
    + relu("c1")
    + layer("Pooling", "c1", "p1", "pooling_param { kernel_size: 3 stride: 2 }")
    + layer("LRN", "p1", "n1", "lrn_param { local_size: 5 alpha: 0.1 }")
    + conv("n1", "c2", "num_output: 64 kernel_size: 3 pad: 1 group: 2")
    + relu("c2")
    + layer("Pooling", "c2", "p2", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }")
    + ip("p2", "f1", 32)
    + relu("f1")
    + layer("Dropout", "f1", "f1", name="drop")
    + loss("f1")
)
INCEPTION = (
    data(2, 5, 9, 9)
    + conv("data", "stem", "num_output: 24 kernel_size: 3 stride: 2 pad: 1")
    + relu("stem")
    + conv("stem", "a", "num_output: 16 kernel_size: 1")
    + relu("a")
    + conv("stem", "b", "num_output: 32 kernel_size: 3 pad: 1")
    + relu("b")
    + layer("Pooling", "stem", "c", "pooling_param { kernel_size: 3 stride: 1 pad: 1 }")
    + layer("Concat", ["a", "b", "c"], "join")
    + conv("join", "d", "num_output: 20 kernel_size: 1")
    + layer("Pooling", "join", "e", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }")
    + loss("d")
    + ip("e", "scores2", 3)
    + layer("SoftmaxWithLoss", ["scores2", "label"], "loss2", "loss_weight: 0.3")
)


def residual(statistics):
    norm = f"batch_norm_param {{ use_global_stats: {statistics} }}"
    scale = "scale_param { bias_term: true }"
    text = data(3, 16, 7, 7)
    for i, (bottom, fields) in enumerate((("data", "kernel_size: 1"), ("data", "kernel_size: 3 pad: 1"))):
        text += conv(bottom, f"c{i}", f"num_output: 20 {fields} bias_term: false")
        text += layer("BatchNorm", f"c{i}", f"c{i}", norm, name=f"bn{i}")
        text += layer("Scale", f"c{i}", f"c{i}", scale, name=f"scale{i}")
        text += relu("c0") if i == 0 else ""
    text += layer("Eltwise", ["c0", "c1"], "sum") + relu("sum")
    text += layer("BatchNorm", "sum", "again", norm) + relu("again")
    return text + conv("again", "out", "num_output: 6 kernel_size: 3") + loss("out")


@pytest.mark.parametrize(
    "text", [LENET, CAFFENET, INCEPTION, residual("false")], ids=["lenet", "caffenet", "inception", "residual"]
)
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("keep", [False, True])
def test_nets_agree_with_the_reference(text, phase, keep):
    compare(text, phase, keep=keep)


def test_batch_normalization_folds_into_convolutions():
    fast = compare(residual("true"), "TEST")
    labels = {item.launch.label for item in fast.executor.program.forward if item.launch}
    assert "affine" in labels  # the one after the sum
    assert not {"sum", "relu"} & labels
    reference, _ = make(residual("true"), "TEST")
    for net in (reference, fast):
        for blob in net.params["bn0"]:
            np.add(blob, 0.25, out=blob)  # parameters may change at any time
    np.testing.assert_allclose(fast.forward()["loss"], reference.forward()["loss"], rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("BatchNorm", ""),
        ("BatchNorm", "batch_norm_param { scale_bias: true eps: 0.01 }"),
        ("BN", "bn_param { bn_mode: INFERENCE }"),
        ("BN", "bn_param { eps: 0.01 }"),
        ("BN", "bn_param { frozen: true }"),
        ("Scale", ""),
        ("Scale", "scale_param { bias_term: true }"),
        ("Bias", ""),
    ],
)
@pytest.mark.parametrize("folded", [True, False])
def test_stored_factors_and_shifts(kind, fields, folded):
    """Of a convolution, and of a sum, which cannot take them."""
    text = data(3, 16, 5, 5) + conv("data", "a", "num_output: 20 kernel_size: 3 bias_term: true")
    text += "" if folded else conv("data", "b", "num_output: 20 kernel_size: 3") + layer("Eltwise", ["a", "b"], "sum")
    text += layer(kind, "a" if folded else "sum", "found", fields) + relu("found")
    fast = compare(text + conv("found", "out", "num_output: 6 kernel_size: 3") + loss("out"), "TEST")
    labels = [item.launch.label for item in fast.executor.program.forward if item.launch]
    assert ("affine" in labels) != folded


HEADS = {
    "first": conv("data", "c", "num_output: 20 kernel_size: 3 stride: 2"),
    "direct": conv("data", "a", "num_output: 32 kernel_size: 1")
    + conv("a", "c", "num_output: 40 kernel_size: 3 group: 2"),
    "Winograd": conv("data", "a", "num_output: 16 kernel_size: 1") + conv("a", "c", "num_output: 20 kernel_size: 3"),
    "depthwise": conv("data", "a", "num_output: 20 kernel_size: 1")
    + conv("a", "c", "num_output: 20 kernel_size: 3 group: 20"),
    "deconvolution": conv("data", "a", "num_output: 20 kernel_size: 1")
    + layer("Deconvolution", "a", "c", "convolution_param { num_output: 17 kernel_size: 2 stride: 2 }"),
    "sum": conv("data", "x", "num_output: 16 kernel_size: 1")
    + conv("x", "a", "num_output: 20 kernel_size: 1")
    + conv("x", "b", "num_output: 20 kernel_size: 1")
    + layer("Eltwise", ["a", "b"], "c"),
    "products": conv("data", "a", "num_output: 3 kernel_size: 3") + ip("a", "c", 21),
    "dots": layer("Pooling", "data", "a", "pooling_param { kernel_size: 2 stride: 2 }") + ip("a", "c", 21),
}
CHANGES = {
    "ReLU": layer("ReLU", "c", "d"),
    "slope": layer("ReLU", "c", "d", "relu_param { negative_slope: 0.2 }"),
    "LeakyReLU": layer("LeakyReLU", "c", "d", "leaky_relu_param { negative_slope: 0.3 }"),
    "PReLU": layer("PReLU", "c", "d"),
    "one slope": layer("PReLU", "c", "d", "prelu_param { channel_shared: true }"),
    "behind Dropout": layer("Dropout", "c", "c", name="drop") + layer("PReLU", "c", "d"),
}
NORMS = layer("BatchNorm", "c", "c", name="bn") + layer(
    "Scale", "c", "c", "scale_param { bias_term: true }", name="scale"
)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("change", CHANGES)
def test_activations_are_done_by_what_is_before_them(head, change):
    """In nets without backward, with stored statistics and scales before them."""
    before, change = data(2, 3, 12, 14) + HEADS[head], CHANGES[change]
    text = before + ("" if head in ("sum", "deconvolution") else NORMS) + change
    fast = compare(text, "TEST")
    labels = {item.launch.label for item in fast.executor.program.forward if item.launch}
    assert not {"relu", "prelu", "affine", "copy"} & labels
    assert not [
        item for item in fast.executor.program.forward if item.step and item.step.kind == "forward" and item.layer > 0
    ]
    compare(before + change + loss("d"), "TRAIN", tolerance=1e-4)


def test_a_sum_whose_activation_lives_in_a_concat():
    """What is added must lie like what is written, and a part of another blob does not."""
    text = data(2, 16, 6, 6) + conv("data", "a", "num_output: 16 kernel_size: 1")
    text += conv("data", "b", "num_output: 16 kernel_size: 3 pad: 1") + layer("Eltwise", ["a", "b"], "c")
    text += layer("PReLU", "c", "d") + layer("Concat", ["d", "data"], "e")
    compare(text + conv("e", "f", "num_output: 5 kernel_size: 3"), "TEST")


@pytest.mark.parametrize("text", [LENET, INCEPTION])
def test_the_same_bits_for_any_number_of_threads(text):
    runs = [run(make(text, threads=threads)[1]) for threads in (1, 2, 3)]
    for other in runs[1:]:
        for name, array in runs[0].items():
            assert np.array_equal(array, other[name]), name


def test_blobs_are_read_from_any_layout():
    reference, fast = make(CAFFENET, keep=True)
    run(reference), run(fast)
    for name, blob in reference.blobs.items():
        np.testing.assert_allclose(fast.blobs[name], blob, rtol=1e-4, atol=1e-5, err_msg=name)
    for name, diff in reference.diffs.items():
        np.testing.assert_allclose(fast.diffs[name], diff, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("size", [4, 5, 7])
@pytest.mark.parametrize("channels", [16, 20])
def test_dropout_draws_the_numbers_of_the_reference(size, channels):
    text = data(3, channels, size, size) + conv("data", "c", f"num_output: {channels} kernel_size: 1")
    text += layer("Dropout", "c", "d") + layer("Dropout", "d", "e", "dropout_param { dropout_ratio: 0.3 }") + loss("e")
    reference, fast = make(text, keep=True)
    run(reference), run(fast)
    assert not [i for i in fast.executor.program.forward if i.step and i.layer in (2, 3)]
    for name in ("d", "e"):
        assert np.array_equal(reference.blobs[name] == 0, fast.blobs[name] == 0)
    assert np.array_equal(reference.diffs["c"] == 0, fast.diffs["c"] == 0)


@pytest.mark.parametrize(
    ("name", "value"), [("NETC_THREADS", "all"), ("NETC_THREADS", "0"), ("NETC_PRECISION", "best")]
)
def test_bad_environment(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(NetError) as error:
        make(LENET, threads=None)
    assert [d.code for d in error.value.diagnostics] == [BAD_ENVIRONMENT]


@st.composite
def random_nets(draw):
    """A chain with branches: odd sizes, channels that fill no block, strides, pads, dilations, groups, in place."""
    n, c, size = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 5, 16, 18, 32])), draw(st.integers(5, 13))
    text, at, shapes = data(n, c, size, size + draw(st.integers(0, 3))), "data", [c]
    for i in range(draw(st.integers(1, 4))):
        name = f"l{i}"
        kind = draw(st.sampled_from(["conv", "conv", "pool", "lrn", "branch", "relu"]))
        if kind == "conv":
            group = 2 if shapes[-1] == 32 and draw(st.booleans()) else 1
            k, d = draw(st.integers(1, 3)), draw(st.integers(1, 2))
            stride = 1 if d > 1 else draw(st.integers(1, 3))
            out = draw(st.sampled_from([4, 16, 21, 32])) if group == 1 else 32
            pad = draw(st.integers(d * (k - 1) // 2, d * (k - 1)))
            text += conv(
                at, name, f"num_output: {out} kernel_size: {k} stride: {stride} pad: {pad} dilation: {d} group: {group}"
            )
            shapes.append(out)
        elif kind == "pool":
            method, k = draw(st.sampled_from(["MAX", "AVE"])), draw(st.integers(2, 3))
            pad = draw(st.integers(0, k - 1))
            text += layer(
                "Pooling",
                at,
                name,
                f"pooling_param {{ pool: {method} kernel_size: {k} stride: {draw(st.integers(1, 2))} pad: {pad} }}",
            )
        elif kind == "lrn":
            text += layer("LRN", at, name, "lrn_param { local_size: 3 alpha: 0.2 }")
        elif kind == "relu":
            text += layer("ReLU", at, name)
        else:
            out = draw(st.sampled_from([16, 20]))
            text += conv(at, f"{name}a", f"num_output: {out} kernel_size: 1") + relu(f"{name}a")
            text += conv(at, f"{name}b", f"num_output: {out} kernel_size: 3 pad: 1")
            join = draw(st.sampled_from(["Concat", "Eltwise"]))
            text += layer(join, [f"{name}a", f"{name}b"], name)
            shapes.append(2 * out if join == "Concat" else out)
        at = name
        if draw(st.booleans()) and at != "data":
            text += relu(at)
    return text + loss(at)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(random_nets(), st.booleans())
def test_random_nets_agree_with_the_reference(text, training):
    compare(text, "TRAIN" if training else "TEST", tolerance=1e-4)
