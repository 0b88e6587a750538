"""Token by token, several texts side by side: the numbers of the net run on each whole text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netc.api.definition import Definition, loads
from netc.api.deploy import deploy
from netc.api.generation.decoder import Decoder
from netc.api.generation.parts import parts_of
from netc.api.session import Net
from netc.errors import NetError

SIZE, STEPS = 7, 5
HEAD = f"""
score = InnerProduct(h) {{ axis: 2 num_output: {SIZE} }}
prob = Softmax(score) {{ axis: 2 }}
generate {{ from: prob into: x }}
"""


def recurrent(kind: str, steps: int = 1) -> str:
    return f"""
x = Input() {{ shape {{ dim: [{steps}, 1] }} }}
cont = Input() {{ shape {{ dim: [{steps}, 1] }} }}
e = Embed(x) {{ input_dim: {SIZE} num_output: 4 }}
h = {kind}(e, cont) {{ num_output: 6 }}
{HEAD}"""


TRANSFORMER = f"""
x = Input() {{ shape {{ dim: [1, {STEPS}] }} }}
e = Embed(x) {{ input_dim: {SIZE} num_output: 4 }}
q = InnerProduct(e) {{ axis: 2 num_output: 4 }}
h = Attention(q, e, e) {{ causal: true }}
{HEAD}"""

# An encoder whose last states a decoder begins with, and whose outputs it looks at.
ENCODER = f"""
source = Input() {{ shape {{ dim: [4, 1] }} }}
mask = Input() {{ shape {{ dim: [4, 1] }} }}
x = Input() {{ shape {{ dim: [1, 1] }} }}
h0 = Input() {{ shape {{ dim: [1, 1, 6] }} }}
c0 = Input() {{ shape {{ dim: [1, 1, 6] }} }}
se = Embed(source) as source_embed {{ input_dim: {SIZE} num_output: 4 }}
encoded, he, ce = LSTM(se, mask, h0, c0) as encoder {{ num_output: 6 expose_hidden: true }}
ones = Power(x) {{ power: 0 }}
e = Embed(x) {{ input_dim: {SIZE} num_output: 4 }}
d, hd, cd = LSTM(e, ones, he, ce) as decoder {{ num_output: 6 expose_hidden: true }}
q = Permute(d) {{ order: [1, 0, 2] }}
k = Permute(encoded) {{ order: [1, 0, 2] }}
m = Permute(mask) {{ order: [1, 0] }}
a = Attention(q, k, k, m)
a = Permute(a) as attended {{ order: [1, 0, 2] }}
h = Concat(d, a) {{ axis: 2 }}
{HEAD}"""


def opened(text: str, seed: int = 3) -> tuple[Definition, Net]:
    definition = loads(text, "a.net")
    net = Net(deploy(definition).definition, "TEST", executor="reference")
    randomized(net, seed)
    return definition, net


def randomized(net: Net, seed: int) -> None:
    """Parameters as training leaves them: a net that predicts has no fillers."""
    rng = np.random.default_rng(seed)
    for blobs in net.params.values():
        for blob in blobs:
            blob[...] = rng.uniform(-0.9, 0.9, blob.shape)


def decoder(definition: Definition, net: Net, rows: int, executor: str = "reference") -> Decoder:
    found = parts_of(deploy(definition).definition, definition.record.generate)
    return Decoder(found, net, rows, executor=executor, threads=1)


def walk(found: Decoder, seed: int, steps: int) -> list[tuple[list[int], np.ndarray]]:
    """Texts that split and die at random, with what the decoder says follows each."""
    rng = np.random.default_rng(seed)
    texts, seen = [[]], []
    for _ in range(steps):
        count = int(rng.integers(1, found.rows + 1))
        parents = rng.integers(0, len(texts), count).tolist()
        tokens = rng.integers(0, SIZE, count).tolist()
        texts = [[*texts[parent], token] for parent, token in zip(parents, tokens, strict=True)]
        seen += [(text, row.copy()) for text, row in zip(texts, found.step(tokens, parents), strict=True)]
    return seen


@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_states_are_carried(kind: str, executor: str) -> None:
    definition, net = opened(recurrent(kind))
    found = decoder(definition, net, 3, executor)
    for seed in (0, 1):  # the second text begins anew
        found.begin({})
        for text, log_p in walk(found, seed, 7):
            cont = np.ones((len(text), 1))
            cont[0] = 0
            whole = net.forward(x=np.array(text)[:, None], cont=cont)["prob"]
            np.testing.assert_allclose(np.exp(log_p), whole[-1, 0], rtol=1e-4, atol=1e-6)


def test_a_net_of_many_steps_with_states_takes_one_at_a_time() -> None:
    definition, net = opened(recurrent("LSTM", 16))
    found = decoder(definition, net, 2)
    assert (found.parts.steps, found.parts.streams, found.parts.cont) == (1, 1, "cont")
    one = decoder(*opened(recurrent("LSTM")), 2)
    for each in (found, one):
        each.begin({})
    for (text, log_p), (other, wanted) in zip(walk(found, 0, 5), walk(one, 0, 5), strict=True):
        assert text == other
        np.testing.assert_allclose(log_p, wanted, rtol=1e-5)


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_a_net_without_states_sees_the_last_tokens(executor: str) -> None:
    definition, net = opened(TRANSFORMER)
    found = decoder(definition, net, 3, executor)
    assert (found.parts.steps, found.parts.streams) == (STEPS, 0)
    found.begin({})
    for text, log_p in walk(found, 0, STEPS + 3):
        last = text[-STEPS:]
        whole = net.forward(x=np.array([last]))["prob"]
        np.testing.assert_allclose(np.exp(log_p), whole[0, len(last) - 1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_the_encoder_runs_once(executor: str) -> None:
    definition, net = opened(ENCODER)
    found = decoder(definition, net, 4, executor)
    assert found.parts.inputs == ("source", "mask", "h0", "c0")
    assert dict(found.parts.carried) == {"hd": "he", "cd": "ce"}
    assert {name: axis for name, axis in found.parts.crossing.items() if axis is not None} == {
        "he": 1, "ce": 1, "k": 0, "m": 0,
    }  # fmt: skip
    assert found.input_shapes == {"source": (4, 1), "mask": (4, 1), "h0": (1, 1, 6), "c0": (1, 1, 6)}
    passes = _count_passes(found)
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        source, mask = rng.integers(0, SIZE, (4, 1)), np.array([[0], [seed], [1], [1]])
        found.begin({"source": source, "mask": mask})
        for text, log_p in walk(found, seed, 6):
            whole = net.forward(source=source, mask=mask, x=np.array(text)[:, None])["prob"]
            np.testing.assert_allclose(np.exp(log_p), whole[-1, 0], rtol=1e-4, atol=1e-6)
    assert passes == [1, 1]


def _count_passes(found: Decoder) -> list[int]:
    """One entry for each pass of the encoder from now on."""
    encoder, passes = found._encoder, list[int]()
    assert encoder is not None
    forward = encoder.forward
    encoder.forward = lambda *a, **k: (passes.append(1), forward(*a, **k))[1]  # type: ignore[method-assign]
    return passes


def test_states_that_come_from_outside() -> None:
    """A net for one step at a time, as Caffe's examples have it: h_0 and c_0 are inputs, zero at first."""
    text = f"""
x = Input() {{ shape {{ dim: [1, 1] }} }}
cont = Input() {{ shape {{ dim: [1, 1] }} }}
h0 = Input() {{ shape {{ dim: [1, 1, 6] }} }}
c0 = Input() {{ shape {{ dim: [1, 1, 6] }} }}
e = Embed(x) {{ input_dim: {SIZE} num_output: 4 }}
h, hn, cn = LSTM(e, cont, h0, c0) {{ num_output: 6 expose_hidden: true }}
{HEAD}"""
    definition, net = opened(text)
    found, kept = decoder(definition, net, 3), decoder(*opened(recurrent("LSTM")), 3)
    for each in (found, kept):
        each.begin({})
    for (_, log_p), (_, wanted) in zip(walk(found, 5, 6), walk(kept, 5, 6), strict=True):
        np.testing.assert_allclose(log_p, wanted, rtol=1e-5)


def test_scores_are_as_good_as_probabilities() -> None:
    scored = recurrent("LSTM").replace("from: prob", "from: score")
    one, two = (decoder(*opened(text), 2) for text in (recurrent("LSTM"), scored))
    assert (one.parts.probabilities, two.parts.probabilities) == (True, False)
    for each in (one, two):
        each.begin({})
    for (_, log_p), (_, wanted) in zip(walk(one, 2, 4), walk(two, 2, 4), strict=True):
        np.testing.assert_allclose(log_p, wanted, rtol=1e-5)


def test_a_net_that_trains_is_cut_first(tmp_path: Path) -> None:
    """Without a deploy block: data layers become inputs, the loss its Softmax."""
    (tmp_path / "a.txt").write_text("abcabcab\n" * 30)
    text = f"""
x, cont, next = Text() {{ source: "{tmp_path}/a.txt" steps: 8 batch_size: 4 }}
e = Embed(x) {{ input_dim: 8 num_output: 4 }}
h = LSTM(e, cont) {{ num_output: 6 }}
score = InnerProduct(h) {{ axis: 2 num_output: 8 }}
loss = SoftmaxWithLoss(score, next) {{ softmax_param {{ axis: 2 }} }}
generate {{ from: "prob" into: "x" most: 5 }}
"""
    definition, _ = opened(text)
    found = Net(definition, "TEST", executor="reference").generate("ab", count=3)
    assert {len(each.tokens) for each in found} == {5}
    assert parts_of(deploy(definition).definition, definition.record.generate).steps == 1


@pytest.mark.parametrize(
    ("change", "said", "at"),
    [
        (("into: x", "into: y"), 'into: "y" is not an input', '"y"'),
        (("from: prob", 'from: "porb"'), 'from: "porb" is not a blob', '"porb"'),
        (("from: prob", "from: cont"), '"cont" does not depend on "x"', "cont"),
        (("from: prob ", ""), "needs from, a blob", "generate"),
    ],
)
def test_names_that_are_not_there(change: tuple[str, str], said: str, at: str) -> None:
    definition = loads(recurrent("LSTM").replace(*change).replace("into: y", 'into: "y"'), "a.net")
    with pytest.raises(NetError) as raised:
        parts_of(deploy(definition).definition, definition.record.generate)
    (found,) = raised.value.diagnostics
    assert found.code.id == "RUN111"
    assert said in found.message
    assert found.span is not None
    assert found.span.source.text[found.span.start :].startswith(at)


def test_texts_need_an_axis_of_their_own() -> None:
    """What goes over has steps and texts on one axis: rows of one text could not be told from those of another."""
    mixed = ENCODER.replace(
        "h = Concat(d, a) { axis: 2 }",
        "flat = Reshape(encoded) { shape { dim: [-1, 6] } }\ndd = Reshape(d) { shape { dim: [-1, 6] } }\n"
        "both = Concat(flat, dd) { axis: 0 }\nlaid = Reshape(both) { shape { dim: [5, -1, 6] } }\n"
        "some, last = Slice(laid) { axis: 0 slice_point: 4 }\nh = Concat(last, a) { axis: 2 }",
    )
    definition, _ = opened(mixed)
    with pytest.raises(NetError) as raised:
        parts_of(deploy(definition).definition, definition.record.generate)
    assert [(d.code.id, d.message) for d in raised.value.diagnostics] == [
        ("RUN113", '"flat" (4x6) has no axis that counts texts alone')
    ]
    whole = ENCODER.replace("k = Permute(encoded)", "flat = Reshape(encoded) { shape { dim: [-1, 6] } }\n"
                            "again = Reshape(flat) { shape { dim: [4, -1, 6] } }\nk = Permute(again)")  # fmt: skip
    decoder(*opened(whole), 2)  # it has its own axis again where it goes over
