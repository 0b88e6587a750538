"""What kernels that are not yet ported take for "not there"."""

NOTHING = 0
