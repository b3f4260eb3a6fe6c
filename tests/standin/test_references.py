"""What else can hold an image, as the stand-in tells it."""

from __future__ import annotations

from samples import ami, inst, instance, joined, lt, paged, template


def test_latest_and_default_of_all_templates_in_pages(standin, fails):
    alias = "resolve:ssm:/golden/latest"
    some = [template(n, ami(n), ami(1000 + n), alias) for n in range(150)]
    standin.load(
        launch_templates=[*some, template(150, ami(150)), template(151, None, name="x")]
    )
    describe = standin.ec2.describe_launch_template_versions
    wanted = ["$Default", "$Latest"]
    pages = paged(describe, "LaunchTemplateVersions", Versions=wanted, MaxResults=200)
    assert [len(page) for page in pages] == [200, 102]
    of_three = [one for one in joined(pages) if one["LaunchTemplateId"] == lt(3)]
    assert {
        one["VersionNumber"]: one["LaunchTemplateData"]["ImageId"] for one in of_three
    } == {1: ami(3), 3: alias}
    [empty] = [one for one in joined(pages) if one["LaunchTemplateId"] == lt(151)]
    assert "ImageId" not in empty["LaunchTemplateData"]
    listed = paged(standin.ec2.describe_launch_templates, "LaunchTemplates")
    assert [len(page) for page in listed] == [152]
    fails("InvalidParameterCombination", describe)
    fails("InvalidParameterCombination", describe, Versions=["1"])
    fails("InvalidParameterValue", describe, Versions=wanted, MaxResults=201)


def test_versions_of_one_template(standin, fails):
    one = template(1, ami(1), ami(2), ami(3), name="web", default_version=2)
    standin.load(launch_templates=[one])
    describe = standin.ec2.describe_launch_template_versions

    def numbers(**params):
        found = describe(**params)["LaunchTemplateVersions"]
        return sorted(version["VersionNumber"] for version in found)

    assert numbers(LaunchTemplateId=lt(1)) == [1, 2, 3]
    assert numbers(LaunchTemplateName="web", Versions=["1", "$Latest"]) == [1, 3]
    assert numbers(LaunchTemplateId=lt(1), Versions=["$Default"]) == [2]
    assert numbers(LaunchTemplateId=lt(1), MinVersion="2") == [2, 3]
    code = "InvalidLaunchTemplateId.VersionNotFound"
    fails(code, describe, LaunchTemplateId=lt(1), Versions=["4"])
    fails("InvalidLaunchTemplateId.NotFound", describe, LaunchTemplateId=lt(2))
    code = "InvalidLaunchTemplateName.NotFoundException"
    fails(code, describe, LaunchTemplateName="other")


def test_an_alias_is_resolved_on_request(standin):
    standin.load(
        launch_templates=[template(1, "resolve:ssm:/golden/latest")],
        ssm_parameters=[{"name": "/golden/latest", "value": ami(5)}],
    )
    [one] = standin.ec2.describe_launch_template_versions(
        LaunchTemplateId=lt(1), ResolveAlias=True
    )["LaunchTemplateVersions"]
    assert one["LaunchTemplateData"]["ImageId"] == ami(5)


def test_launch_configurations_in_pages(standin, fails):
    some = [{"name": f"legacy-{n}", "image_id": ami(n)} for n in range(120)]
    standin.load(launch_configurations=some)
    describe = standin.autoscaling.describe_launch_configurations
    pages = paged(describe, "LaunchConfigurations", MaxRecords=100)
    assert [len(page) for page in pages] == [100, 20]
    found = {one["LaunchConfigurationName"]: one["ImageId"] for one in joined(pages)}
    assert found == {one["name"]: one["image_id"] for one in some}
    [one] = describe(LaunchConfigurationNames=["legacy-7"])["LaunchConfigurations"]
    assert one["ImageId"] == ami(7)
    fails("ValidationError", describe, MaxRecords=101)
    fails("InvalidNextToken", describe, NextToken="abc")


def test_groups_with_all_the_ways_to_name_an_image(standin):
    third = {"launch_template_id": lt(1), "version": "3"}
    latest = {"launch_template_id": lt(1), "version": "$Latest"}
    overrides = [
        {"instance_type": "m7g.large", "launch_template": third},
        {"instance_type": "m7g.xlarge", "image_id": ami(5)},
    ]
    groups = [
        {"name": "a", "launch_template": latest},
        {"name": "b", "launch_configuration": "legacy"},
        {"name": "c", "mixed": {"launch_template": third, "overrides": overrides}},
    ]
    standin.load(
        launch_templates=[template(1, ami(1), ami(2), ami(3), name="web")],
        auto_scaling_groups=groups,
    )
    describe = standin.autoscaling.describe_auto_scaling_groups
    found = joined(paged(describe, "AutoScalingGroups", MaxRecords=2))
    a, b, c = sorted(found, key=lambda one: one["AutoScalingGroupName"])
    spec = {"LaunchTemplateId": lt(1), "LaunchTemplateName": "web"}
    assert a["LaunchTemplate"] == spec | {"Version": "$Latest"}
    assert b["LaunchConfigurationName"] == "legacy"
    assert "LaunchTemplate" not in b
    third = spec | {"Version": "3"}
    assert c["MixedInstancesPolicy"]["LaunchTemplate"] == {
        "LaunchTemplateSpecification": third,
        "Overrides": [
            {"InstanceType": "m7g.large", "LaunchTemplateSpecification": third},
            {"InstanceType": "m7g.xlarge", "ImageId": ami(5)},
        ],
    }


def test_image_references(standin, fails):
    standin.load(
        instances=[instance(1, 1), instance(2, 1, state="terminated")],
        launch_templates=[template(1, ami(2), *[ami(3)] * 10)],
        ssm_parameters=[{"name": "/golden", "value": ami(2)}],
    )
    ask = standin.ec2.describe_image_references

    def arns(*image_ids, **params):
        found = ask(ImageIds=image_ids, **params)["ImageReferences"]
        return sorted(one["Arn"].split(":")[-1] for one in found)

    every = {"IncludeAllResourceTypes": True}
    assert arns(ami(1), **every) == [f"instance/{inst(1)}", f"instance/{inst(2)}"]
    # The first version is the eleventh from the newest, one beyond the default.
    assert arns(ami(2), **every) == ["parameter/golden"]
    depth = {"OptionName": "version-depth", "OptionValues": ["11"]}
    kind = {"ResourceType": "ec2:LaunchTemplate", "ResourceTypeOptions": [depth]}
    assert arns(ami(2), ResourceTypes=[kind]) == [f"launch-template/{lt(1)}"]
    running = {"OptionName": "state-name", "OptionValues": ["running"]}
    kind = {"ResourceType": "ec2:Instance", "ResourceTypeOptions": [running]}
    assert arns(ami(1), ResourceTypes=[kind]) == [f"instance/{inst(1)}"]
    many = [ami(n) for n in range(11)]
    fails("InvalidParameterValue", ask, ImageIds=many, **every)
