"""Deploys infra/image-steward.yaml with the functions' archives, compares it, and deletes it.

`make deploy`, `make diff` and `make destroy` run it and set the variables that it reads. It checks what
CloudFormation reports late or not at all, uploads the archives, and runs `aws cloudformation deploy`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

FUNCTIONS = ("prune-images", "reap-snapshots", "retire-instance", "tag-image")
OURS = {"NamePrefix", "CodeBucket", "CodeBucketPerRegion", "CodePrefix", "Architecture"}
ARCHES = {62: "x86_64", 183: "arm64"}  # EM_X86_64, EM_AARCH64 of ELF
LEVELS = {"off": 0, "on": 1, "stop": 1, "terminate": 2}
env = os.environ.get


class Stop(Exception):
    """The task failed. The argument is one line: the failure, its cause and the remedy."""


class Stack:
    """One stack in one account and Region, and its template."""

    def __init__(self) -> None:
        self.name = env("STACK") or "image-steward"
        file = env("TEMPLATE") or Path(__file__).with_name("image-steward.yaml")
        self.template = Path(file).read_text()
        head = self.template.partition("\nRules:")[0]
        self.parameters = set(re.findall(r"^  (\w+):$", head, re.MULTILINE))
        # All SDKs read AWS_REGION, except boto3.
        self.session = boto3.Session(region_name=env("REGION") or env("AWS_REGION"))
        self.region = self.session.region_name
        if not self.region:
            raise Stop("no Region; pass REGION=…, or set AWS_REGION")
        try:
            sts = self.session.client("sts")
            self.account = sts.get_caller_identity()["Account"]
        except (ClientError, BotoCoreError) as error:
            raise Stop(f"no valid AWS credentials: {error}") from None
        print(f"Account {self.account}, Region {self.region}.", flush=True)
        self.place = f"{self.name}/{self.region}/"
        self.client = self.session.client("cloudformation")
        self.s3 = self.session.client("s3")

    def found(self) -> dict[str, Any]:
        """The deployed stack; empty if it does not exist. Fails if it is not image-steward's."""
        try:
            [found] = self.client.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return {}
            raise
        given = found.get("Parameters", [])
        found["now"] = {one["ParameterKey"]: one["ParameterValue"] for one in given}
        is_ours = found["now"].keys() >= {"NamePrefix", "CodePrefix", "PolicyParameter"}
        if not is_ours and found["StackStatus"] != "REVIEW_IN_PROGRESS":
            raise Stop(f"{self.name} is another application's stack; pass STACK=NAME")
        found_in = r'TemplateVersion: \{ Value: "(\d+)" \}'
        newest = re.findall(found_in, self.template) or ["0"]
        outputs = {x["OutputKey"]: x["OutputValue"] for x in found.get("Outputs", [])}
        if int(version := outputs.get("TemplateVersion", "0")) > int(newest[0]):
            newer = f"the stack was deployed from template version {version}, newer than this one"
            raise Stop(f"{newer} ({newest[0]}); use a newer release")
        return found

    def delete(self) -> None:
        """Delete the stack and its resources. Fails with the first resource that remains."""
        self.client.delete_stack(StackName=self.name)
        waiter = self.client.get_waiter("stack_delete_complete")
        try:
            waiter.wait(StackName=self.name, WaiterConfig={"Delay": 3})
        except WaiterError:
            raise Stop(f"{self.name} not deleted: {self.cause()}; try again") from None

    def cause(self) -> str:
        """The first failure of the last operation, which usually caused the later ones."""
        cause = "unknown cause (not in the stack's events)"
        pages = self.client.get_paginator("describe_stack_events")
        found = pages.paginate(StackName=self.name).build_full_result()
        for one in found["StackEvents"]:
            if (reason := one.get("ResourceStatusReason", "")) == "User Initiated":
                break
            if one["ResourceStatus"].endswith("FAILED"):
                cause = f"{one['LogicalResourceId']}: {reason}"
        return cause


def bucket_for(stack: Stack, present: dict[str, str]) -> str:
    """The bucket for the archives, which exists in this account and Region."""
    name = env("BUCKET") or present.get("CodeBucket", "")
    make = f"create one with `aws s3 mb s3://{name or 'NAME'} --region {stack.region}`"
    if not re.fullmatch(r"[a-z0-9.-]{3,63}", name):
        raise Stop(f"no S3 bucket for the archives; pass BUCKET=NAME, or {make}")
    try:
        owned = {"Bucket": name, "ExpectedBucketOwner": stack.account}
        place = stack.s3.get_bucket_location(**owned)["LocationConstraint"]
    except ClientError as error:
        raise Stop(f"no bucket {name} in this account: {error}; {make}") from None
    place = {None: "us-east-1", "EU": "eu-west-1"}.get(place, place)
    if place != stack.region:
        raise Stop(f"the bucket {name} is in {place}, not in {stack.region}; {make}")
    return name


def archives(arch: str) -> dict[str, bytes]:
    """The functions' archives by file name, all for the architecture `arch`."""
    found = {}
    for function in FUNCTIONS:
        path = Path(env("ARCHIVES", ""), f"{function}-{arch}.zip")
        try:
            with zipfile.ZipFile(path) as archive:
                head = archive.read("bootstrap")[:20]
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise Stop(f"cannot read {path}: {error}; check ARCHIVES=DIR") from None
        target = ARCHES.get(int.from_bytes(head[18:20], "little"), "another platform")
        if head[:4] != b"\x7fELF" or target != arch:
            raise Stop(f"{path} is for {target}, not for {arch}; use another archive")
        found[path.name] = path.read_bytes()
    return found


def policy(stack: Stack, values: dict[str, str]) -> bytes:
    """The policy to deploy. The text of POLICY is also added to `values`."""
    if file := env("POLICY"):
        text = Path(file).read_bytes()
        if len(text) > 4096:
            tier = "an advanced one" if len(text) <= 8192 else "in parts"
            remedy = f"an SSM parameter ({tier}): PARAMETERS=PolicyParameter=/NAME"
            raise Stop(f"{file} has {len(text)} bytes, more than 4096; use {remedy}")
        values |= {"PolicyText": text.decode()}
    if not values.get("PolicyParameter"):
        if not values.get("PolicyText"):
            raise Stop("no policy; pass POLICY=FILE (example: examples/policy.toml)")
        return values["PolicyText"].encode()
    name, count = values["PolicyParameter"], values.get("PolicyParts", "1")
    parts = [f"{name}/{one + 1}" for one in range(int(count))]
    names = [name] if count == "1" else parts
    found = stack.session.client("ssm").get_parameters(Names=names)["Parameters"]
    texts = {one["Name"]: one["Value"] for one in found if one["Type"] == "String"}
    if missing := ", ".join(one for one in names if one not in texts):
        raise Stop(f"no SSM parameter {missing} of type String; create it")
    return "\n".join(texts[one] for one in names).encode()


def checked_prefix(stack: Stack, values: dict[str, str], is_check: bool) -> str:
    """The tag prefix of the policy. Fails unless the policy is valid and the roles allow it."""
    text = policy(stack, values)
    program = shutil.which(env("STEWARD") or "image-steward")
    if not program and is_check:
        return "image-steward:"  # The command is built after the check.
    if not program:
        raise Stop("image-steward is not installed; install it, or pass STEWARD=FILE")
    with tempfile.NamedTemporaryFile(prefix="policy-") as file:
        Path(file.name).write_bytes(text)
        validate = [program, "validate", "--policy", file.name, "--format", "json"]
        valid = subprocess.run(validate, stdout=subprocess.PIPE, check=False)
        plan = [program, "plan", "--policy", file.name, "--region", stack.region]
        # A refusal (4) is accepted: this deployment may create the missing Recycle Bin rules.
        if valid.returncode or subprocess.call(plan) not in (0, 4):
            raise Stop(
                "cannot use the policy (see the messages above); nothing was changed"
            )
    found = json.loads(valid.stdout)
    values["PolicyDigest"] = found["digest"] if values.get("PolicyParameter") else ""
    shared = "on" if found["needs"]["retire_shared_images"] else "off"
    instances = found["needs"]["retire_instances"]
    for key, level in (("RetireInstances", instances), ("RetireSharedImages", shared)):
        if LEVELS[level] > LEVELS.get(values.get(key, "off"), 9):
            problem = f'this policy requires PARAMETERS="{key}={level}" for the roles'
            if values["Mode"] == "apply":
                raise Stop(problem)
            print(f"Warning: {problem}.", flush=True)
    return found["tag_prefix"]


def given(stack: Stack, present: dict[str, str]) -> dict[str, str]:
    """The values of all parameters that are set. Others keep their deployed values."""
    settable = sorted(stack.parameters - OURS)
    words = [word.partition("=") for word in shlex.split(env("PARAMETERS", ""))]
    for key, equals, _ in words:
        if not equals or key not in settable:
            raise Stop(
                f"`{key}` in PARAMETERS is not KEY=VALUE; keys: {', '.join(settable)}"
            )
    given = {key: value for key, _, value in words if value or key in present}
    policies = {"PolicyText", "PolicyParameter"} & {one for one in given if given[one]}
    if len(policies) + bool(env("POLICY")) > 1:
        raise Stop("two policies; pass only one of POLICY, PolicyText, PolicyParameter")
    if policies or env("POLICY"):
        given = {"PolicyText": "", "PolicyParameter": "", "PolicyParts": "1"} | given
    if present.get("NamePrefix", stack.name) != stack.name:
        raise Stop(
            f"the stack {stack.name} has a different NamePrefix; use the AWS CLI"
        )
    mode = {"Mode": env("MODE")} if env("MODE") else {}
    return {"Mode": "plan"} | present | given | mode


def change(stack: Stack, task: str, directory: str) -> None:
    """Check the parameters (task `check`), print the changes (`diff`), or `deploy`."""
    found = stack.found()
    present = found.get("now", {})
    values, bucket = given(stack, present), bucket_for(stack, present)
    prefix = checked_prefix(stack, values, task == "check")
    arch = (env("ARCH") or present.get("Architecture", "arm64")).replace("-", "_")
    code = {} if task == "check" else archives(arch)
    key = f"{stack.place}{hashlib.sha256(b''.join(code.values())).hexdigest()}/"
    values |= {"NamePrefix": stack.name, "CodeBucket": bucket, "CodePrefix": key}
    values |= {"CodeBucketPerRegion": "off", "Architecture": arch}
    template = Path(directory, "stack.yaml")
    template.write_text(stack.template.replace("image-steward:", prefix))
    tags = {x["Key"]: x["Value"] for x in found.get("Tags", [])}
    tags["ManagedBy"] = "image-steward"
    command = [
        *(sys.executable, "-m", "awscli", "cloudformation", "deploy"),
        *("--stack-name", stack.name, "--template-file", str(template)),
        *("--s3-bucket", bucket, "--s3-prefix", stack.place.rstrip("/")),
        *("--region", stack.region, "--no-fail-on-empty-changeset"),
        *("--capabilities", "CAPABILITY_IAM", "--parameter-overrides"),
        *(f"{key}={values[key]}" for key in values if key in stack.parameters),
        *("--tags", *(f"{key}={value}" for key, value in tags.items())),
    ]
    is_failed = found.get("StackStatus") in ("ROLLBACK_COMPLETE", "CREATE_FAILED")
    if is_failed and task == "diff":
        raise Stop("the first deployment failed; `make deploy` deletes its stack")
    if task == "deploy":
        if is_failed:
            print("Deleting the failed first deployment.", flush=True)
            stack.delete()
        for name, body in code.items():
            stack.s3.put_object(Bucket=bucket, Key=key + name, Body=body)
        print(run(stack, command).strip().splitlines()[-1])
    elif not is_failed:
        lines = differences(stack, command, is_new=not found) or ["No changes."]
        print("\n".join(lines) if task == "diff" else "The parameters are valid.")


def run(stack: Stack, command: list[str]) -> str:
    """Run the AWS CLI and return its output. Its errors become one line."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    line = " ".join(done.stderr.rpartition("%)")[2].split())
    unknown = ": the Region does not have a required service; choose another Region"
    line += unknown if "Unrecognized resource types" in line else ""
    event = f" ({stack.cause()})" if "Failed to create/update" in line else ""
    raise Stop(line + event)


def differences(stack: Stack, command: list[str], is_new: bool) -> list[str]:
    """The changes that a deployment would make, one line each. Deletes the change set."""
    output = run(stack, [*command, "--no-execute-changeset"])
    if not (name := re.search(r"--change-set-name (\S+)", output)):
        return []
    found = stack.client.describe_change_set(ChangeSetName=name[1])["Changes"]
    stack.client.delete_change_set(ChangeSetName=name[1])
    if is_new:
        stack.delete()
    lines = []
    for one in (change["ResourceChange"] for change in found):
        what = f"{one['Action']} {one['ResourceType']} {one['LogicalResourceId']}"
        parts = {part["Target"].get("Name", "") for part in one.get("Details", [])}
        what += " (replaced)" if one.get("Replacement") == "True" else ""
        lines.append(f"  {what} {', '.join(sorted(parts))}".rstrip())
    return sorted(lines)


def destroy(stack: Stack) -> None:
    """Delete the stack and its archives, but no images or snapshots."""
    if not (present := stack.found().get("now")):
        return print(f"The stack {stack.name} does not exist.")
    if env("YES") != "1":
        raise Stop(f"this deletes {stack.name}, but no images; confirm with YES=1")
    stack.delete()
    there = {"Bucket": present["CodeBucket"], "Prefix": stack.place}
    uploaded = rf"{stack.place}([0-9a-f]{{64}}/.*|[0-9a-f]{{32}}\.template)"
    pages = stack.s3.get_paginator("list_objects_v2").paginate(**there)
    for one in pages.build_full_result().get("Contents", []):
        if re.fullmatch(uploaded, one["Key"]):
            stack.s3.delete_object(Bucket=there["Bucket"], Key=one["Key"])
    print(f"Deleted {stack.name}.")


if __name__ == "__main__":
    try:
        with tempfile.TemporaryDirectory() as directory:
            task, stack = sys.argv[1], Stack()
            destroy(stack) if task == "destroy" else change(stack, task, directory)
    except (Stop, ClientError, BotoCoreError, OSError, ValueError) as error:
        sys.exit(f"deploy: {error}")
