"""Measurements with their targets."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = ["| target | measured | at most | |", "|---|---|---|---|"]


@dataclass(frozen=True)
class Row:
    """One measurement with its target."""

    what: str
    figure: float
    target: float
    unit: str
    digits: int = 2

    def is_met(self) -> bool:
        """Whether the value is within its target."""
        return self.figure <= self.target

    def line(self) -> str:
        """A row of the table."""
        verdict = "met" if self.is_met() else "**missed**"
        unit = f" {self.unit}" if self.unit else ""
        figure = f"{self.figure:,.{self.digits}f}"
        return f"| {self.what} | {figure}{unit} | {self.target:,g}{unit} | {verdict} |"
