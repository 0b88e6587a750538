"""Solver files: from a SolverParameter to the nets that it trains and tests (Caffe's rules of Solver::InitTrainNet)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netc import language
from netc.api.definition import Definition, PathLike, is_solver, schema_of, typed, typed_solver
from netc.api.settings import CAN_BE_SET, Given, Settings, settings_of
from netc.catalogue import Catalogue, catalogue
from netc.errors import Code, Diagnostic, NetError, Report, suggest
from netc.files import near
from netc.graph import State, included
from netc.language.codes import UNKNOWN_SETTING
from netc.schema.record import Record
from netc.solve.stages import stages_of

NO_NET = Code(
    "SOL001",
    "the solver names no net, or several",
    why="A solver trains one net: `net`, `train_net`, `net_param` or `train_net_param` says which.",
    example="base_lr: 0.01 max_iter: 100",
    fix='Add `net: "train_val.prototxt"`, or put a `solver { }` block into the net\'s own file.',
)
NET_NOT_FOUND = Code(
    "SOL002",
    "the net file that the solver names is not there",
    why="The path is tried from the current directory, from the solver file's directory and from those above it.",
    example='net: "models/missing.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"',
    fix="Correct the path, or start netc from the directory that it is relative to.",
)
NO_SOLVER = Code(
    "SOL003",
    "the net has no solver",
    why="Training needs a learning rate and a number of iterations: they are in a `solver { }` block at the top level "
    "of the .net file, or in a solver file that names the net.",
    example="netc train deploy.prototxt",
    fix='Add `solver { type: "SGD" base_lr: 0.01 momentum: 0.9 max_iter: 1000 }` to the file.',
)
TEST_COUNTS = Code(
    "SOL004",
    "test_iter does not fit the number of test nets",
    why="Each test net needs its own test_iter, and if test_state is given, one for each test net.",
    example='base_lr: 0.1 lr_policy: "fixed" test_interval: 500  # no test_iter\n'
    'net_param { layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } } }',
    fix="Give one `test_iter` per test net: the number of test samples divided by the batch size.",
)
NO_INTERVAL = Code(
    "SOL019",
    "test_iter is given, but not how often to test",
    why="`test_iter` says how many batches a test takes, `test_interval` after how many iterations there is one. "
    "Without it the net is never tested; Caffe stops at it.",
    example='base_lr: 0.1 lr_policy: "fixed" test_iter: 100  # no test_interval\n'
    'net_param { layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } } }',
    fix="Add `test_interval: 500`, or take test_iter out.",
)

NEVER_TESTED = Code(
    "SOL021",
    "the net is hardly ever tested, or never",
    why="The net has layers for tests only (data, Accuracy), but its solver asks for no test while it trains: "
    "test_iter is missing, or test_interval is larger than max_iter. How good it is on data that it has not seen is "
    "not known then. This is a warning.",
    example='base_lr: 0.1 lr_policy: "fixed" max_iter: 100 test_iter: 10 test_interval: 500\n'
    'net_param { layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } } }',
    fix="Add `test_iter: N` (the number of test records divided by the batch size) and `test_interval: M`, smaller "
    "than max_iter.",
)

NOT_USED = Code(
    "SOL054",
    "a solver block that is not used",
    why="A net may hold the solver that trains it, and a solver file may name any net. What trains is the file that "
    "netc was given; the block in the net's file then says nothing. This is a warning.",
    example='netc train solver.prototxt  # net: "digits.net", which has a solver block itself',
    fix="Give netc the net's file, or take the block out of it.",
)


@dataclass(frozen=True)
class TestNet:
    """One test net of a solver: its definition, its state, and how many batches a test takes."""

    definition: Definition
    state: State
    iterations: int


@dataclass(frozen=True)
class Job:
    """A solver (SolverParameter) with the nets that it trains and tests."""

    path: Path
    record: Record
    train: Definition
    train_state: State
    tests: tuple[TestNet, ...]
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def prefix(self) -> str:
        """Where snapshots go: what the solver says, and in a folder the solver file's name; else beside that file."""
        return prefix_of(self.record, self.path)


def prefix_of(record: Record, path: Path) -> str:
    """Where snapshots of the solver of a file go: see `Job.prefix`."""
    given = record.snapshot_prefix
    if not given:
        return str(path.with_suffix(""))
    return str(Path(given, path.stem)) if Path(given).is_dir() else str(given)


TRAIN_FIELDS = ("train_net_param", "train_net", "net_param", "net")


def load_job(path: PathLike, *, layers: Iterable[Path] = (), settings: Given = None) -> Job:
    """Read a solver file, or a net file with a `solver { }` block, and the nets that it names.

    settings: as in `netc.load`; what names nothing in a solver file is set in the nets that it names.
    Raises NetError (SOL...) if there is no solver, no net, or the counts of test nets do not fit.
    """
    path, types = Path(path), catalogue(layers)
    document = language.read(path, settings_of(settings))
    if is_solver(document):
        return solver_job(document, path, types)
    definition = typed(document, path, types)
    if definition.solver is None:
        help = "add a `solver { base_lr: 0.01 max_iter: 1000 }` block, or name a solver file"
        raise NetError(Diagnostic(NO_SOLVER, f"{path} has no solver block", definition.record.span, (), help))
    return own_job(definition)


def own_job(definition: Definition) -> Job:
    """The job of a net with a `solver { }` block. Raises NetError as `load_job` does."""
    assert definition.solver is not None
    nets = _Nets(definition.path, definition.types, definition)
    return _job(definition.path, definition.solver, nets, definition.warnings)


def solver_job(document: language.Document, path: Path, types: Catalogue) -> Job:
    """The job of a parsed solver file; raises NetError as `load_job` does."""
    lost: list[language.Setting] = []
    record, warnings = typed_solver(document, types, lost)
    return make_job(path, record, warnings, types, tuple(lost))


def make_job(
    path: Path, record: Record, warnings: tuple[Diagnostic, ...], types: Catalogue, settings: Settings = ()
) -> Job:
    """The job of a typed solver file; reads the nets that it names. settings: what is set in these.

    Raises NetError as `load_job` does, and SYN051 for settings that name nothing in any of them.
    """
    nets = _Nets(path, types, settings=settings)
    job = _job(path, record, nets, warnings)
    nets.refuse_lost()
    return job


class _Nets:
    """Loads each net that a solver names, once; `own` is the file that holds the solver block."""

    def __init__(
        self, solver_path: Path, types: Catalogue, own: Definition | None = None, settings: Settings = ()
    ) -> None:
        self.solver_path, self.types, self.own = solver_path, types, own
        self.settings, self.lost = settings, set(settings)
        self.loaded: dict[Path, Definition] = {}

    def file(self, record: Record, field: str, index: int | None = None) -> Definition:
        name = getattr(record, field) if index is None else getattr(record, field)[index]
        path = near(name, self.solver_path.resolve().parent)
        if path is None:
            span = record.span_of(field, index)
            beside = {p.name for p in self.solver_path.parent.glob("*.*")} - {self.solver_path.name}
            close = suggest(Path(name).name, sorted(beside))
            help = f"did you mean {close}?" if close else None
            raise NetError(Diagnostic(NET_NOT_FOUND, f"there is no file {name}", span, (), help))
        if path not in self.loaded:
            lost: list[language.Setting] = []
            self.loaded[path] = typed(language.read(path, self.settings), path, self.types, lost=lost)
            self.lost &= set(lost)
        return self.loaded[path]

    def refuse_lost(self) -> None:
        """Raise NetError(SYN051) for settings that name nothing in any of the nets, nor in the solver's file."""
        where = " and ".join([self.solver_path.name, *(path.name for path in self.loaded)])
        report = Report()
        for setting in (s for s in self.settings if s in self.lost):
            message = f"{where} have no constant, field or layer `{setting.name}`"
            report.error(UNKNOWN_SETTING, message, setting.name_span, help=CAN_BE_SET)
        report.finish()

    def inline(self, record: Record) -> Definition:
        return Definition(self.solver_path, record, self.types, schema_of(self.types))


def _job(path: Path, record: Record, nets: _Nets, warnings: tuple[Diagnostic, ...]) -> Job:
    given = [f for f in TRAIN_FIELDS if record.has(f)]
    if len(given) != 1 and not (nets.own and not given):
        message = f"the solver must name one net to train, but names {', '.join(given) or 'none'}"
        span = record.span_of(given[1]) if given else record.span
        raise NetError(Diagnostic(NO_NET, message, span))
    shared = nets.own if not given else _net_of(record, given[0], nets)
    assert shared is not None
    tests: list[Definition] = [nets.inline(r) for r in record.test_net_param]
    tests += [nets.file(record, "test_net", i) for i in range(len(record.test_net))]
    if not given or given[0] in ("net", "net_param"):  # a net for both: it takes the remaining test_iters
        tests += [shared] * (len(record.test_iter) - len(tests))
    _check_counts(record, len(tests))
    train_state = _state(shared.record, record.train_state if record.has("train_state") else None, "TRAIN")
    states = record.test_state or (None,) * len(tests)
    test_nets = tuple(
        TestNet(d, _state(d.record, s, "TEST"), n) for d, s, n in zip(tests, states, record.test_iter, strict=True)
    )
    if tests and not record.test_interval:
        said = "test_iter is given, but no test_interval: the net is never tested"
        where = record.span_of("test_iter")
        warnings += (Diagnostic(NO_INTERVAL, said, where, help=NO_INTERVAL.fix, severity="warning"),)
    if nets.own is None and shared.solver is not None:
        said = f"{path.name} trains this net: its own solver block is not used"
        where = shared.record.span_of("solver")
        warnings += (Diagnostic(NOT_USED, said, where, help=NOT_USED.fix, severity="warning"),)
    warnings += tuple(_never_tested(record, shared, bool(tests)))
    return Job(path, record, replace(shared, solver=record), train_state, test_nets, warnings)


def _never_tested(solver: Record, net: Definition, tests: bool) -> Iterator[Diagnostic]:
    """Warn of layers for tests that are never run, and of a test_interval beyond the end (SOL021)."""
    if not tests:
        layer = next((layer for layer in net.record.layer if _tests(layer, net.types)), None)
        if layer is not None and any(_reads(layer, net.types) for layer in net.record.layer):
            message = f'layer "{layer.name}" is for tests, but the solver has no test_iter: the net is never tested'
            help = "add test_iter: N and test_interval: M"
            yield Diagnostic(NEVER_TESTED, message, solver.span, help=help, severity="warning")
    elif (stages := stages_of(solver)) and all(p.has("max_iter") for p in stages):
        length = sum(p.max_iter for p in stages)
        if not 0 < length < solver.test_interval:
            return
        first = "only before it has learned anything" if solver.test_initialization else "never"
        beyond = f"test_interval: {solver.test_interval} is beyond max_iter: {length}"
        help = f"write test_interval: {max(1, length // 10)}"
        span = solver.span_of("test_interval")
        yield Diagnostic(NEVER_TESTED, f"{beyond}: the net is tested {first}", span, help=help, severity="warning")


def _reads(layer: Record, types: Catalogue) -> bool:
    """Whether a layer of the net that is tested reads data by itself."""
    known = types.types.get(layer.type)
    return known is not None and known.source and not known.role.fed and included(layer, State("TEST"))


def _tests(layer: Record, types: Catalogue) -> bool:
    """Whether a layer is data or a measure of the net that is tested, and not of the one that is trained."""
    known = types.types.get(layer.type)
    if known is None or not (known.source or known.role.end == "measure"):
        return False
    return included(layer, State("TEST")) and not included(layer, State("TRAIN"))


def _net_of(record: Record, field: str, nets: _Nets) -> Definition:
    return nets.inline(getattr(record, field)) if field.endswith("_param") else nets.file(record, field)


def _check_counts(record: Record, tests: int) -> None:
    wrong = None
    if len(record.test_iter) != tests:
        wrong = f"{tests} test nets, but test_iter is given {len(record.test_iter)} times"
    elif record.test_state and len(record.test_state) != tests:
        wrong = f"{tests} test nets, but test_state is given {len(record.test_state)} times"
    elif record.test_interval and not tests:
        wrong = "test_interval is given, but there is no test net: give test_iter"
    if wrong:
        raise NetError(Diagnostic(TEST_COUNTS, wrong, record.span_of("test_iter")))


def _state(net: Record, asked: Record | None, phase: str) -> State:
    """Caffe merges the phase's default, the net's own state, then the solver's."""
    level, stages = 0, list[str]()
    own: Any = net.state if net.has("state") else None
    for state, decides in ((own, False), (asked, True)):
        if state is not None:
            phase = state.phase if decides and state.has("phase") else phase
            level = state.level if state.has("level") else level
            stages += state.stage
    return State("TRAIN" if phase == "TRAIN" else "TEST", level, tuple(stages))
