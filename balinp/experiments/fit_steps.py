"""Steps of `BALI.fit`, so many at a time: the program of a process that `turns` starts and asks.

It may be a process of another build of balinp, so that it imports nothing but `BALI`. Its
arguments are a file of X and Y, and JSON of `BALI`'s arguments and of the batch size. For each line
of its input, a number of steps, it writes a line: their processor seconds and page faults. The
first line that it writes is of all up to the first step.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np

from balinp.bali import BALI


def main() -> None:
    """Train until the input ends."""
    path, options = sys.argv[1:]
    arguments, batch_size = json.loads(options)
    with np.load(path) as arrays:
        X, Y = arrays["X"], arrays["Y"]
    model = BALI(**arguments)
    history: Any = type(model.history)

    class Asked(history):
        """A history that waits whenever the steps that were asked for have been taken."""

        left = 1
        before = spent()

        def append(self, record: Any) -> None:
            super().append(record)
            self.left -= 1
            if self.left == 0:
                now = spent()
                print(
                    json.dumps([a - b for a, b in zip(now, self.before, strict=True)]), flush=True
                )
                line = sys.stdin.readline()
                if not line:
                    sys.exit()
                self.left, self.before = int(line), spent()

    model.history = Asked()
    model.fit(X, Y, epochs=10**9, batch_size=batch_size)


def spent() -> tuple[float, int]:
    """Processor seconds and page faults of this process."""
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt


if __name__ == "__main__":
    main()
