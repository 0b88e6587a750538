"""No import cycle in netc, not even one that is hidden: in a function, under TYPE_CHECKING, by a module's name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def name_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def packages_of(name: str) -> set[str]:
    """The packages around a module, which are imported before it."""
    parts = name.split(".")
    return {".".join(parts[:i]) for i in range(1, len(parts))}


def named(tree: ast.AST, known: set[str]) -> Iterator[str]:
    """The modules that a file imports, wherever in it and however."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (module if module in known else node.module for module in modules)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            match node.args[0]:
                case ast.Constant(value=str(module)):
                    yield module
                case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):  # every file of a folder
                    yield from (m for m in known if m.startswith(start) and "." not in m[len(start) :])


def imports(root: Path) -> dict[str, set[str]]:
    """By module of `netc` under `root`: what has to be imported for it, its own packages left out."""
    modules = {name_of(path, root): path for path in (root / "netc").rglob("*.py")}
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        own = packages_of(name)
        direct = {m for m in named(ast.parse(path.read_text()), set(modules)) if m in modules}
        found[name] = (direct | {p for m in direct for p in packages_of(m) - own}) - {name}
    return found


def cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_there_is_no_import_cycle() -> None:
    graph = imports(ROOT)
    assert len(graph) > 400
    assert cycle(graph) == []


@pytest.mark.parametrize(
    "text",
    [
        "from netc.b import y\n",
        "from netc import b\n",
        "def f():\n    import netc.b\n",
        "if TYPE_CHECKING:\n    from netc.b import y\n",
        'importlib.import_module("netc.b")\n',
        'import_module(f"netc.{name}")\n',
    ],
)
def test_it_would_be_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "netc").mkdir()
    for name, content in {"__init__": "", "a": text, "b": "from netc.a import x\n"}.items():
        (tmp_path / "netc" / f"{name}.py").write_text(content)
    assert cycle(imports(tmp_path)) != []
