"""From a definition and a state (phase, level, stages) to layers and values.

Layers are filtered by their include and exclude rules; blob names are resolved in order. Every top is a new *value*:
`ReLU` in place makes version 1 of `conv1`, and those who name `conv1` afterwards read that. Whether two values may live
in one storage is the planner's question, so writing in place never changes what is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from netc.catalogue import Catalogue
from netc.errors import Code, Diagnostic, Note, Report, Span, slips, suggest
from netc.layer import Arity, LayerType, Phase
from netc.schema.damage import Damage
from netc.schema.forks import FORK_TYPES
from netc.schema.names import Keys
from netc.schema.record import Record

MAX_MISTAKES = 100  # unknown types and bottoms after so many are not reported
AUTOMATIC = "(automatic)"  # the name of a top that a loss gets without being asked; as in Caffe


@dataclass(frozen=True, slots=True)
class State:
    """Which layers of a definition are in the net: NetState of Caffe."""

    phase: Phase = "TEST"
    level: int = 0
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """One blob of the net at one moment: the top `top` of node `producer`, read by `consumers` (node, bottom index).

    `version` counts the in-place layers that a blob name went through.
    """

    index: int
    name: str
    version: int
    producer: int
    top: int
    consumers: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A layer of the net. `bottoms` and `tops` are indices of values; `loss_weights` has one entry per top.

    propagate: per bottom, what `propagate_down` says: True (force), False (never), or None (decide by need).
    record: the layer as it was written, with `phase` set and with the automatic tops of a loss.
    key: the name made unique, as several layers may have one: `name`, `name#2`. samples: of a source, the axis of its
    tops that counts samples.
    """

    index: int
    name: str
    type: LayerType
    record: Record
    bottoms: tuple[int, ...]
    tops: tuple[int, ...]
    loss_weights: tuple[float, ...]
    propagate: tuple[bool | None, ...]
    key: str
    samples: int = 0


@dataclass(frozen=True)
class Graph:
    """A net in one phase. `inputs`: values of Input layers; `outputs`: values nobody reads; both in order of the file.

    Automatic tops of losses count as losses, but are not outputs.
    """

    name: str
    state: State
    record: Record
    nodes: tuple[Node, ...]
    values: tuple[Value, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    force_backward: bool = False
    warnings: tuple[Diagnostic, ...] = ()

    def readers(self, value: int) -> Iterator[tuple[Node, int]]:
        """The layers that read a value, and at which bottom: also through layers that only reshape or cut it."""
        seen, waiting = {value}, [value]
        while waiting:
            for layer, bottom in self.values[waiting.pop()].consumers:
                node = self.nodes[layer]
                yield node, bottom
                if node.type.role.family == "shape":
                    waiting += [top for top in node.tops if top not in seen]
                    seen.update(node.tops)


# ---------------------------------------------------------------- building


def build(record: Record, catalogue: Catalogue, state: State = State(), report: Report | None = None) -> Graph:
    """The net that a NetParameter describes in a state; stages and level of the file's own `state` count as well.

    Raises NetError with all that is wrong (GRA001..GRA012). With a `report`, diagnostics go there instead and the graph
    leaves out the layers that cannot be, and all that reads from them: enough to plan the rest and find more mistakes.
    A layer of which typing could not read a part (SCH... in the report) is such a layer, and is not blamed again.
    """
    collected = Report() if report is None else report
    builder = _Builder(record, catalogue, _merged(record, state), collected)
    builder.read()
    if report is None:
        collected.finish()
    return builder.graph()


def _merged(record: Record, state: State) -> State:
    """The caller's state with what the file's own `state` adds."""
    if not record.has("state"):
        return state
    stages = dict.fromkeys((*record.state.stage, *state.stages))
    return State(state.phase, state.level or record.state.level, tuple(stages))


def holds(rule: Record, state: State) -> bool:
    """Whether a NetStateRule holds in a state: all that it says must."""
    return not (
        (rule.has("phase") and rule.phase != state.phase)
        or (rule.has("min_level") and state.level < rule.min_level)
        or (rule.has("max_level") and state.level > rule.max_level)
        or any(stage not in state.stages for stage in rule.stage)
        or any(stage in state.stages for stage in rule.not_stage)
    )


def included(layer: Record, state: State) -> bool:
    """Whether a layer is in the net: some `include` rule holds (or there is none), and no `exclude` rule does."""
    if layer.has("include"):
        return any(holds(rule, state) for rule in layer.include)
    return not any(holds(rule, state) for rule in layer.exclude)


@dataclass(slots=True)
class _Draft:
    """A value before its consumers are all known."""

    name: str
    version: int
    producer: int
    top: int
    consumers: list[tuple[int, int]] = field(default_factory=list)


class _Builder:
    """Reads the layers in order.

    current: the newest value of each blob name, None if a layer made it that cannot be. unknown: names of blobs that
    layers read but none makes, already reported.
    """

    def __init__(self, record: Record, catalogue: Catalogue, state: State, report: Report) -> None:
        self.record = record
        self.catalogue = catalogue
        self.state = state
        self.report = report
        self.nodes: list[Node] = []
        self.values: list[_Draft] = []
        self.current: dict[str, int | None] = {}
        self.makers: dict[str, Record] = {}
        self.names: dict[str, Record] = {}
        self.keys = Keys(layer.name for layer in record.layer)
        self.mistakes = 0
        self.unknown: set[str] = set()
        self.layers: list[Record] = []
        self.left_out: dict[str, Record] = {}
        self.warnings_from = len(report.diagnostics)
        self.damage = Damage(record, report.diagnostics)

    def read(self) -> None:
        for layer in self.record.layer:
            if layer.has("include") and layer.has("exclude"):
                message = f'layer "{layer.name}" has both include and exclude rules'
                self.report.error(BOTH_RULES, message, layer.span_of("exclude"), help="keep one of the two kinds")
            if included(layer, self.state):
                self.layers.append(layer)
            else:
                self.left_out.update(dict.fromkeys(layer.top, layer))
        if not self.layers:
            self._no_layers()
        for position, layer in enumerate(self.layers):
            self._layer(position, layer)

    def graph(self) -> Graph:
        values = tuple(
            Value(i, d.name, d.version, d.producer, d.top, tuple(d.consumers)) for i, d in enumerate(self.values)
        )
        inputs = tuple(v for n in self.nodes if n.type.role.fed == "caller" for v in n.tops)
        outputs = tuple(v.index for v in values if not v.consumers and v.name != AUTOMATIC)
        warnings = tuple(d for d in self.report.diagnostics[self.warnings_from :] if d.severity == "warning")
        record, made = self.record, (tuple(self.nodes), values, inputs, outputs)
        return Graph(record.name, self.state, record, *made, record.force_backward, warnings)

    # ------------------------------------------------------------ one layer

    def _layer(self, position: int, layer: Record) -> None:
        damaged = self.damage.in_layer(layer)
        layer_type = self._type(layer, damaged)
        self._name(layer)
        lost = self.damage.in_rules(layer)
        bottoms = [self._bottom(position, layer, i, lost) for i in range(len(layer.bottom))]
        good = layer_type is not None and not damaged and self._counts(layer, layer_type) and None not in bottoms
        if layer_type is None or not good:
            for index, name in enumerate(layer.top):
                if not damaged and None not in bottoms:
                    self._claim(layer, index)
                self.makers.setdefault(name, layer)
                self.current[name] = None
            return
        index = len(self.nodes)
        missing = _automatic_tops(layer, layer_type)
        record = layer.replace(phase=layer.phase if layer.has("phase") else self.state.phase)
        if missing:
            record = record.replace(top=(*layer.top, *[AUTOMATIC] * missing))
        known = tuple(b for b in bottoms if b is not None)
        for i, value in enumerate(known):
            self.values[value].consumers.append((index, i))
        tops = tuple(self._top(layer, index, i) for i in range(len(layer.top)))
        for i in range(missing):
            self.values.append(_Draft(AUTOMATIC, 0, index, len(layer.top) + i))
            tops = (*tops, len(self.values) - 1)
        weights, propagate = self._loss_weights(layer, layer_type, len(tops)), self._propagate(layer)
        key, samples = self.keys.key(layer.name), self._samples(layer, layer_type)
        self.nodes.append(Node(index, layer.name, layer_type, record, known, tops, weights, propagate, key, samples))

    def _samples(self, layer: Record, layer_type: LayerType) -> int:
        """The axis that counts samples; of an Input, as of the data that fills its blob in another phase."""
        others = [self.left_out[top] for top in layer.top if top in self.left_out]
        for each in (layer, *others) if layer_type.role.fed == "caller" else (layer,):
            known = self.catalogue.types.get(each.type)
            if known is not None and known.role.samples is not None:
                return known.role.samples(each)
        return 0

    def _type(self, layer: Record, damaged: bool) -> LayerType | None:
        known = self.catalogue.types.get(layer.type)
        if known is not None:
            return known
        span = layer.span_of("type")
        if (not layer.type and damaged) or self._too_many():
            return None
        if not layer.type:
            self.report.error(UNKNOWN_TYPE, f'layer "{layer.name}" has no type', span, help='add `type: "..."`')
        elif layer.type in FORK_TYPES:
            message = f'layer "{layer.name}": the type "{layer.type}" exists only in {FORK_TYPES[layer.type]}'
            help = "take the layer out, or give a layer file for it with --layers"
            self.report.error(FORK_TYPE, message, span, help=help)
        else:
            usual = self.catalogue.usually(layer.type)
            close = usual or (f'"{found}"' if (found := self._type_like(layer.type)) else None)
            help = f"did you mean {close}?" if close else "`netc explain --list` lists the types that are known"
            self.report.error(UNKNOWN_TYPE, f'layer "{layer.name}": unknown type "{layer.type}"', span, help=help)
        return None

    def _too_many(self) -> bool:
        """Count a mistake. Whether so much is wrong that more would not help: to look for what was meant takes time."""
        self.mistakes += 1
        return self.mistakes > MAX_MISTAKES

    def _type_like(self, wrong: str) -> str | None:
        """The type that a mistyped one most likely meant: of equals rather one that this net uses elsewhere."""
        known = self.catalogue.types
        used = (layer.type for layer in self.layers if layer.type in known)
        guesses = [guess for names in (dict.fromkeys(used), known) if (guess := suggest(wrong, names))]
        fold = str.lower if wrong.isupper() or wrong.islower() else str  # who writes so does not care for capitals
        return min(guesses, key=lambda guess: slips(fold(wrong), fold(guess)), default=None)

    def _name(self, layer: Record) -> None:
        first = self.names.setdefault(layer.name, layer)
        if first is not layer and layer.name:
            note, span = Note("the first is here", first.span_of("name")), layer.span_of("name")
            help = "weights are found by the layer's name: give each layer its own"
            self.report.warning(SAME_NAME, f'two layers are called "{layer.name}"', span, notes=(note,), help=help)

    def _bottom(self, position: int, layer: Record, index: int, lost: bool) -> int | None:
        name = layer.bottom[index]
        if name in self.current:
            return self.current[name]
        if lost or name in self.unknown or self.damage.may_make(name, layer):
            return None
        if self._too_many():
            return None
        self.unknown.add(name)
        message = f'layer "{layer.name}": unknown bottom "{name}"'
        notes: list[Note] = []
        later = next((other for other in self.layers[position + 1 :] if name in other.top), None)
        help = None
        if later is not None:
            notes.append(Note(f'layer "{later.name}" makes it, but later in the file', _top_span(later, name)))
            help = "layers are read in order: move the layer that makes a blob before those that read it"
        elif name in self.left_out:
            other = self.left_out[name]
            notes.append(
                Note(f'layer "{other.name}" makes it, but its rules leave it out here', _top_span(other, name))
            )
            help = f"the net is built for phase {self.state.phase}; look at the layer's include and exclude rules"
        elif called := next((other for other in self.layers[:position] if other.name == name and other.top), None):
            help = f'that is a layer; the blob that it makes is called "{called.top[0]}"'
        elif close := suggest(name, self.current):
            help = f'did you mean "{close}"?'
        notes += self._other_readers(name, position)
        self.report.error(UNKNOWN_BOTTOM, message, layer.span_of("bottom", index), notes=notes, help=help)
        return None

    def _other_readers(self, name: str, position: int, shown: int = 3) -> Iterator[Note]:
        """Notes on the layers that read an unknown blob further on."""
        others = [layer for layer in self.layers[position + 1 :] if name in layer.bottom]
        for layer in others[:shown]:
            yield Note(f'layer "{layer.name}" reads it, too', layer.span_of("bottom", layer.bottom.index(name)))
        if len(others) > shown:
            yield Note(f"so do {len(others) - shown} more")

    def _claim(self, layer: Record, index: int) -> bool:
        """Whether the top is written in place; reports a blob that two layers make."""
        name = layer.top[index]
        if index < len(layer.bottom) and layer.bottom[index] == name:
            return True
        if self.current.get(name) is not None:
            message = f'layer "{layer.name}" makes the blob "{name}", which exists already'
            notes = (Note(f'layer "{self.makers[name].name}" makes it first', _top_span(self.makers[name], name)),)
            help = "give the top another name; to write in place, the layer must read the blob as well"
            self.report.error(MADE_TWICE, message, layer.span_of("top", index), notes=notes, help=help)
        self.makers[name] = layer
        return False

    def _top(self, layer: Record, node: int, index: int) -> int:
        name = layer.top[index]
        before = self.current.get(name)
        in_place = self._claim(layer, index)
        version = self.values[before].version + 1 if in_place and before is not None else 0
        self.values.append(_Draft(name, version, node, index))
        self.current[name] = len(self.values) - 1
        return len(self.values) - 1

    # ------------------------------------------------------------ counts and weights

    def _counts(self, layer: Record, layer_type: LayerType) -> bool:
        bottoms, tops = len(layer.bottom), len(layer.top)
        if bottoms not in layer_type.bottoms:
            index = bottoms - 1 if layer_type.bottoms.most is not None and bottoms > layer_type.bottoms.most else None
            self._wrong_count(layer, layer_type, "bottom", layer_type.bottoms, bottoms, index)
            return False
        tops += _automatic_tops(layer, layer_type)
        wanted = Arity(bottoms, bottoms) if layer_type.tops == "same" else layer_type.tops
        if tops not in wanted:
            index = tops - 1 if tops and tops > wanted.least else None
            self._wrong_count(layer, layer_type, "top", wanted, tops, index)
            return False
        return True

    def _wrong_count(
        self, layer: Record, layer_type: LayerType, kind: str, wanted: Arity, count: int, index: int | None
    ) -> None:
        plural = "" if wanted == Arity(1, 1) else "s"
        needs = f"needs {wanted} {kind}{plural}" if wanted.most != 0 else f"takes no {kind}"
        span = layer.span_of(kind, index) if count else layer.span_of("type")
        message = f'layer "{layer.name}" ({layer.type}) {needs}, but has {count}'
        help = _other_type(layer, layer_type) if kind == "bottom" else None
        if help is None and not count:
            maker = "it" if kind == "top" else "another layer"
            help = f'add `{kind}: "..."`, the name of a blob that {maker} makes'
        self.report.error(WRONG_COUNT, message, span, help=help)

    def _loss_weights(self, layer: Record, layer_type: LayerType, tops: int) -> tuple[float, ...]:
        given = layer.loss_weight
        if given and len(given) != tops:
            message = f'layer "{layer.name}" has {len(given)} loss_weight, but {tops} top{"s" * (tops != 1)}'
            help = "give none, or one for each top"
            self.report.error(WRONG_WEIGHTS, message, layer.span_of("loss_weight", len(given) - 1), help=help)
        elif given:
            return tuple(float(w) for w in given)
        return tuple(float(layer_type.loss and i == 0) for i in range(tops))

    def _propagate(self, layer: Record) -> tuple[bool | None, ...]:
        given, bottoms = layer.propagate_down, len(layer.bottom)
        if given and len(given) != bottoms:
            plural = "s" * (bottoms != 1)
            message = f'layer "{layer.name}" has {len(given)} propagate_down, but {bottoms} bottom{plural}'
            help = "give none, or one for each bottom"
            self.report.error(WRONG_PROPAGATE, message, layer.span_of("propagate_down", len(given) - 1), help=help)
            return (None,) * bottoms
        return tuple(given) or (None,) * bottoms

    def _no_layers(self) -> None:
        here = f" in phase {self.state.phase}" if self.left_out else ""
        help = "the include and exclude rules leave out every layer" if self.left_out else "add a `layer { ... }`"
        self.report.error(NO_LAYERS, f"the net has no layers{here}", self.record.span, help=help)


def _automatic_tops(layer: Record, layer_type: LayerType) -> int:
    """How many tops a loss gets without being asked."""
    if not layer_type.auto_tops or layer_type.tops == "same":
        return 0
    return max(0, layer_type.tops.least - len(layer.top))


def _other_type(layer: Record, layer_type: LayerType) -> str | None:
    """Scores given to a loss without labels, or labels to a layer that takes scores only."""
    role, given = layer_type.role, len(layer.bottom)
    if given == 2 and role.judged_by:
        return f'to compare with labels, write type: "{role.judged_by}"'
    if given != 1 or not (role.judges or role.end == "measure"):
        return None
    other = f'; without labels, write type: "{role.judges}"' if role.judges else ""
    return f"add the labels as a second bottom{other}"


def _top_span(layer: Record, name: str) -> Span | None:
    return layer.span_of("top", layer.top.index(name))


# ---------------------------------------------------------------- what can be wrong

UNKNOWN_TYPE = Code(
    "GRA001",
    "unknown layer type",
    why="The type names the computation; netc knows the types of BVLC Caffe, many of its forks' and its own.",
    example='layer { name: "conv1" type: "Convolutoin" bottom: "data" top: "conv1" }',
    fix="Correct the spelling, or give the file that defines the type with --layers.",
)
FORK_TYPE = Code(
    "GRA002",
    "a layer type of a fork of Caffe",
    why="The type exists only in a fork of Caffe, and netc has no layer file for it. Without the layer the net would "
    "compute something else.",
    example='layer { name: "crop" type: "MergeCrop" bottom: "a" bottom: "b" top: "c" }',
    fix="Replace the layer by layers that netc has, or write a layer file for it and give it with --layers.",
)
UNKNOWN_BOTTOM = Code(
    "GRA003",
    "unknown bottom",
    why="A layer reads blobs that layers before it in the file made. No layer made this one.",
    example='layer { name: "relu1" type: "ReLU" bottom: "conv_1" top: "relu1" }  # the blob is called conv1',
    fix="Correct the name, or move the layer that makes the blob before this one. A deploy file needs an Input layer.",
)
MADE_TWICE = Code(
    "GRA004",
    "two layers make the same blob",
    why="A name must mean one blob. Only a layer that reads the blob may write it again, in place: the same name as "
    "bottom and top, at the same position.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    'layer { name: "a" type: "ReLU" bottom: "x" top: "y" }\n'
    'layer { name: "b" type: "TanH" bottom: "x" top: "y" }',
    fix="Give one of the tops another name, or make the layers exclude each other with include rules.",
)
WRONG_COUNT = Code(
    "GRA005",
    "wrong number of bottoms or tops",
    why="Each layer type reads and writes a certain number of blobs.",
    example='layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" top: "loss" }  # the labels are missing',
    fix="`netc explain TYPE` says what each bottom and top is.",
)
WRONG_PROPAGATE = Code(
    "GRA006",
    "wrong number of propagate_down",
    why="propagate_down says for each bottom whether its gradient is computed, so there must be one for each.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\ny = Eltwise(x, x) { propagate_down: false }",
    fix="Give as many as the layer has bottoms, or none.",
)
WRONG_WEIGHTS = Code(
    "GRA007",
    "wrong number of loss_weight",
    why="loss_weight says for each top how much it counts in the objective, so there must be one for each.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\na, b = Slice(x) { loss_weight: 1 slice_point: 1 }",
    fix="Give as many as the layer has tops, or none.",
)
SAME_NAME = Code(
    "GRA008",
    "two layers have the same name",
    why="Trained weights are found by the layer's name: from a file, the first of the two takes the last that has the "
    "name, and the other starts fresh, as in Caffe, which accepts such a net. (Snapshots of netc resume both.)",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    'layer { name: "act" type: "ReLU" bottom: "x" top: "a" }\n'
    'layer { name: "act" type: "TanH" bottom: "a" top: "b" }',
    fix="Give each layer its own name. (Layers of different phases may have the same name.)",
)
BOTH_RULES = Code(
    "GRA009",
    "include and exclude rules in one layer",
    why="A layer is in if some include rule holds, or out if some exclude rule holds; both at once have no meaning.",
    example='layer { name: "y" type: "ReLU" include { phase: TRAIN } exclude { stage: "deploy" } }',
    fix="Say it with one kind: several include rules are alternatives, the conditions inside of one must all hold.",
)
NO_LAYERS = Code(
    "GRA010",
    "a net without layers",
    why="There is nothing to plan or to run: the file has no layers, or none of them is in the net in this phase.",
    fix="Add layers, or choose the phase, level and stages that the file's rules ask for.",
    example='name: "net"',
)
