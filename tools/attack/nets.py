"""Random nets of all layer types: whatever runs them, the numbers are those of a run in which every blob is kept.

Each net (a function of its seed) is run with every blob in memory of its own on the reference executor: the oracle.
Held against it are, over two passes with gradients: the reference executor on the planned memory and with layers that
run again in backward (the same bits); the fast executor on the planned memory, and with every blob kept, also by parts
of a pass (close), and with another number of threads (the same bits as with the first); some nets with products of
bfloat16 numbers, where the processor has them. What is formatted, expanded and written must read the same; weights that
go through a file must come back the same.

Close means within a tolerance of each array's largest value. Next to a kink (a ReLU's corner, two equal maxima)
rounding decides, and a gradient may jump; sums may cancel. So, where an array is further off, the oracle says how far
its own numbers are from those of float64, and move when inputs and parameters are shaken by a rounding error: what is
of that size, and no larger, is explained. There is no second try with other numbers. A net that fails is reduced, layer
by layer, and printed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from netc import language
from netc.api.definition import expanded, loads
from netc.catalogue import catalogue
from netc.convert import hdf5, safetensors
from netc.errors import NetError
from netc.graph import State, build
from netc.jit import bf16
from netc.language.format import format_text
from netc.layer import Array, Input, Phase
from netc.plan import plan
from netc.plan.model import Plan
from netc.plan.recompute import why_not_recompute
from netc.run import Net
from netc.run.weights import load_weights, weights_of
from netc.schema.weights import parse_weights
from netc.schema.weights_write import dump_weights
from tools.attack import Tally
from tools.attack._threads import all_threads
from tools.attack._wide_nets import WideNet, of_one, values

TOLERANCE = {"exact": 2e-5, "fast": 2e-4, "bf16": 2e-2}  # of an array's largest value
SHAKES = 12
SLACK = 4  # shaking moves inputs and parameters; what rounds on the way between them adds to that
MOST_REDUCTIONS = 80
Found = dict[str, Array]


@dataclass(frozen=True)
class Case:
    """A net and how it is run. given: what inputs of grafted layers may hold, by name."""

    seed: int
    text: str
    phase: Phase
    training: bool
    precision: str
    threads: int
    given: Mapping[str, Input]
    types: tuple[str, ...] = ()

    @staticmethod
    def of(seed: int) -> Case:
        random = Random(seed)
        phase: Phase = random.choice(("TRAIN", "TRAIN", "TEST"))
        net = WideNet(random, phase)
        training, precision = phase == "TRAIN" or random.random() < 0.2, random.choice(("exact", "fast"))
        threads = random.randint(1, 3)
        if bf16() and random.random() < 0.3:
            precision = "bf16"
        return Case(seed, net.text, phase, training, precision, threads, net.given, tuple(net.types))

    def planned(self, **options: Any) -> Plan:
        definition = loads(self.text)
        graph = build(definition.record, definition.types, State(self.phase))
        return plan(graph, training=self.training, **options)

    def __str__(self) -> str:
        way = "forward and backward" if self.training else "forward"
        return f"seed {self.seed}: {self.phase}, {way}, {self.precision}, {self.threads} threads\n{self.text}"


@dataclass
class Judgement:
    """What is wrong with a net, and what was further off than the tolerance but is explained by rounding."""

    wrong: list[str]
    explained: int = 0
    runs: int = 0


# ---------------------------------------------------------------- numbers


def fill(net: Net, case: Case, shake: int = 0) -> None:
    """Random inputs and parameters, of sizes that keep values near 1 from layer to layer.

    shake: 0, or the number of the rounding errors that they are shaken by.
    """
    random, noise = np.random.default_rng(case.seed), np.random.default_rng([case.seed, shake])

    def shaken(array: Array) -> Array:
        array = array.astype(np.float32)  # the same numbers for float64
        return array * (1 + TOLERANCE[case.precision] / 10 * noise.standard_normal(array.shape)) if shake else array

    for name, target in net.inputs.items():
        classes = re.match(r"labels(\d+)_", name)
        if classes:
            net.set_input(name, random.integers(0, int(classes[1]), target.shape))
        elif name in case.given:
            array = values(case.given[name], random)
            kind = case.given[name].kind
            array = array if kind in ("labels", "binary", "values") else shaken(array)
            net.set_input(name, of_one(array) if kind == "probabilities" else array)
        else:
            net.set_input(name, shaken(random.normal(size=target.shape)))
    for parameter in net.parameters.all:
        shape, size = parameter.data.shape, parameter.data.size
        if sum(side > 1 for side in shape) > 1:
            array = random.normal(size=shape) / np.sqrt(max(1, size / shape[0]))
        else:
            array = random.uniform(0.5, 1.5, shape)
        parameter.data[...] = shaken(array)


def run_net(net: Net, passes: int = 2) -> Found:
    """Outputs, losses, gradients, changed parameters, and all blobs that can still be read."""
    found: Found = {}
    for turn in range(passes):
        found |= {f"output {k} of pass {turn}": v for k, v in net.forward().items()}
        found[f"loss of pass {turn}"] = np.array(net.loss)
        found |= {f"blob {name} of pass {turn}": array for name, array in readable(net)}
        if net.plan.backward_planned:
            net.backward()
            for name in net.inputs:
                if name in net.diffs:
                    found[f"gradient of {name}"] = net.diffs[name].copy()
    for i, parameter in enumerate(net.parameters.all):
        found[f"parameter {i}"] = parameter.data.copy()
        if parameter.diff is not None:
            found[f"gradient of parameter {i}"] = parameter.diff.copy()
    return found


def readable(net: Net) -> Iterator[tuple[str, Array]]:
    for name in net.blobs:
        try:
            yield name, net.blobs[name].copy()
        except NetError:
            continue


def differing(wanted: Found, found: Found) -> list[str]:
    """What is not the same, bit for bit. Blobs that only one of the two can read are left out."""
    missing = [k for k in wanted.keys() ^ found.keys() if not k.startswith("blob")]
    both = [k for k in wanted if k in found]
    return [f"{k} is there once" for k in missing] + [
        f"{k} has other bits" for k in both if wanted[k].tobytes() != found[k].tobytes()
    ]


def errors(wanted: Found, found: Found) -> dict[str, float]:
    """How far each array is off, as a share of its largest value; infinite where one is finite and one is not."""
    gradients = [np.abs(a[np.isfinite(a)]).max(initial=0) for k, a in wanted.items() if k.startswith("gradient")]
    largest = max(map(float, gradients), default=0.0)
    off = {k: np.inf for k in wanted.keys() ^ found.keys() if not k.startswith("blob")}
    for name in wanted.keys() & found.keys():
        a, b = wanted[name].astype(np.float64), found[name].astype(np.float64)
        finite = np.isfinite(a)
        if a.shape != b.shape or not np.array_equal(finite, np.isfinite(b)):
            off[name] = np.inf
            continue
        # Sums that come to nothing (of a bias in front of BatchNorm, say) are as exact as their terms.
        scale = max(1e-3, np.abs(a[finite]).max(initial=0), largest / 50 if name.startswith("gradient") else 0)
        off[name] = float(np.abs(b - a)[finite].max(initial=0) / scale)
    return off


# ---------------------------------------------------------------- one net


@all_threads()
def judge(case: Case) -> Judgement:
    """Run a net in every way; raises what building or running it raises."""
    with precision(case.precision), all_threads():
        return _Judge(case).judge()


class _Judge:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.found = Judgement([])
        self.random = Random(case.seed)
        self.apart = case.planned(keep=True, share=False)

    def judge(self) -> Judgement:
        self._round_trips()
        wanted = self.run(self.apart)
        plans = {"planned": self.case.planned()}
        if self.case.training and (layers := self._again()):
            plans["running layers again"] = self.case.planned(recompute=layers)
        for name, one in plans.items():
            self._same(f"reference executor, {name}", wanted, self.run(one))
        fast = {name: self.run(one, self.case.threads) for name, one in plans.items()}
        for name, one in plans.items():
            self._close(f"fast executor, {name}", wanted, fast[name])
            other = self.run(one, self.case.threads % 3 + 1)
            self._same(f"fast executor, {name}, other threads", fast[name], other)
        for again in fast.values():
            self._same("fast executor, running layers again", fast["planned"], again)
        self._kept(wanted)
        return self.found

    def run(self, one: Plan, threads: int = 0, shake: int = 0, dtype: type = np.float32) -> Found:
        """threads: of the fast executor; 0: on the reference one."""
        self.found.runs += 1
        options: dict[str, Any] = {"executor": "fast", "threads": threads} if threads else {"dtype": dtype}
        net = Net(one, seed=self.case.seed, **options)
        fill(net, self.case, shake)
        return run_net(net)

    def _again(self) -> list[int]:
        plan = self.apart
        setups = [layer.setup for layer in plan.layers]
        possible = [n.index for n in plan.graph.nodes if why_not_recompute(n, setups[n.index], setups) is None]
        return [i for i in possible if self.random.random() < 0.6]

    def _kept(self, wanted: Found) -> None:
        """On the fast executor with every blob kept; then a part of a pass once more, and backward twice."""
        kept = self.case.planned(keep=True)
        net = Net(kept, seed=self.case.seed, executor="fast", threads=self.case.threads)
        fill(net, self.case)
        self.found.runs += 1
        self._close("fast executor, all kept", wanted, run_net(net))
        if any(layer.setup.buffers and _has_state(layer.setup) for layer in kept.layers):
            return
        net.iteration -= 1  # the random draws of the pass before
        before = dict(readable(net))
        statistics = [(p.data, p.data.copy()) for p in net.parameters.all if p.diff is None]
        net.forward(start=self.random.choice(kept.graph.nodes).name)
        for array, old in statistics:
            array[...] = old
        self._same("a part of a pass", before, dict(readable(net)))
        if kept.backward_planned:
            passes = []
            for _ in range(2):
                net.zero_param_diffs()
                net.backward()
                passes.append({f"gradient of {b.param.name}": b.diff.copy() for b in net.learned if b.diff is not None})
            self._same("backward twice", *passes)

    def _same(self, way: str, wanted: Found, found: Found) -> None:
        self.found.wrong += [f"{way}: {one}" for one in differing(wanted, found)]

    def _close(self, way: str, wanted: Found, found: Found) -> None:
        tolerance = TOLERANCE[self.case.precision]
        far = {name: error for name, error in errors(wanted, found).items() if not error <= tolerance}
        if not far:
            return
        exact = errors(wanted, self.run(self.apart, dtype=np.float64))
        moved = {name: exact.get(name, 0.0) for name in far}
        for shake in range(1, SHAKES + 1):
            off = errors(wanted, self.run(self.apart, shake=shake))
            moved = {name: max(moved[name], off.get(name, 0.0)) for name in far}
        for name, error in far.items():
            if error <= tolerance + SLACK * moved[name]:
                self.found.explained += 1
            else:
                self.found.wrong.append(f"{way}: {name} is {error:.1e} off; shaken, it moves {moved[name]:.1e}")

    # ------------------------------------------------------------ round trips

    def _round_trips(self) -> None:
        text, types = self.case.text, catalogue()
        written = language.write(expanded(language.parse(text, "net"), types).block)
        for way, again in (("formatted", format_text(text, "net")), ("expanded", written)):
            if language.write(expanded(language.parse(again, "net"), types).block) != written:
                self.found.wrong.append(f"{way}, it reads otherwise")
        one, other = (Net(self.apart, seed=self.case.seed + i) for i in range(2))
        if not one.params:
            return
        fill(one, self.case)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights"
            kind = self.random.choice(("caffemodel", "caffemodel", "hdf5", "safetensors"))
            if kind == "caffemodel":
                read = parse_weights(dump_weights("net", weights_of(one).layers))
            else:
                format = {"hdf5": hdf5, "safetensors": safetensors}[kind]
                made = format.dump(weights_of(one), text)
                path.write_bytes(made if isinstance(made, bytes) else b"".join(made))
                read, _ = format.load(path)
            load_weights(other, read)
        for a, b in zip(one.parameters.all, other.parameters.all, strict=True):
            if a.data.tobytes() != b.data.tobytes():
                self.found.wrong.append(f"through {kind}, {a.param.name} has other bits")


def _has_state(setup: Any) -> bool:
    return any(buffer.kind == "state" for buffer in setup.buffers)


@contextmanager
def precision(name: str) -> Iterator[None]:
    before = os.environ.get("NETC_PRECISION")
    os.environ["NETC_PRECISION"] = name
    try:
        yield
    finally:
        os.environ.pop("NETC_PRECISION") if before is None else os.environ.update(NETC_PRECISION=before)


# ---------------------------------------------------------------- many nets


def run_one(seed: int, tally: Tally) -> None:
    """Judge the net of a seed; what fails is reduced."""
    case = Case.of(seed)
    tally.add("nets")
    tally.add("layers", case.text.count("layer {"))
    try:
        found = judge(case)
    except Exception as error:
        tally.fail(f"{reduced(case, _fails_like(error))}\n{type(error).__name__}: {error}")
        return
    tally.add("runs", found.runs)
    tally.add("arrays that rounding explains", found.explained)
    if found.wrong:
        smaller = reduced(case, _is_wrong)
        tally.fail("\n".join([str(smaller), *judge(smaller).wrong[:10]]))


def run(count: int, seed: int) -> Tally:
    """Judge the nets of `count` seeds."""
    tally, types = Tally(), set[str]()
    for one in range(count):
        run_one(seed * 1_000_000 + one, tally)
        types |= set(re.findall(r'type: "(\w+)"', Case.of(seed * 1_000_000 + one).text))
    tally.add("layer types", len(types))
    return tally


def _is_wrong(case: Case) -> bool:
    return bool(judge(case).wrong)


def _fails_like(error: Exception) -> Callable[[Case], bool]:
    def fails(case: Case) -> bool:
        try:
            judge(case)
        except Exception as other:
            return type(other) is type(error) and str(other)[:40] == str(error)[:40]
        return False

    return fails


def reduced(case: Case, fails: Callable[[Case], bool]) -> Case:
    """The net without the layers that it fails without; a layer's readers read its bottom instead, where they can."""
    tries, changed = 0, True
    while changed and tries < MOST_REDUCTIONS:
        changed = False
        for line in reversed(case.text.splitlines()[1:]):
            for smaller in _without(case.text, line):
                tries += 1
                candidate = replace(case, text=smaller)
                try:
                    worse = fails(candidate)
                except Exception:
                    worse = False
                if worse:
                    case, changed = candidate, True
                    break
            if tries >= MOST_REDUCTIONS:
                break
    return case


def _without(text: str, line: str) -> Iterator[str]:
    lines = text.splitlines()
    if line not in lines:
        return
    at = lines.index(line)
    before, after = lines[:at], lines[at + 1 :]
    yield "\n".join([*before, *after]) + "\n"
    bottoms, tops = re.findall(r'bottom: "(\w+)"', line), re.findall(r'top: "(\w+)"', line)
    if bottoms and tops and bottoms[0] != tops[0]:
        moved = [re.sub(rf'bottom: "{tops[0]}"', f'bottom: "{bottoms[0]}"', each) for each in after]
        yield "\n".join([*before, *moved]) + "\n"
