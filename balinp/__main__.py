"""``python -m balinp`` is the command line."""

import sys

from balinp.cli import command

if __name__ == "__main__":
    sys.exit(command())
