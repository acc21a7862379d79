"""Sentences that quote stored records, with a gap for each figure and what fills it.

`python tests/words.py` prints every sentence as the records have it now, with a mark where its page
says something else.
"""

from __future__ import annotations

import words_of_leakage
import words_of_results
from quoted import Claim

CLAIMS = [*words_of_results.CLAIMS, *words_of_leakage.CLAIMS]


def says(claim: Claim) -> bool:
    """Whether its page has the sentence, however its lines are broken."""
    return " ".join(claim.sentence.split()) in " ".join(claim.page.read_text("utf-8").split())


if __name__ == "__main__":
    for claim in CLAIMS:
        print(" " if says(claim) and claim.holds() else "!", claim.sentence)
