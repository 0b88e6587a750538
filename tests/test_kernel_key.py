"""The key of a kernel is another one for everything that its machine code could be made of."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from netc import jit
from netc.jit import units

ROOT = Path(__file__).parent.parent
NUMBER = itertools.count()
KERNEL = """
import enum
import functools
import math

import numpy as np

import CONSTANTS
from CONSTANTS import IMPORTED
from HELPER import helper
from netc.jit import kernel

SCALE = 2.0
TABLE = np.arange(3)
NESTED = {"a": (1, [2, {3}])}


class Mode(enum.Enum):
    FAST = 1


CHOSEN = Mode.FAST


def made(factor):
    @kernel
    def inner(x):
        return x * factor

    return inner


inner = made(2.5)


@kernel
def times(x):
    return helper(x) * SCALE + TABLE[0] + IMPORTED + CONSTANTS.BY_MODULE + math.pi


@kernel
def other(x, y=1):
    return inner(x) * len(NESTED) + CHOSEN.value
"""
HELPER = "from netc.jit import kernel\nfrom DEEP import DEPTH\n\n@kernel\ndef helper(x):\n    return x + DEPTH\n"
FILES = {
    "kernel.py": KERNEL,
    "HELPER.py": HELPER,
    "DEEP.py": "DEPTH = 7\n",
    "CONSTANTS.py": "IMPORTED = 1\nBY_MODULE = 2\n",
}


def load(folder: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `kernel` of these files; helper modules get names of their own."""
    number = next(NUMBER)
    names = {stem: f"{stem.lower()}_{number}" for stem in ("HELPER", "DEEP", "CONSTANTS")}
    folder.mkdir(exist_ok=True)
    for file, text in files.items():
        file_and_text = f"{file}\n{text}"
        for old, new in names.items():
            file_and_text = file_and_text.replace(old, new)
        name, _, content = file_and_text.partition("\n")
        (folder / name).write_text(content)
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location(f"kernel_{number}", folder / "kernel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def key(kernel: Any) -> str:
    found = key_of(kernel)
    assert found is not None
    return found


def key_of(kernel: Any) -> str | None:
    return units.files_of(kernel.function, getattr(kernel, "kernels", {}), kernel.options).key


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load(tmp_path / "m", FILES, monkeypatch)


def test_the_key_of_the_same_is_the_same(module: ModuleType) -> None:
    assert key(module.times) == key(module.times)
    assert key(module.times) != key(module.other)


def test_values_are_in_the_key(module: ModuleType) -> None:
    """Whatever the files say: a value may come from the environment, the clock, or another file."""
    helper, constants = sys.modules[module.helper.function.__module__], module.times.function.__globals__
    by_module = next(v for n, v in constants.items() if n.startswith("constants_"))
    keys = [key(module.times)]
    for where, name, value in (
        (module, "SCALE", 3.0),
        (module, "SCALE", 3),
        (module, "SCALE", True),
        (module, "IMPORTED", -0.0),
        (module, "IMPORTED", 0.0),
        (module, "TABLE", module.TABLE + 1),
        (module, "TABLE", module.TABLE.astype("int32") + 1),
        (module, "TABLE", (module.TABLE + 1).reshape(3, 1)),
        (by_module, "BY_MODULE", 9),
        (helper, "DEPTH", 8),
    ):
        setattr(where, name, value)
        keys.append(key(module.times))
    assert len(set(keys)) == len(keys)


def test_closures_defaults_and_objects_are_in_the_key(module: ModuleType) -> None:
    keys = [key(module.other)]
    module.inner = module.made(3.5)
    keys.append(key(module.other))
    module.NESTED["a"] = (1, [2, {4}])
    keys.append(key(module.other))
    module.other.function.__defaults__ = (2,)
    keys.append(key(module.other))
    module.other.options["fastmath"] = True
    keys.append(key(jit.Kernel(module.other.function, {})))
    module.inner.options["fastmath"] = True
    keys.append(key(module.other))
    assert len(set(keys)) >= len(keys) - 1


@pytest.mark.parametrize("file", FILES)
def test_files_are_in_the_key(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a helper's file says otherwise may be what a value that cannot be seen depends on."""
    before = load(tmp_path / "m", FILES, monkeypatch)
    first = key(before.times)
    path = Path(before.__file__ or "")
    changed = path if file == "kernel.py" else next(path.parent.glob(f"{Path(file).stem.lower()}_*.py"))
    changed.write_text(changed.read_text() + "# changed\n")
    assert (key(before.times) != first) == (file != "DEEP.py")  # a constant's value says all there is to say


def test_the_path_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = {"kernel.py": "from netc.jit import kernel\n\n@kernel\ndef times(x):\n    return x\n"}
    assert key(load(tmp_path / "a", text, monkeypatch).times) != key(load(tmp_path / "b", text, monkeypatch).times)


def test_what_cannot_be_told_apart_has_no_key(module: ModuleType) -> None:
    module.SCALE = object()
    assert key_of(module.times) is None


def test_every_kernel_of_netc_has_a_key() -> None:
    import netc.layers  # noqa: PLC0415

    for path in (ROOT / "netc").rglob("*.py"):
        part = path.relative_to(ROOT).parts[1]
        if part in ("kernels", "layers", "solve", "data", "fast"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    modules = [m for n, m in list(sys.modules.items()) if n.startswith("netc.")]
    kernels = {id(v): v for m in modules for v in vars(m).values() if isinstance(v, jit.Kernel | jit.Entry)}
    assert len(kernels) > 100
    assert netc.layers is not None
    without = [k.function.__qualname__ for k in kernels.values() if not key_of(k)]
    assert not without


# ---------------------------------------------------------------- two layer files

LAYER = '''
from netc.jit import kernel
from netc.layer import LayerType, Setup

@kernel
def times(x, y):
    for i in range(x.size):
        y[i] = x[i] * {factor}

def forward(call):
    times(call.bottoms[0].reshape(-1), call.tops[0].reshape(-1))

def setup(site):
    return Setup(tops=(site.bottoms[0],))

TYPE = LayerType(name="{name}", setup=setup, forward=forward, doc="""Multiplies.""")
'''
RUN = """
import sys
from pathlib import Path
import numpy as np
import netc
net = netc.Net(netc.loads(open("net.prototxt").read(), layers=[Path(p) for p in sys.argv[1:]]), executor="reference")
net.set_input("x", np.ones((1, 2)))
print({n: float(v[0, 0]) for n, v in net.forward().items()})
"""
NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "a" type: "TimesA" bottom: "x" top: "a" }
layer { name: "b" type: "TimesB" bottom: "x" top: "b" }
"""


def test_two_layer_files_of_one_name(tmp_path: Path) -> None:
    """Each runs its own code: in the process that compiles, in later ones, in any order, and after a change."""
    (tmp_path / "net.prototxt").write_text(NET)
    paths = [tmp_path / name / "my.py" for name in "ab"]
    for path, name, factor in zip(paths, "AB", (2, 30), strict=True):
        path.parent.mkdir()
        path.write_text(LAYER.format(name=f"Times{name}", factor=factor))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NETC_CACHE_DIR": str(tmp_path / "cache")}

    def run(*files: Path) -> str:
        command = [sys.executable, "-c", RUN, *map(str, files)]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout.strip()

    assert run(*paths) == "{'a': 2.0, 'b': 30.0}"
    assert run(*reversed(paths)) == "{'a': 2.0, 'b': 30.0}"
    assert len(list((tmp_path / "cache").glob("*.kernel"))) == 2
    paths[0].write_text(LAYER.format(name="TimesA", factor=5))
    assert run(*paths) == "{'a': 5.0, 'b': 30.0}"
