"""The contents of the fixture: one function for each situation in the cookbook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from make_fixture import World

ORGANIZATION = "arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5"
MARK = "image-steward:expired-at"
KEEP = "image-steward:keep"


def packer(world: World) -> None:
    """A pipeline creates web and api images every third day. The fleets use the second newest."""
    for family in ("api", "web"):
        made = []
        for number in range(12):
            age = 1 + 3 * number
            tags = {"Builder": "packer", "Family": family}
            # Images that were found expired some time ago.
            if number >= 9:
                tags[MARK] = world.at(20)
            name = f"packer-{family}-{world.day(age)}"
            made.append(world.image(name, age, tags=tags))
        world.refer(made[1], "launch_template", world.id("lt"), "7")
        world.refer(made[1], "instance", world.id("i"))
        world.refer(made[10], "instance", world.id("i"))


def image_builder(world: World) -> None:
    """Images of EC2 Image Builder, and images that a team builds from them."""
    for number in range(5):
        age = 7 * number + 2
        tags = {"CreatedBy": "EC2 Image Builder", "Ec2ImageBuilderArn": "arn:…"}
        world.image(f"baseline 1.0.{9 - number}", age, tags=tags)
    for number in range(6):
        age = 7 * number + 1
        world.image(f"baked-app-{world.day(age)}", age, tags={"Team": "app"})


def golden(world: World) -> None:
    """Images that are shared with the whole organization, whose accounts have launched them for
    months."""
    for number in range(10):
        age = 30 * number + 5
        launched = {0: 1, 1: 1, 2: 2, 3: 14, 4: 40, 5: 80}.get(number)
        more = {} if launched is None else {"last_launched_at": world.at(launched)}
        world.image(
            f"golden-al2023-{world.day(age)}",
            age,
            tags={"Family": "golden-al2023"},
            launch_permissions=[ORGANIZATION],
            **more,
        )


def eks(world: World) -> None:
    """Two versions of Kubernetes on two architectures. Node groups use old versions."""
    for version in ("1.33", "1.34"):
        for architecture in ("arm64", "x86_64"):
            made = [
                world.image(
                    f"eks-node-{version}-{architecture}-v{world.day(14 * n + 3)}",
                    14 * n + 3,
                    architecture=architecture,
                    tags={"KubernetesVersion": version},
                )
                for n in range(5)
            ]
            group = f"eks-{version}-{architecture}"
            world.refer(made[0], "launch_template", world.id("lt"), "12")
            if version == "1.33":
                world.refer(made[3], "auto_scaling_group", group)


def blue_green(world: World) -> None:
    """Every release is an image. Blue is in use, green is for rollbacks."""
    for number in range(14):
        age = 4 * number + 1
        colour = "blue" if number % 2 == 0 else "green"
        tags = {"App": "shop", "Color": colour}
        made = world.image(f"shop-{214 - number}", age, tags=tags)
        if number == 0:
            world.refer(made, "auto_scaling_group", "shop-blue")


def pull_requests(world: World) -> None:
    """Some branches are open and get commits, others were merged long ago."""
    for request, ages in {
        "412": (0.2, 1, 2),
        "409": (2, 2.5, 6),
        "398": (12, 13),
        "377": (40, 41, 41.5),
    }.items():
        for number, age in enumerate(ages):
            name = f"pr-{request}-{len(ages) - number}"
            made = world.image(name, age, gib=8, tags={"PullRequest": request})
            if name == "pr-377-3":
                world.refer(made, "instance", world.id("i"))


def copies(world: World) -> None:
    """This Region has copies of another Region's images, including their state tags."""
    for number in range(9):
        age = 7 * number + 3
        tags = {"Family": "billing", "CopiedFrom": "eu-west-1"}
        if number >= 6:
            # Copies with all tags of an original that had been found expired.
            tags[MARK] = world.at(age + 10)
        name = f"dr-billing-{world.day(age)}"
        made = world.image(name, age, tags=tags, source_image=world.id("ami"))
        if number == 0:
            world.refer(made, "launch_template", world.id("lt"), "3")


def nightly(world: World) -> None:
    """A function creates an image from two instances every night. AWS Backup does for a third."""
    for host, nights in (("erp-1", 60), ("mail-1", 24)):
        for night in range(nights):
            age = night + 0.4
            name = f"nightly-{host}-{world.day(age)}"
            world.image(name, age, gib=200, tags={"Host": host, "Backup": "lambda"})
    for night in range(4):
        age = night + 0.3
        tags = {"aws:backup:source-resource": "i-0aaaaaaaaaaaaaaaa", "Host": "files-1"}
        world.image(f"AwsBackup_files-1_{night}", age, gib=500, tags=tags)


def platforms(world: World) -> None:
    """One family for both operating systems. Windows is patched monthly."""
    for number in range(6):
        age = 15 * number + 2
        tags = {"Family": "corp-base"}
        world.image(f"corp-base-linux-{world.day(age)}", age, tags=tags)
    for number in range(4):
        age = 30 * number + 9
        world.image(
            f"corp-base-windows-{world.day(age)}",
            age,
            gib=60,
            tags={"Family": "corp-base"},
            platform="Windows",
        )


def compliance(world: World) -> None:
    """A release every ten days for a year. Auditors need one a month."""
    for number in range(36):
        age = 10 * number + 4
        tags = {"System": "ledger"}
        world.image(f"ledger-{world.day(age)}", age, gib=30, tags=tags)


def templates(world: World) -> None:
    """A launch template with versions of several years. The Auto Scaling group uses an old version."""
    template = world.id("lt")
    for number in range(9):
        age = 40 * number + 6
        made = world.image(f"fleet-{30 - number}", age, tags={"Family": "fleet"})
        version = str(30 - number)
        if number == 0:
            world.refer(made, "launch_template", template, version)
        elif number == 3:
            world.refer(made, "auto_scaling_group", "fleet")
        elif number in (5, 6):
            world.refer(made, "launch_template", template, version, stale=True)


def batch(world: World) -> None:
    """Images of ECS hosts and of AWS Batch. A compute environment uses an older one."""
    for number in range(7):
        age = 10 * number + 2
        tags = {"Family": "batch-gpu"}
        made = world.image(f"batch-gpu-{world.day(age)}", age, gib=100, tags=tags)
        if number == 4:
            world.refer(made, "compute_environment", "render-night")
    for number in range(5):
        age = 10 * number + 4
        made = world.image(
            f"ecs-host-{world.day(age)}", age, tags={"Family": "ecs-host"}
        )
        if number == 1:
            world.refer(made, "auto_scaling_group", "ecs-capacity")


def runners(world: World) -> None:
    """Images of CI runners: large, weekly, and not needed after the next one exists."""
    for number in range(8):
        age = 7 * number + 1
        more = {"last_launched_at": world.at(1 if number < 2 else 7 * number - 6)}
        world.image(f"gha-runner-ubuntu-24.04-{world.day(age)}", age, gib=150, **more)


def teams(world: World) -> None:
    """Teams in one account. Some exclude images, and one does not tag its images."""
    for team in ("search", "ads"):
        for number in range(6):
            age = 20 * number + 3
            tags = {"Team": team, "Family": f"{team}-service"}
            if team == "ads" and number == 4:
                tags[KEEP] = "2027-01-31"
            if team == "search" and number == 5:
                tags[KEEP] = "ask Maria"
            world.image(f"team-{team}-{world.day(age)}", age, tags=tags)
    for number in range(3):
        age = 50 * number + 9
        tags = {"Team": "labs"}
        world.image(f"team-labs-{world.day(age)}", age, tags=tags)


def orphans(world: World) -> None:
    """Snapshots that other tools did not delete, copies of some, and backups of volumes."""
    gone = [world.id("ami") for _ in range(9)]
    for number, image in enumerate(gone):
        text = f"Created by CreateImage({world.id('i')}) for {image}"
        world.snapshot(300 + 30 * number, 30, description=text)
    world.recycled.append(gone[0])
    copy = f"Created by CreateImage({world.id('i')}) for {gone[8]}"
    world.snapshot(200, 30, description=copy, volume_id="vol-ffffffff")
    world.snapshot(500, 30, description=copy, tags={KEEP: ""})
    for number in range(4):
        world.snapshot(90 + number, 100, description="before the migration")


def legacy(world: World) -> None:
    """Years of images that match no rule by name. A few are still in use."""
    for number in range(30):
        age = 400 + 25 * number
        made = world.image(f"{('app', 'old', 'test')[number % 3]}_{number:02}", age)
        if number in (3, 17):
            world.refer(made, "instance", world.id("i"))
        if number == 5:
            made["protected"] = True


def parameters(world: World) -> None:
    """An SSM parameter contains the image that is launched."""
    for number in range(6):
        age = 9 * number + 2
        tags = {"Family": "portal"}
        made = world.image(f"portal-{world.day(age)}", age, tags=tags)
        if number in (0, 2):
            world.refer(
                made, "ssm_parameter", f"portal/{('live', '', 'stable')[number]}"
            )


def strangers(world: World) -> None:
    """Images in states that exclude them from steps, and a failed one."""
    world.image("packer-web-pending", 0.01, state="pending", tags={"Family": "web"})
    world.image("packer-web-failed", 3, state="failed", tags={"Family": "web"})
    world.image("vendor-appliance-7", 900, owner_id="999988887777")


SITUATIONS: tuple[Callable[[World], None], ...] = (
    packer,
    image_builder,
    golden,
    eks,
    blue_green,
    pull_requests,
    copies,
    nightly,
    platforms,
    compliance,
    templates,
    batch,
    runners,
    teams,
    orphans,
    legacy,
    parameters,
    strangers,
)
