"""What is said of each kernel, held against the kernel: among garbage, a launch changes nothing that it does not say it
writes, and nothing matters that it does not say it reads. The kernels that are run here are all that there are.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from types import ModuleType

import numpy as np
import pytest

import netc.fast
from netc.api import planning
from netc.api.definition import loads
from netc.catalogue import catalogue
from netc.fast.machine import checksum
from netc.fast.machine.access import Access
from netc.fast.machine.launch import Launch, Region, bind
from netc.fast.machine.operands import touched
from netc.fast.machine.walk import Team
from netc.fast.program import copies
from netc.fast.program.families import family_of
from netc.fast.program.lowered import External
from netc.fast.winograd import cut
from netc.jit import Entry
from netc.layer import Array, LayerType
from netc.plan.model import Plan
from netc.run import Net, environment
from netc.run.fast import Fast
from netc.solve import Solver, compiled
from tests.fast.harness import BF16_WAYS
from tests.plan.random_nets import random_net
from tests.run.common import planned, solver_record
from tools.attack._nets import RandomNet

NETS = {
    "lenet": """
data = Input() { shape { dim: [3, 1, 16, 16] } }
label = Input() { shape { dim: 3 } }
conv1 = Convolution(data) { num_output: 20 kernel_size: 5 }
pool1 = Pooling(conv1) { pool: MAX kernel_size: 2 stride: 2 }
conv2 = Convolution(pool1) { num_output: 16 kernel_size: 3 pad: 1 }
conv2 = ReLU(conv2)
ip = InnerProduct(conv2) { num_output: 10 }
loss = SoftmaxWithLoss(ip, label)
accuracy = Accuracy(ip, label)
""",
    "mixed": """
data = Input() { shape { dim: [9, 20, 14, 13] } }
label = Input() { shape { dim: 9 } }
a = Convolution(data) { num_output: 48 kernel_size: 3 pad: 1 }
a = ReLU(a)
b = Convolution(a) { num_output: 32 kernel_size: 1 bias_term: false }
b = BatchNorm(b)
b = Scale(b) { bias_term: true }
b = ReLU(b)
c = Convolution(a) { num_output: 32 kernel_size: 3 pad: 1 group: 16 }
c = BatchNorm(c) { use_global_stats: true }
c = Scale(c) { bias_term: true }
c = ReLU(c)
d = LRN(c)
e = Eltwise(b, d)
f = Concat(e, a)
g = Pooling(f) { pool: AVE kernel_size: 3 stride: 2 }
h = Convolution(g) { num_output: 80 kernel_size: 3 stride: 2 group: 5 }
i = DepthwiseConvolution(h) { num_output: 80 kernel_size: 3 pad: 1 }
i = Dropout(i)
j = InnerProduct(i) { num_output: 21 }
j = ReLU(j)
k = InnerProduct(j) { num_output: 3 }
loss = SoftmaxWithLoss(k, label)
""",
    "winograd": """
data = Input() { shape { dim: [8, 64, 28, 28] } }
label = Input() { shape { dim: [8, 1, 14, 14] } }
a = Convolution(data) { num_output: 64 kernel_size: 3 pad: 1 }
a = ReLU(a)
b = Convolution(a) { num_output: 32 kernel_size: 5 pad: 2 }
c = Pooling(b) { pool: MAX kernel_size: 2 stride: 2 }
d = Convolution(c) { num_output: 96 kernel_size: 3 pad: 1 }
d = Convolution(d) { num_output: 32 kernel_size: 3 pad: 2 dilation: 2 }
d = Convolution(d) { num_output: 20 kernel_size: 7 pad: 3 }
e = Convolution(d) { num_output: 4 kernel_size: 1 }
loss = SoftmaxWithLoss(e, label)
""",
    "windows": """
data = Input() { shape { dim: [2, 3, 12, 12] } }
a = Convolution(data) { num_output: 20 kernel_size: 3 pad: 1 }
a = PReLU(a)
b, places = Pooling(a) { pool: MAX kernel_size: 2 stride: 2 }
c = Convolution(b) { num_output: 20 kernel_size: 1 }
c = Sigmoid(c)
d = Upsample(c, places) { scale: 2 }
e = Upsample(c) { scale: 2 }
f = Deconvolution(c) { convolution_param { num_output: 17 kernel_size: 2 stride: 2 } }
g = Concat(d, e, f)
h, i = Slice(g) { slice_param { slice_point: 33 } }
j = Crop(i, c) { axis: 2 offset: 2 }
k = Softmax(h)
l = Eltwise(d, e, a) { operation: MAX }
m = Eltwise(d, e) { operation: PROD }
loss = Reduction(k) { loss_weight: 1 }
loss2 = Reduction(j) { loss_weight: 1 }
loss3 = Reduction(l) { loss_weight: 1 }
loss4 = Reduction(m) { loss_weight: 1 }
""",
    "gates": """
data = Input() { shape { dim: [3, 20, 8, 8] } }
x = Convolution(data) { num_output: 32 kernel_size: 3 pad: 1 }
x = PReLU(x) { channel_shared: true }
s = Pooling(x) { pool: AVE global_pooling: true }
s = Convolution(s) { num_output: 32 kernel_size: 1 }
s = TanH(s)
z = Convolution(data) { num_output: 32 kernel_size: 3 pad: 1 }
y = Axpy(s, x, z)
y = ReLU(y) { negative_slope: 0.25 }
y = Scale(y) { bias_term: true param { lr_mult: 0 } param { lr_mult: 0 } }
ip = InnerProduct(y) { num_output: 16 }
p = Softmax(ip)
q = Dropout(p)
loss = Reduction(q) { loss_weight: 1 }
many = InnerProduct(y) { num_output: 70 }
many = Softmax(many)
loss2 = Reduction(many) { loss_weight: 1 }
maps = Convolution(z) { num_output: 70 kernel_size: 1 }
maps = Softmax(maps)
loss3 = Reduction(maps) { loss_weight: 1 }
""",
    "boxes": """
data = Input() { shape { dim: [2, 20, 6, 5] } }
a = Convolution(data) { num_output: 24 kernel_size: 3 pad: 1 }
b = Permute(a) { order: [0, 2, 3, 1] }
c = Permute(a) { order: [0, 3, 1, 2] }
d = Concat(b, b) { axis: 2 }
loss = Reduction(c) { loss_weight: 1 }
loss2 = Reduction(d) { loss_weight: 1 }
loc = InnerProduct(d) { num_output: 96 }
conf = InnerProduct(c) { num_output: 72 }
prior = PriorBox(a) { min_size: 2 max_size: 4 img_size: 6 step: 2 }
first, rest = Slice(prior) { axis: 2 slice_point: 96 }
found = DetectionOutput(loc, conf, first) { num_classes: 3 keep_top_k: 20 nms_param { top_k: 15 } }
""",
    "sequences": """
label = Input() { shape { dim: [5, 3] } }
still = Input() { shape { dim: [3, 7] } }
h0 = Input() { shape { dim: [1, 3, 21] } }
words = Embed(label) { input_dim: 3 num_output: 20 }
x = LSTM(words, label, still) { num_output: 16 }
u = RNN(x, label, still) { num_output: 18 }
z, h = GRU(u, label, still, h0) { num_output: 21 expose_hidden: true }
y, h, c = LSTM(z, label, h, h0) { num_output: 21 expose_hidden: true }
ip = InnerProduct(y) { num_output: 10 axis: 2 }
label_weights = Input() { shape { dim: [5, 3] } }
loss = WeightedSoftmaxWithLoss(ip, label, label_weights) {
  softmax_param { axis: 2 } loss_param { label_smoothing: 0.1 } }
accuracy, each = Accuracy(ip, label) { axis: 2 }
loss2 = Reduction(h) { loss_weight: 1 }
""",
    "attention": """
words = Input() { shape { dim: [3, 90, 20] } }
label_shown = Input() { shape { dim: [3, 90] } }
table = Input() { shape { dim: [20, 24] } }
q = InnerProduct(words) { num_output: 24 axis: 2 }
q = ReLU(q)
k = InnerProduct(words) { num_output: 24 axis: 2 bias_term: false }
v = InnerProduct(words) { num_output: 30 axis: 2 }
v = ReLU(v) { negative_slope: 0.25 }
seen = Attention(q, k, v, label_shown) { num_heads: 3 causal: true }
all = Attention(q, q, v) { num_heads: 2 }
x = Eltwise(seen, all)
x = LayerNorm(x)
x = Reverse(x, label_shown) { axis: 1 }
x = Reverse(x)
x = LayerNorm(x) { axis: 1 affine: false }
loss = Reduction(x) { loss_weight: 1 }
keys = MatMul(words, table)
score = MatMul(q, keys) { transpose_b: true }
loss2 = Reduction(score) { loss_weight: 1 }
""",
    "rows": """
label = Input() { shape { dim: 12 } }
x = Embed(label) { input_dim: 9 num_output: 20 param { name: "t" lazy: true } }
y = Embed(label) { input_dim: 9 num_output: 20 param { name: "t" } }
z = Eltwise(x, y)
loss = NegativeSamplingLoss(z, label) {
  num_output: 4 negative: 3 frequency: [8, 4, 0, 1] param { lazy: true } weight_filler { type: "xavier" } }
""",
}
BF16 = """
data = Input() { shape { dim: [3, 3, 18, 19] } }
label = Input() { shape { dim: 3 } }
z = Convolution(data) { num_output: 40 kernel_size: 5 pad: 2 stride: 2 }
a = Convolution(z) { num_output: 80 kernel_size: 3 pad: 1 }
a = ReLU(a)
b = Convolution(a) { num_output: 37 kernel_size: 1 stride: 2 }
c = Convolution(a) { num_output: 37 kernel_size: 3 pad: 1 stride: 2 }
d = Eltwise(b, c)
d = Convolution(d) { num_output: 48 kernel_size: 3 pad: 2 dilation: 2 }
d = Convolution(d) { num_output: 64 kernel_size: 1 }
d = Convolution(d) { num_output: 64 kernel_size: 3 group: 2 }
"""
BF16_TRAINED = f"{BF16}ip = InnerProduct(d) {{ num_output: 4 }}\nloss = SoftmaxWithLoss(ip, label)"
BF16_FROZEN = f"{BF16}ip = InnerProduct(d) {{ num_output: 21 }}"
FROZEN = """
data = Input() { shape { dim: [2, 20, 8, 8] } }
a = Convolution(data) { num_output: 20 kernel_size: 3 }
b = Pooling(a) { pool: MAX kernel_size: 2 stride: 2 }
c = BatchNorm(b)
c = Scale(c) { bias_term: true }
c = ReLU(c)
d = Convolution(c) { num_output: 20 kernel_size: 1 }
d = BatchNorm(d)
d = Scale(d) { bias_term: true }
e = Convolution(d) { num_output: 19 kernel_size: 3 }
e = PReLU(e)
f = InnerProduct(e) { num_output: 21 }
f = BatchNorm(f)
f = PReLU(f) { channel_shared: true }
g, h = Slice(f) { slice_point: 10 }
g = ReLU(g) { negative_slope: 0.1 }
h = PReLU(h)
h = Scale(h)
i = Convolution(data) { num_output: 32 kernel_size: 1 }
k = Normalize(i) { across_spatial: false channel_shared: false }
j = Convolution(i) { num_output: 3 kernel_size: 1 }
j = Softmax(j)
"""
SOLVER = 'base_lr: 0.01 lr_policy: "fixed" momentum: 0.9'
SOLVERS = (SOLVER, f'{SOLVER} type: "Adam"')
UPDATED = ("lenet", "rows")


@pytest.fixture(autouse=True)
def _emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of bfloat16 numbers on any processor, by all their kernels."""
    for module in (copies, environment):
        monkeypatch.setattr(module, "bf16", lambda: "amx" if "amx" in BF16_WAYS else "emulated")


def net_of(plan: Plan, threads: int = 2, precision: str | None = None) -> Net:
    net = Net(plan, executor="fast", threads=threads, precision=precision)
    random = np.random.default_rng(0)
    for name, array in net.inputs.items():
        whole = "label" in name or array.ndim == 1
        array[...] = random.integers(0, 2, array.shape) if whole else random.standard_normal(array.shape)
    return net


def case(name: str) -> Net:
    if name == "frozen":
        return net_of(planning.plan(loads(FROZEN), "TEST", training=False))
    if name == "bf16":
        return net_of(planning.plan(loads(BF16_TRAINED), "TRAIN"), precision="bf16")
    if name == "bf16, frozen":
        return net_of(planning.plan(loads(BF16_FROZEN), "TEST", training=False), precision="bf16")
    return net_of(planning.plan(loads(NETS.get(name) or behind_convolutions(catalogue().types[name])), "TRAIN"))


def behind_convolutions(layer_type: LayerType) -> str:
    """A net of the type's first example, its bottoms the tops of convolutions of 20 channels, and a loss."""
    example = layer_type.examples[0]
    names = [f"x{i}" for i in range(len(example.inputs))]
    made = (f"{name} = Convolution(data) {{ num_output: 20 kernel_size: 1 }}" for name in names)
    tops = ", ".join(f"y{i}" for i in range(example.tops))
    layer = f"{tops} = {layer_type.name}({', '.join(names)}) {{ {example.fields} }}"
    head = "data = Input() { shape { dim: [2, 3, 6, 8] } }"
    return "\n".join((head, *made, layer, "loss = Reduction(y0) { loss_weight: 1 }"))


def without_nets() -> list[str]:
    """The types with a family that are in none of the nets: a new one is found here."""
    have = set(re.findall(r"= (\w+)\(", "\n".join((*NETS.values(), FROZEN))))
    types = (t for t in set(catalogue().types.values()) if family_of(t) is not None)
    return sorted(t.name for t in types if not have & {t.name, *t.aliases})


CASES = [*NETS, "frozen", "bf16", "bf16, frozen", *without_nets()]

# ---------------------------------------------------------------- all there are


def name_of(kernel: Entry) -> str:
    return f"{kernel.function.__module__}.{kernel.function.__qualname__.partition('.')[0]}"


def existing() -> set[str]:
    """Every entry of the modules of fast kernels, every function there that makes entries, and updates' templates."""
    found = {f"{compiled.__name__}.{name}" for name in vars(compiled) if "_with_" in name}
    for module in all_modules():
        for name, thing in vars(module).items():
            if isinstance(thing, Entry):
                found.add(name_of(thing))
            elif getattr(thing, "__module__", "") == module.__name__ and makes_entries(thing):
                found.add(f"{module.__name__}.{name}")
    return found


def makes_entries(thing: object) -> bool:
    function = inspect.unwrap(thing) if callable(thing) else None
    return inspect.isfunction(function) and function.__annotations__.get("return") == "Entry[...]"


def all_modules() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(netc.fast.__path__, "netc.fast."):
        yield importlib.import_module(module.name)


def test_every_kernel_there_is_runs_here() -> None:
    tested = {name_of(checksum._sum)}
    solvers = [(name, solver) for name in UPDATED for solver in SOLVERS]
    for fast in [*map(fast_of, map(case, CASES)), *(updating(*both) for both in solvers)]:
        tested |= {name_of(launch.kernel) for launch in launches_of(fast)}
    exist = existing()
    assert len(exist) > 50
    assert exist == tested


def fast_of(net: Net) -> Fast:
    assert isinstance(net.executor, Fast)
    return net.executor


def launches_of(fast: Fast) -> Iterator[Launch]:
    program = fast.program
    for item in (*program.setup, *program.forward, *program.backward, *program.updating):
        if item.launch is not None:
            yield item.launch


def updating(name: str, solver: str) -> Fast:
    """A net whose parameters are updated in backward."""
    made = Solver(solver_record(solver), case(name), keep_gradients=False)
    return fast_of(made.net)


# ---------------------------------------------------------------- launch by launch


@pytest.mark.parametrize("name", CASES)
def test_kernels_do_what_is_said_of_them(name: str) -> None:
    net = case(name)
    net.forward()
    assert check(fast_of(net)) > 5


def test_so_do_those_of_chunks_that_end_within_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "CHUNK_BYTES", (1 << 18, 1 << 18))
    monkeypatch.setattr(cut, "OWN_BYTES", 0)
    net = case("winograd")
    net.forward()
    assert check(fast_of(net)) > 100


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", UPDATED)
def test_so_do_updates_in_backward(name: str, solver: str) -> None:
    made = Solver(solver_record(solver), case(name), keep_gradients=False)
    made.step(1)
    assert made.updater.updates_in_backward
    hidden = [array for arrays in made.updater.history for array in arrays.values()]
    assert check(fast_of(made.net), hidden) > 5


@pytest.mark.parametrize("seed", range(16))
def test_so_do_those_of_random_nets(seed: int) -> None:
    random = Random(seed)
    text = RandomNet(random).text if seed % 2 else random_net(seed)
    net = net_of(planned(text, keep=random.random() < 0.2), random.randint(1, 3))
    net.forward()
    check(fast_of(net))


def test_so_does_the_checksum() -> None:
    random = np.random.default_rng(0)
    arrays = [np.zeros(1, np.int64), random.standard_normal(9001).astype(np.float32)]
    memory = Memory([x.view(np.uint8) for x in arrays], {0: (0, 0), 1: (1, 0)})
    check_launch(checksum.add_to(Region(0, 0, 8), Region(1, 0, 36000), 64), memory, Team(2))
    assert arrays[0][0] != 0


@dataclass(frozen=True)
class Memory:
    """All memory there is, as bytes; places: in which of it, and where there, an array of references starts."""

    buffers: list[Array]
    places: dict[int, tuple[int, int]]

    def address(self, array: int) -> int:
        index, offset = self.places[array]
        return int(self.buffers[index].ctypes.data) + offset

    def part(self, use: Access, buffers: list[Array]) -> Array:
        """What an access is of, in a copy of the buffers."""
        index, offset = self.places[use.at.array]
        shape = (*(count for count, _ in use.dims), use.width)
        strides = (*(step for _, step in use.dims), 1)
        return np.lib.stride_tricks.as_strided(buffers[index][offset + use.at.offset :], shape, strides)


def memory_of(fast: Fast) -> Memory:
    buffers, places = [fast.arena], {}
    for array, memory in enumerate(fast.program.memory):
        places[array] = (0, memory.offset)
        if memory.external is not None:
            places[array] = (len(buffers), 0)
            buffers.append(outside(fast, memory.external))
    return Memory(buffers, places)


def outside(fast: Fast, external: External) -> Array:
    """The bytes of a parameter, of its gradient or a part of that, or of the clock."""
    if external.kind == "clock":
        return fast._clock.view(np.uint8)
    blob = fast.storage.parameters.all[external.param]
    kind = external.kind
    found = blob.data if kind == "param" else blob.added if kind == "gradient" else getattr(blob.rows, kind)
    assert found is not None
    return found.reshape(-1).view(np.uint8)


def check(fast: Fast, hidden: Sequence[Array] = ()) -> int:
    """Check the program launch by launch; how many there are. hidden: memory that launches use by plain addresses."""
    memory, launches, program = memory_of(fast), 0, fast.program
    for item in (*program.setup, *program.forward, *(program.updating or program.backward)):
        if item.launch is None:
            fast.walk(fast.cut([item]))
        else:
            check_launch(item.launch, memory, fast.team, hidden)
            launches += 1
    return launches


def check_launch(launch: Launch, memory: Memory, team: Team, hidden: Sequence[Array] = ()) -> None:
    """Run it on what is there, then with garbage in place of all that it does not say it reads."""
    table, uses = bind([launch], memory.address), touched(launch)
    reads, writes = ([u for u in uses if u.mode != other] for other in ("write", "read"))
    before, behind = ([x.copy() for x in arrays] for arrays in (memory.buffers, hidden))
    team.run(table)
    after = [x.copy() for x in memory.buffers]
    stray = [x != old for x, old in zip(after, before, strict=True)]
    for use in writes:
        memory.part(use, stray)[...] = False
    assert not any(x.any() for x in stray), (name_of(launch.kernel), launch.label, "writes elsewhere")
    for buffer in memory.buffers:
        buffer[...] = 0xFF
    for use in reads:
        if use.mode != "scratch":
            memory.part(use, memory.buffers)[...] = memory.part(use, before)
    for array, values in zip(hidden, behind, strict=True):
        array[...] = values
    team.run(table)
    for use in writes:
        if use.mode != "scratch":
            same = np.array_equal(memory.part(use, memory.buffers), memory.part(use, after))
            assert same, (name_of(launch.kernel), launch.label, "depends on what it does not say it reads")
    for buffer, values in zip(memory.buffers, after, strict=True):
        buffer[...] = values
