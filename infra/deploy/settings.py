"""What is to be deployed, and where: from the command line and the environment."""

from __future__ import annotations

import argparse
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/policy.toml"
MODES = ("plan", "apply")


class Stop(Exception):
    """Deploying cannot go on; the argument is one line with the remedy."""


@dataclass(frozen=True)
class Settings:
    """The settings of one run. None: as it is deployed already, or the default."""

    command: str
    stack: str
    region: str | None
    mode: str | None
    policy: Path | None
    parameters: dict[str, str]
    function_env: dict[str, str]
    binaries: Path
    steward: Path
    is_sure: bool


def from_command_line() -> Settings:
    """Read the settings; every option can be set by a variable of its name too."""
    parser = argparse.ArgumentParser(prog="deploy", description=__doc__)
    parser.add_argument("command", choices=("check", "deploy", "diff", "destroy"))
    add, var = parser.add_argument, os.environ.get
    add("--stack", default=var("STACK") or "image-steward")
    add("--region", default=var("REGION") or None)
    add("--mode", default=var("MODE") or None, help="plan (the default) or apply")
    add("--policy", default=var("POLICY") or None, help="the policy's file")
    add(
        "--parameters",
        default=var("PARAMETERS", ""),
        help="\"Key='a value' …\", of infra/",
    )
    add("--function-env", default=var("FUNCTION_ENV", ""), help='"KEY=VALUE …"')
    add("--binaries", type=Path, required=True, help="where cargo lambda puts them")
    add("--steward", type=Path, required=True, help="the command image-steward")
    add("--yes", action="store_true", default=var("YES") in ("1", "yes", "true"))
    given = parser.parse_args()
    if given.mode not in (None, *MODES):
        raise Stop(f"MODE is `{given.mode}`; write MODE=plan or MODE=apply")
    policy = Path(given.policy) if given.policy else None
    if policy is not None and not policy.is_file():
        raise Stop(f"there is no policy {policy}; write POLICY=FILE")
    return Settings(
        command=given.command,
        stack=given.stack,
        region=given.region,
        mode=given.mode,
        policy=policy,
        parameters=_pairs("PARAMETERS", given.parameters),
        function_env=_variables(given.function_env),
        binaries=given.binaries,
        steward=given.steward,
        is_sure=given.yes,
    )


def _variables(text: str) -> dict[str, str]:
    """As cargo-lambda takes them: a comma would begin the next one."""
    pairs = _pairs("FUNCTION_ENV", text)
    for key, value in pairs.items():
        if not value or "," in value:
            raise Stop(
                f"FUNCTION_ENV: the value of {key} is empty, or has a comma in it"
            )
    return pairs


def _pairs(name: str, text: str) -> dict[str, str]:
    pairs = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Stop(f"{name}: {error} in `{text}`") from None
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise Stop(f'{name}: `{word}` is no KEY=VALUE; write {name}="KEY=VALUE …"')
        pairs[key] = value
    return pairs
