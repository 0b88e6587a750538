"""From a plan to a net in memory that runs forward and backward."""

from netc.run.executor import Executor, Feed, Storage
from netc.run.net import Net
from netc.run.parameters import Parameter, Parameters

__all__ = ["Executor", "Feed", "Net", "Parameter", "Parameters", "Storage"]
