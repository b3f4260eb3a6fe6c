"""The resource types: their names, API versions, permissions and budgets."""

from __future__ import annotations

from dataclasses import dataclass

COMPUTE = ("2026-04-01",)
GALLERY = ("2024-03-03", "2025-03-03", "2026-03-03")
DISKS = ("2026-03-02",)

GALLERIES = "microsoft.compute/galleries"
DEFINITIONS = f"{GALLERIES}/images"
VERSIONS = f"{DEFINITIONS}/versions"
SOFT_DELETED = f"{GALLERIES}/softdeletedartifacttypes/artifacts/versions"
IMAGES = "microsoft.compute/images"
MACHINES = "microsoft.compute/virtualmachines"
SCALE_SETS = "microsoft.compute/virtualmachinescalesets"
INSTANCES = f"{SCALE_SETS}/virtualmachines"
VOLUMES = "microsoft.compute/disks"
SNAPSHOTS = "microsoft.compute/snapshots"
LOCKS = "microsoft.authorization/locks"
PERMISSIONS = "microsoft.authorization/permissions"
TEMPLATES = "microsoft.virtualmachineimages/imagetemplates"
TAGS = "microsoft.resources/tags"
GRAPH = "microsoft.resourcegraph/resources"
SUBSCRIPTIONS = "microsoft.resources/subscriptions"
GROUPS = "microsoft.resources/subscriptions/resourcegroups"
RESOURCES = "microsoft.resources/subscriptions/resources"
OPERATIONS = (
    "microsoft.compute/locations/capsoperations",
    "microsoft.compute/locations/operations",
    "microsoft.compute/locations/diskoperations",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type."""

    name: str
    """The type as Azure writes it. Permissions begin with it."""
    api_versions: tuple[str, ...]
    budget: str | None = None
    """The operation group of reading one resource, for the Compute provider."""
    list_budget: str | None = None
    delete_budget: str | None = None
    write_budget: str | None = None
    operations: str = "operations"
    """The segment of the URLs of its long-running operations."""


KINDS: dict[str, Kind] = {
    GALLERIES: Kind(
        "Microsoft.Compute/galleries",
        GALLERY,
        "GetGallery",
        "GetGallery",
        "DeleteGallery",
        "CreateUpdateGallery",
        "capsOperations",
    ),
    DEFINITIONS: Kind(
        "Microsoft.Compute/galleries/images",
        GALLERY,
        "GetGalleryImage",
        "GetGalleryImage",
        "DeleteGalleryImage",
        "CreateUpdateGalleryImage",
        "capsOperations",
    ),
    VERSIONS: Kind(
        "Microsoft.Compute/galleries/images/versions",
        GALLERY,
        "GetGalleryImageVersion",
        "GetGalleryImageVersion",
        "DeleteGalleryImageVersion",
        "CreateUpdateGalleryImageVersion",
        "capsOperations",
    ),
    SOFT_DELETED: Kind(
        "Microsoft.Compute/galleries/softDeletedArtifactTypes/artifacts/versions",
        ("2024-03-03", "2025-03-03", "2026-03-03"),
        "ListSoftDeletedResourcesInGallery",
        "ListSoftDeletedResourcesInGallery",
        "DeleteGalleryImageVersion",
        None,
        "capsOperations",
    ),
    IMAGES: Kind("Microsoft.Compute/images", COMPUTE, "LowCostGet", "LowCostGet"),
    MACHINES: Kind(
        "Microsoft.Compute/virtualMachines",
        COMPUTE,
        "LowCostGet",
        "HighCostGetSubscriptionMaximum",
    ),
    SCALE_SETS: Kind(
        "Microsoft.Compute/virtualMachineScaleSets",
        COMPUTE,
        "LowCostGet",
        "HighCostGetVMScaleSet",
    ),
    INSTANCES: Kind(
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
        COMPUTE,
        "LowCostGet",
        "HighCostGetVMScaleSet",
    ),
    VOLUMES: Kind(
        "Microsoft.Compute/disks",
        DISKS,
        "LowCostGet",
        "HighCostGet",
        "DeleteDisks",
        None,
        "DiskOperations",
    ),
    SNAPSHOTS: Kind(
        "Microsoft.Compute/snapshots",
        DISKS,
        "LowCostGet",
        "HighCostGet",
        "DeleteDisks",
        None,
        "DiskOperations",
    ),
    LOCKS: Kind("Microsoft.Authorization/locks", ("2020-05-01",)),
    PERMISSIONS: Kind("Microsoft.Authorization/permissions", ("2022-04-01",)),
    TEMPLATES: Kind("Microsoft.VirtualMachineImages/imageTemplates", ("2025-10-01",)),
    TAGS: Kind("Microsoft.Resources/tags", ("2021-04-01", "2024-11-01", "2025-04-01")),
    GRAPH: Kind("Microsoft.ResourceGraph/resources", ("2021-03-01",)),
    SUBSCRIPTIONS: Kind("Microsoft.Resources/subscriptions", ("2022-12-01",)),
    GROUPS: Kind(
        "Microsoft.Resources/subscriptions/resourceGroups",
        ("2021-04-01", "2024-11-01", "2025-04-01"),
    ),
    RESOURCES: Kind(
        "Microsoft.Resources/subscriptions/resources",
        ("2021-04-01", "2024-11-01", "2025-04-01"),
    ),
    **{
        f"microsoft.compute/locations/{name.lower()}": Kind(
            f"Microsoft.Compute/locations/{name}",
            tuple(sorted({*COMPUTE, *GALLERY, *DISKS})),
            "GetOperationStatus",
        )
        for name in ("capsOperations", "operations", "DiskOperations")
    },
}

BUDGETS: dict[str, tuple[int, ...]] = {
    # Numbers from recorded responses: the requests in 3 and in 30 minutes. A group with one number
    # has a name without a window, and is full again after 3 minutes.
    "HighCostGetSubscriptionMaximum": (900,),
    "GetGallery": (350, 2500),
    "GetGalleryImageVersion": (2000, 10000),
    "DeleteGalleryImageVersion": (150, 1000),
    "CreateUpdateGallery": (50, 300),
    "CreateUpdateGalleryImageVersion": (375, 1200),
    "ListSoftDeletedResourcesInGallery": (1500, 10000),
    "GetOperationStatus": (5000, 15000),
    "HighCostGet": (240, 1920),
    "HighCostGetVMScaleSet": (180, 900),
    "LowCostGet": (15000, 120000),
    "DeleteDisks": (3000, 24000),
    # Not recorded: assumed to be as large as similar groups.
    "GetGalleryImage": (2000, 10000),
    "DeleteGallery": (50, 300),
    "DeleteGalleryImage": (150, 1000),
    "CreateUpdateGalleryImage": (150, 1000),
}
