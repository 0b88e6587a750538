"""The invariants of ARCHITECTURE.md that a program can check: imports point downward, who prints, file sizes."""

import ast
import re
from pathlib import Path

import pytest

from netc.catalogue import catalogue
from netc.report.explain import all_codes, code_page

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "netc").rglob("*.py"))

# The table of ARCHITECTURE.md: a module may import what stands in its row (and its own package).
MAY_IMPORT = {
    "errors": set(),
    "files": set(),
    "formats": set(),
    "writes": {"errors"},
    "untrusted": {"errors"},
    "locks": {"errors", "files"},
    "jit": {"errors", "files", "kernel_files", "kernel_key"},
    "kernel_files": {"errors", "files"},
    "kernel_key": set(),
    "language": {"errors", "files", "formats"},
    "schema": {"errors", "files", "formats", "language"},
    "role": set(),
    "layer": {"errors", "schema", "jit", "role", "writes"},
    "catalogue": {"errors", "files", "layer", "schema"},
    "kernels": {"jit", "errors", "role"},
    "setups": {"layer", "role", "kernels", "errors", "schema"},
    "layers": {"setups", "layer", "role", "kernels", "jit", "errors", "files", "schema", "writes"},
    "graph": {"catalogue", "layer", "schema", "errors"},
    "plan": {"graph", "layer", "kernels", "schema", "errors"},
    "fast": {"plan", "graph", "layer", "kernels", "jit", "schema", "errors"},
    "run": {"data", "fast", "plan", "graph", "layer", "kernels", "jit", "schema", "errors", "writes"},
    "solve": {
        "role",
        "untrusted",
        "run",
        "fast",
        "plan",
        "graph",
        "layer",
        "kernels",
        "jit",
        "schema",
        "errors",
        "files",
        "formats",
        "locks",
    },
    "data": {"untrusted", "schema", "kernels", "layer", "errors", "files", "locks", "jit", "formats"},
    "report": {"plan", "graph", "catalogue", "layer", "role", "schema", "errors"},
}
ABOVE = {"__main__", "api", "caffe", "cli", "dnn", "lsp", "convert", "pages"}  # may import everything below


def part(path: Path) -> str:
    return path.relative_to(ROOT / "netc").parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """First components of what a file imports from netc, type-checking imports left out."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "netc":
            rest = node.module.split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("netc.")}
    return found - {"netc"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    here = part(path)
    if here == "__init__" or here in ABOVE:
        return
    extra = imports(path) - MAY_IMPORT[here] - {here}
    assert not extra, f"{here} may not import {extra}"


def test_geometry_is_read_by_its_type() -> None:
    """A comparison of an `object` passes mypy, whatever it is: so nobody but `known` reads what has no type."""
    for path in [*MODULES, *(ROOT / "tools").rglob("*.py")]:
        if path == ROOT / "netc/layer.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert not re.search(r"\bsetup\.geometry$", ast.unparse(node)), (
                    path,
                    node.lineno,
                )


def test_layers_never_import_layers() -> None:
    for path in (ROOT / "netc/layers").glob("*.py"):
        assert "layers" not in imports(path), path


def test_only_jit_imports_numba() -> None:
    for path in MODULES:
        text = path.read_text()
        if path != ROOT / "netc/jit/numbas.py":
            assert not re.search(r"^\s*(import|from) numba|import_module\(.numba", text, re.M), path
        if part(path) != "jit":
            assert not re.search(r"^\s*(import|from) llvmlite|import_module\(.llvmlite", text, re.M), path


SHOWS = ROOT / "netc/api/progress.py"
"""Shows where a run is, to those who call `solve(progress=True)`."""


def test_only_the_command_line_prints_or_exits() -> None:
    for path in MODULES:
        if part(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in {"print", "sys.exit", "exit", "sys.stdout.write", "sys.stderr.write"}, (path, name)
            elif isinstance(node, ast.Attribute) and path != SHOWS:
                assert ast.unparse(node) not in {"sys.stdout", "sys.stderr"}, (path, node.lineno)


def test_one_file_prints() -> None:
    """Names are shown as they are, and streams are what they are, because commands print through `_output` only."""
    allowed = {"__init__.py", "_output.py", "_streams.py"}
    for path in (ROOT / "netc/cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
            if path.name not in allowed:
                assert name not in {"print", "click.echo", "click.secho", "sys.stderr", "Console"}, (path, name)
                assert not re.fullmatch(r"sys\.stdout\.(?!isatty)\w+", name), (path, name)


UNPICKLE = {"netc/kernel_files.py", "netc/jit/tasks.py", "netc/solve/ranks/mpi.py"}
"""What netc itself has put into the user's own cache, and what its own processes send each other."""


def test_nothing_from_a_file_runs_code() -> None:
    for path in MODULES:
        if path.relative_to(ROOT).as_posix() in UNPICKLE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in {"eval", "exec", "pickle.load", "pickle.loads"}, path


def test_language_knows_no_layer_type() -> None:
    types = {"Convolution", "Pooling", "InnerProduct", "SoftmaxWithLoss"}
    for path in (ROOT / "netc/language").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in types, path


def test_planning_allocates_nothing() -> None:
    for path in (ROOT / "netc/plan").glob("*.py"):
        assert not re.search(r"np\.(zeros|empty|ones|full)\b", path.read_text()), path


def test_files_stay_small() -> None:
    for folder in ("netc", "tests", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 500, path


def test_codes_have_pages() -> None:
    codes = all_codes()
    assert len(codes) > 20
    for code in codes.values():
        assert re.fullmatch(r"[A-Z]{3}\d{3}", code.id), code.id
        assert code.title
        assert code.why
        assert code.id in code_page(code)


# ---------------------------------------------------------------- type names

KNOW_TYPES = (
    "netc/layers/",
    "netc/fast/",
    "netc/convert/caffe/",
    "netc/schema/bvlc/legacy.py",
    "netc/schema/upgrade",
    "netc/dnn/flops.py",
    "netc/convert/onnx/",
)
"""Where layer types are written, the tables of old forms of files, of what other readers take and of how OpenCV counts,
and the writers of ONNX's operators, many of which are called as layer types are."""

TORCH_PIECES = {"BatchNorm", "Bias", "CenterLoss", "Crop", "GRU", "LSTM", "Normalize", "Proposal", "RNN", "Scale"}
"""Classes of netc/convert/torch/pieces/, which are called as layer types are."""

NAMED = {
    "netc/api/preprocess.py": {"Digits", "Input"},
    "netc/convert/torch/channels.py": TORCH_PIECES,
    "netc/convert/torch/detection.py": TORCH_PIECES,
    "netc/convert/torch/losses.py": TORCH_PIECES,
    "netc/convert/torch/sequences.py": TORCH_PIECES,
    "netc/convert/torch/shaping.py": TORCH_PIECES,
    "netc/convert/parameters.py": {"Convolution", "InnerProduct"},
    "netc/convert/preprocessing.py": {"Bias", "Crop", "DummyData", "Input", "Power"},
    "netc/data/annotated.py": {"AnnotatedData"},
    "netc/data/array_files.py": {"ArrayData"},
    "netc/data/database.py": {"Data"},
    "netc/data/dense_images.py": {"DenseImageData"},
    "netc/data/digit_scenes.py": {"DigitScenes"},
    "netc/data/digits.py": {"Digits"},
    "netc/data/hdf5.py": {"HDF5Data"},
    "netc/data/idx.py": {"IDXData"},
    "netc/data/image_files.py": {"ImageData", "ImageFolder"},
    "netc/data/text_source.py": {"Text"},
    "netc/data/window_data.py": {"WindowData"},
    "netc/dnn/detections.py": {"DetectionOutput"},
    "netc/plan/lints/norm.py": {"BatchNorm", "Scale"},
}
"""The type names that a file may hold as a string: what the file itself is about. Others ask the type's `Role`."""

NOT_A_TYPE = {"Parameter"}
"""Words that are a type's name too: the end of messages' names, a class of netc."""


def test_files_name_only_the_types_that_they_are_about() -> None:
    names = set(catalogue().types) - NOT_A_TYPE
    found: dict[str, set[str]] = {}
    for path in MODULES:
        here = str(path.relative_to(ROOT))
        if not here.startswith(KNOW_TYPES):
            strings = (n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant))
            if named := {s for s in strings if isinstance(s, str) and s in names}:
                found[here] = named
    assert {
        path: named - NAMED.get(path, set()) for path, named in found.items() if named - NAMED.get(path, set())
    } == {}
    assert set(NAMED) <= set(found), "a file that names no type any more"
    assert sum(map(len, found.values())) <= 60
