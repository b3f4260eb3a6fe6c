"""What the deployment pages state about the template, and their commands for StackSets."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import hcl2
import pytest
from moto.server import ThreadedMotoServer

from binaries import LAMBDAS
from console import console_commands, section, shell
from harness import NOWHERE, ROOT, VENV, clean_environment, image_steward
from test_templates import TEMPLATES, parameters, resources

PAGE = Path(ROOT, "docs/deployment.md")
DEPLOYED = Path(ROOT, "docs/what-is-deployed.md")
REGION = "eu-central-1"
OU = "ou-ab12-34567890"
STACK_SET = "Deploy with StackSets"


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in it, without table heads."""
    lines = [one for one in text.splitlines() if one.startswith("|")]
    cells = [[cell.strip() for cell in one.strip("|").split("|")] for one in lines]
    return [
        one
        for one, after in zip(cells, [*cells[1:], [""]], strict=True)
        if not set(one[0]) <= {"-"} and not (set(after[0]) <= {"-"} and after[0])
    ]


def test_every_parameter_is_in_the_table_with_its_default() -> None:
    table = rows(section(Path(ROOT, "infra/README.md"), "Parameters"))
    shown = {row[0].strip("`"): row[1].strip("`") for row in table}
    assert len(shown) == len(table)
    real = {
        key: str(one["Default"]) if "Default" in one else "required"
        for key, one in parameters().items()
    }
    assert shown == real


def test_every_output_is_described() -> None:
    said = section(Path(ROOT, "infra/README.md"), "Outputs")
    outputs = re.findall(
        r"^  (\w+):",
        TEMPLATES["image-steward"].read_text().partition("\nOutputs:\n")[2],
        re.MULTILINE,
    )
    assert len(outputs) == 8
    for name in outputs:
        assert name in said or name.endswith("RoleArn"), name


def test_no_page_names_a_parameter_that_does_not_exist() -> None:
    """Every text that is written as a parameter is one."""
    known = parameters().keys()
    pages = [
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        Path(ROOT, "infra/README.md"),
    ]
    seen = set()
    for page in pages:
        # Past behavior, and templates of others.
        if "decisions" in page.parts or page.name in ("CHANGELOG.md", "migration.md"):
            continue
        text = page.read_text()
        for key in re.findall(r"PARAMETERS=\"?(\w+?[a-z]\w*)=", text):
            assert key in known, (page, key)
            seen.add(key)
        for key in re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)=", text):
            assert key in known, (page, key)
            seen.add(key)
    assert len(seen) >= 7, seen
    table = re.findall(r"ParameterKey\": \"(\w+)\"", PAGE.read_text())
    assert table
    assert set(table) <= known


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("There is no policy", "infra/image-steward.yaml"),
        ("There are two policies", "infra/image-steward.yaml"),
        ("Apply mode needs a recipient", "infra/image-steward.yaml"),
        ("no bucket ", "infra/deploy.py"),
        ("no SSM parameter ", "infra/deploy.py"),
        ("Unrecognized resource types", "infra/deploy.py"),
        (" was deployed from template version ", "infra/deploy.py"),
        (", newer than this one", "infra/deploy.py"),
        (" does not exist", "adapters/aws/src/policy_parameters.rs"),
    ],
)
def test_errors_are_quoted_as_they_are(text: str, file: str) -> None:
    table = section(PAGE, "Troubleshooting")
    quoted = " ".join(re.findall(r"`([^`]*)`", table)).replace("…", " … ")
    assert text.strip() in quoted
    assert text in Path(ROOT, file).read_text()


def test_other_pages_deploy_as_the_page_does() -> None:
    """Only the commands of that page are run. Others may only override different parameters."""
    ours = "--template-file image-steward.yaml"
    run = {
        one.partition(" --parameter-overrides ")[0]
        for one in console_commands(PAGE, "Deploy with the AWS CLI", "Store the policy")
        if ours in one
    }
    assert len(run) == 1
    seen = 0
    for page in (*(ROOT / "docs").rglob("*.md"), Path(ROOT, "README.md")):
        text = page.read_text().replace("\\\n", " ")
        for command in re.findall(rf"^\$ (.*{ours}.*)$", text, re.MULTILINE):
            command = " ".join(command.split())
            begin, _, overrides = command.partition(" --parameter-overrides ")
            assert begin in {" ".join(one.split()) for one in run}, (page, command)
            for key in re.findall(r"(\w+)=", re.sub(r'"[^"]*"', "", overrides)):
                assert key in parameters(), (page, key)
            seen += 1
    assert seen >= 8


def test_every_alarm_is_in_the_table() -> None:
    table = rows(section(DEPLOYED, "Alarms and notices"))
    every = ("tag-image", "prune-images", "reap-snapshots", "retire-instance")
    shown = []
    for alarm, _ in table:
        name, _, whom = alarm.partition(", for ")
        chosen = [one for one in every if one in whom and "all but" not in whom]
        if "all but" in whom:
            chosen = [one for one in every if one not in whom]
        for function in chosen or every:
            shown.append(name.strip("`").replace("FUNCTION", function))
    real = {
        one["Properties"]["AlarmName"]["Sub"].replace("${NamePrefix}", "NAME")
        for one in resources("image-steward").values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert set(shown) == real
    assert f"These are {len(real)} alarms" in DEPLOYED.read_text()


def test_every_alarm_elsewhere_exists() -> None:
    """An alarm on a page, by its full name or by the end of its name."""
    real = {
        one["Properties"]["AlarmName"]["Sub"].removeprefix("${NamePrefix}-")
        for one in resources("image-steward").values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }
    ends = r"(?:errors|refused|steps-failed|nothing-run|not-reached|events-lost|dead-letters)"
    seen = 0
    for page in ("docs/runbook.md", "docs/deployment.md", "docs/events/README.md"):
        text = Path(ROOT, page).read_text()
        for name in re.findall(rf"`((?:[\w-]+-)?{ends})`", text):
            name = name.removeprefix("image-steward-").replace("FUNCTION", "*")
            assert any(fnmatchcase(one, name) for one in real), (page, name)
            seen += 1
    assert seen >= 6


def test_functions_are_as_the_table_says() -> None:
    table = rows(section(DEPLOYED, "Functions"))
    every = resources("image-steward").values()
    retries = {
        one["Properties"]["FunctionName"]["Ref"]: one["Properties"][
            "MaximumRetryAttempts"
        ]
        for one in every
        if one["Type"] == "AWS::Lambda::EventInvokeConfig"
    }
    shown = {row[0].strip("`"): (row[2], row[3]) for row in table}
    real = {}
    for logical, one in resources("image-steward").items():
        if one["Type"] == "AWS::Lambda::Function":
            name = one["Properties"]["FunctionName"]["Sub"]
            alone = one["Properties"].get("ReservedConcurrentExecutions")
            real[name.replace("${NamePrefix}", "NAME")] = (
                str(alone or "the account's"),
                str(retries[logical]),
            )
    assert shown == real


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """moto as a server for the AWS CLI, with an organization."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    for key in keys:
        monkeypatch.setenv(key, "any")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_the_commands_of_the_stack_set(moto: str, tmp_path: Path) -> None:
    text = section(PAGE, STACK_SET)
    [bucket_policy, values] = map(
        json.loads, re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    )
    (tmp_path / "parameters.json").write_text(json.dumps(values))
    shutil.copy(TEMPLATES["image-steward"], tmp_path)
    for function in LAMBDAS:
        (tmp_path / f"{function}-arm64.zip").write_bytes(b"any")
        (tmp_path / f"{function}-x86_64.zip").write_bytes(b"any")

    def client(service: str, region: str = REGION) -> Any:
        return boto3.client(service, endpoint_url=moto, region_name=region)

    organizations = client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    [root] = organizations.list_roots()["Roots"]
    unit = organizations.create_organizational_unit(ParentId=root["Id"], Name="all")
    unit_id = unit["OrganizationalUnit"]["Id"]
    account = organizations.create_account(AccountName="a", Email="a@b.example")
    organizations.move_account(
        AccountId=account["CreateAccountStatus"]["AccountId"],
        SourceParentId=root["Id"],
        DestinationParentId=unit_id,
    )
    environment = clean_environment() | {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "PATH": f"{VENV}/bin:/usr/bin:/bin",
    }
    shown = console_commands(PAGE, STACK_SET)
    assert len(shown) == 6
    for command in shown:
        # The only resource without a name before it exists.
        command = command.replace(OU, unit_id)
        done = shell(command, tmp_path, environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    stack_set = client("cloudformation").describe_stack_set(
        StackSetName="image-steward", CallAs="SELF"
    )["StackSet"]
    assert stack_set["TemplateBody"] == TEMPLATES["image-steward"].read_text()
    given = {one["ParameterKey"]: one for one in values}
    assert given.keys() <= parameters().keys()
    instances = client("cloudformation").list_stack_instances(
        StackSetName="image-steward"
    )["Summaries"]
    regions = {one["Region"] for one in instances}
    assert regions == {"eu-central-1", "us-east-1"}
    # The archives are in each Region where the functions look for them.
    prefix = given["CodePrefix"]["ParameterValue"]
    for region in regions:
        bucket = f"{given['CodeBucket']['ParameterValue']}-{region}"
        listed = client("s3", region).list_objects_v2(Bucket=bucket)["Contents"]
        keys = {one["Key"] for one in listed if one["Key"].endswith(".zip")}
        assert keys == {f"{prefix}{name}-arm64.zip" for name in LAMBDAS}
        for key in keys if region == REGION else ():
            [statement] = bucket_policy["Statement"]
            assert fnmatchcase(f"arn:aws:s3:::{bucket}/{key}", statement["Resource"])
    assert statement["Action"] == "s3:GetObject"
    assert statement["Condition"]["StringEquals"].keys() == {"aws:PrincipalOrgID"}


def snippet(heading: str, language: str) -> str:
    """The only block of a section in this language."""
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", section(PAGE, heading), re.MULTILINE | re.DOTALL
    )
    [found] = blocks
    return found


def unquoted(value: Any) -> Any:
    """Texts without the quotes that hcl2 keeps around them."""
    return value.strip('"') if isinstance(value, str) else value


def test_terraform_names_what_the_template_knows() -> None:
    found = hcl2.loads(snippet("Deploy with Terraform", "hcl"))
    [stack] = [
        one['"aws_cloudformation_stack"']['"image_steward"']
        for one in found["resource"]
        if '"aws_cloudformation_stack"' in one
    ]
    given = {unquoted(key): unquoted(one) for key, one in stack["parameters"].items()}
    assert given.keys() <= parameters().keys()
    assert {"CodeBucket", "CodePrefix", "PolicyText"} <= given.keys()
    assert [unquoted(one) for one in stack["capabilities"]] == ["CAPABILITY_IAM"]
    [code] = [
        one['"aws_s3_object"']['"code"']
        for one in found["resource"]
        if '"code"' in one.get('"aws_s3_object"', {})
    ]
    key = unquoted(code["key"])
    assert key == given["CodePrefix"] + "${each.key}-arm64.zip"
    assert set(re.findall(r"[a-z]+-[a-z]+", code["for_each"])) == set(LAMBDAS)
    # The code exists before a function needs it.
    assert "aws_s3_object.code" in str(stack["depends_on"])


def test_cdk_names_what_the_template_knows() -> None:
    tree = ast.parse(snippet("Deploy with CDK", "python"))
    [include] = [
        one
        for one in ast.walk(tree)
        if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "CfnInclude"
    ]
    [given] = [one.value for one in include.keywords if one.arg == "parameters"]
    names = {ast.literal_eval(key) for key in given.keys}
    assert names <= parameters().keys()
    assert {"CodeBucket", "CodePrefix", "PolicyText"} <= names


def test_the_policy_of_the_stack_set_is_valid(tmp_path: Path) -> None:
    [_, values] = re.findall(
        r"^```json\n(.*?)^```$", section(PAGE, STACK_SET), re.MULTILINE | re.DOTALL
    )
    given = {one["ParameterKey"]: one["ParameterValue"] for one in json.loads(values)}
    file = tmp_path / "policy.toml"
    file.write_text(given["PolicyText"])
    done = image_steward(NOWHERE, "validate", "--policy", str(file))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "needs_rust"),
    [
        (("deploy", "ARCHIVES=dist"), False),
        (("diff", "ARCHIVES=dist"), False),
        (("destroy",), False),
        (("functions",), True),
        (("demo",), True),
    ],
)
def test_ready_archives_need_no_rust(words: tuple[str, ...], needs_rust: bool) -> None:
    command = ["make", "--dry-run", "--no-print-directory", *words]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "venv" in done.stdout
    assert ("cargo" in done.stdout) == needs_rust, done.stdout
