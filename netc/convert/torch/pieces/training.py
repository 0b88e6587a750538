from typing import Any

from torch import nn

MULTIPLIERS: dict[str, tuple[float, float]] = {}


def parameter_groups(
    net: nn.Module, lr: float, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Parameters for an optimizer of torch.optim, which learn and decay as the net
    says. Those that do not learn at all are left out."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        usual = MULTIPLIERS.get(name.rpartition(".")[2], (1.0, 1.0))
        groups.setdefault(MULTIPLIERS.get(name, usual), []).append(parameter)
    return [
        {"params": found, "lr": lr * rate, "weight_decay": weight_decay * decay}
        for (rate, decay), found in groups.items()
        if rate
    ]
