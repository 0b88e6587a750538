"""Recurrent layers: step by step, as PyTorch's own know no `cont` that begins a sequence anew."""

from __future__ import annotations

from netc.convert.torch.code import Bottom, Expression, call, raw
from netc.convert.torch.writer import OWN, Argument, LayerWriter, State, Write, Written, module
from netc.kernels.recurrent import Layout
from netc.layer import LayerType
from netc.layers.gru import GRU
from netc.layers.lstm import LSTM
from netc.layers.lstm_unit import LSTM_UNIT
from netc.layers.rnn import RNN


def recurrent(name: str, *more: str) -> Write:
    """more: names of the blobs after W_h."""

    def write(layer: LayerWriter) -> Written:
        at = layer.setup.known(Layout)
        names = ["weight_x", "bias", *(["weight_static"] if at.static else []), "weight_h", *more]
        state = {n: State(blob, i) for i, (n, blob) in enumerate(zip(names, layer.params, strict=True))}
        sizes = (Argument("inputs", at.inputs), Argument("outputs", at.outputs))
        static: list[Expression] = [Bottom(2)] if at.static else []
        states = tuple(layer.bottoms[at.first_state :]) if at.exposed else ()
        given: list[Expression] = [raw("states=(", *_listed(states), ")")] if states else []
        made_ = call(OWN, *layer.bottoms[:2], *static, *given)
        tops: tuple[Expression, ...] = (made_,) if states else (raw(made_, "[0]"),)
        options = [Argument("static", at.static, 0)]
        return Written(
            tops,
            module(name, *sizes, options=options).module,
            state,
            together=bool(states),
        )

    return write


def _listed(states: tuple[Bottom, ...]) -> list[Expression]:
    """Inside the brackets of a tuple."""
    found: list[Expression] = []
    for i, state in enumerate(states):
        found += [", ", state] if i else [state]
    return [*found, ","] if len(states) == 1 else found


def lstm_unit(layer: LayerWriter) -> Written:
    return Written((call("lstm_unit", *layer.bottoms),), together=True)


WRITERS: dict[LayerType, Write] = {
    LSTM: recurrent("LSTM"),
    RNN: recurrent("RNN", "weight_out", "bias_out"),
    GRU: recurrent("GRU"),
    LSTM_UNIT: lstm_unit,
}
