"""`Any` in what crosses packages: a function, method or field that another package uses says what it takes and gives.

The exceptions are listed, each for a reason; a new one fails, and so does one that is mended and still listed.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

RECORDS = {  # fields of a message are read as attributes, and which there are the schema says, not a class
    "netc.data.pictures": {"picture"},
    "netc.api.fitting": {"fit"},
    "netc.errors": {"Diagnostic.of_layer"},
    "netc.kernels.fillers": {"fill", "check"},
    "netc.kernels.image_shape": {"image_shape"},
    "netc.kernels.judged_boxes": {"Judge.record", "Judge.resize"},
    "netc.kernels.labels": {"class_labels", "indices", "bad_value"},
    "netc.kernels.softmax": {"guess_of_classes", "normalization"},
    "netc.kernels.text_shapes": {"TextForm.shapes", "samples"},
    "netc.kernels.windows": {"per_axis", "convolution_axes", "padding_of"},
    "netc.layer": {"Site.p", "Call.p"},
    "netc.role": {"Role.guess", "Role.samples", "Role.running", "Fit.start", "Fit.missing", "Fit.chained"},
    "netc.schema.record": {
        "MessageType.default",
        "MessageType.make",
        "Record.__init__",
        "Record.values",
        "Record.replace",
    },
    "netc.setups.labelled": {"confused"},
    "netc.solve.policies": {"Policy.rate"},
    "netc.writes": {"refused"},
}
COMPILED = {  # numba takes functions and numbers of any type, and keeps what it likes
    "netc.fast.machine.addresses": {"bytes_at", "floats", "integers"},
    "netc.fast.machine.emit": {"tile"},
    "netc.jit.kernels": {
        "Kernel.__init__",
        "Kernel.__call__",
        "Kernel.version",
        "Kernel.compiled",
        "kernel",
    },
    "netc.jit.callees": {"intrinsic"},
    "netc.kernel_files": {"KernelFiles.load", "KernelFiles.keep"},
    "netc.kernel_key": {"key"},
}
FOREIGN = {  # objects of other programs: numpy's dtype, Pillow's image, protobuf's class, a user's; what stands above
    "netc.data.images": {"opened"},
    "netc.kernels.confusion": {"Confused.made", "Confused.figures"},
    "netc.kernels.tally": {"counting"},
    "netc.layer": {"Call.memory", "LayerType.onnx", "LayerType.torch"},
    "netc.layers.python": {"instance"},
    "netc.pages.tested": {"result_page"},
    "netc.report.weights": {"data"},
    "netc.role": {
        "Role.doubt",
        "Role.current",
        "Statistics.add",
        "Statistics.begin",
        "Statistics.blobs",
    },
    "netc.run.executor": {"Executor.memory", "Storage.dtype"},
    "netc.run.parameters": {"Parameters.__init__"},
    "netc.schema.record": {"Schema.message_class"},
}


def test_what_crosses_packages_has_a_type() -> None:
    listed = defaultdict[str, set[str]](set)
    for exceptions in (RECORDS, COMPILED, FOREIGN):
        for module, names in exceptions.items():
            listed[module] |= names
    found = defaultdict[str, set[str]](set)
    for module, name in untyped():
        found[module].add(name)
    assert {m: n - listed[m] for m, n in found.items() if n - listed[m]} == {}, "say what these take and give"
    assert {m: n - found[m] for m, n in listed.items() if n - found[m]} == {}, "these say it by now"


# ---------------------------------------------------------------- finding them


def untyped() -> Iterator[tuple[str, str]]:
    """Modules and names (`Class.method`) of what other packages use and has `Any` in its signature."""
    trees = {module_of(path): ast.parse(path.read_text()) for path in (ROOT / "netc").rglob("*.py")}
    users = users_of(trees)
    for module, tree in trees.items():
        for node in tree.body:
            name = getattr(node, "name", "")
            if not users[module, name] - {package_of(module)}:
                continue
            if isinstance(node, ast.FunctionDef) and says_any(signature(node)):
                yield module, name
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(part, ast.FunctionDef) and is_public(part.name) and says_any(signature(part)):
                    yield module, f"{name}.{part.name}"
                elif isinstance(part, ast.AnnAssign) and says_any([part.annotation]):
                    yield module, f"{name}.{ast.unparse(part.target)}"


def users_of(trees: dict[str, ast.Module]) -> defaultdict[tuple[str, str], set[str]]:
    """The packages that use a name of a module, also where another module hands it on."""
    users = defaultdict[tuple[str, str], set[str]](set)
    handed: list[tuple[tuple[str, str], tuple[str, str]]] = []
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("netc"):
                continue
            for alias in node.names:
                if (whole := f"{node.module}.{alias.name}") in trees:
                    for name in attributes(tree, alias.asname or alias.name):
                        users[whole, name].add(package_of(module))
                else:
                    users[str(node.module), alias.name].add(package_of(module))
                    handed.append(((module, alias.asname or alias.name), (str(node.module), alias.name)))
    for _ in range(3):
        for here, there in handed:
            users[there] |= users[here]
    return users


def attributes(tree: ast.Module, of: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == of:
            yield node.attr


def signature(function: ast.FunctionDef) -> list[ast.expr | None]:
    given = function.args
    every = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
    return [*(one.annotation for one in every if one is not None), function.returns]


def says_any(annotations: list[ast.expr | None]) -> bool:
    parts = [part for annotation in annotations if annotation is not None for part in ast.walk(annotation)]
    return any(isinstance(part, ast.Name) and part.id == "Any" for part in parts)


def is_public(name: str) -> bool:
    return not name.startswith("_") or name in ("__init__", "__call__")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str:
    return ".".join(module.split(".")[:2])
