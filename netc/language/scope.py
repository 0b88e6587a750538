"""What names mean, and where: scopes, runs of composites, and the place in which a statement stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from netc.errors import Code, Note, Span
from netc.language import codes
from netc.language.limits import CHARACTERS_OF_A_STEP, MAX_NESTING, Failed, Limits
from netc.language.tree import Define, Name
from netc.language.values import Result

EVERY_PHASE: frozenset[str] = frozenset(("train", "test", "deploy"))


@dataclass(frozen=True, slots=True)
class Constant:
    """A value; None if it could not be computed, which has been reported."""

    value: Result | None
    span: Span


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's full name in each phase in which it exists."""

    names: dict[str, str]
    span: Span


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite and the scope of the file that declares it."""

    define: Define
    scope: Scope

    @property
    def span(self) -> Span:
        return self.define.name.span


Binding = Constant | Blob | Composite
KINDS = {Constant: "a constant", Blob: "a blob", Composite: "a composite"}
"""What messages call what a name means."""


@dataclass(eq=False, slots=True)
class Scope:
    """Names and what they mean. `own` scopes (a file's, a run's) do not see blobs of the scopes around them."""

    parent: Scope | None = None
    own: bool = False
    names: dict[str, Binding] = field(default_factory=dict)

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
        found: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            found += [name for name in scope.names if isinstance(self.find(name), kinds)]
            scope = scope.parent
        return found

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
    """Where a statement stands, and what counts what is done and reports what is wrong there.

    root: the folder that files may be read from.
    """

    limits: Limits
    scope: Scope
    run: Run
    root: Path
    phases: frozenset[str] = EVERY_PHASE
    depth: int = 0
    imported: bool = False

    @property
    def outermost(self) -> bool:
        """Whether this is a file itself: no composite, no body, no phase block."""
        return self.run.define is None and self.scope.parent is None and self.phases == EVERY_PHASE

    def place(self, span: Span) -> Span:
        """A place in the run's text, with the call that led there."""
        return Span(span.source, span.start, span.end, self.run.call) if self.run.call else span

    def fail(
        self, code: Code, message: str, span: Span, help: str | None = None, notes: tuple[Note, ...] = ()
    ) -> Failed:
        """Report a mistake; the caller raises what this returns."""
        return self.limits.fail(code, message, self.place(span), help, notes)

    def step(self, count: int, span: Span) -> None:
        """Count statements and fields carried out."""
        if not self.limits.step(count):
            raise self.limits.stop(self.place(span))

    def text(self, length: int, span: Span) -> None:
        """Count the characters that are computed or written: a long text costs what many short ones do."""
        if length >= CHARACTERS_OF_A_STEP:
            self.step(length // CHARACTERS_OF_A_STEP, span)

    def deeper(self, span: Span, phases: frozenset[str] | None = None, scope: Scope | None = None) -> Context:
        """The context of a body that stands here, in fewer phases or a new scope if given; refuses to go too deep."""
        if self.depth >= MAX_NESTING:
            message = f"more than {MAX_NESTING} bodies, loops and calls are inside one another"
            raise self.fail(codes.TOO_DEEP, message, Span(span.source, span.start, span.start + 1))
        phases = self.phases if phases is None else phases
        return replace(self, scope=scope or self.scope, phases=phases, depth=self.depth + 1)

    def declare(self, name: Name, meaning: Binding) -> None:
        """Give a name a meaning in this scope, which must not have it yet."""
        self.free(name)
        self.scope.names[name.text] = meaning

    def free(self, name: Name) -> None:
        """Refuse a name that this scope has already."""
        before = self.scope.names.get(name.text)
        if before is not None:
            message = f"`{name.text}` is already {KINDS[type(before)]} here"
            raise self.fail(codes.NAME_TAKEN, message, name.span)
