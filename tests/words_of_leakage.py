"""Sentences on groups that are held out, of the page of leakage and others."""

from __future__ import annotations

from pathlib import Path

from quoted import Claim

ROOT = Path(__file__).resolve().parents[1]
LEAKAGE = ROOT / "balinp/experiments/leakage.md"

CLAIMS: list[Claim] = []
