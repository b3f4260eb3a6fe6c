"""Measured figures and their targets."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = ["| target | measured | limit | result |", "|---|---|---|---|"]


@dataclass(frozen=True)
class Row:
    """A measured figure and its limit, in the same unit."""

    what: str
    figure: float
    target: float
    unit: str
    digits: int = 2

    def is_met(self) -> bool:
        """Whether the figure is within the limit."""
        return self.figure <= self.target

    def line(self) -> str:
        """The row of the Markdown table."""
        verdict = "met" if self.is_met() else "**missed**"
        unit = f" {self.unit}" if self.unit else ""
        figure = f"{self.figure:,.{self.digits}f}"
        return f"| {self.what} | {figure}{unit} | {self.target:,g}{unit} | {verdict} |"
