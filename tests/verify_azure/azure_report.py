"""The result of each check: printed at once, and as Markdown at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from arm_client import ArmFailure
from azure_assumptions import ASSUMPTIONS, QUESTIONS

NOT_REACHED = "the run stopped before this check"


class Verdict(StrEnum):
    """The result of a check, in ascending order of precedence."""

    UNCHECKED = "could not be checked"
    YES = "yes"
    NO = "no"
    HOLDS = "holds"
    FAILS = "does not hold"


_WEIGHT = list(Verdict)


class Report:
    """The results of one run, without the subscription id."""

    def __init__(self, subscription: str) -> None:
        self._subscription = subscription
        self._found: dict[str, tuple[Verdict, str]] = {}

    def add(self, name: str, verdict: Verdict, details: str) -> None:
        """Record a result, unless the assumption has one of the same or a higher precedence."""
        if name not in ASSUMPTIONS:
            raise KeyError(f"unknown assumption: {name}")
        details = " ".join(details.replace(self._subscription, "SUBSCRIPTION").split())
        held = self._found.get(name)
        if held is None or _WEIGHT.index(verdict) > _WEIGHT.index(held[0]):
            self._found[name] = verdict, details
            print(f"{verdict:<20}  {name}: {details}", flush=True)

    def judge(self, name: str, holds: bool, details: str) -> bool:
        """Record whether the assumption holds, or whether the statement is true."""
        verdict = Verdict.HOLDS if holds else Verdict.FAILS
        if name in QUESTIONS:
            verdict = Verdict.YES if holds else Verdict.NO
        self.add(name, verdict, details)
        return holds

    def unchecked(self, name: str, details: str) -> None:
        """Record that the assumption could not be checked, with the reason."""
        self.add(name, Verdict.UNCHECKED, details)

    @contextmanager
    def checking(self, *names: str) -> Iterator[None]:
        """After an error, record open checks as unchecked, and continue."""
        try:
            yield
        except (ArmFailure, TimeoutError) as error:
            for name in names:
                if name not in self._found:
                    self.unchecked(name, str(error))

    def complete(self) -> None:
        """Record the checks that the run did not reach as unchecked."""
        for name in ASSUMPTIONS:
            self._found.setdefault(name, (Verdict.UNCHECKED, NOT_REACHED))

    def count(self, verdict: Verdict) -> int:
        """The number of assumptions with this result."""
        return sum(found is verdict for found, _ in self._found.values())

    def markdown(self, title: str) -> str:
        """The results as Markdown, for the section "Results" of docs/azure-assumptions.md."""
        hold, fail = self.count(Verdict.HOLDS), self.count(Verdict.FAILS)
        left = self.count(Verdict.UNCHECKED)
        counts = f"{hold} hold, {fail} do not hold, {left} could not be checked."
        lines = [f"### {title}", "", counts, ""]
        lines += ["| check | result | details |", "|---|---|---|"]
        for name in ASSUMPTIONS:
            verdict, details = self._found[name]
            details = details.replace("|", r"\|").replace("<", "&lt;")
            lines.append(f"| `{name}` | {verdict.value} | {details} |")
        return "\n".join(lines)
