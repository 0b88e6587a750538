"""The recurrent layers step by step, against the formulas written out for one stream at a time."""

from __future__ import annotations

import numpy as np
import pytest

from netc.layer import Example, Input
from tests.layers.harness import Array, Bench, known

FILLERS = 'weight_filler { type: "uniform" min: -0.9 max: 0.9 } bias_filler { type: "uniform" min: -0.5 max: 0.5 }'
STEPS, STREAMS, INPUTS, OUTPUTS = 4, 2, 3, 2
CONT = (0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0)


def sigmoid(x: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-x))
    return result


def lstm(x: Array, cont: Array, params: tuple[Array, ...], states: list[Array]) -> Array:
    weights, bias, recurrent = params
    out = []
    for t in range(STEPS):
        h, c = (state * cont[t][:, None] for state in states)
        i, f, o, g = np.split(x[t] @ weights.T + bias + h @ recurrent.T, 4, axis=1)
        states[1] = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        states[0] = sigmoid(o) * np.tanh(states[1])
        out.append(states[0])
    return np.array(out)


def rnn(x: Array, cont: Array, params: tuple[Array, ...], states: list[Array]) -> Array:
    weights, bias, recurrent, output, output_bias = params
    out = []
    for t in range(STEPS):
        states[0] = np.tanh(x[t] @ weights.T + bias + (states[0] * cont[t][:, None]) @ recurrent.T)
        out.append(np.tanh(states[0] @ output.T + output_bias))
    return np.array(out)


def gru(x: Array, cont: Array, params: tuple[Array, ...], states: list[Array]) -> Array:
    weights, bias, recurrent = params
    reset, update, new = np.split(recurrent, 3)
    out = []
    for t in range(STEPS):
        s = states[0] * cont[t][:, None]
        ur, uz, un = np.split(x[t] @ weights.T + bias, 3, axis=1)
        r, z = sigmoid(ur + s @ reset.T), sigmoid(uz + s @ update.T)
        states[0] = z * s + (1 - z) * np.tanh(un + (r * s) @ new.T)
        out.append(states[0])
    return np.array(out)


FORMULAS = {"LSTM": (lstm, 2), "RNN": (rnn, 1), "GRU": (gru, 1)}


@pytest.mark.parametrize("name", FORMULAS)
def test_states_are_carried_from_call_to_call(name: str) -> None:
    formula, count = FORMULAS[name]
    inputs = (Input((STEPS, STREAMS, INPUTS)), Input((STEPS, STREAMS), "values", values=CONT))
    bench = Bench.of(known().types[name], Example(f"recurrent_param {{ num_output: {OUTPUTS} {FILLERS} }}", inputs))
    states = [np.zeros((STREAMS, OUTPUTS)) for _ in range(count)]
    call = bench.call()
    for _ in range(3):
        run = bench.forward(call)
        expected = formula(bench.bottoms[0], bench.bottoms[1], bench.params, states)
        np.testing.assert_allclose(run.tops[0], expected, rtol=1e-12, atol=1e-14)
        call = bench.call()
        call.buffers = run.call.buffers


@pytest.mark.parametrize("name", FORMULAS)
def test_exposed_states_come_from_bottoms_and_go_to_tops(name: str) -> None:
    formula, count = FORMULAS[name]
    inputs = [Input((STEPS, STREAMS, INPUTS)), Input((STEPS, STREAMS), "values", values=CONT)]
    inputs += [Input((1, STREAMS, OUTPUTS))] * count
    fields = f"recurrent_param {{ num_output: {OUTPUTS} expose_hidden: true {FILLERS} }}"
    bench = Bench.of(known().types[name], Example(fields, tuple(inputs), 1 + count))
    states = [bottom[0] for bottom in bench.bottoms[2:]]
    expected = formula(bench.bottoms[0], bench.bottoms[1], bench.params, states)
    run = bench.forward()
    np.testing.assert_allclose(run.tops[0], expected, rtol=1e-12, atol=1e-14)
    for top, state in zip(run.tops[1:], states, strict=True):
        np.testing.assert_allclose(top[0], state, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_gradient_goes_through_exposed_states(name: str) -> None:
    """From the last state alone: one stream reaches back to the first state, the other not beyond its beginning."""
    formula, count = FORMULAS[name]
    inputs = [Input((STEPS, STREAMS, INPUTS)), Input((STEPS, STREAMS), "values", values=(1, 1, 1, 0, 1, 1, 1, 1))]
    inputs += [Input((1, STREAMS, OUTPUTS))] * count
    fields = f"recurrent_param {{ num_output: {OUTPUTS} expose_hidden: true {FILLERS} }}"
    bench = Bench.of(known().types[name], Example(fields, tuple(inputs), 1 + count))
    bench.weights[0] = np.zeros((STEPS, STREAMS, OUTPUTS))
    found = bench.backward(bench.forward().call)

    def last_states(first: list[Array]) -> float:
        formula(bench.bottoms[0], bench.bottoms[1], bench.params, first)
        return sum(
            float((bench.weight(1 + i, (1, STREAMS, OUTPUTS))[0] * state).sum()) for i, state in enumerate(first)
        )

    for i in range(count):
        for at in np.ndindex(STREAMS, OUTPUTS):
            values = []
            for step in (1e-6, -1e-6):
                first = [bottom[0].copy() for bottom in bench.bottoms[2:]]
                first[i][at] += step
                values.append(last_states(first))
            diff = found.bottom_diffs[2 + i]
            assert diff is not None
            assert diff[(0, *at)] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-8)
            assert at[0] == 0 or diff[(0, *at)] == 0
    assert all(diff is not None and diff.any() for diff in found.param_diffs[:2])


def test_a_static_input_is_seen_at_every_step() -> None:
    inputs = (Input((STEPS, STREAMS, INPUTS)), Input((STEPS, STREAMS), "values", values=CONT), Input((STREAMS, 4)))
    bench = Bench.of(known().types["LSTM"], Example(f"recurrent_param {{ num_output: {OUTPUTS} {FILLERS} }}", inputs))
    x, cont, static = bench.bottoms
    weights, bias, static_weights, recurrent = bench.params
    x = np.concatenate([x, np.broadcast_to(static, (STEPS, *static.shape))], axis=2)
    params = (np.concatenate([weights, static_weights], axis=1), bias, recurrent)
    expected = lstm(x, cont, params, [np.zeros((STREAMS, OUTPUTS))] * 2)
    np.testing.assert_allclose(bench.forward().tops[0], expected, rtol=1e-12, atol=1e-14)
