"""What is done whole or not at all: an error, or Ctrl-C, leaves everything as it was."""

from __future__ import annotations

from typing import Any


class unless_it_fails:
    """Let objects keep what is done to them, unless an error or Ctrl-C cuts that short.

    They then are what they were: members of one training and units or labels of another, or layers
    of two different steps, would give wrong predictions in silence.

    Parameters
    ----------
    *objects
        Whose attributes are put back; what these refer to must not be changed meanwhile.
    generator : numpy.random.BitGenerator, optional
        Whose state is put back, too.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> model = SimpleNamespace(steps=3)
    >>> with unless_it_fails(model):
    ...     model.steps = 4
    ...     model.weights = 1 / 0
    Traceback (most recent call last):
    ZeroDivisionError: division by zero
    >>> model
    namespace(steps=3)
    """

    def __init__(self, *objects: Any, generator: Any = None) -> None:
        self._before = [(one, dict(vars(one))) for one in objects]
        self._generator = generator
        self._state = None if generator is None else generator.state

    def __enter__(self) -> None:
        pass

    def __exit__(self, error: type[BaseException] | None, *_: Any) -> None:
        if error is None:
            return
        for one, before in self._before:
            vars(one).clear()
            vars(one).update(before)
        if self._generator is not None:
            self._generator.state = self._state
