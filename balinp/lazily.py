"""What is worked out when it is first asked for, and kept with its object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class lazily(Generic[Value]):
    """`functools.cached_property` without the lock that it takes before Python 3.12.

    A step asks for a dozen such values of objects that nobody else has, and a lock for each would
    be a tenth of a small step.

    Parameters
    ----------
    make : callable
        Method that works the value out.

    Examples
    --------
    >>> class Circle:
    ...     radius = 2.0
    ...
    ...     @lazily
    ...     def diameter(self) -> float:
    ...         return 2 * self.radius
    >>> circle = Circle()
    >>> circle.diameter, vars(circle)
    (4.0, {'diameter': 4.0})
    """

    def __init__(self, make: Callable[[Any], Value]) -> None:
        self.make, self.name, self.__doc__ = make, make.__name__, make.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> lazily[Value]: ...

    @overload
    def __get__(self, owner: object, kind: type) -> Value: ...

    def __get__(self, owner: object | None, kind: type) -> lazily[Value] | Value:
        if owner is None:
            return self
        value = owner.__dict__[self.name] = self.make(owner)
        return value
