"""The Python API behind the commands: from a file to a definition, a plan, a net, a solver.

import netc
definition = netc.load("nets/digits.net")
print(netc.plan(definition, phase="TRAIN").memory)
solver = netc.Solver("nets/digits.net")
solver.solve()
"""
