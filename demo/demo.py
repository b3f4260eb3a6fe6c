"""Runs image-steward on a local AWS account: tags, plans, removes, restores, and checks the result.

`make demo` builds everything and runs this. The exit code is 1 if a check fails. All processes that it
starts are stopped in any case.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/e2e"))

from checks import DELETE_AFTER, Check, World, check, check_restored, look
from events import image_event, scheduled_event
from harness import FUNCTIONS, Account, Runtime, image_steward
from make_fleet import BUILDER, make_fleet
from outcomes import resources, taken, with_result
from process import exit_when_killed

POLICY = HERE / "policy.toml"
REPORT = HERE.parent / "target/demo-report.html"
FAMILIES = ("golden-x86_64", "golden-arm64", "web-nightly", "ci-runner", "legacy-batch")
COPIED = {"ManagedBy": "image-steward", "Team": "web", "CostCenter": "4711"}
# Longer than `delete_snapshots_after` in policy.toml, and longer than `delete_after` in its [orphans].
AN_HOUR = timedelta(hours=1, minutes=1)
A_DAY = timedelta(days=1, minutes=1)
# The words for a completed step, and for the result of a skipped one.
WORDS = {
    "rescue": "rescued",
    "expire": "expired",
    "deprecate": "deprecated",
    "disable": "disabled",
    "deregister": "deregistered",
    "mark_orphan": "tagged for deletion",
    "delete_snapshot": "deleted",
    "tag": "tagged",
    "in_use": "still in use",
    "not_reached": "not reached",
}


def main() -> int:
    """Return 0 if all checks pass."""
    exit_when_killed()
    with ExitStack() as running:
        say("1. A local AWS account with two years of images")
        account = running.enter_context(Account(make_fleet(datetime.now(UTC))))
        runtime = running.enter_context(Runtime(account))
        print(f"It listens on {account.url}. No data leaves this computer.\n")
        new = make_image(account)
        before = look(account)
        print(families(before))
        results = [tag(account, runtime, new)]
        decisions = plan(account)
        planned = {i for i, one in decisions.items() if one["action"] == "deregister"}
        results.append(plan_only(account, runtime))
        nightly = next(i for i in planned if decisions[i]["rule"] == "web")
        prune(account, runtime, before, stuck=decisions[nightly]["snapshots"][0])
        say("6. A day later (the demo moves the dates back again): reap-snapshots")
        let_pass(A_DAY, account, before)
        between = look(account)
        reap_orphans(runtime)
        results.append(sweep_again(account, runtime))
        say("8. The account after all runs")
        after = look(account)
        print(families(after))
        golden = min(i for i in planned if decisions[i]["rule"] == "golden")
        kept = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
        restore(account, golden, kept)
        say("10. Checks, which read the account with boto3 and not the output above")
        results += check(before, between, after)
        results.append(check_restored(after, look(account), golden, kept))
    for result in results:
        print(result)
    failed = sum(bool(result.wrong) for result in results)
    print(f"\n{len(results) - failed} of {len(results)} checks passed.")
    return 1 if failed else 0


def make_image(account: Account) -> str:
    """Create an image from a running instance, like a build pipeline."""
    ec2 = account.client("ec2")
    name = f"web-nightly-{datetime.now(UTC):%Y%m%d}"
    return ec2.create_image(InstanceId=BUILDER, Name=name)["ImageId"]


def tag(account: Account, runtime: Runtime, new: str) -> Check:
    """Send the event of the new image twice, because EventBridge delivers at least once."""
    say("2. A new image: the function tag-image receives its event, twice")
    start(runtime, "apply")
    event = image_event(new, "available")
    runtime.invoke("tag-image", event)
    once = account.fleet()
    again = runtime.invoke("tag-image", event)
    image = next(one for one in once["images"] if one["image_id"] == new)
    tagged = {new: image["tags"]} | {
        one["snapshot_id"]: one["tags"]
        for one in once["snapshots"]
        if one["snapshot_id"] in image["snapshots"]
    }
    for resource, tags in tagged.items():
        print(f"{resource}  {', '.join(f'{k}={v}' for k, v in sorted(tags.items()))}")
    print(f"The second event tagged {len(again['tagged'])} resources.")
    wrong = [one for one, tags in tagged.items() if not COPIED.items() <= tags.items()]
    if account.fleet() != once:
        wrong.append("the second event changed something")
    figures = f"{len(tagged)} resources have the tags of the source instance"
    return Check("new image tagged once", figures, wrong)


def plan(account: Account) -> dict[str, dict[str, Any]]:
    """Print the commands that an operator would run first. Returns the decision for each image."""
    say("3. image-steward plan")
    arguments = ("plan", "--policy", str(POLICY))
    print(run(account, *arguments), end="")
    planned = json.loads(run(account, *arguments, "--format", "json"))
    print("\nReferences that are probably unused (stale):")
    print(run(account, "stale", *arguments[1:]), end="")
    wanted = next(one for one in planned["decisions"] if one["action"] == "rescue")
    print("\nThe decision for one image in detail (explain):\n")
    print(run(account, "explain", wanted["image_id"], *arguments[1:]), end="")
    REPORT.parent.mkdir(exist_ok=True)
    run(account, "report", *arguments[1:], "--out", str(REPORT))
    print(f"\nThe plan as an HTML report: {REPORT.relative_to(HERE.parent)}")
    return {one["image_id"]: one for one in planned["decisions"]}


def plan_only(account: Account, runtime: Runtime) -> Check:
    """Run prune-images without a mode. The default mode changes nothing."""
    say("4. The scheduled function prune-images, in plan mode")
    start(runtime, None)
    before = account.fleet()
    account.forget_calls()
    answer = runtime.invoke("prune-images", scheduled_event())
    summary = answer["summary"]
    print(
        f"It would deprecate {summary['deprecate']} images, disable {summary['disable']}, rescue "
        f"{summary['rescue']}, and deregister {summary['deregister']} with "
        f"{summary['snapshots']} snapshots."
    )
    calls = account.mutating_calls()
    wrong = calls + ([] if account.fleet() == before else ["the account"])
    figures = f"{len(account.calls())} calls, {len(calls)} of them with changes"
    return Check("plan mode changes nothing", figures, wrong)


def prune(account: Account, runtime: Runtime, before: World, stuck: str) -> None:
    """Run both functions in apply mode, while AWS does not delete every snapshot immediately.

    One in four is still in use for a moment after its image was deregistered, and the call that
    deletes `stuck` fails for it.
    """
    say("5. prune-images and reap-snapshots, in apply mode")
    start(runtime, "apply")
    account.switch(
        snapshot_race={"every": 4, "times": 1},
        associated_result={stuck: "internal-error"},
    )
    answer = runtime.invoke("prune-images", scheduled_event())
    outcome = answer["outcome"]
    print(f"prune-images: {counts(outcome)}")
    deregistered = taken(outcome, "deregister")
    deleted = kept = 0
    for image in deregistered:
        reaped = runtime.invoke("reap-snapshots", image_event(image, "deregistered"))
        deleted += len(taken(reaped["outcome"], "delete_snapshot"))
        kept += len(reaped["kept"])
    print(
        f"reap-snapshots, for {len(deregistered)} events: {deleted} snapshots deleted, "
        f"{kept} kept, because they are not due or another image needs them"
    )
    let_pass(AN_HOUR, account, before)
    print(
        "An hour later (the demo moves the dates in the tags and in the Recycle Bin back):"
    )
    for sweep in ("first", "second"):
        reaped = runtime.invoke("reap-snapshots", scheduled_event())
        print(f"reap-snapshots, {sweep} sweep: {counts(reaped['outcome'])}")


def let_pass(time: timedelta, account: Account, before: World) -> None:
    """Move the dates back, in the Recycle Bin and in the tags of snapshots tagged since `before`."""
    known = {i for i, one in before.snapshots.items() if DELETE_AFTER in str(one)}
    account.set_back(DELETE_AFTER, time, known)


def reap_orphans(runtime: Runtime) -> None:
    """Run reap-snapshots again, which deletes the snapshots that the earlier run tagged."""
    reaped = runtime.invoke("reap-snapshots", scheduled_event())
    print(f"reap-snapshots: {counts(reaped['outcome'])}")


def restore(account: Account, image: str, kept: str) -> None:
    """Restore one of the removed images."""
    say("9. One of the removed images is needed: image-steward restore")
    print(run(account, "restore", image, "--keep-until", kept), end="")


def sweep_again(account: Account, runtime: Runtime) -> Check:
    """Run both functions again, which must change nothing."""
    say("7. Both functions again")
    before = account.fleet()
    wrong = []
    for name in ("prune-images", "reap-snapshots"):
        outcome = runtime.invoke(name, scheduled_event())["outcome"]
        print(f"{name}: {counts(outcome)}")
        wrong += resources(with_result(outcome, "done"))
    wrong += ["the account"] if account.fleet() != before else []
    figures = f"{len(before['images'])} images before and after"
    return Check("a second run changes nothing", figures, wrong)


def start(runtime: Runtime, mode: str | None) -> None:
    """Start the functions with the settings of a deployment."""
    for name in FUNCTIONS:
        runtime.start(name, STEWARD_MODE=mode, STEWARD_POLICY=f"file:{POLICY}")


def run(account: Account, *arguments: str) -> str:
    """Run the command and return its standard output."""
    done = image_steward(account, *arguments)
    if done.returncode:
        sys.exit(
            f"image-steward {' '.join(arguments)}: {done.returncode}: {done.stderr}"
        )
    return done.stdout


def counts(outcome: dict[str, Any]) -> str:
    """The number of steps by result, on one line."""
    kinds = Counter(
        one["step"] if one["result"] == "done" else one["result"]
        for one in outcome["steps"]
    )
    parts = [f"{count} {WORDS.get(kind, kind)}" for kind, count in kinds.items()]
    return ", ".join(parts) or "nothing to do"


def families(world: World) -> str:
    """A table with the images of each family."""
    lines = [
        f"{'FAMILY':14} {'IMAGES':>6} {'IN USE':>7} {'DEPRECATED':>11} {'DISABLED':>9} {'NEWEST':>11} {'OLDEST':>11}"
    ]
    rest = dict(world.images)
    for family in (*FAMILIES, ""):
        members = {i: one for i, one in rest.items() if one["Name"].startswith(family)}
        rest = {i: one for i, one in rest.items() if i not in members}
        dates = sorted(one["CreationDate"][:10] for one in members.values()) or ["", ""]
        deprecated = sum("DeprecationTime" in one for one in members.values())
        disabled = sum(one["State"] == "disabled" for one in members.values())
        used = len(members.keys() & world.in_use)
        lines.append(
            f"{family or 'others':14} {len(members):6} {used:7} {deprecated:11} {disabled:9} {dates[-1]:>11} {dates[0]:>11}"
        )
    sizes = [one["VolumeSize"] for one in world.snapshots.values()]
    lines.append(f"{len(sizes)} snapshots of {sum(sizes)} GiB.")
    if world.recycled:
        lines.append(f"Resources in the Recycle Bin: {len(world.recycled)}.")
    return "\n".join(lines)


def say(title: str) -> None:
    """Print a heading."""
    print(f"\n== {title}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
