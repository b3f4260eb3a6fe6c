"""The existing image: fields, filters, deprecation, sharing, disabling, protection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from account import Account, failure, moment
from report import Report
from resources import KEY, Resources


def check_fields(account: Account, report: Report, made: Resources) -> None:
    """A new image, and filters that find it."""
    image = account.image(made.image)
    with report.checking("last-launched-absent", "protection-absent"):
        launched = image.get("LastLaunchedTime")
        text = f"LastLaunchedTime is {launched!r}" if launched else "absent or empty"
        report.judge("last-launched-absent", not launched, text)
        word = image.get("DeregistrationProtection")
        report.judge("protection-absent", word in (None, "disabled"), repr(word))
    with report.checking("filter-missing-id"):
        ids = [made.snapshot, "snap-00000000000000000"]
        only = [{"Name": "snapshot-id", "Values": ids}]
        found = account.ec2.describe_snapshots(OwnerIds=["self"], Filters=only)
        shown = [one["SnapshotId"] for one in found["Snapshots"]]
        report.judge("filter-missing-id", shown == ids[:1], f"{len(shown)} of 2 found")
    with report.checking("filter-literal"):
        _check_literal(account, report, made)
    with report.checking("empty-DescribeImageAttribute"):
        account.shared_with(made.image)
    with report.checking("empty-DescribeSnapshotAttribute"):
        permission = "createVolumePermission"
        describe = account.ec2.describe_snapshot_attribute
        describe(SnapshotId=made.snapshot, Attribute=permission)


def _check_literal(account: Account, report: Report, made: Resources) -> None:
    """Two tags. Read as a pattern, one value matches the other."""
    key = f"{KEY}:literal"
    values = {made.image: r"a*b?c\d", made.snapshot: r"a-b-c\d"}
    for resource, value in values.items():
        account.ec2.create_tags(
            Resources=[resource], Tags=[{"Key": key, "Value": value}]
        )

    def found(value: str) -> set[str]:
        filters = [
            {"Name": "key", "Values": [key]},
            {"Name": "resource-id", "Values": list(values)},
            {"Name": "value", "Values": [value]},
        ]
        shown = account.ec2.describe_tags(Filters=filters)["Tags"]
        return {one["ResourceId"] for one in shown}

    both = account.wait(lambda: found("a*") == set(values))
    if not both:
        report.unchecked("filter-literal", "the tags were not visible in time")
        return
    shown = found(r"a\*b\?c\\d")
    text = f"{len(shown)} of 2 tags match the escaped value"
    report.judge("filter-literal", shown == {made.image}, text)


def check_deprecation(account: Account, report: Report, made: Resources) -> None:
    """Times in the past, soon and later, and removing the deprecation."""
    ec2, image = account.ec2, made.image

    def deprecate(at: datetime) -> str:
        return failure(ec2.enable_image_deprecation, ImageId=image, DeprecateAt=at)

    def time() -> str | None:
        return account.image(image).get("DeprecationTime")

    now = datetime.now(UTC).replace(microsecond=0)
    with report.checking("deprecate-past"):
        code = deprecate(now - timedelta(days=1))
        report.judge("deprecate-past", bool(code), code or "accepted")
    with report.checking("deprecate-rounding"):
        asked = (now + timedelta(days=2)).replace(second=45)
        code = deprecate(asked)
        got = account.wait(time)
        off = abs(moment(got) - asked) if got else timedelta.max
        holds = bool(got) and off < timedelta(minutes=1) and not moment(got).second
        text = f"asked for {asked:%H:%M:%S}, got {got and moment(got):%H:%M:%S}"
        report.judge("deprecate-rounding", holds, code or text)
    with report.checking("cancel-deprecation", "cancel-deprecation-twice"):
        ec2.disable_image_deprecation(ImageId=image)
        gone = account.wait(lambda: not time())
        report.judge("cancel-deprecation", gone, "absent" if gone else "still there")
        code = failure(ec2.disable_image_deprecation, ImageId=image)
        report.judge("cancel-deprecation-twice", not code, code or "no error")
    with report.checking(
        "deprecate-soon",
        "deprecate-current-minute",
        "deprecate-again",
        "deprecated-listed",
    ):
        code = deprecate(datetime.now(UTC) + timedelta(seconds=60))
        report.judge("deprecate-soon", not code, code or "accepted")
        code = deprecate(datetime.now(UTC))
        report.judge("deprecate-current-minute", not code, code or "accepted")
        _check_deprecated(account, report, image)


def _check_deprecated(account: Account, report: Report, image: str) -> None:
    def is_over() -> bool:
        at = account.image(image).get("DeprecationTime")
        return bool(at) and moment(at) <= datetime.now(UTC)

    if not account.wait(is_over, min(account.patience, 120)):
        text = "its deprecation time did not pass in time"
        report.unchecked("deprecated-listed", text)
        report.unchecked("deprecate-again", text)
        return
    later = datetime.now(UTC) + timedelta(seconds=60)
    code = failure(
        account.ec2.enable_image_deprecation, ImageId=image, DeprecateAt=later
    )
    report.judge("deprecate-again", not code, code or "accepted")
    shown = account.images(image)
    text = f"{len(shown)} listed without IncludeDeprecated"
    report.judge("deprecated-listed", len(shown) == 1, text)


def share(account: Account, report: Report, image: str, with_account: str) -> bool:
    """Share the image, and check that this is shown."""
    added = {"Add": [{"UserId": with_account}]}
    account.ec2.modify_image_attribute(ImageId=image, LaunchPermission=added)

    def shown() -> bool:
        held: list[dict[str, Any]] = account.shared_with(image)
        return {"UserId": with_account} in held

    listed = account.wait(shown)
    report.judge("share-listed", listed, "listed" if listed else "not listed")
    return listed


def check_disabling(
    account: Account, report: Report, made: Resources, with_account: str
) -> None:
    """Disable the shared image, read it, and enable it again."""
    ec2, image = account.ec2, made.image
    shared = False
    with report.checking("share-listed"):
        shared = share(account, report, image, with_account)
    before = account.image(image).get("DeprecationTime")
    ec2.disable_image(ImageId=image)
    with report.checking("disable-hides", "disabled-state"):
        hidden = account.wait(lambda: not account.images(image))
        shown = account.image(image)
        holds = bool(hidden) and bool(shown)
        text = "hidden, and shown with IncludeDisabled" if holds else "shown"
        report.judge("disable-hides", holds, text)
        report.judge("disabled-state", shown["State"] == "disabled", shown["State"])
    disabled = account.image(image).get("DeprecationTime")
    later = datetime.now(UTC) + timedelta(seconds=120)
    code = failure(ec2.enable_image_deprecation, ImageId=image, DeprecateAt=later)
    report.judge("disabled-deprecate", not code, code or "accepted")
    deprecation = account.image(image).get("DeprecationTime")
    with report.checking("disable-unshares"):
        gone = account.wait(lambda: not account.shared_with(image))
        if shared:
            report.judge(
                "disable-unshares", gone, "none left" if gone else "still shared"
            )
        else:
            report.unchecked("disable-unshares", "the image could not be shared before")
    code = failure(ec2.disable_image, ImageId=image)
    report.judge("disable-twice", not code, code or "no error")
    added = {"Add": [{"UserId": with_account}]}
    code = failure(ec2.modify_image_attribute, ImageId=image, LaunchPermission=added)
    report.judge("disabled-not-shareable", bool(code), code or "accepted")
    code = failure(ec2.delete_snapshot, SnapshotId=made.snapshot)
    holds = code == "InvalidSnapshot.InUse"
    report.judge("disabled-pins-snapshot", holds, code or "deleted")
    ec2.enable_image(ImageId=image)
    account.wait(lambda: account.images(image))
    with report.checking("enable-unshared"):
        left = account.shared_with(image)
        if shared:
            report.judge("enable-unshared", not left, f"{len(left)} launch permissions")
        else:
            report.unchecked("enable-unshared", "the image could not be shared before")
    now = account.image(image).get("DeprecationTime")
    if before is None:
        text = "the image could not be deprecated before"
        report.unchecked("disable-keeps-deprecation", text)
    else:
        text = f"{before} and {disabled}, {deprecation} and {now}"
        holds = (before, deprecation) == (disabled, now)
        report.judge("disable-keeps-deprecation", holds, text)
    code = failure(ec2.enable_image, ImageId=image)
    report.judge("enable-twice", not code, code or "no error")


def check_protection(account: Account, report: Report, made: Resources) -> None:
    """Protect the image without a cooldown, try to deregister it, and remove the protection."""
    ec2, image = account.ec2, made.image
    names = ("protection-word", "protected-deregister", "protection-off")

    def word() -> str:
        return account.image(image).get("DeregistrationProtection", "")

    with report.checking(*names):
        ec2.enable_image_deregistration_protection(ImageId=image)
        wanted = "enabled-without-cooldown"
        account.wait(lambda: word() == wanted)
        if not report.judge("protection-word", word() == wanted, repr(word())):
            # Trying now could deregister it.
            report.unchecked(
                "protected-deregister", "the image is not shown as protected"
            )
        else:
            code = failure(ec2.deregister_image, ImageId=image)
            report.judge("protected-deregister", bool(code), code or "deregistered")
        ec2.disable_image_deregistration_protection(ImageId=image)
        account.wait(lambda: word() in ("", "disabled"))
        report.judge("protection-off", word() in ("", "disabled"), repr(word()))
