"""Deploys infra/image-steward.yaml with the archives of the functions, and takes it out again.

Run by `make deploy`, `make diff` and `make destroy`, whose variables it reads. The AWS CLI does the
work; this uploads the archives, and checks what CloudFormation finds out late or not at all.
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
import time
import zipfile
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

FILE = os.environ.get("TEMPLATE") or Path(__file__).with_name("image-steward.yaml")
TEMPLATE = Path(FILE).read_text()
VERSION = int(re.findall(r'TemplateVersion: \{ Value: "(\d+)" \}', TEMPLATE)[0])
PARAMETERS = re.findall(r"^  (\w+):$", TEMPLATE.partition("\nRules:")[0], re.MULTILINE)
FUNCTIONS = ("prune-images", "reap-snapshots", "retire-instance", "tag-image")
# Of an ELF file: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
MACHINES = {62: "x86_64", 183: "arm64"}
SETTABLE = sorted({*PARAMETERS} - {"NamePrefix", "CodePrefix", "Architecture"})
said = os.environ.get


class Stop(Exception):
    """Deploying cannot go on; the argument is one line with the remedy."""


class Stack:
    """One stack in one account and Region."""

    def __init__(self) -> None:
        self.name = said("STACK") or "image-steward"
        # boto3 itself does not look at AWS_REGION, which all other SDKs do.
        self.session = boto3.Session(region_name=said("REGION") or said("AWS_REGION"))
        self.region = self.session.region_name
        if not self.region:
            raise Stop("no Region; write REGION=…, or set AWS_REGION")
        try:
            identity = self.session.client("sts").get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            raise Stop(f"there are no AWS credentials that work: {error}") from None
        self.account = identity["Account"]
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
        if found["StackStatus"] == "REVIEW_IN_PROGRESS":
            return {}
        if "PolicyParameter" not in str(found.get("Parameters")):
            raise Stop(f"the stack {self.name} is not ours; write another STACK=")
        outputs = {x["OutputKey"]: x["OutputValue"] for x in found.get("Outputs", [])}
        if (version := int(outputs.get("TemplateVersion", 0))) > VERSION:
            newer = f"{self.name} has version {version} of the template, newer than"
            raise Stop(f"{newer} version {VERSION} here: use a newer release")
        return found

    def present(self) -> dict[str, str]:
        """The parameters that the stack was deployed with."""
        found = self.found().get("Parameters", [])
        return {one["ParameterKey"]: one["ParameterValue"] for one in found}

    def delete(self) -> None:
        """Delete it with all that is in it, or say what could not be deleted."""
        begun = time.time()
        self.client.delete_stack(StackName=self.name)
        waiter = self.client.get_waiter("stack_delete_complete")
        try:
            waiter.wait(StackName=self.name, WaiterConfig={"Delay": 3})
        except WaiterError:
            raise Stop(f"{self.name} is not deleted: {self.why(begun)}") from None

    def why(self, begun: float) -> str:
        """The first failure since then, of which the others are consequences."""
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        for one in reversed(events):
            is_new = one["Timestamp"].timestamp() > begun - 60  # Clocks differ.
            if is_new and one["ResourceStatus"].endswith("FAILED"):
                return f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}"
        return "its events do not say why"


def bucket_for(stack: Stack, values: dict[str, Any]) -> str:
    """The bucket for the archives: it exists, in this Region."""
    name = said("BUCKET") or values.get("CodeBucket", "")
    make = f"`aws s3 mb s3://{name or 'NAME'} --region {stack.region}` makes one"
    if not name:
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
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise Stop(f"{path}: {error}; ARCHIVES=DIR names a release") from None
        machine = MACHINES.get(int.from_bytes(head[18:20], "little"), "nothing known")
        if head[:4] != b"\x7fELF" or machine != arch:
            raise Stop(f"{path} is for {machine}, not for {arch}: use another archive")
        found[path.name] = path.read_bytes()
    return found


def policy(stack: Stack, values: dict[str, Any]) -> bytes:
    """The policy that will be in force; that of a file is put among the values."""
    if file := said("POLICY"):
        text = Path(file).read_bytes()
        if len(text) > 4096:
            remedy = "put it in an SSM parameter: PARAMETERS=PolicyParameter=/NAME"
            raise Stop(f"{file} has {len(text)} bytes, 4096 are possible; {remedy}")
        values |= {"PolicyText": text.decode(), "PolicyParameter": "", "PolicyParts": 1}
        return text
    if not (name := values.get("PolicyParameter")):
        if not values.get("PolicyText"):
            raise Stop("which policy? POLICY=FILE; examples/policy.toml shows one")
        return values["PolicyText"].encode()
    values["PolicyText"] = ""
    parts = range(1, int(values.get("PolicyParts", 1)) + 1)
    names = [name] if len(parts) == 1 else [f"{name}/{part}" for part in parts]
    found = stack.session.client("ssm").get_parameters(Names=names)
    if missing := ", ".join(found["InvalidParameters"]):
        raise Stop(f"there is no SSM parameter {missing}; make it, or use POLICY=FILE")
    texts = {one["Name"]: one["Value"] for one in found["Parameters"]}
    return "\n".join(texts[one] for one in names).encode()


def checked_prefix(stack: Stack, values: dict[str, Any], is_check: bool) -> str:
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
    instances = found["needs"]["retire_instances"]
    shared = "on" if found["needs"]["retire_shared_images"] else "off"
    levels = ("off", "on", "stop", "terminate")
    for key, level in (("RetireInstances", instances), ("RetireSharedImages", shared)):
        if levels.index(level) > levels.index(values.get(key, "off")):
            problem = f'for this policy the roles need PARAMETERS="{key}={level}"'
            if values["Mode"] == "apply":
                raise Stop(problem)
            print(f"Warning: {problem}.", flush=True)
    return found["tag_prefix"]


def command_for(stack: Stack, directory: str, is_check: bool) -> list[str]:
    """`aws cloudformation deploy`, with all that is not said as it is deployed."""
    words = [word.partition("=") for word in shlex.split(said("PARAMETERS", ""))]
    for key, equals, _ in words:
        if not equals or key not in SETTABLE:
            raise Stop(f"`{key}` is none of {', '.join(SETTABLE)}, each as KEY=VALUE")
    given = {key: value for key, _, value in words}
    values = {"Mode": "plan"} | (present := stack.present()) | given
    values["Mode"] = said("MODE") or values["Mode"]
    bucket, prefix = bucket_for(stack, values), checked_prefix(stack, values, is_check)
    arch = (said("ARCH") or "arm64").replace("-", "_")
    code = {} if is_check else archives(arch)
    key = f"{stack.place}{hashlib.sha256(b''.join(code.values())).hexdigest()}/"
    for name in code if key != present.get("CodePrefix") else ():
        stack.s3.put_object(Bucket=bucket, Key=key + name, Body=code[name])
    values |= {"NamePrefix": stack.name, "CodeBucket": bucket, "CodePrefix": key}
    values |= {"CodeBucketPerRegion": "off", "Architecture": arch}
    pairs = [f"{key}={value}" for key, value in values.items() if key in PARAMETERS]
    file, template = (Path(directory, name) for name in ("values.json", "stack.yaml"))
    file.write_text(json.dumps(pairs))
    template.write_text(TEMPLATE.replace("image-steward:", prefix))
    return [
        *(sys.executable, "-m", "awscli", "cloudformation", "deploy"),
        *("--stack-name", stack.name, "--template-file", str(template)),
        *("--s3-bucket", bucket, "--s3-prefix", stack.place.rstrip("/")),
        *("--parameter-overrides", f"file://{file}", "--region", stack.region),
        *("--capabilities", "CAPABILITY_IAM", "--tags", "ManagedBy=image-steward"),
        "--no-fail-on-empty-changeset",
    ]


def line(said: str) -> str:
    """What the AWS CLI complains of, in one line, after its progress."""
    return " ".join(said.rpartition("%)")[2].split())


def diff(stack: Stack, command: list[str]) -> list[str]:
    """What deploying would change, a line each; the change set is deleted again."""
    command.append("--no-execute-changeset")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Stop(line(done.stderr))
    if not (name := re.search(r"--change-set-name (\S+)", done.stdout)):
        return []
    found = stack.client.describe_change_set(ChangeSetName=name[1])["Changes"]
    if stack.found():
        stack.client.delete_change_set(ChangeSetName=name[1])
    else:
        stack.delete()
    lines = []
    for one in (change["ResourceChange"] for change in found):
        what = f"{one['Action']} {one['ResourceType']} {one['LogicalResourceId']}"
        parts = {part["Target"].get("Name", "") for part in one.get("Details", [])}
        again = "(replaced) " if one.get("Replacement") == "True" else ""
        lines.append(f"  {what} {again}{', '.join(sorted(parts))}".rstrip())
    return sorted(lines)


def deploy(stack: Stack, command: list[str]) -> None:
    """Make or change the stack."""
    begun = time.time()
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        why = stack.why(begun) if stack.found() else "nothing was changed"
        raise Stop(f"{line(done.stderr)} ({why})")
    print(f"Deployed {stack.name}.")


def destroy(stack: Stack) -> None:
    """Delete everything of ours, but no image and no snapshot."""
    if not (present := stack.present()):
        return print("Nothing was there.")
    if said("YES") != "1":
        raise Stop(f"this deletes {stack.name}, and no image: YES=1 confirms it")
    stack.delete()
    if present["CodePrefix"].startswith(stack.place):
        there = {"Bucket": present["CodeBucket"], "Prefix": stack.place}
        for page in stack.s3.get_paginator("list_objects_v2").paginate(**there):
            for one in page.get("Contents", []):
                stack.s3.delete_object(Bucket=there["Bucket"], Key=one["Key"])
    print(f"Deleted {stack.name}.")


def main(task: str) -> None:
    """Check, deploy, diff or destroy."""
    stack = Stack()
    if task == "destroy":
        return destroy(stack)
    if stack.found().get("StackStatus") in ("ROLLBACK_COMPLETE", "CREATE_FAILED"):
        if task == "diff":
            raise Stop("the first attempt failed; `make deploy` deletes what it left")
        print("Deleting what the first attempt, which failed, has left.", flush=True)
        stack.delete()
    with tempfile.TemporaryDirectory() as directory:
        command = command_for(stack, directory, task == "check")
        if task == "deploy":
            return deploy(stack, command)
        lines = diff(stack, command) or ["No changes."]
    print("\n".join(lines) if task == "diff" else "The parameters are accepted.")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (Stop, ClientError, BotoCoreError, OSError, ValueError) as error:
        is_lacking = "Unrecognized resource types" in str(error)
        remedy = ": this Region lacks a service; choose another Region" * is_lacking
        sys.exit(f"deploy: {error}{remedy}")
    except KeyboardInterrupt:
        sys.exit("deploy: interrupted; run it again to go on")
