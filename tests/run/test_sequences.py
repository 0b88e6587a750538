"""Recurrent layers on the fast executor: the numbers of their own kernels, and the same bits for any threads."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Array
from netc.run import Net
from netc.run.fast import Fast
from tests.run.common import make, run

TYPES = {"LSTM": 2, "GRU": 1, "RNN": 1}
FILLERS = 'weight_filler { type: "uniform" min: -0.4 max: 0.4 } bias_filler { type: "uniform" min: -0.2 max: 0.2 }'


def layer(kind: str, name: str, bottoms: list[str], tops: list[str], fields: str) -> str:
    blobs = [f'bottom: "{b}"' for b in bottoms] + [f'top: "{t}"' for t in tops]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(blobs)} {fields} }}\n'


def text(kind: str, random: Random) -> str:
    """Two layers of random sizes, the first perhaps with a static input, each perhaps with its states exposed."""
    steps, streams = random.choice([1, 2, 5, 9]), random.choice([1, 2, 3, 7, 16, 33])
    made = {"x": (steps, streams, random.choice([1, 7, 16, 50])), "cont": (steps, streams)}
    layers, below = "", "x"
    for number in range(2):
        size, bottoms, tops = random.choice([3, 16, 20, 32, 70]), [below, "cont"], [f"y{number}"]
        if number == 0 and random.random() < 0.5:
            made["static"] = (streams, random.choice([1, 20]))
            bottoms.append("static")
        exposed = random.random() < 0.4
        if exposed:
            names = [f"{name}{number}" for name in "hc"[: TYPES[kind]]]
            made |= dict.fromkeys(names, (1, streams, size))
            bottoms += names
            tops += [f"{name}_last" for name in names]
        fields = f"recurrent_param {{ num_output: {size} {FILLERS} {'expose_hidden: true' * exposed} }}"
        layers += layer(kind, f"layer{number}", bottoms, tops, fields)
        for top in tops[1 - number :]:
            sums = "reduction_param { operation: SUMSQ } loss_weight: 0.5"
            layers += layer("Reduction", f"{top}_sum", [top], [f"{top}_sum"], sums)
        below = f"y{number}"
    shapes = (f'input: "{n}" input_shape {{ {" ".join(f"dim: {d}" for d in s)} }}\n' for n, s in made.items())
    return "force_backward: true\n" + "".join(shapes) + layers


def found(kind: str, seed: int, executor: str, threads: int = 1) -> dict[str, Array]:
    net = make(text(kind, Random(seed)), executor=executor, threads=threads, keep=seed % 2 == 0, seed=seed)
    random = np.random.default_rng(seed)
    for name, array in net.inputs.items():
        array[...] = random.choice([0, 1, 1, 0.5], array.shape) if name == "cont" else random.normal(size=array.shape)
    return run(net)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", TYPES)
def test_steps_give_the_numbers_of_the_layers_own_kernels(kind: str, seed: int) -> None:
    wanted, given = found(kind, seed, "reference"), found(kind, seed, "fast")
    assert wanted.keys() == given.keys()
    for name, array in wanted.items():
        scale = float(np.abs(array).max(initial=1e-3))
        np.testing.assert_allclose(given[name], array, rtol=0, atol=1e-5 * scale, err_msg=name)


@pytest.mark.parametrize("kind", TYPES)
def test_any_number_of_threads_gives_the_same_bits(kind: str) -> None:
    for seed in range(6):
        wanted = found(kind, seed, "fast")
        for threads in (2, 3, 5):
            given = found(kind, seed, "fast", threads)
            assert all(np.array_equal(given[name], array) for name, array in wanted.items())


# ---------------------------------------------------------------- words


def words(kind: str, executor: str, threads: int = 1, *, table: str = "", weights: str = "", vectors: int = 6) -> Net:
    """A layer that reads an Embed. table, weights: `param` of these."""
    text = "".join(f'input: "{name}" input_shape {{ dim: 5 dim: 7 }}\n' for name in ("words", "cont"))
    filler, _ = FILLERS.split(" bias_filler")
    embed = f"embed_param {{ input_dim: {vectors} num_output: 20 bias_term: false {filler} }} {table}"
    text += layer("Embed", "embed", ["words"], ["x"], embed)
    text += layer(kind, "steps", ["x", "cont"], ["y"], f"recurrent_param {{ num_output: 19 {FILLERS} }} {weights}")
    text += layer("Reduction", "sum", ["y"], ["sum"], "reduction_param { operation: SUMSQ } loss_weight: 0.5")
    net = make(text, executor=executor, threads=threads, seed=3)
    random = np.random.default_rng(0)
    net.inputs["words"][...] = random.integers(0, vectors, (5, 7))
    net.inputs["cont"][...] = random.integers(0, 2, (5, 7))
    return net


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("table", "weights"), [("", ""), ("param { lr_mult: 0 }", ""), ("", "param { lr_mult: 0 }")])
def test_words_of_a_small_table_are_looked_up_behind_the_weights(kind: str, table: str, weights: str) -> None:
    wanted = run(words(kind, "reference", table=table, weights=weights))
    for threads in (1, 3):
        net = words(kind, "fast", threads, table=table, weights=weights)
        assert fused(net) == {0: 1}
        for name, array in run(net).items():
            scale = float(np.abs(array).max(initial=1e-3))
            np.testing.assert_allclose(wanted[name], array, rtol=0, atol=1e-5 * scale, err_msg=name)


def test_those_of_a_large_one_are_not() -> None:
    assert fused(words("GRU", "fast", vectors=18)) == {}


def fused(net: Net) -> dict[int, int]:
    """By layer, who does its work; the data's own layers do not count."""
    assert isinstance(net.executor, Fast)
    first = next(node.index for node in net.graph.nodes if node.name == "embed")
    return {layer - first: head - first for layer, head in net.executor.program.fused.items()}


def test_a_word_that_is_none_is_refused_before_any_step() -> None:
    nets = [words("LSTM", "fast") for _ in range(2)]
    for net in nets:
        net.forward()
    right = nets[0].inputs["words"][1, 1]
    nets[0].inputs["words"][1, 1] = 6
    with pytest.raises(NetError, match=r'LAY101.*"embed".*at \[1, 1\] is 6'):
        nets[0].forward()
    nets[0].inputs["words"][1, 1] = right
    assert nets[0].forward()["sum"] == nets[1].forward()["sum"]
