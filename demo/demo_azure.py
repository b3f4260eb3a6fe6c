"""Runs image-steward on a local Azure subscription: plans, retires, restores, and checks the result.

`make demo-azure` builds everything and runs this. The exit code is 1 if a check fails. All processes
that it starts are stopped in any case.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/e2e"))

from checks import Check
from demo import counts, say
from local_azure import Subscription, azure_steward
from make_subscription import make_subscription
from outcomes import resources, taken, with_result
from process import exit_when_killed
from subscription_checks import World, check, check_restored, look, state

POLICY = HERE / "azure_policy.toml"
TARGET = HERE.parent / "target"
REPORT = TARGET / "demo-azure-report.html"
FINAL = TARGET / "demo-azure-final.toml"
"""The same policy, but it also deletes what Azure cannot restore."""
FAMILIES = (
    "golden/base/",
    "golden/base-arm64/",
    "golden/web/",
    "vendor/appliance/",
    "agent-",
)
WEEKS = ("first", "second", "third")


def main() -> int:
    """Return 0 if all checks pass."""
    exit_when_killed()
    with ExitStack() as running:
        say("1. A local Azure subscription with a year of images")
        account = running.enter_context(Subscription())
        account.load(**make_subscription(datetime.now(UTC)))
        # Whether tags survive soft delete is not documented. Without them, `restore` reports what it
        # leaves.
        account.switch(restored_tags="kept")
        print(f"It listens on {account.url}. No data leaves this computer.\n")
        before = look(account)
        print(families(before))
        results = [plan(account)]
        stages, restorable = retire(account)
        say("4. The same policy again")
        results.append(run_again(account))
        say('5. Managed images cannot be restored. With recycle_bin = "optional":')
        stages += delete_finally(account)
        say("6. The subscription after all runs")
        after = look(account)
        print(families(after))
        kept = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
        say("7. One of the deleted versions is needed: image-steward restore")
        print(run(account, "restore", restorable, "--keep-until", kept), end="")
        say("8. Checks, which read the subscription and not the output above")
        results += check(before, stages, after)
        results.append(check_restored(after, look(account), restorable, kept))
    for result in results:
        print(result)
    failed = sum(bool(result.wrong) for result in results)
    print(f"\n{len(results) - failed} of {len(results)} checks passed.")
    return 1 if failed else 0


def plan(account: Subscription) -> Check:
    """Print the commands that an operator would run first. They change nothing."""
    say("2. image-steward plan --subscription ID")
    before = account.resources()
    account.forget_calls()
    print(run(account, "plan", "--policy", str(POLICY)), end="")
    print("\nThe decision for one version in detail (explain):\n")
    latest = "golden/web/1.0.15"
    print(run(account, "explain", latest, "--policy", str(POLICY)), end="")
    TARGET.mkdir(exist_ok=True)
    run(account, "report", "--policy", str(POLICY), "--out", str(REPORT))
    print(f"\nThe plan as an HTML report: {REPORT.relative_to(HERE.parent)}")
    changes = account.changes()
    wrong = changes + ([] if account.resources() == before else ["the subscription"])
    figures = f"{len(account.calls())} calls, {len(changes)} of them with changes"
    return Check("planning changes nothing", figures, wrong)


def retire(account: Subscription) -> tuple[list[World], str]:
    """Apply the policy for versions in three weeks. Returns the states, and a deleted version."""
    say("3. image-steward apply, once a week (the demo moves all dates back)")
    stages, deleted = [], []
    for week in WEEKS:
        outcome = apply(account, POLICY)
        print(f"{week} week: {counts(outcome)}")
        deleted += taken(outcome, "deregister")
        stages.append(look(account))
        account.let_pass(days=7)
    return stages, next(one for one in sorted(deleted) if "/base/" in one)


def run_again(account: Subscription) -> Check:
    """Apply the policy once more, which must change nothing."""
    account.forget_calls()
    before = account.resources()
    outcome = apply(account, POLICY)
    print(counts(outcome))
    wrong = resources(with_result(outcome, "done")) + account.changes()
    wrong += ["the subscription"] if account.resources() != before else []
    figures = f"{len(before)} resources before and after"
    return Check("a second run changes nothing", figures, wrong)


def delete_finally(account: Subscription) -> list[World]:
    """Delete managed images and orphans, which cannot be restored. Returns the states."""
    required, optional = (f'recycle_bin = "{one}"' for one in ("required", "optional"))
    FINAL.write_text(POLICY.read_text().replace(required, optional))
    stages = []
    for when, days in (("at once", 0), ("a week later", 7)):
        account.let_pass(days=days)
        print(f"{when}: {counts(apply(account, FINAL))}")
        stages.append(look(account))
    return stages


def apply(account: Subscription, policy: Path) -> dict[str, Any]:
    """Apply a policy. Returns the steps of images and snapshots."""
    text = run(account, "apply", "--yes", "--policy", str(policy), "--format", "json")
    found = json.loads(text)
    steps = found["images"]["steps"] + found["snapshots"]["outcome"]["steps"]
    return {"steps": steps}


def run(account: Subscription, command: str, *arguments: str) -> str:
    """Run the command and return its standard output."""
    done = azure_steward(account, command, *arguments)
    if done.returncode:
        words = " ".join((command, *arguments))
        sys.exit(f"image-steward {words}: {done.returncode}: {done.stderr}")
    return done.stdout


def families(world: World) -> str:
    """A table with the images of each family."""
    title = (
        f"{'FAMILY':18} {'IMAGES':>6} {'IN USE':>7} {'END OF LIFE':>12} {'EXCLUDED':>9}"
    )
    lines = [title]
    for family in FAMILIES:
        names = {one: "/".join(one.split("/")[8::2]) for one in world.images}
        members = [one for one, name in names.items() if name.startswith(family)]
        states = [state(world.images[one]) for one in members]
        used = len(world.in_use.intersection(members))
        lines.append(
            f"{family.rstrip('/-'):18} {len(members):6} {used:7} "
            f"{states.count('expired') + states.count('excluded'):12} "
            f"{states.count('excluded'):9}"
        )
    lines.append(
        f"Snapshots and disks: {len(world.sources)}. "
        f"Versions in soft delete: {len(world.soft_deleted)}."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
