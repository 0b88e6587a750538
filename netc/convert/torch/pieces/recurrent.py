import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """What runs over steps x streams x values. `cont` (steps x streams) is 0 where a
    sequence begins. Without `states` the run goes on from where the last one ended."""

    gates = 1
    count = 1

    def __init__(self, inputs: int, outputs: int, static: int = 0):
        super().__init__()
        rows = self.gates * outputs
        self.outputs = outputs
        self.weight_x = nn.Parameter(torch.zeros(rows, inputs))
        self.bias = nn.Parameter(torch.zeros(rows))
        if static:
            self.weight_static = nn.Parameter(torch.zeros(rows, static))
        self.weight_h = nn.Parameter(torch.zeros(rows, outputs))
        self.kept: tuple[Tensor, ...] | None = None

    def forward(
        self,
        x: Tensor,
        cont: Tensor,
        static: Tensor | None = None,
        states: tuple[Tensor, ...] | None = None,
    ) -> tuple[Tensor, ...]:
        inputs = nn.functional.linear(x.flatten(2), self.weight_x, self.bias)
        if static is not None:
            inputs = inputs + nn.functional.linear(
                static.flatten(1), self.weight_static
            )
        last = (
            states or self.kept or (x.new_zeros(x.shape[1], self.outputs),) * self.count
        )
        last = tuple(state.reshape(x.shape[1], self.outputs) for state in last)
        tops = []
        for here, goes_on in zip(inputs, cont.unsqueeze(-1), strict=True):
            last = self.step(here, tuple(goes_on * state for state in last))
            tops.append(last[0])
        if states is None:
            self.kept = tuple(state.detach() for state in last)
        return self.output(torch.stack(tops)), *(state.unsqueeze(0) for state in last)

    def output(self, h: Tensor) -> Tensor:
        return h


class LSTM(Recurrent):
    """Long short-term memory without peepholes; gates i, f, o, g."""

    gates = 4
    count = 2

    def step(self, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c = states
        i, f, o, g = (x + nn.functional.linear(h, self.weight_h)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class GRU(Recurrent):
    """Gated recurrent unit; the reset gate stands before the product. Gates r, z, n."""

    gates = 3

    def step(self, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (h,) = states
        reset, update, new = self.weight_h.chunk(3)
        x_r, x_z, x_n = x.chunk(3, -1)
        r = torch.sigmoid(x_r + nn.functional.linear(h, reset))
        z = torch.sigmoid(x_z + nn.functional.linear(h, update))
        n = torch.tanh(x_n + nn.functional.linear(r * h, new))
        return (z * h + (1 - z) * n,)


class RNN(Recurrent):
    """Elman's recurrent layer, and a second layer for the output."""

    def __init__(self, inputs: int, outputs: int, static: int = 0):
        super().__init__(inputs, outputs, static)
        self.weight_out = nn.Parameter(torch.zeros(outputs, outputs))
        self.bias_out = nn.Parameter(torch.zeros(outputs))

    def step(self, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (torch.tanh(x + nn.functional.linear(states[0], self.weight_h)),)

    def output(self, h: Tensor) -> Tensor:
        return torch.tanh(nn.functional.linear(h, self.weight_out, self.bias_out))


def lstm_unit(c: Tensor, x: Tensor, cont: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: gates to cell and hidden state."""
    i, f, o, g = x.chunk(4, -1)
    c = cont.unsqueeze(-1) * torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return c, torch.sigmoid(o) * torch.tanh(c)
