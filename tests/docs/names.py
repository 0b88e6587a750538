"""What stands in backticks on a page must be there: commands, options, files, codes, names of Python, fields, types.

A text in backticks is known as a whole (a command with its options, a path, an import), or word by word.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click

import netc
from netc.api.definition import schema_of
from netc.catalogue import catalogue
from netc.cli import cli
from netc.kernels import fillers
from netc.language import evaluate, lexer
from netc.report.explain import all_codes
from netc.solve import policies
from tests.docs.pages import ROOT

WORD = re.compile(r"[A-Za-z_][\w]*(?:-[a-z]+)*|\\u?\w+")
PATHLIKE = re.compile(r"(?=.*[a-z])[\w.<>/-]+/[\w.<>/-]*|[\w-]+\.(?:py|net|prototxt|md|toml|txt|lark|sh|json)")
IMPORT = re.compile(r"(?:from ([\w.]+) )?import ([\w.]+(?: as \w+)?(?:, [\w.]+(?: as \w+)?)*)$")
DOTTED = re.compile(r"\$?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)")
PLACEHOLDER = re.compile(r"<[^<>]+>|(?<!\w)[A-Z]{2,}(?:_(?=[a-z])|(?!\w))|_[A-Z]\b")
"""What the reader puts in, as the pages write it: `FILE`, `PREFIX_iter_N`, `<16 digits>`."""
VARIABLES = re.compile(r"(?:[A-Z][A-Z_]*=\S* )+(?=netc |python -m |make )")
"""Variables of the environment that a command line sets for itself."""
CONSTANT = re.compile(r"^\.?([\w.-]+)$")
"""A string that is one word: a key, a choice, an ending, a variable of the environment."""
ENDINGS = {"caffemodel", "solverstate", "npy", "jsonl", "part", "lock"}
FOREIGN = Path(__file__).parent / "foreign.txt"
"""Words of other programs, a line each: word, blank, whose it is."""


def unknown(text: str, page: str, path: Path) -> Iterator[str]:
    """What nobody knows in a text in backticks. page: what the blocks of the page at `path` hold."""
    if text in page or text in foreign():
        return
    if set_here := VARIABLES.match(text):
        yield from _variables(set_here[0])
        text = text[set_here.end() :]
    if text.startswith(("netc ", "python -m ", "make ", "pip ")):
        yield from _command(text)
    elif found := IMPORT.match(text):
        yield from _import(*found.groups(""))
    elif PATHLIKE.fullmatch(text):
        yield from () if is_path(text) or text.rpartition("/")[2] in words() else (text,)
    else:
        yield from _words(text, page, path.name)


def unknown_in_command(line: str) -> Iterator[str]:
    """What nobody knows in a line of a shell, if it calls netc, one of its tools or make."""
    if set_here := VARIABLES.match(line):
        yield from _variables(set_here[0])
        line = line[set_here.end() :]
    if line.startswith(("netc ", "python -m ", "make ")):
        yield from _command(line)


def _variables(text: str) -> Iterator[str]:
    yield from (name for name in re.findall(r"([A-Z_]+)=", text) if name not in words())


def _words(text: str, page: str, name: str) -> Iterator[str]:
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*\w", text):
        if option not in options():
            yield option
    rest = re.sub(r"(?<![\w-])--?[a-z][a-z-]*", " ", text)
    rest = PLACEHOLDER.sub(" ", rest)
    for dotted in DOTTED.findall(rest):
        ending = dotted.rpartition(".")[2] in ENDINGS
        if not (is_dotted(dotted, name) or dotted in page or dotted in words() or _is_path_of_fields(dotted)):
            yield from (each for each in dotted.split(".") if each not in words()) if ending else (dotted,)
    for word in WORD.findall(DOTTED.sub(" ", rest)):
        if word not in words() and word not in foreign() and not re.search(rf"\b{re.escape(word)}\b", page):
            yield word
    if not re.search(r"[A-Za-z]", text):
        yield text


def _is_path_of_fields(dotted: str) -> bool:
    """Whether `--set` could take it: the solver's or a layer's name, then fields, and the place of one of several."""
    first, *rest = dotted.split(".")
    schema = schema_of(catalogue())
    fields = {field.name for message in schema.messages.values() for field in message.fields}
    return first in ("solver", "generate", "data", "conv1") and fields.issuperset(set(rest) - {"N"})


def _command(text: str) -> Iterator[str]:
    """Whether a command line is one: the command, its options, the files of the repository."""
    line = re.split(r" \\?[|>] ", text, maxsplit=1)[0]
    words = shlex.split(line.replace("[", " ").replace("]", " "), comments=True)
    if words[0] == "make":
        yield from (w for w in words[1:] if f"\n{w}:" not in (ROOT / "Makefile").read_text())
    elif words[0] == "pip":
        extras = re.findall(r"netc ([\w,]+)", line.replace("[", " ").replace("]", " "))
        yield from (
            e for e in ",".join(extras).split(",") if e and f"\n{e} = [" not in (ROOT / "pyproject.toml").read_text()
        )
    elif words[0] == "python":
        yield from _module(words[2], words[3:])
    else:
        yield from _netc(words[1:], text)


def _module(name: str, words: list[str]) -> Iterator[str]:
    if importlib.util.find_spec(name) is None:
        yield f"module {name}"
        return
    source = "".join(p.read_text() for p in _sources(name))
    for word in words:
        if word.startswith("--") and f'"{word.partition("=")[0]}"' not in source:
            yield f"python -m {name} {word}"
    if name == "tools.attack" and words and words[0].islower() and not is_path(f"tools/attack/{words[0]}.py"):
        yield f"python -m {name} {words[0]}"


def _sources(name: str) -> Iterator[Path]:
    path = ROOT / name.replace(".", "/")
    yield from path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]


def _netc(words: list[str], text: str) -> Iterator[str]:
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        name = words.pop(0) if words else "..."
        if name == "...":
            return
        command = command.get_command(click.Context(command), name)
    if command is None:
        yield text
        return
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
    for word in words:
        if (word.startswith("-") and word != "-" and word.partition("=")[0] not in known) or (
            "/" in word and word.startswith(("nets/", "docs/", "tests/")) and not is_path(word)
        ):
            yield f"{text}: {word}"


def _import(module: str, names: str) -> Iterator[str]:
    for name in names.split(", "):
        full = f"{module}.{name.split(' ')[0]}".lstrip(".")
        if not is_dotted(full if full.startswith("netc") else f"netc.{full}"):
            yield full


def is_path(text: str) -> bool:
    """Whether a file or folder of the repository is called so; `<type>` stands for any name."""
    pattern = re.sub(r"<\w+>", "*", text.strip("/"))
    places = (
        "",
        "netc/",
        "netc/api/",
        "tests/",
        "tests/run/",
        "tests/diagnostics/",
        "tests/language/",
        "netc/fast/",
        "tools/",
        "netc/language/",
    )
    return any(any(ROOT.glob(place + pattern)) for place in places)


ROOTS = {
    "net": "netc.api.session.Net",
    "solver": "netc.api.session.Solver",
    "memory": "netc.plan.usage.Usage",
    "caffe": "netc.caffe",
    "b": "netc.fast.program.builder.Builder",
    "dy": "netc.fast.machine.layout.Blocked",
    "block": "netc.language.tree.Block",
    "call": "netc.layer.Call",
    "setup": "netc.layer.Setup",
}
"""What the first word of a dotted name is on the pages, and on some of them."""
ROOTS_OF = {
    "pycaffe.md": {"net": "netc.caffe.net.Net"},
    "serving.md": {"pool": "netc.api.pool.Pool"},
    "opencv.md": {"net": "netc.dnn.net.Net", "layer": "netc.dnn.layers.Layer"},
}


@cache
def is_dotted(name: str, page: str = "") -> bool:
    """Whether `netc.Net.forward`, `net.blobs` or `caffe.io` can be looked up."""
    first, *rest = name.split(".")
    roots = ROOTS | ROOTS_OF.get(page, {})
    if first in roots:
        return _resolved(".".join((roots[first], *rest)))
    return _resolved(name) or any(_resolved(f"{module}.{name}") for module in classes().get(first, ()))


@cache
def classes() -> dict[str, list[str]]:
    """The modules of netc that define a class of a name."""
    found: dict[str, list[str]] = {}
    for path in (ROOT / "netc").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for name in re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.M):
            found.setdefault(name, []).append(module)
    return found


def _resolved(name: str) -> bool:
    parts = name.split(".")
    for at in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:at]))
        except ImportError:
            continue
        return all(_attribute(found, parts[at:]))
    return False


def _attribute(found: Any, names: list[str]) -> Iterator[bool]:
    for name in names:
        fields = {*getattr(found, "__annotations__", ()), *getattr(found, "OPERAND", ())}
        source = _assigned(found) if isinstance(found, type) else set()
        if not hasattr(found, name):
            yield name in fields | source
            return
        found = getattr(found, name)
    yield True


def _assigned(cls: type) -> set[str]:
    """Attributes that methods of a class set."""
    return {m for base in cls.__mro__[:-1] for m in re.findall(r"self\.(\w+)(?::| =|, )", inspect.getsource(base))}


@cache
def options() -> frozenset[str]:
    """The options of all commands and tools."""

    def of(group: click.Group) -> Iterator[str]:
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            assert command is not None
            yield from (o for p in command.params for o in (*p.opts, *p.secondary_opts))
            if isinstance(command, click.Group):
                yield from of(command)

    tools = "".join(path.read_text() for path in (ROOT / "tools").rglob("*.py"))
    return frozenset({*of(cli), "--help", *re.findall(r'"(--[a-z-]+)"', tools)})


@cache
def words() -> frozenset[str]:
    """Every word that netc has: fields, messages, values of enums, types of everything, codes, names of its Python."""
    types = catalogue()
    schema = schema_of(types)
    found = {*types.types, *all_codes(), *lexer.KEYWORDS, *evaluate.FUNCTIONS, *netc.__all__, *dir(netc)}
    for message in schema.messages.values():
        found |= {message.name, *(field.name for field in message.fields)}
        found |= {value for enum in message.enums for value in enum.values}
    found |= {value for enum in schema.top_enums for value in enum.values}
    for module in (fillers, policies):
        found |= set(re.findall(r'"(\w+)"', Path(module.__file__).read_text()))
    found |= {info.name for info in pkgutil.iter_modules([str(ROOT / "netc/cli")])}
    found |= {path.stem for path in (ROOT / "nets").rglob("*.net")}
    return frozenset(found | _python())


def _python() -> set[str]:
    """What the Python files of netc and its tools define: functions, classes, arguments, attributes, environment."""
    found: set[str] = set()
    for path in (*(ROOT / "netc").rglob("*.py"), *(ROOT / "tools").rglob("*.py")):
        found.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str | bool):
                found |= set(CONSTANT.findall(str(node.value)))
    return found


@cache
def foreign() -> frozenset[str]:
    return frozenset(line.split("  ")[0] for line in FOREIGN.read_text().splitlines() if line and line[0] != "%")
