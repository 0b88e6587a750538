"""Recurrent layers on the fast executor: the numbers of their own kernels, and the same bits for any threads."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from netc.layer import Array
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
