"""The scripts in docs/ci.md work as described. They run here in order, on a repository and the
local account.

Not tested are the actions of other publishers, and the `gh` command that writes comments.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from binaries import binary
from harness import DONE, KEYS, REGION, Account, steward_environment
from release import version
from test_workflows import PIPELINES, WORKFLOWS, jobs, read
from worlds import ami, image, image_of, policy, small_fleet

EXCEEDED = 5
OLD = policy(last=3)
NEW = policy(last=1)
# The values with which GitHub replaces expressions.
EXPRESSIONS = {"github.token": "a-token", "github.event.pull_request.number": "7"}
# The requirements of the page for a runner, as far as the scripts use them.
STAND_INS = {
    "sudo": '#!/bin/bash\nexec "${@/\\/usr\\/local\\/bin/$INSTALLED}"\n',
    "gh": '#!/bin/bash\nprintf "%s\\n" "$*" >> "$COMMENTS"\ncat plan.md >> "$COMMENTS"\n',
}


@dataclass(frozen=True)
class Runner:
    """A runner with a checkout of a repository."""

    account: Account
    directory: Path

    def path(self, name: str) -> Path:
        return self.directory.parent / name

    def run(
        self, script: str, shell: str, settings: Mapping[str, str | None]
    ) -> subprocess.CompletedProcess[str]:
        environment = steward_environment(self.account.url, settings)
        path = (self.path("installed"), self.path("stand-ins"), "/usr/bin", "/bin")
        environment |= {
            "PATH": os.pathsep.join(map(str, path)),
            "INSTALLED": str(self.path("installed")),
            "COMMENTS": str(self.path("comments")),
            "RUNNER_TEMP": str(self.directory.parent),
            "GITHUB_STEP_SUMMARY": str(self.path("summary")),
            "GITHUB_REPOSITORY": "acme/images",
        }
        return subprocess.run(
            [*shell.split(), "-c", script],
            env=environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def commit(self, text: str) -> str:
        """Commits this policy, with this commit message."""
        (self.directory / "policy.toml").write_text(text)
        who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        for command in (["add", "policy.toml"], [*who, "commit", "-qm", "policy"]):
            subprocess.run(["git", *command], cwd=self.directory, check=True)
        head = ["git", "rev-parse", "HEAD"]
        done = subprocess.run(
            head, cwd=self.directory, check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode().strip()


@pytest.fixture
def runner(account: Account, tmp_path: Path) -> Runner:
    directory = tmp_path / "checkout"
    for name in ("checkout", "installed", "stand-ins"):
        (tmp_path / name).mkdir()
    for name, text in STAND_INS.items():
        file = tmp_path / "stand-ins" / name
        file.write_text(text)
        file.chmod(0o755)
    subprocess.run(["git", "init", "-q"], cwd=directory, check=True)
    account.load(small_fleet(image(3, 30), image(4, 40)))
    return Runner(account, directory)


def variables(runner: Runner) -> dict[str, str]:
    """The variables of the repository: the location of the archive with the command."""
    # A wrapper of the command, which is large with its debug information.
    call = f'#!/bin/sh\nexec "{binary("image-steward")}" "$@"\n'
    runner.path("image-steward").write_text(call)
    runner.path("image-steward").chmod(0o755)
    archive = runner.path("archive.tar.gz")
    top = f"image-steward-{version()}-x86_64-linux"
    with tarfile.open(archive, "w:gz") as file:
        for name in ("README.md", "man/image-steward.1", "image-steward"):
            file.add(runner.path("image-steward"), f"{top}/{name}")
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    values = {"IMAGE_STEWARD_URL": archive.as_uri(), "IMAGE_STEWARD_SHA256": checksum}
    return EXPRESSIONS | {f"vars.{key}": value for key, value in values.items()}


def steps(
    runner: Runner, job: Mapping[str, Any], values: Mapping[str, str]
) -> dict[str, subprocess.CompletedProcess[str]]:
    """Runs the scripts of a CI job with GitHub's shell, until the first one fails."""
    done = {}
    for step in job["steps"]:
        if "run" not in step:
            continue
        given = step.get("env", {}).items()
        settings = {
            key: values[value.removeprefix("${{ ").removesuffix(" }}")]
            for key, value in given
        }
        one = runner.run(
            step["run"], "bash --noprofile --norc -e -o pipefail", settings
        )
        done[step["name"]] = one
        if one.returncode:
            break
    return done


def workflow(text: str) -> dict[str, dict[str, Any]]:
    """The CI jobs in the workflow that contains this text."""
    [found] = [one for one in WORKFLOWS if text in one.text]
    return jobs(found)


def expected(done: Mapping[str, subprocess.CompletedProcess[str]]) -> None:
    for name, one in done.items():
        assert one.returncode == DONE, (name, one.stdout, one.stderr)


def deprecated(account: Account) -> bool:
    return image_of(account.fleet(), ami(4)).get("deprecation_time") is not None


def test_a_pull_request(runner: Runner) -> None:
    runner.commit(OLD)
    runner.commit(NEW)
    review = workflow("pull_request:")
    done = steps(runner, review["plan"], values := variables(runner))
    expected(done)
    assert list(done) == [
        "Install image-steward",
        "Check the policy",
        "Plan",
        "Simulate",
    ]
    expected(steps(runner, review["comment"], values))
    plan = (runner.directory / "plan.md").read_text()
    # Kept by the old policy, but not by the new one.
    assert ami(4) in plan
    summary = runner.path("summary").read_text()
    assert summary.startswith(plan)
    assert (runner.directory / "simulation.txt").read_text() in summary
    comments = runner.path("comments").read_text()
    assert comments.startswith("pr comment 7 --repo acme/images --body-file plan.md")
    assert comments.endswith(plan)
    assert not deprecated(runner.account)


def test_a_first_policy_is_reviewed_too(runner: Runner) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b.example"]
        + ["commit", "-qm", "empty", "--allow-empty"],
        cwd=runner.directory,
        check=True,
    )
    runner.commit(NEW)
    done = steps(runner, workflow("pull_request:")["plan"], variables(runner))
    expected(done)
    assert "Plan" in done


def test_too_many_removals_fail_the_job_after_they_are_shown(runner: Runner) -> None:
    runner.account.load(
        small_fleet(*(image(number, 30 + number) for number in range(3, 40)))
    )
    runner.commit(OLD)
    runner.commit(NEW)
    for text in ("pull_request:", "schedule:"):
        runner.path("summary").unlink(missing_ok=True)
        done = steps(runner, workflow(text)["plan"], variables(runner))
        assert list(done)[-1] == "Plan"
        assert done["Plan"].returncode == EXCEEDED, done["Plan"].stderr
        assert ami(9) in runner.path("summary").read_text()


def test_another_archive_is_not_installed(runner: Runner) -> None:
    runner.commit(NEW)
    values = variables(runner) | {"vars.IMAGE_STEWARD_SHA256": "0" * 64}
    for job in (*workflow("pull_request:").values(), *workflow("schedule:").values()):
        done = steps(runner, job, values)
        if "Install image-steward" in done:
            assert list(done) == ["Install image-steward"]
            assert done["Install image-steward"].returncode
            assert not any(runner.path("installed").iterdir())


def test_what_was_approved_is_applied(runner: Runner) -> None:
    runner.commit(NEW)
    cleanup = workflow("schedule:")
    expected(steps(runner, cleanup["plan"], values := variables(runner)))
    assert not deprecated(runner.account)
    expected(steps(runner, cleanup["apply"], values))
    assert deprecated(runner.account)
    assert (runner.directory / "outcome.txt").read_text() in runner.path(
        "summary"
    ).read_text()


def gitlab_job(
    name: str, runner: Runner, base: str = ""
) -> subprocess.CompletedProcess[str]:
    """A GitLab job. Its credentials are a token, which the command exchanges itself."""
    [block] = PIPELINES
    shared = read(block)[".image-steward"]
    job = read(block)[name]
    values = {
        **shared["variables"],
        **job["variables"],
        "AWS_TOKEN": "a.b.c",
        # The real one belongs to the runner.
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(runner.path("token")),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/image-steward",
        "AWS_ROLE_SESSION_NAME": "gitlab-1",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
    }
    assert values["AWS_REGION"] == REGION
    without_keys: dict[str, str | None] = dict.fromkeys(KEYS)
    script = "\n".join([*shared["before_script"], *job["script"]])
    return runner.run(script, "sh -e", without_keys | values)


def test_the_pipeline_of_gitlab(runner: Runner) -> None:
    link = runner.path("installed") / "image-steward"
    link.symlink_to(binary("image-steward"))
    base = runner.commit(OLD)
    runner.commit(NEW)
    expected({"review": gitlab_job("review", runner, base)})
    assert ami(4) in (runner.directory / "plan.md").read_text()
    expected({"plan": gitlab_job("plan", runner)})
    assert not deprecated(runner.account)
    expected({"apply": gitlab_job("apply", runner)})
    assert deprecated(runner.account)
    assert runner.path("token").stat().st_mode & 0o077 == 0
