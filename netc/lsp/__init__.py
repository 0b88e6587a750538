"""The language server: what an editor asks of a net file. Knows the protocol only in `server.py`."""
