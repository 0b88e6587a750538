"""What names mean, and where: scopes, runs of composites, and the place in which a statement stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from netc.errors import Span
from netc.language.program import Define
from netc.language.values import Value

Phase = Literal["train", "test", "deploy"]
EVERY_PHASE: frozenset[str] = frozenset(("train", "test", "deploy"))


@dataclass(frozen=True, slots=True)
class Constant:
    """A value; None if it could not be computed, which has been reported."""

    value: Value | None
    span: Span


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's full name in each phase in which it exists."""

    names: dict[str, str]
    span: Span


@dataclass(frozen=True, slots=True)
class Composite:
    define: Define
    scope: Scope


Binding = Constant | Blob | Composite


@dataclass(eq=False, slots=True)
class Scope:
    """Names and what they mean. `own` scopes (a file's, a run's) do not see blobs of the scopes around them."""

    parent: Scope | None = None
    own: bool = False
    names: dict[str, Binding] = field(default_factory=dict)

    def _visible(self) -> Iterator[tuple[str, Binding, Scope]]:
        scope: Scope | None = self
        inside = True
        while scope is not None:
            for name, binding in scope.names.items():
                if inside or not isinstance(binding, Blob):
                    yield name, binding, scope
            inside = inside and not scope.own
            scope = scope.parent

    def find(self, name: str) -> Binding | None:
        """What a name means here."""
        scope: Scope | None = self
        inside = True
        while scope is not None:
            binding = scope.names.get(name)
            if binding is not None and (inside or not isinstance(binding, Blob)):
                return binding
            inside = inside and not scope.own
            scope = scope.parent
        return None

    def known(self, *kinds: type) -> list[str]:
        """The visible names that mean one of these kinds of thing."""
        return [name for name, binding, _ in self._visible() if isinstance(binding, kinds)]

    def assign(self, name: str, blob: Blob) -> None:
        """Give a blob to a variable: where it is, within this file or run, or else here."""
        scope: Scope | None = self
        while scope is not None and name not in scope.names and not scope.own:
            scope = scope.parent
        holder = scope if scope is not None and isinstance(scope.names.get(name), Blob) else self
        before = holder.names.get(name)
        names = {**before.names, **blob.names} if isinstance(before, Blob) else blob.names
        holder.names[name] = Blob(names, blob.span)


@dataclass(eq=False, slots=True)
class Run:
    """One run of a composite: the prefix of the names made in it and the call that started it."""

    prefix: str = ""
    call: Span | None = None
    define: Define | None = None
    parent: Run | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def place(self, span: Span) -> Span:
        """A place in the run's text, with the call that led there."""
        return Span(span.source, span.start, span.end, self.call) if self.call else span

    def label(self, text: str) -> str | None:
        """A label's full name: relative to this run, or to the one around it after `../`, unless it begins with `/`.

        None if it leads out of the file.
        """
        run: Run | None = self
        while run is not None and text.startswith("../"):
            run, text = run.parent, text[3:]
        if run is None:
            return None
        return text[1:] if text.startswith("/") else run.prefix + text


@dataclass(frozen=True, slots=True)
class Context:
    """Where a statement stands."""

    scope: Scope
    run: Run
    phases: frozenset[str] = EVERY_PHASE
    depth: int = 0
    imported: bool = False

    def inner(self, scope: Scope | None = None, phases: frozenset[str] | None = None) -> Context:
        """One level deeper: in a new scope, if given one, or in fewer phases."""
        scope = self.scope if scope is None else scope
        phases = self.phases if phases is None else phases
        return Context(scope, self.run, phases, self.depth + 1, self.imported)
