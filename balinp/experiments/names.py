"""Names as people type them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from balinp.experiments import UserError

MOST_SHOWN = 40
"""Of longer lists a message shows so many names."""


def find(name: str, known: Iterable[str], what: str, among: str = "known") -> str:
    """The known name that is meant: in any case, but with no letter wrong.

    Parameters
    ----------
    name : str
        As typed.
    known : iterable of str
        Names there are.
    what : str
        They are names of, for the message.
    among : str, default "known"
        What the list of known names begins with.

    Raises
    ------
    UserError
        If there is none, or there are several; it names the nearest and all that are known.

    Examples
    --------
    >>> find("mlp", ["BALI", "MLP"], "method")
    'MLP'
    >>> find("mlb", ["BALI", "MLP"], "method")
    Traceback (most recent call last):
    balinp.experiments.UserError: unknown method 'mlb'; did you mean 'MLP'? known: BALI, MLP
    """
    known = list(known)
    if name in known:
        return name
    meant = [other for other in known if other.casefold() == name.casefold()]
    if len(meant) == 1:
        return meant[0]
    folded = {other.casefold(): other for other in known}
    near = get_close_matches(name.casefold(), folded, n=1)
    hint = f" did you mean {folded[near[0]]!r}?" if near else ""
    shown = known if len(known) <= MOST_SHOWN else [*known[:MOST_SHOWN], "..."]
    raise UserError(f"unknown {what} {name!r};{hint} {among}: {', '.join(shown)}")
