"""Pages of HTML that hold all they need: they open from a file, ask no network, and run no code but their own."""
