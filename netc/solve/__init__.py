"""Training a net: the loop, learning rates, update rules, snapshots."""

from netc.solve.events import Events, Step, TestResult
from netc.solve.policies import learning_rate
from netc.solve.snapshots import read_weights
from netc.solve.solver import Solver
from netc.solve.training import Test

__all__ = ["Events", "Solver", "Step", "Test", "TestResult", "learning_rate", "read_weights"]
