"""What kernels are made of: vector code, arrays at addresses, layouts, operands, the table and its walker."""
