"""Deploys infra/image-steward.yaml with the archives of the functions, and takes it out again.

Run by `make deploy`, `make diff` and `make destroy`, whose variables it reads. The AWS CLI does the
work; this uploads the archives, and checks what CloudFormation reports late or never.
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
MACHINES = {62: "x86_64", 183: "arm64"}  # EM_X86_64, EM_AARCH64 of ELF
LEVELS = {"off": 0, "on": 1, "stop": 1, "terminate": 2}
said = os.environ.get


class Stop(Exception):
    """Deploying cannot go on; the argument is one line with the remedy."""


class Stack:
    """One stack in one account and Region, and the template for it."""

    def __init__(self) -> None:
        self.name = said("STACK") or "image-steward"
        file = said("TEMPLATE") or Path(__file__).with_name("image-steward.yaml")
        self.template = Path(file).read_text()
        head = self.template.partition("\nRules:")[0]
        self.parameters = set(re.findall(r"^  (\w+):$", head, re.MULTILINE))
        # boto3 itself does not look at AWS_REGION, which all other SDKs do.
        self.session = boto3.Session(region_name=said("REGION") or said("AWS_REGION"))
        self.region = self.session.region_name
        if not self.region:
            raise Stop("no Region; write REGION=…, or set AWS_REGION")
        try:
            sts = self.session.client("sts")
            self.account = sts.get_caller_identity()["Account"]
        except (ClientError, BotoCoreError) as error:
            raise Stop(f"no AWS credentials that work here: {error}") from None
        print(f"Account {self.account}, Region {self.region}.", flush=True)
        self.place = f"{self.name}/{self.region}/"
        self.client = self.session.client("cloudformation")
        self.s3 = self.session.client("s3")

    def found(self) -> dict[str, Any]:
        """The stack as it is; empty if there is none. Another's is not touched."""
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
            raise Stop(f"the stack {self.name} is not ours; write another STACK=")
        found_in = r'TemplateVersion: \{ Value: "(\d+)" \}'
        newest = re.findall(found_in, self.template) or ["0"]
        outputs = {x["OutputKey"]: x["OutputValue"] for x in found.get("Outputs", [])}
        if int(version := outputs.get("TemplateVersion", "0")) > int(newest[0]):
            newer = f"it has version {version} of the template, newer than here"
            raise Stop(f"{newer} ({newest[0]}): use a newer release")
        return found

    def delete(self) -> None:
        """Delete it with all that is in it, or say what could not be deleted."""
        self.client.delete_stack(StackName=self.name)
        waiter = self.client.get_waiter("stack_delete_complete")
        try:
            waiter.wait(StackName=self.name, WaiterConfig={"Delay": 3})
        except WaiterError:
            raise Stop(f"{self.name} is not deleted; {self.why()}; try again") from None

    def why(self) -> str:
        """The first failure of the last operation, of which the others are consequences."""
        why = "its events do not say why"
        pages = self.client.get_paginator("describe_stack_events")
        found = pages.paginate(StackName=self.name).build_full_result()
        for one in found["StackEvents"]:
            if (reason := one.get("ResourceStatusReason", "")) == "User Initiated":
                break
            if one["ResourceStatus"].endswith("FAILED"):
                why = f"{one['LogicalResourceId']}: {reason}"
        return why


def bucket_for(stack: Stack, present: dict[str, str]) -> str:
    """The bucket for the archives: it exists, in this Region."""
    name = said("BUCKET") or present.get("CodeBucket", "")
    make = f"`aws s3 mb s3://{name or 'NAME'} --region {stack.region}` makes one"
    if not re.fullmatch(r"[a-z0-9.-]{3,63}", name):
        raise Stop(f"which S3 bucket is for the functions' code? BUCKET=NAME; {make}")
    try:
        owned = {"Bucket": name, "ExpectedBucketOwner": stack.account}
        place = stack.s3.get_bucket_location(**owned)["LocationConstraint"]
    except ClientError as error:
        raise Stop(f"no bucket {name} of yours ({error}); {make}") from None
    place = {None: "us-east-1", "EU": "eu-west-1"}.get(place, place)
    if place != stack.region:
        raise Stop(f"the bucket {name} is in {place}, not in {stack.region}; {make}")
    return name


def archives(arch: str) -> dict[str, bytes]:
    """The archives by their names, each for the architecture that was asked for."""
    found = {}
    for function in FUNCTIONS:
        path = Path(said("ARCHIVES", ""), f"{function}-{arch}.zip")
        try:
            with zipfile.ZipFile(path) as archive:
                head = archive.read("bootstrap")[:20]
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise Stop(f"{path}: {error}; ARCHIVES=DIR names a release") from None
        machine = MACHINES.get(int.from_bytes(head[18:20], "little"), "another machine")
        if head[:4] != b"\x7fELF" or machine != arch:
            raise Stop(f"{path} is for {machine}, not for {arch}: use another archive")
        found[path.name] = path.read_bytes()
    return found


def policy(stack: Stack, values: dict[str, str]) -> bytes:
    """The policy that will be in force; that of a file is put among the values."""
    if file := said("POLICY"):
        text = Path(file).read_bytes()
        if len(text) > 4096:
            tier = "of the tier Advanced" if len(text) <= 8192 else "in parts"
            remedy = f"an SSM parameter ({tier}), PARAMETERS=PolicyParameter=/NAME"
            raise Stop(f"{file} has {len(text)} bytes, 4096 are possible: use {remedy}")
        values |= {"PolicyText": text.decode()}
    if not values.get("PolicyParameter"):
        if not values.get("PolicyText"):
            raise Stop("which policy? POLICY=FILE; examples/policy.toml shows one")
        return values["PolicyText"].encode()
    name, count = values["PolicyParameter"], values.get("PolicyParts", "1")
    parts = [f"{name}/{one + 1}" for one in range(int(count))]
    names = [name] if count == "1" else parts
    found = stack.session.client("ssm").get_parameters(Names=names)["Parameters"]
    texts = {one["Name"]: one["Value"] for one in found if one["Type"] == "String"}
    if missing := ", ".join(one for one in names if one not in texts):
        raise Stop(f"there is no SSM parameter {missing} of type String: make it")
    return "\n".join(texts[one] for one in names).encode()


def checked_prefix(stack: Stack, values: dict[str, str], is_check: bool) -> str:
    """The tag prefix of the policy, which is valid and fits the roles."""
    text = policy(stack, values)
    program = shutil.which(said("STEWARD") or "image-steward")
    if not program and is_check:
        return "image-steward:"  # It is built after the check.
    if not program:
        raise Stop("the command image-steward is not installed; STEWARD=FILE names it")
    with tempfile.NamedTemporaryFile(prefix="policy-") as file:
        Path(file.name).write_bytes(text)
        validate = [program, "validate", "--policy", file.name, "--format", "json"]
        valid = subprocess.run(validate, stdout=subprocess.PIPE, check=False)
        plan = [program, "plan", "--policy", file.name, "--region", stack.region]
        # A refusal (4) is an answer, too: this deployment may make Recycle Bin rules.
        if valid.returncode or subprocess.call(plan) not in (0, 4):
            raise Stop("the policy cannot be used: see above; nothing was changed")
    found = json.loads(valid.stdout)
    values["PolicyDigest"] = found["digest"] if values.get("PolicyParameter") else ""
    shared = "on" if found["needs"]["retire_shared_images"] else "off"
    instances = found["needs"]["retire_instances"]
    for key, level in (("RetireInstances", instances), ("RetireSharedImages", shared)):
        if LEVELS[level] > LEVELS.get(values.get(key, "off"), 9):
            problem = f'for this policy the roles need PARAMETERS="{key}={level}"'
            if values["Mode"] == "apply":
                raise Stop(problem)
            print(f"Warning: {problem}.", flush=True)
    return found["tag_prefix"]


def given(stack: Stack, present: dict[str, str]) -> dict[str, str]:
    """The values of all parameters that are known. What is not said is as it was deployed."""
    settable = sorted(stack.parameters - OURS)
    words = [word.partition("=") for word in shlex.split(said("PARAMETERS", ""))]
    for key, equals, _ in words:
        if not equals or key not in settable:
            raise Stop(f"`{key}` is none of {', '.join(settable)}, each as KEY=VALUE")
    given = {key: value for key, _, value in words if value or key in present}
    policies = {"PolicyText", "PolicyParameter"} & {one for one in given if given[one]}
    if len(policies) + bool(said("POLICY")) > 1:
        raise Stop("there are two policies: give POLICY, PolicyText or PolicyParameter")
    if policies or said("POLICY"):
        given = {"PolicyText": "", "PolicyParameter": "", "PolicyParts": "1"} | given
    if present.get("NamePrefix", stack.name) != stack.name:
        raise Stop(f"the stack {stack.name} has another NamePrefix: use the AWS CLI")
    mode = {"Mode": said("MODE")} if said("MODE") else {}
    return {"Mode": "plan"} | present | given | mode


def change(stack: Stack, task: str, directory: str) -> None:
    """Check what is to be deployed, and deploy it, or say what that would change."""
    found = stack.found()
    present = found.get("now", {})
    values, bucket = given(stack, present), bucket_for(stack, present)
    prefix = checked_prefix(stack, values, task == "check")
    arch = (said("ARCH") or present.get("Architecture", "arm64")).replace("-", "_")
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
        raise Stop("the first deployment failed; `make deploy` deletes what it left")
    if task == "deploy":
        if is_failed:
            print("Deleting the failed first deployment.", flush=True)
            stack.delete()
        for name, body in code.items():
            stack.s3.put_object(Bucket=bucket, Key=key + name, Body=body)
        print(run(stack, command).strip().splitlines()[-1])
    elif not is_failed:
        lines = differences(stack, command, is_new=not found) or ["No changes."]
        print("\n".join(lines) if task == "diff" else "The parameters are accepted.")


def run(stack: Stack, command: list[str]) -> str:
    """Run the AWS CLI; what it complains of becomes one line."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    line = " ".join(done.stderr.rpartition("%)")[2].split())
    unknown = ": this Region lacks a service; choose another Region"
    line += unknown if "Unrecognized resource types" in line else ""
    raise Stop(f"{line} ({stack.why()})" if "Failed to create/update" in line else line)


def differences(stack: Stack, command: list[str], is_new: bool) -> list[str]:
    """What deploying would change, a line each; the change set is deleted again."""
    told = run(stack, [*command, "--no-execute-changeset"])
    if not (name := re.search(r"--change-set-name (\S+)", told)):
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
    """Delete everything of ours, but no image and no snapshot."""
    if not (present := stack.found().get("now")):
        return print(f"The stack {stack.name} does not exist.")
    if said("YES") != "1":
        raise Stop(f"this deletes {stack.name}, and no image: YES=1 confirms it")
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
