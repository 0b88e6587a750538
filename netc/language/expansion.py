"""Carries out the statements of a file, as docs/language.md describes."""

from __future__ import annotations

import os
from contextlib import suppress

from netc.errors import Report, Span
from netc.language import codes
from netc.language.blobs import alias
from netc.language.composites import Composites
from netc.language.evaluate import chosen, let, turns
from netc.language.imports import Imports
from netc.language.layers import Layers
from netc.language.limits import Failed, Limits, Stop
from netc.language.scope import Composite, Context, Run, Scope
from netc.language.tree import Alias, Block, Call, Define, Document, Field, For, If, Import, Item, Let, Phases
from netc.language.vocabulary import Vocabulary


class Expansion:
    """One expansion: gives each statement to the part that carries it out."""

    def __init__(self, document: Document, vocabulary: Vocabulary, root: str | os.PathLike[str] | None) -> None:
        self.body = document.block
        declared = frozenset(item.name.text for item in self.body.items if isinstance(item, Define))
        self.layers = Layers(vocabulary, declared)
        self.composites = Composites(self.carry_out)
        self.imports = Imports(document.source.path, root, self.carry_out)
        self.deploys = False

    def run(self, report: Report) -> tuple[Field, ...]:
        """The fields that could be made; what is wrong goes to the report."""
        limits = Limits(report)
        with suppress(Stop):
            self.carry_out(self.body, Context(limits, Scope(own=True), Run(), self.imports.root))
        return self.layers.fields(self.deploys)

    def carry_out(self, body: Block, at: Context) -> None:
        """Carry out statements in order; a faulty one is reported and left out."""
        for item in body.items:
            at.step(1, item.span)
            with suppress(Failed):
                self._do(item, at)

    def _do(self, item: Item, at: Context) -> None:
        if at.imported and not isinstance(item, Let | Define | Import):
            message = "an imported file declares constants and composites only"
            raise at.fail(codes.MISPLACED, message, Span(item.span.source, item.span.start, item.span.start + 1))
        match item:
            case Field():
                self.layers.write(item, at)
            case Let():
                let(item, at)
            case Call():
                self._call(item, at)
            case Alias():
                alias(item, at)
            case Define():
                _define(item, at)
            case For():
                for turn in turns(item, at):
                    self.carry_out(item.body, turn)
            case If():
                for branch, inner in chosen(item, at):
                    self.carry_out(branch, inner)
            case Import():
                self.imports.bring(item, at)
            case Phases():
                self._phases(item, at)

    def _call(self, call: Call, at: Context) -> None:
        at.step(len(call.inputs) + len(call.targets), call.span)
        try:
            callee = at.scope.find(call.callee.text)
            if isinstance(callee, Composite):
                self.composites.call(call, callee, at)
            else:
                self.layers.call(call, at)
        except Failed:
            self.layers.unmade(call, at)
            raise

    def _phases(self, item: Phases, at: Context) -> None:
        names = frozenset(name.text for name in item.names)
        self.deploys |= "deploy" in names
        phases = at.phases & names
        if not phases:
            shown = " and ".join(sorted(at.phases))
            message = f"nothing here is in {item.names[0].text}: the block around it is for {shown}"
            help = "move the block out of the one around it, or take it out: its layers are in no net"
            raise at.fail(codes.PHASE, message, item.names[0].span, help)
        self.carry_out(item.body, at.deeper(item.span, phases=phases))


def _define(item: Define, at: Context) -> None:
    if not at.outermost:
        raise at.fail(
            codes.MISPLACED, "a composite is declared by a file, not inside another statement", item.name.span
        )
    at.declare(item.name, Composite(item, at.scope))
