"""``python -m balinp`` is the command line."""

import sys

from balinp.cli import main

if __name__ == "__main__":
    sys.exit(main())
