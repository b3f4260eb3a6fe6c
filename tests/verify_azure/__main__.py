"""Check image-steward's assumptions about Azure on a real subscription.

The program creates a resource group with an empty disk of 1 GiB, its snapshot, a managed image, and a
gallery with one image version. It applies every step to the version, undoes the steps, and deletes
everything. The credentials are those of the Azure CLI (`az login`). The subscription and the location
are SUBSCRIPTION and LOCATION.

Exit codes:
  0    every assumption that could be checked holds (answers to questions do not count)
  1    an assumption does not hold, the run stopped early, or a resource is left
  2    not confirmed, or no access
  130  interrupted
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from datetime import UTC, datetime

from arm_client import PUBLIC, Arm, ArmFailure
from azure_assumptions import ASSUMPTIONS, NOT_CHECKED
from azure_report import Report, Verdict
from deletion_checks import check_image_deletion, check_soft_delete
from made_resources import KEY, MadeResources
from reading_checks import (
    check_actions,
    check_gallery,
    check_missing,
    check_reads,
    check_sources,
)
from version_checks import (
    check_creation,
    check_other_updates,
    check_protection,
    check_tags,
    check_updates,
)

PLAN = """\
This program checks assumptions about Azure on subscription {subscription}
({name}) in {location}.

It creates the resource group {group} with:
  - an empty disk of 1 GiB, a snapshot of it, and a managed image of the snapshot
  - a gallery with soft delete, an image definition, and an image version
It tags, updates, excludes, locks, deletes and restores the version. Then it deletes
the resource group with everything in it. All resources have the tag
{key}={run}.
It starts no virtual machine and changes nothing else in the subscription. It costs less
than 0.05 USD. It takes up to 40 minutes, because Azure takes minutes for each change of
a version.
Endpoint: {endpoint}
"""


def main() -> int:
    """Run all checks, clean up, print the results, and return the exit code."""
    options = _options()
    if options.list:
        for name, claim in ASSUMPTIONS.items():
            print(f"{name}: {claim}")
        _print_open()
        return 0
    subscription = os.environ.get("SUBSCRIPTION", "")
    location = os.environ.get("LOCATION", "")
    if not subscription or not location:
        print("set SUBSCRIPTION=ID and LOCATION=NAME", file=sys.stderr)
        return 2
    try:
        arm = Arm(subscription, options.endpoint, options.patience, options.interval)
        name = arm.get(arm.scope)["displayName"]
    except ArmFailure as error:
        print(f"cannot access the subscription: {error}", file=sys.stderr)
        return 2
    made = MadeResources(arm, location)
    print(
        PLAN.format(
            subscription=subscription,
            name=name,
            location=location,
            group=made.name,
            key=KEY,
            run=made.run,
            endpoint=arm.endpoint,
        ),
        flush=True,
    )
    if not _is_confirmed():
        print("not confirmed; nothing was created", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = Report(subscription)
    interrupted = stopped = False
    try:
        _check(arm, report, made)
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted", file=sys.stderr)
    except (ArmFailure, TimeoutError) as error:
        stopped = True
        print(f"the run stopped early: {error}", file=sys.stderr)
    finally:
        # A second Ctrl-C must not stop the cleanup.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        print("cleaning up ...", file=sys.stderr)
        made.clean()
        left = made.left()
    report.complete()
    where = f"{datetime.now(UTC).date()}, {location}"
    if arm.endpoint != PUBLIC:
        where += f", {arm.endpoint}"
    print(f"\n{report.markdown(where)}\n")
    _print_open()
    print(f"\nLeft in the subscription: {', '.join(left) or 'nothing'}")
    if interrupted:
        return 130
    return 1 if stopped or left or report.count(Verdict.FAILS) else 0


def _check(arm: Arm, report: Report, made: MadeResources) -> None:
    check_actions(arm, report)
    check_reads(arm, report)
    made.create_group()
    made.create_sources()
    check_sources(arm, report, made)
    made.create_gallery()
    check_gallery(arm, report, made)
    check_missing(arm, report, made)
    check_creation(arm, report, made)
    check_tags(arm, report, made)
    check_updates(arm, report, made)
    check_other_updates(arm, report, made)
    check_protection(arm, report, made)
    check_soft_delete(arm, report, made)
    check_image_deletion(arm, report, made)


def _print_open() -> None:
    print("\nNot checked by this program:")
    for text in NOT_CHECKED:
        print(f"- {' '.join(text.split())}")


def _is_confirmed() -> bool:
    if os.environ.get("YES") == "1":
        return True
    try:
        return input("Continue? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        print()
        return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="verify-azure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--list", action="store_true", help="print the checks and stop")
    add("--endpoint", metavar="URL", default=PUBLIC, help="of Azure Resource Manager")
    seconds = {"type": float, "metavar": "SECONDS"}
    text = "how long to wait for each change"
    add("--patience", default=1800, help=text, **seconds)
    add("--interval", default=10, help="time between two polls", **seconds)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
