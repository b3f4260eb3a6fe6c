"""The result for each assumption: printed when it is found, and as Markdown at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from assumptions import ASSUMPTIONS

NOT_REACHED = "the run did not reach it"


class Verdict(StrEnum):
    """The result of a check, in ascending order of importance."""

    UNCHECKED = "could not be checked"
    HOLDS = "holds"
    FAILS = "does not hold"


_WEIGHT = list(Verdict)


class Report:
    """The results of one run."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._found: dict[str, tuple[Verdict, str]] = {}

    def add(self, name: str, verdict: Verdict, evidence: str) -> None:
        """Record a result. Of two for the same assumption, the more important one is kept."""
        if name not in ASSUMPTIONS:
            raise KeyError(f"no assumption is called {name}")
        evidence = " ".join(evidence.replace(self._account, "ACCOUNT").split())
        held = self._found.get(name)
        if held is None or _WEIGHT.index(verdict) > _WEIGHT.index(held[0]):
            self._found[name] = verdict, evidence
            print(f"{verdict:<20}  {name}: {evidence}", flush=True)

    def judge(self, name: str, holds: bool, evidence: str) -> bool:
        """Record whether the assumption holds."""
        self.add(name, Verdict.HOLDS if holds else Verdict.FAILS, evidence)
        return holds

    def has(self, name: str) -> bool:
        """Whether there is a result for the assumption."""
        return name in self._found

    def unchecked(self, name: str, evidence: str) -> None:
        """Record that the assumption could not be checked, and why."""
        self.add(name, Verdict.UNCHECKED, evidence)

    @contextmanager
    def checking(self, *names: str) -> Iterator[None]:
        """After an error inside, the assumptions without a result could not be checked, and the run
        continues."""
        try:
            yield
        except (ClientError, BotoCoreError, TimeoutError) as error:
            for name in names:
                if name not in self._found:
                    self.unchecked(name, str(error))

    def complete(self) -> None:
        """Record the assumptions that the run did not reach."""
        for name in ASSUMPTIONS:
            self._found.setdefault(name, (Verdict.UNCHECKED, NOT_REACHED))

    def count(self, verdict: Verdict) -> int:
        """The number of assumptions with this result."""
        return sum(found is verdict for found, _ in self._found.values())

    def markdown(self, title: str) -> str:
        """The results as a section of docs/aws-assumptions.md."""
        hold, fail = self.count(Verdict.HOLDS), self.count(Verdict.FAILS)
        left = self.count(Verdict.UNCHECKED)
        counts = f"{hold} hold, {fail} do not hold, {left} could not be checked."
        lines = [f"### {title}", "", counts, ""]
        lines += ["| check | result | evidence |", "|---|---|---|"]
        for name in ASSUMPTIONS:
            verdict, evidence = self._found[name]
            evidence = evidence.replace("|", r"\|").replace("<", "&lt;")
            lines.append(f"| `{name}` | {verdict.value} | {evidence} |")
        return "\n".join(lines)
