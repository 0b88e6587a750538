"""From a file to a typed definition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from netc import language
from netc.api.search.names import spelled
from netc.api.settings import Given, set_fields, settings_of
from netc.api.vocabulary import LayerVocabulary
from netc.catalogue import Catalogue, catalogue
from netc.errors import Diagnostic, Report
from netc.language.settings import with_settings
from netc.language.tree import Define, Import, Let
from netc.schema.load import load_net, load_solver
from netc.schema.record import Record, Schema
from netc.schema.registry import base_schema

PathLike = str | Path


@dataclass(frozen=True)
class Definition:
    """A typed net (NetParameter) and what is needed to build it: where it came from and the layer types it may use.

    solver: the SolverParameter that trains it, if the file has one, or is one.
    """

    path: Path
    record: Record
    types: Catalogue
    schema: Schema
    warnings: tuple[Diagnostic, ...] = ()
    solver: Record | None = None

    def __repr__(self) -> str:
        trained = "" if self.solver is None else ", with a solver"
        return f"<net {self.record.name or self.path.name}: {len(self.record.layer)} layers{trained}>"


def loads(text: str, path: str = "<string>", *, layers: Iterable[Path] = (), settings: Given = None) -> Definition:
    """Type a net given as text. settings: as in `load`. Raises NetError with everything that is wrong with it."""
    document = with_settings(language.parse(text, path), settings_of(settings))
    return typed(document, Path(path), catalogue(layers))


def schema_of(types: Catalogue) -> Schema:
    """BVLC's messages, netc's additions and those of the layer files."""
    return base_schema().extended(types.messages, types.layer_fields, types.usual_params)


def typed(
    document: language.Document,
    path: Path,
    types: Catalogue,
    report: Report | None = None,
    lost: list[language.Setting] | None = None,
) -> Definition:
    """A parsed net file as a definition.

    lost: takes the settings that name nothing in the file; without, they are refused.
    Raises NetError with all that is wrong. With a `report`, diagnostics go there, and wrong fields are left out.
    """
    schema, collected = schema_of(types), Report() if report is None else report
    record = load_net(expanded(document, types, collected, lost=lost), schema, collected)
    if report is None:
        collected.finish()
    solver = record.solver if record.has("solver") else None
    return Definition(path, record, types, schema, tuple(collected.diagnostics), solver)


def expanded(
    document: language.Document,
    types: Catalogue,
    report: Report | None = None,
    *,
    lost: list[language.Setting] | None = None,
) -> language.Document:
    """The plain text format that a file's statements stand for, with the fields that are set from outside.

    lost: as in `typed`.
    Raises NetError (SYN...). With a `report`, diagnostics go there, and what cannot be carried out is left out.
    """
    vocabulary, collected = LayerVocabulary(types, schema_of(types)), Report() if report is None else report
    made = spelled(language.expand(document, vocabulary, report=collected), vocabulary.schema)
    if document.settings:
        own = "SolverParameter" if is_solver(document) else "NetParameter"
        made = set_fields(made, document, vocabulary, own, collected, lost)
    if report is None:
        collected.finish()
    return made


def typed_solver(
    document: language.Document, types: Catalogue, lost: list[language.Setting] | None = None
) -> tuple[Record, tuple[Diagnostic, ...]]:
    """A parsed solver file as a SolverParameter, and warnings. lost: as in `typed`."""
    report = Report()
    record = load_solver(expanded(document, types, report, lost=lost), schema_of(types), report)
    report.finish()
    return record, tuple(report.diagnostics)


def only_declares(document: language.Document) -> bool:
    """Whether a file is one to import: it declares constants and composites, and makes nothing of its own."""
    return not document.plain and all(isinstance(item, Define | Import | Let) for item in document.block.items)


def is_solver(document: language.Document) -> bool:
    """Whether a file is a solver: most of its top-level fields are SolverParameter's, not NetParameter's."""
    schema = base_schema()
    net, solver = schema.message("NetParameter"), schema.message("SolverParameter")
    names = [field.name for field in document.block.fields]
    return sum(name in solver.fields for name in names) > sum(name in net.fields for name in names)
