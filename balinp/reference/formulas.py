"""Formulas of the notes as MathML that browsers draw as TeX would.

What latex2mathml makes is MathML 3; browsers know its core, in which letters of other alphabets
are characters of their own, and the names of functions have no space about them.
"""

from __future__ import annotations

import re
import unicodedata

from latex2mathml.converter import convert

ALPHABETS = {"script": "SCRIPT", "double-struck": "DOUBLE-STRUCK"}
LETTER = re.compile(rf'<mi mathvariant="({"|".join(ALPHABETS)})">([A-Z])</mi>')
GREEK = re.compile(r"<mi>(&#x003(?:9[1-9A-F]|A[0-9]);)</mi>")
FUNCTION = re.compile(
    r'<m([io])(?: movablelimits="true")?>([a-zA-Z]{2,})</m\1>(<mo[^>]*>&#x00028;)?'
)
SPACE = "0.167em"
"""Width of a thin space."""


def mathml(formula: str, block: bool = False) -> str:
    r"""A formula in TeX as MathML.

    Parameters
    ----------
    formula : str
        TeX, without dollar signs.
    block : bool, default False
        Whether it has a line of its own.

    Examples
    --------
    >>> "<mi>\N{MATHEMATICAL SCRIPT CAPITAL N}</mi>" in mathml(r"x \sim \mathcal N")
    True
    """
    text = convert(formula, display="block" if block else "inline")
    text = text.replace('"thinmathspace"', f'"{SPACE}"')
    text = text.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # \sim is a relation
    text = GREEK.sub(r'<mi mathvariant="normal">\1</mi>', text)  # capitals are upright
    return FUNCTION.sub(_function, LETTER.sub(_letter, text))


def _letter(found: re.Match[str]) -> str:
    name = f"{ALPHABETS[found[1]]} CAPITAL {found[2]}"
    try:
        character = unicodedata.lookup(f"MATHEMATICAL {name}")
    except KeyError:  # those that physics used before there was an alphabet
        character = unicodedata.lookup(name)
    return f"<mi>{character}</mi>"


def _function(found: re.Match[str]) -> str:
    """The name of a function, apart from what it is applied to unless that is in brackets."""
    bracket = found[3] or ""
    limits = ' movablelimits="true"' if found[2] in ("max", "min", "sup", "inf") else ""
    right = "0" if bracket else SPACE
    return f'<mo lspace="{SPACE}" rspace="{right}"{limits}>{found[2]}</mo>{bracket}'
