"""Vector kernels on blocked blobs. `emit` writes machine code, the other files are what is built on it.

Every kernel is an `Entry`: `body(row, tid, nth)`, where `row` is the address of its row of the step table.
"""
