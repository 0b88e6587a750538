"""Debug mode finds what it is there for: a plan that frees too early, a layer that writes too far."""

from dataclasses import replace

import numpy as np
import pytest

from netc.errors import NetError
from netc.plan.model import Plan
from netc.run import Net
from netc.run.reference import Reference
from tests.run.common import planned

TEXT = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 4 } } }
layer { name: "a" type: "Power" bottom: "x" top: "a" power_param { scale: 2 } }
layer { name: "b" type: "Power" bottom: "a" top: "b" power_param { scale: 3 } }
layer { name: "c" type: "Eltwise" bottom: "a" bottom: "b" top: "c" }
"""


def apart() -> Plan:
    return planned(TEXT, "TEST", share=False, keep=True)


def slot_of(plan: Plan, blob: str) -> int:
    return plan.data[next(v.index for v in plan.graph.values if v.name == blob)]


def test_a_sound_plan_passes() -> None:
    net = Net(apart(), debug=True)
    net.set_input("x", np.arange(4))
    np.testing.assert_array_equal(net.forward()["c"], 8 * np.arange(4))


def test_what_is_freed_too_early_is_nan() -> None:
    plan = apart()
    at = slot_of(plan, "a")
    slots = list(plan.slots)
    slots[at] = replace(slots[at], first=1, last=2)
    net = Net(replace(plan, slots=tuple(slots)), debug=True)
    net.set_input("x", np.arange(4))
    assert np.isnan(net.forward()["c"]).all()


def test_a_layer_that_writes_elsewhere_is_named() -> None:
    net = Net(apart(), debug=True)
    net.set_input("x", np.arange(4))
    executor = net.executor
    assert isinstance(executor, Reference)
    executor.calls[2].tops = (executor.arena.view(slot_of(net.plan, "a")),)
    with pytest.raises(NetError) as caught:
        net.forward()
    assert [d.code.id for d in caught.value.diagnostics] == ["RUN018"]
    assert 'step forward of "b" changed byte' in str(caught.value)
    assert "(slots there: a)" in str(caught.value)
