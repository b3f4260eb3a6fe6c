"""Check the assumptions of image-steward about AWS on a real account.

Creates two images from a snapshot of an empty volume of 1 GiB, applies and undoes every step on one
of them, and cleans up. One image and its snapshot stay in the Recycle Bin for a day. Region and
credentials are from the environment (AWS_REGION, AWS_PROFILE, or REGION and PROFILE). Exit codes: 0
all assumptions that could be checked hold; 1 one does not hold, the run stopped early, or resources
remain outside the bin; 2 not confirmed or no access; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from datetime import UTC, datetime

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from account import Account
from assumptions import ASSUMPTIONS
from bin_checks import check_first_round, check_rules, check_second_round
from cleaning import Cleaner
from image_checks import (
    check_deprecation,
    check_disabling,
    check_fields,
    check_protection,
)
from listing_checks import check_listings, check_missing_ids
from reference_checks import check_references
from report import Report, Verdict
from resources import DAYS, KEY, Resources

PLAN = """\
This checks on account {account} in {region} what image-steward assumes about AWS.

It creates, each with the tag {key}={run}:
  a volume of 1 GiB (deleted at once), its snapshot, and two images of that snapshot;
  two SSM parameters and a launch template that name the image;
  two Recycle Bin retention rules of {days} day for resources with this tag.
It deprecates, shares with account {shared}, disables, protects, deregisters and
restores the image. Then it deletes everything. One image and its snapshot stay in the
Recycle Bin for {days} day, or longer if a rule of your own covers them.
It launches no instance and changes nothing else in the account. It costs less than
0.01 USD, and takes a few minutes, or up to 40 in a Region without retention rules.
Endpoint: {endpoint}
"""


def main() -> int:
    """Run all checks. Returns the exit code."""
    options = _options()
    if options.list:
        for name, claim in ASSUMPTIONS.items():
            print(f"{name}: {claim}")
        return 0
    try:
        account = Account(options.patience, options.interval)
    except (ClientError, BotoCoreError) as error:
        print(f"no access to an AWS account: {error}", file=sys.stderr)
        return 2
    made = Resources(account)
    shared = options.share_with or account.id
    print(
        PLAN.format(
            account=account.id,
            region=account.region,
            endpoint=account.endpoint,
            key=KEY,
            run=made.run,
            days=DAYS,
            shared=shared,
        ),
        flush=True,
    )
    if not _is_confirmed():
        print("not confirmed: nothing was created", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = Report(account.id)
    interrupted = stopped = False
    try:
        _check(account, report, made, options)
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted", file=sys.stderr)
    except (ClientError, BotoCoreError, TimeoutError) as error:
        stopped = True
        print(f"the run stopped early: {error}", file=sys.stderr)
    finally:
        # A second Ctrl-C must not stop the cleanup.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        print("cleaning up", file=sys.stderr)
        cleaner = Cleaner(made)
        cleaner.clean()
        outside, in_bin = cleaner.outside(), cleaner.in_bin()
        # The image was restored twice, so the rules moved it to the bin again.
        if report.has("bin-keeps-disabled"):
            text = f"{len(in_bin)} of 2 are in the bin"
            report.judge("bin-outlives-rules", len(in_bin) >= 2, text)
    account.judge_lists(report)
    account.judge_ends(report)
    report.complete()
    today = datetime.now(UTC).date()
    where = f"{today}, {account.region}, boto3 {boto3.__version__}"
    if "amazonaws." not in account.endpoint:
        where += f", at {account.endpoint}, which is not AWS"
    print(f"\n{report.markdown(where)}\n")
    print(f"Left in the Recycle Bin: {', '.join(in_bin) or 'nothing'}")
    print(f"Left outside the Recycle Bin: {', '.join(outside) or 'nothing'}")
    if interrupted:
        return 130
    return 1 if stopped or outside or report.count(Verdict.FAILS) else 0


def _check(
    account: Account, report: Report, made: Resources, options: argparse.Namespace
) -> None:
    check_listings(account, report)
    account.judge_lists(report)
    check_missing_ids(account, report)
    # First, because the first rule of a Region takes up to half an hour.
    ruled = False
    with report.checking("rule-status"):
        made.make_rules()
        ruled = True
    made.make_image()
    other = options.share_with
    check_fields(account, report, made)
    check_references(account, report, made)
    check_deprecation(account, report, made)
    check_disabling(account, report, made, other or account.id)
    check_protection(account, report, made)
    if ruled and check_rules(account, report, made, options.rule_patience):
        check_first_round(account, report, made, account.id, other)
        check_second_round(account, report, made)


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
        prog="verify-aws",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--list", action="store_true", help="print the checks and stop")
    add(
        "--share-with",
        metavar="ACCOUNT",
        help="share image and snapshot with this account for a few seconds",
    )
    seconds = {"type": float, "metavar": "SECONDS"}
    add("--patience", default=300, help="how long to wait for each state", **seconds)
    add("--interval", default=5, help="time between two polls", **seconds)
    text = "how long to wait for the retention rules"
    add("--rule-patience", default=2100, help=text, **seconds)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
