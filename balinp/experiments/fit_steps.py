"""Steps or passes of `BALI.fit`, so many at a time: the program of a process that `turns` starts.

It may be a process of another build of balinp, so that it imports nothing but `BALI`. Its arguments
are a file of X and Y, and of held-out data if passes are asked for, and JSON of `BALI`'s and
`fit`'s arguments. It trains as far as its input says, a number of steps or of passes a line, and
writes for each line what they have taken: processor seconds, page faults and, after passes, the
mean log-likelihood of the held-out data. The first line that it writes is of all up to the first
step or pass; after the last pass there is one of what `fit` does after it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np

from balinp.bali import BALI


class Asked:
    """Counts down what was asked for, and then answers and waits; waiting costs nothing."""

    def __init__(self) -> None:
        self.left = 1
        self.before = spent()

    def done(self, score: Any = None) -> None:
        """One more of them is done; `score` returns the mean log-likelihood."""
        self.left -= 1
        if self.left == 0:
            self.answer(score)
            line = sys.stdin.readline()
            if not line:
                sys.exit()
            self.left, self.before = int(line), spent()

    def answer(self, score: Any = None) -> None:
        """Tell what has been spent since the last answer."""
        seconds, faults = (now - then for now, then in zip(spent(), self.before, strict=True))
        print(json.dumps([seconds, faults, None if score is None else score()]), flush=True)


def spent() -> tuple[float, int]:
    """Processor seconds and page faults of this process."""
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def main() -> None:
    """Train until the input or the passes end."""
    path, text = sys.argv[1:]
    arguments, options = json.loads(text)
    with np.load(path) as file:
        data = dict(file)
    few = slice(0, 3 * (options["batch_size"] or len(data["X"])))
    BALI(**arguments).fit(data["X"][few], data["Y"][few], **{**options, "epochs": 1})  # compiles
    model = BALI(**arguments)
    history: Any = type(model.history)
    asked = Asked()

    class Steps(history):
        """A history that notices every step."""

        def append(self, record: Any) -> None:
            super().append(record)
            asked.done()

    def score() -> float:
        return float(model.predict(data["X_held"]).logpdf(data["Y_held"]).mean())

    if "X_held" in data:
        model.fit(data["X"], data["Y"], callback=lambda model: asked.done(score), **options)
        asked.answer(score)
    else:
        model.history = Steps()
        model.fit(data["X"], data["Y"], **options)


if __name__ == "__main__":
    main()
