"""Other references to images in the stand-in."""

from __future__ import annotations

import pytest

from samples import ami, inst, instance, joined, lt, paged, snap, template


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


def test_the_snapshots_that_a_version_names_itself(standin):
    versions = [
        {"version": 1, "image_id": ami(1), "snapshots": [snap(1), snap(2)]},
        {"version": 2},
    ]
    one = {"launch_template_id": lt(1), "versions": versions}
    standin.load(launch_templates=[one])
    described = standin.ec2.describe_launch_template_versions(LaunchTemplateId=lt(1))
    devices = {
        one["VersionNumber"]: one["LaunchTemplateData"]["BlockDeviceMappings"]
        for one in described["LaunchTemplateVersions"]
    }
    assert devices[1] == [
        {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snap(1)}},
        {"DeviceName": "/dev/sdb", "Ebs": {"SnapshotId": snap(2)}},
    ]
    assert devices[2] == []


EVERY = {"IncludeAllResourceTypes": True}


def option(kind, **values):
    options = [
        {"OptionName": name.replace("_", "-"), "OptionValues": value}
        for name, value in values.items()
    ]
    return {"ResourceTypes": [{"ResourceType": kind, "ResourceTypeOptions": options}]}


@pytest.fixture
def references(standin):
    """Requests references. Returns the last part of each ARN, sorted."""

    def ask(*numbers, **params):
        image_ids = [ami(number) for number in numbers]
        call = standin.ec2.describe_image_references
        found = call(ImageIds=image_ids, **params)["ImageReferences"]
        return sorted(one["Arn"].split(":", 5)[5] for one in found)

    return ask


def test_instances_refer_to_images_in_every_state(standin, references):
    states = ["running", "terminated", "stopped"]
    some = [instance(n, 1, state=state) for n, state in enumerate(states)]
    standin.load(instances=[*some, instance(3, 2)])
    every = [f"instance/{inst(n)}" for n in range(3)]
    assert references(1, **EVERY) == every
    assert references(1, **option("ec2:Instance")) == every
    chosen = option("ec2:Instance", state_name=["running", "stopped"])
    assert references(1, **chosen) == [every[0], every[2]]
    # If its image is replaced, the old image no longer finds it.
    change = {"instances": [instance(0, 2), instance(9, 1)]}
    standin.control("PATCH", "fleet", change)
    assert references(1, **EVERY) == [every[1], every[2], f"instance/{inst(9)}"]
    assert references(2, **EVERY) == [every[0], f"instance/{inst(3)}"]


def test_templates_refer_to_images_in_their_newest_versions(standin, references):
    # The first version is the eleventh newest, one beyond the default.
    standin.load(launch_templates=[template(1, ami(2), *[ami(3)] * 10)])
    holder, kind = [f"launch-template/{lt(1)}"], "ec2:LaunchTemplate"
    assert references(2, **EVERY) == []
    assert references(2, **option(kind, version_depth=["10"])) == []
    assert references(2, **option(kind, version_depth=["11"])) == holder
    assert references(2, **option(kind, version_depth=["10000"])) == holder
    assert references(3, **option(kind, version_depth=["1"])) == holder
    change = {"launch_templates": [template(1, ami(4))]}
    standin.control("PATCH", "fleet", change)
    assert references(2, 3, **option(kind, version_depth=["10000"])) == []
    assert references(4, **EVERY) == holder


@pytest.mark.parametrize("depth", [["0"], ["10001"], ["many"], ["1", "2"], []])
def test_a_depth_that_makes_no_sense_is_refused(standin, fails, depth):
    ask = standin.ec2.describe_image_references
    asked = option("ec2:LaunchTemplate", version_depth=depth)
    fails("InvalidParameterValue", ask, ImageIds=[ami(1)], **asked)


def test_templates_refer_to_images_through_parameters(standin, references):
    golden, gone = "resolve:ssm:/golden", "resolve:ssm:/gone"
    standin.load(
        launch_templates=[
            template(1, golden),
            template(2, golden, *[ami(9)] * 10),
            template(3, gone),
        ],
        ssm_parameters=[{"name": "/golden", "value": ami(1)}],
    )
    templates = option("ec2:LaunchTemplate")
    assert references(1, **templates) == [f"launch-template/{lt(1)}"]
    standin.ssm.put_parameter(Name="/golden", Value=ami(2), Overwrite=True)
    assert references(1, **templates) == []
    assert references(2, **templates) == [f"launch-template/{lt(1)}"]


def test_parameters_and_recipes_refer_to_images(standin, references):
    recipe = {"name": "web", "version": "1.2.3", "image_id": ami(1)}
    standin.load(
        ssm_parameters=[
            {"name": "/golden/web", "value": ami(1)},
            {"name": "flat", "value": ami(1)},
            {"name": "/more", "value": f"{ami(1)} and more"},
            {"name": "/secret", "value": ami(1), "type": "SecureString"},
        ],
        image_recipes=[recipe, recipe | {"kind": "container"}],
    )
    assert references(1, **EVERY) == [
        "container-recipe/web/1.2.3",
        "image-recipe/web/1.2.3",
        "parameter/flat",
        "parameter/golden/web",
    ]
    kinds = {"ResourceTypes": [{"ResourceType": "imagebuilder:ImageRecipe"}]}
    assert references(1, **kinds) == ["image-recipe/web/1.2.3"]
    kinds = {"ResourceTypes": [{"ResourceType": "imagebuilder:ContainerRecipe"}]}
    assert references(1, **kinds) == ["container-recipe/web/1.2.3"]
    found = standin.ec2.describe_image_references(ImageIds=[ami(1)], **kinds)
    assert found["ImageReferences"] == [
        {
            "ImageId": ami(1),
            "ResourceType": "imagebuilder:ContainerRecipe",
            "Arn": "arn:aws:imagebuilder:eu-central-1:123456789012:"
            "container-recipe/web/1.2.3",
        }
    ]


def test_references_to_ten_images_in_pages(standin, fails):
    standin.load(instances=[instance(n, n % 10) for n in range(25)])
    ask = standin.ec2.describe_image_references
    ten = {"ImageIds": [ami(n) for n in range(10)]} | EVERY
    pages = paged(ask, "ImageReferences", MaxResults=10, **ten)
    assert [len(page) for page in pages] == [10, 10, 5]
    assert len({one["Arn"] for one in joined(pages)}) == 25
    many = [ami(n) for n in range(11)]
    fails("InvalidParameterValue", ask, ImageIds=many, **EVERY)
    fails("InvalidParameterCombination", ask, ImageIds=[ami(1)])
    both = EVERY | option("ec2:Instance")
    fails("InvalidParameterCombination", ask, ImageIds=[ami(1)], **both)
