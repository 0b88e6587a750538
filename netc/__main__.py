"""`python -m netc`: the `netc` command, where its script is not on PATH."""

from netc.cli import main

if __name__ == "__main__":
    main()
