"""Carries out the statements of a file, as docs/language.md describes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from netc.errors import NetError, Source, Span
from netc.language import codes
from netc.language.calls import CallMaker, Made
from netc.language.imports import project_root, resolve
from netc.language.limits import MAX_FILES, Failed, Limits, Stop
from netc.language.parse import parse
from netc.language.program import Alias, Body, Call, Define, Entry, For, If, Import, Item, Let, Phases
from netc.language.read import read_text
from netc.language.scope import EVERY_PHASE, Composite, Context, Run, Scope
from netc.language.tree import Block, Document, Field, ListValue, Scalar
from netc.language.vocabulary import Vocabulary

CHARACTERS_OF_AN_IMPORT = 8
"""So many characters of an imported file count as one of `MAX_STEPS`: reading it takes as long."""
LAYER_FIELDS = ("layer", "layers")


class Expander(CallMaker):
    """One expansion."""

    def __init__(self, document: Document, vocabulary: Vocabulary, root: str | os.PathLike[str] | None) -> None:
        super().__init__(Limits(), vocabulary)
        self.document = document
        self.root = Path(root) if root is not None else project_root(document.source.path)
        self.deploys = False
        self.files: dict[str, tuple[Scope, Source] | None] = {os.path.realpath(document.source.path): None}

    def run(self) -> Document:
        body = self.document.program
        assert body is not None
        self.declared = frozenset(item.name.text for item in body.items if isinstance(item, Define))
        with suppress(Stop):
            self.run_body(body, Context(Scope(own=True), Run()))
        self.limits.report.finish()
        fields = tuple(self._with_phases(made) for made in self.made)
        return Document(Block(fields, self.document.block.span), self.document.source)

    def run_body(self, body: Body, at: Context) -> None:
        """Carry out statements in order; a faulty one is reported and left out."""
        for item in body.items:
            self.limits.step(1, at.run.place(item.span))
            try:
                self._do(item, at)
            except Failed:
                continue

    def _do(self, item: Item, at: Context) -> None:
        if at.imported and not isinstance(item, Let | Define | Import):
            message = "an imported file declares constants and composites only"
            raise self.fail(codes.MISPLACED, message, Span(item.span.source, item.span.start, item.span.start + 1), at)
        match item:
            case Entry():
                self._entry(item, at)
            case Let():
                self.let(item, at)
            case Call():
                self.call(item, at)
            case Alias():
                self.alias(item, at)
            case Define():
                self._define(item, at)
            case For():
                for turn in self.turns(item, at):
                    self.run_body(item.body, turn)
            case If():
                branch = self.branch(item, at)
                if branch is not None:
                    self.run_body(branch, self.inside(branch, at))
            case Import():
                self._import(item, at)
            case Phases():
                self._phases(item, at)

    # Fields and phases

    def _entry(self, entry: Entry, at: Context) -> None:
        layer = entry.name in LAYER_FIELDS
        if not layer and (at.run.define is not None or at.phases != EVERY_PHASE):
            where = "a phase block" if at.run.define is None else "a composite"
            message = f"`{entry.name}` cannot stand in {where}: it holds layers only"
            raise self.fail(codes.MISPLACED, message, entry.name_span, at)
        made = self.field(entry, at)
        if layer:
            for block in made.value.items if isinstance(made.value, ListValue) else (made.value,):
                self.limits.layer(made.span)
                if isinstance(block, Block):
                    self._take(block, at)
        self.made.append(Made(made, at.phases))

    def _take(self, layer: Block, at: Context) -> None:
        """Take the names of a plain layer, so that no call gets them too."""
        for field in layer.fields:
            for value in field.value.items if isinstance(field.value, ListValue) else (field.value,):
                if isinstance(value, Scalar) and field.name in ("top", "name"):
                    (self.blobs if field.name == "top" else self.layers).add(value.text, at.phases)
            if field.name in ("include", "exclude") and at.phases != EVERY_PHASE:
                message = f"`{field.name}` contradicts the phase block around this layer"
                raise self.limits.fail(codes.PHASE, message, field.name_span)

    def _phases(self, item: Phases, at: Context) -> None:
        names = frozenset(name.text for name in item.names)
        self.deploys |= "deploy" in names
        phases = at.phases & names
        if not phases:
            shown = " and ".join(sorted(at.phases))
            message = f"nothing here is in {item.names[0].text}: the block around it is for {shown}"
            raise self.fail(codes.PHASE, message, item.names[0].span, at)
        inner = at.inner(phases=phases)
        self.enter(inner, item.span)
        self.run_body(item.body, inner)

    def _with_phases(self, made: Made) -> Field:
        """The layer with the rules that keep it to its phases."""
        field = made.field
        rules = _RULES[made.phases] if self.deploys else _WITHOUT_DEPLOY[made.phases & {"train", "test"}]
        if not rules:
            return field
        if isinstance(field.value, ListValue):
            items = tuple(_ruled(item, rules) if isinstance(item, Block) else item for item in field.value.items)
            return Field(field.name, field.name_span, ListValue(items, field.value.span), field.span)
        value = _ruled(field.value, rules) if isinstance(field.value, Block) else field.value
        return Field(field.name, field.name_span, value, field.span)

    # Declarations

    def _define(self, item: Define, at: Context) -> None:
        if at.run.define is not None or at.scope.parent is not None or at.phases != EVERY_PHASE:
            message = "a composite is declared by a file, not inside another statement"
            raise self.fail(codes.MISPLACED, message, item.name.span, at)
        self.free(item.name, at)
        at.scope.names[item.name.text] = Composite(item, at.scope)

    def _import(self, item: Import, at: Context) -> None:
        if at.run.define is not None or at.scope.parent is not None or at.phases != EVERY_PHASE:
            message = "a file is imported by a file, not inside another statement"
            raise self.fail(codes.MISPLACED, message, item.span, at)
        written = self.value(item.path, at)
        assert isinstance(written, str)
        importer = item.span.source.path
        found = resolve(written, importer, self.root)
        if isinstance(found, str):
            raise self.fail(codes.IMPORT_PATH, f"`{written}` cannot be imported: {found}", item.path.span, at)
        shown = os.path.normpath(os.path.join(os.path.dirname(importer), written))
        scope, source = self._load(str(found), shown, item, at)
        for name, binding in scope.names.items():
            origin = binding.define.name.span if isinstance(binding, Composite) else binding.span
            if origin.source is not source:
                continue  # imported by the other file; it does not pass it on
            before = at.scope.names.get(name)
            if before is not None and before is not binding:
                message = f"the `{name}` of {written} is already declared here"
                raise self.fail(codes.NAME_TAKEN, message, item.path.span, at)
            at.scope.names[name] = binding

    def _load(self, path: str, shown: str, item: Import, at: Context) -> tuple[Scope, Source]:
        """The scope and text of an imported file, evaluated at its first import."""
        if path in self.files:
            loaded = self.files[path]
            if loaded is None:
                raise self.fail(codes.IMPORT_CYCLE, f"{shown} is waiting for this file", item.path.span, at)
            return loaded
        if len(self.files) > MAX_FILES:
            raise self.fail(codes.TOO_LARGE_EXPANSION, f"more than {MAX_FILES} files are imported", item.span, at)
        document = self._read(path, shown, item, at)
        inner = Context(Scope(own=True), Run(), depth=at.depth + 1, imported=True)
        self.files[path] = None
        self.enter(inner, item.span)
        if document.program is None and document.block.fields:
            raise self.fail(codes.MISPLACED, f"{shown} declares nothing that could be imported", item.path.span, at)
        if document.program is not None:
            self.run_body(document.program, inner)
        loaded = self.files[path] = (inner.scope, document.source)
        return loaded

    def _read(self, path: str, shown: str, item: Import, at: Context) -> Document:
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            message = f"{shown} cannot be read: it is no regular file"  # reading a pipe could wait for ever
            raise self.fail(codes.UNREADABLE, message, item.path.span, at)
        try:
            text = read_text(path, shown)
        except NetError as error:
            (why,) = error.diagnostics
            raise self.fail(why.code, why.message, item.path.span, at, why.help) from None
        self.limits.step(len(text) // CHARACTERS_OF_AN_IMPORT, item.span)
        try:
            return parse(text, shown)
        except NetError as error:
            self.limits.report.diagnostics += error.diagnostics
            raise Failed from None


def _rule(**fields: str) -> tuple[tuple[str, str], ...]:
    return tuple(fields.items())


_Rules = tuple[tuple[tuple[str, str], ...], ...]
_TRAIN, _TEST, _DEPLOY = "train", "test", "deploy"
_RULES: dict[frozenset[str], _Rules] = {
    EVERY_PHASE: (),
    frozenset((_TRAIN,)): (_rule(phase="TRAIN"),),
    frozenset((_TEST,)): (_rule(phase="TEST", not_stage="deploy"),),
    frozenset((_DEPLOY,)): (_rule(phase="TEST", stage="deploy"),),
    frozenset((_TRAIN, _TEST)): (_rule(not_stage="deploy"),),
    frozenset((_TEST, _DEPLOY)): (_rule(phase="TEST"),),
    frozenset((_TRAIN, _DEPLOY)): (_rule(phase="TRAIN"), _rule(phase="TEST", stage="deploy")),
}
_WITHOUT_DEPLOY: dict[frozenset[str], _Rules] = {
    frozenset((_TRAIN, _TEST)): (),
    frozenset((_TRAIN,)): (_rule(phase="TRAIN"),),
    frozenset((_TEST,)): (_rule(phase="TEST"),),
}


def _ruled(layer: Block, rules: _Rules) -> Block:
    span = layer.span
    made = []
    for rule in rules:
        fields = []
        for name, text in rule:
            value = Scalar("identifier" if name == "phase" else "string", text, span)
            fields.append(Field(name, span, value, span))
        made.append(Field("include", span, Block(tuple(fields), span), span))
    return Block(layer.fields + tuple(made), span)
