"""What a kernel's machine code depends on, as one hash: the functions that it calls and every value that they see.

numba compiles a function with the values that its globals and closures have then. So the key is made of values, not of
names: of each function its code, its defaults, its file (path and content), and the values of the names in its code;
functions, classes and modules among these are followed, into files of the user as into netc's own, until there is
nothing new. A value that cannot be told from another (an object whose repr is an address) gives no key, and then the
kernel is compiled in each process: slow, and never wrong.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import importlib.util
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = Path(__file__).parent
LIBRARIES = frozenset({"llvmlite", "numba", "numpy", "scipy"})  # known by their versions
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
Unwrap = Callable[[object], tuple[object, ...] | None]
"""The values that an object stands for (a kernel: its function and its options), None for any other object."""


class NoKeyError(Exception):
    """A value on which a kernel depends cannot be made part of a key."""


def key(functions: Iterable[Callable[..., Any]], unwrap: Unwrap) -> str | None:
    """A hash of what functions, the first of which may call the others under other names, depend on, or None."""
    walk = _Walk(unwrap)
    try:
        roots = [walk.token(function) for function in functions]
        walk.run()
    except NoKeyError:
        return None
    digest = hashlib.sha256()
    for part in (*roots, *sorted(walk.found.values()), *sorted(walk.versions())):
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:32]


@functools.cache
def library_version(name: str) -> str:
    """What tells this version of a library from others, whether it has been imported or not."""
    spec = importlib.util.find_spec(name)
    folder = Path(spec.origin or "").parent if spec else Path()
    for file in (folder / "_version.py", folder / "version.py"):
        if file.is_file():
            return hashlib.sha256(file.read_bytes()).hexdigest()
    if spec is None:
        return ""
    from importlib.metadata import version  # noqa: PLC0415 - costly to import, and hardly ever needed

    return version(name)


class _Walk:
    """`found`: of each function, class and module that has been reached, what it is made of."""

    def __init__(self, unwrap: Unwrap) -> None:
        self.unwrap = unwrap
        self.found: dict[int, str] = {}
        self.waiting: list[tuple[Any, frozenset[str]]] = []
        self.alive: list[object] = []  # so that no other object gets the address of one
        self.names: dict[int, set[str]] = {}  # of modules: the attributes that are asked of them
        self.libraries: set[str] = set()

    def run(self) -> None:
        while self.waiting:
            value, names = self.waiting.pop()
            if isinstance(value, types.FunctionType):
                self.found[id(value)] = self._function(value)
            elif isinstance(value, type):
                self.found[id(value)] = self._class(value)
            else:
                self._module(value, names)

    def versions(self) -> Iterator[str]:
        """The libraries that values come from."""
        for name in self.libraries:
            yield f"{name} {library_version(name)}"

    # ------------------------------------------------------------ what can be followed

    def _reach(self, value: Any, label: str, names: frozenset[str] = frozenset()) -> str:
        if id(value) not in self.found:
            self.found[id(value)] = label
            self.alive.append(value)
            self.waiting.append((value, names))
        return label

    def _function(self, function: types.FunctionType) -> str:
        code, parts = function.__code__, [_label(function), self._file(function.__code__.co_filename)]
        parts.append(self._code(code))
        parts.append(self.token((function.__defaults__, function.__kwdefaults__)))
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            parts.append(f"{name}={self.token(_content(cell))}")
        names = frozenset(names_of(code))
        for name in sorted(names & function.__globals__.keys()):
            value = function.__globals__[name]
            if isinstance(value, types.ModuleType):
                parts.append(f"{name}={self._module(value, names)}")
            else:
                parts.append(f"{name}={self.token(value)}")
        return "\n".join(parts)

    def _code(self, code: types.CodeType) -> str:
        constants = [self._code(c) if isinstance(c, types.CodeType) else self.token(c) for c in code.co_consts]
        return repr((code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_flags))

    def _class(self, cls: type) -> str:
        parts = [_label(cls)]
        for name, value in sorted(vars(cls).items()):
            for function in _functions(value):
                parts.append(f"{name}={self.token(function)}")
        return "\n".join([*parts, *(self.token(base) for base in cls.__bases__)])

    def _module(self, module: types.ModuleType, names: frozenset[str]) -> str:
        """A module, and those of its attributes that have one of these names."""
        if self._is_library(module.__name__, getattr(module, "__file__", None)):
            return f"module {module.__name__}"
        seen = self.names.setdefault(id(module), set())
        parts = [f"module {module.__name__}", self._file(getattr(module, "__file__", "") or "")]
        self.alive.append(module)
        for name in sorted(names & vars(module).keys() - seen):
            seen.add(name)
            value = vars(module)[name]
            inner = self._module(value, names) if isinstance(value, types.ModuleType) else self.token(value)
            parts.append(f"{name}={inner}")
        self.found[id(module)] = "\n".join([self.found.get(id(module), ""), *parts])
        return parts[0]

    # ------------------------------------------------------------ values

    def token(self, value: Any) -> str:
        """A text that is another for every other value. Raises NoKeyError."""
        if isinstance(value, PLAIN) and type(value) in PLAIN:
            return f"{type(value).__name__} {value!r}"
        if (inner := self.unwrap(value)) is not None:
            return f"{type(value).__name__} {self.token(inner)}"
        if isinstance(value, types.FunctionType):
            if self._is_library(value.__module__, value.__code__.co_filename):
                return _label(value)
            return self._reach(value, _label(value))
        if isinstance(value, type):
            file = getattr(sys.modules.get(value.__module__), "__file__", None)
            library = self._is_library(value.__module__, file)
            return _label(value) if library else self._reach(value, _label(value))
        if isinstance(value, types.ModuleType):
            return self._module(value, frozenset())
        return self._compound(value)

    def _compound(self, value: Any) -> str:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"{name} {value.dtype.str} {value.shape} {content}"
        if isinstance(value, enum.Enum):
            return f"{self.token(type(value))} {value.name} {value.value!r}"
        if isinstance(value, tuple | list):
            return f"{name} [{', '.join(map(self.token, value))}]"
        if isinstance(value, set | frozenset):
            return f"{name} {sorted(map(self.token, value))}"
        if isinstance(value, dict | types.MappingProxyType):
            return f"{name} {[(self.token(k), self.token(v)) for k, v in value.items()]}"
        if isinstance(value, functools.partial):
            return f"{name} {self.token((value.func, value.args, value.keywords))}"
        if isinstance(value, types.MethodType):
            return f"{name} {self.token((value.__self__, value.__func__))}"
        if isinstance(wrapped := getattr(value, "__wrapped__", None), types.FunctionType):
            return f"{name} {self.token(wrapped)}"
        return self._object(value, name)

    def _object(self, value: Any, name: str) -> str:
        if dataclasses.is_dataclass(value):
            fields = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
            return f"{self.token(type(value))} {self.token(fields)}"
        text = repr(value)
        if " at 0x" in text or not self._is_library(type(value).__module__, None):
            raise NoKeyError(f"a kernel depends on {text}")
        return f"{name} {text}"

    # ------------------------------------------------------------ files

    def _is_library(self, module: str | None, file: str | None) -> bool:
        """Whether it is part of Python or of a library that is known by its version."""
        if f"{module}.".startswith("netc.jit."):  # what it does with functions, the key says in other ways
            return True
        top = (module or "").partition(".")[0]
        if top in LIBRARIES:
            self.libraries.add(top)
            return True
        return top in sys.stdlib_module_names and (file is None or _is_standard(file))

    def _file(self, name: str) -> str:
        path = Path(name)
        try:
            where = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else str(path.absolute())
            status = os.stat(path)
            return f"{where} {_digest(name, status.st_mtime_ns, status.st_size)}"
        except (OSError, ValueError):
            return name  # code without a file (exec, a notebook's cell): the code itself has to do


@functools.cache
def _digest(name: str, changed: int, size: int) -> str:
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


@functools.cache
def _is_standard(file: str) -> bool:
    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    real = os.path.realpath(file)
    return "site-packages" not in real and any(real.startswith(os.path.realpath(p)) for p in places if p)


def names_of(code: types.CodeType) -> set[str]:
    """The names of globals and attributes in a function's code, functions inside it included."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= names_of(constant)
    return found


def _label(value: Any) -> str:
    return f"{type(value).__name__} {value.__module__}.{value.__qualname__}"


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # a function that calls itself by a name that is not bound yet
        return None


def _functions(value: Any) -> Iterator[types.FunctionType]:
    """The functions of a class's attribute."""
    parts: Mapping[str, Any] = {
        name: getattr(value, name, None) for name in ("__func__", "fget", "fset", "func", "__wrapped__")
    }
    for one in (value, *parts.values()):
        if isinstance(one, types.FunctionType):
            yield one
