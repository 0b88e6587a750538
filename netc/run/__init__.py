"""From a plan to a net in memory that runs forward and backward."""

from netc.run.executor import Executor, Feed, Observer, Storage
from netc.run.net import Net, Program, RunOptions
from netc.run.parameters import Parameter, Parameters
from netc.run.weights import Loaded, load_weights, weights_of

__all__ = [
    "Executor",
    "Feed",
    "Loaded",
    "Net",
    "Observer",
    "Parameter",
    "Parameters",
    "Program",
    "RunOptions",
    "Storage",
    "load_weights",
    "weights_of",
]
