"""The pages of `netc explain`: a diagnostic code, or a layer type, from what its own file says."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path

import netc
from netc.catalogue import Catalogue
from netc.errors import CODES, Code
from netc.layer import Example, LayerType
from netc.schema.declare import Field
from netc.schema.record import MessageType, Schema

_DECLARES = re.compile(r"^\w+(: Code)? = Code\($", re.MULTILINE)


def all_codes() -> dict[str, Code]:
    """Every code that a module of the package declares: those of users' layer files are not among them.

    Only modules that declare some are imported, so that no package is needed that netc itself does not need.
    """
    found: dict[str, Code] = {}
    root = Path(netc.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if _DECLARES.search(path.read_text(encoding="utf-8")):
            module = importlib.import_module(".".join(("netc", *path.relative_to(root).with_suffix("").parts)))
            found |= {value.id: value for value in vars(module).values() if isinstance(value, Code)}
    return dict(sorted(found.items()))


def known_codes() -> dict[str, Code]:
    """Every code of the package and of the layer files that were loaded."""
    return dict(sorted((CODES | all_codes()).items()))


def code_page(code: Code) -> str:
    """What happened, why it matters, an example, the fix; Markdown."""
    parts = [f"# {code.id}: {code.title}", code.why]
    if code.example:
        parts.append("## Example\n\n" + indented(code.example))
    if code.fix:
        parts.append("## Fix\n\n" + (indented(code.fix) if _is_text_of_a_file(code.fix) else code.fix))
    return "\n\n".join(parts) + "\n"


def _is_text_of_a_file(fix: str) -> bool:
    """Whether a fix says what to write instead of the example, and nothing about it."""
    return "`" not in fix and not fix[0].isupper() and not fix.rstrip().endswith(".")


def type_page(layer_type: LayerType, schema: Schema) -> str:
    """What a layer computes, its fields with defaults, shapes, gradient, Caffe notes and an example; Markdown."""
    found = sections(layer_type.doc)
    summary = found.pop("", layer_type.name)
    parts = [f"# {layer_type.name}", summary, _takes(layer_type)]
    for heading, text in found.items():
        parts.append(f"## {heading}\n\n{text}")
        if heading == "Computes":
            parts.append("## Fields\n\n" + _fields(layer_type, schema))
    if layer_type.examples:
        example = layer_type.examples[0]
        parts.append("## Example\n\n" + indented(example_text(layer_type, example)))
        parts.append("In the language:\n\n" + indented(example_in_language(layer_type, example)))
    return "\n\n".join(parts) + "\n"


def example_text(layer_type: LayerType, example: Example) -> str:
    """A whole net around an example: Input layers for its bottoms, then the layer."""
    lines, bottoms = [], []
    for i, given in enumerate(example.inputs):
        name = "data" if i == 0 else f"data{i}"
        dims = " ".join(f"dim: {d}" for d in given.shape)
        shape = f"input_param {{ shape {{ {dims} }} }}"
        lines.append(f'layer {{ name: "{name}" type: "Input" top: "{name}" {shape} }}')
        bottoms.append(f'bottom: "{name}"')
    name = layer_type.name.lower()
    tops = [f'top: "{name}"' if i == 0 else f'top: "{name}{i}"' for i in range(example.tops)]
    lines.append(f'layer {{ name: "{name}" type: "{layer_type.name}" ' + " ".join((*bottoms, *tops)))
    lines.append(f"  {example.fields}" if example.fields else "")
    return "\n".join(line for line in lines if line) + "\n}\n"


def example_in_language(layer_type: LayerType, example: Example) -> str:
    """The same net in netc's language: the layer as a call."""
    lines, bottoms = [], []
    for i, given in enumerate(example.inputs):
        bottoms.append("data" if i == 0 else f"data{i}")
        lines.append(f"{bottoms[-1]} = Input() {{ shape {{ dim: [{', '.join(map(str, given.shape))}] }} }}")
    name = layer_type.name.lower()
    tops = ", ".join(name if i == 0 else f"{name}{i}" for i in range(example.tops))
    own = re.fullmatch(rf"\s*{layer_type.param}\s*{{((?:[^{{}}]|{{[^{{}}]*}})*)}}\s*", example.fields)
    fields = (own[1] if own else example.fields).strip()
    call = f"{layer_type.name}({', '.join(bottoms)})" + (f" {{ {fields} }}" if fields else "")
    return "\n".join((*lines, f"{tops} = {call}" if tops else call)) + "\n"


def field_page(name: str, schema: Schema, choices: Callable[[Field], list[str]]) -> str | None:
    """Every message that has a field of this name, with its type, default and meaning; None if none has.

    choices: of a field that names something, what there is, as items of a list.
    """
    layer, found = schema.message("LayerParameter"), []
    param_of = {field.type: field.name for field in layer.fields.values()}
    for message in map(schema.message, schema.messages):
        if name in message.fields and not message.name.startswith("V"):
            where = f"`{param_of[message.name]} {{ }}` of a layer" if message.name in param_of else f"`{message.name}`"
            field = message.fields[name].declaration
            items = (field_row(field, message), *(f"  {item}" for item in choices(field)))
            found.append(f"In {where}:\n\n" + "\n".join(items))
    return "\n\n".join([f"# {name}", *found]) + "\n" if found else None


def type_called(name: str, types: Catalogue) -> str | None:
    """The layer type of this name in any capitals."""
    return next((known for known in types.types if known.lower() == name.lower()), None)


def sections(doc: str) -> dict[str, str]:
    """A layer file's docstring by heading (`Computes:` at the margin); the summary is under the empty heading."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for line in cleandoc(doc).splitlines():
        if line and not line[0].isspace() and line.endswith(":") and line[0].isupper():
            current = line[:-1]
            found[current] = []
        else:
            found[current].append(line)
    return {heading: cleandoc("\n".join(lines)).strip() for heading, lines in found.items()}


def _takes(layer_type: LayerType) -> str:
    tops = "as many tops as bottoms" if layer_type.tops == "same" else f"{layer_type.tops} top(s)"
    origin = {"caffe": "A layer type of BVLC Caffe.", "netc": "netc's own layer type."}.get(
        layer_type.origin, f"From {layer_type.origin}'s fork of Caffe."
    )
    alias = f" Also called {', '.join(layer_type.aliases)}." if layer_type.aliases else ""
    return f"{layer_type.bottoms} bottom(s), {tops}. {origin}{alias}"


def _fields(layer_type: LayerType, schema: Schema) -> str:
    if layer_type.param is None:
        return "None of its own."
    field = schema.message("LayerParameter").field(layer_type.param)
    message = schema.message(field.type)
    rows = [field_row(f, message) for f in message.declaration.fields]
    return f"In `{layer_type.param} {{ }}`:\n\n" + "\n".join(rows)


def field_row(field: Field, message: MessageType) -> str:
    kind = f"{field.type}, repeated" if field.label == "repeated" else field.type
    default = message.default(field.name)
    shown = "" if field.label != "optional" or not isinstance(default, bool | int | float | str) else f" = {default}"
    origin = "" if field.origin == "caffe" else f" [{field.origin}]"
    return (
        f"- `{field.name}{shown}` ({kind}){origin}: {field.doc}" if field.doc else f"- `{field.name}{shown}` ({kind})"
    )


def indented(text: str) -> str:
    return "\n".join("    " + line if line else "" for line in text.rstrip().splitlines())
