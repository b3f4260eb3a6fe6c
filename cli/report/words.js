// The words of each provider. The page begins with those of AWS; `speak` chooses others.

const PROVIDER_WORDS = {
  aws: {
    account: "Account",
    here: "This account has no images in this Region.",
    remove: "deregister", removed: "deregistered", removing: "Deregistering", removal: "deregistration",
    sizePart: "snapshot",
    snapshots: true,
    sizes: "A size is the full size of the volumes of the snapshots. Snapshots share blocks, so the stored size, and the size that a deletion frees, can be much smaller: every size and cost in this report is an upper bound.",
    noPrice: " The price in this Region is unknown.",
    needed: " An image that is restored from the Recycle Bin needs them.",
    option: ({ region }) => `--region ${visible(region)}`,
    glossary: {},
  },
  azure: {
    account: "Subscription",
    here: "This subscription has no images.",
    remove: "delete", removed: "deleted", removing: "Deleting", removal: "deletion",
    sizePart: "disk",
    snapshots: false,
    sizes: "A size is the full size of the disks of an image. It is an upper bound for one replica of the image; an image can have several.",
    noPrice: " The report does not contain costs, because the prices are unknown.",
    needed: "",
    option: ({ account }) => `--subscription ${visible(account)}`,
    glossary: {
      "In use": ["In use", "Something refers to the image, for example a virtual machine, a scale set or an image template. An image in use is never removed."],
      Deprecated: ["Deprecated", "The end-of-life date of the image has passed. The date is information for people: the image can still be launched. Restoring the image resets the date."],
      Disabled: ["Disabled", "The image is excluded from latest: it is launched only if its version is named. Restoring the image includes it again."],
      Deregistered: ["Deleted", "The image no longer exists, unless the soft delete of its gallery retains it."],
      "Deregistered, snapshots remain": ["Deleted, snapshots remain", "The image is deleted, but snapshots or disks that it was created from still exist. Sizes include them until they are deleted."],
      "Snapshots deleted": ["Snapshots deleted", "The storage is freed. A deleted snapshot or disk cannot be restored."],
      Stale: ["Specialized", "The image contains the credentials and secrets of its source. Whoever may launch it can read them."],
    },
  },
};

/** The words of the provider of the report. */
let WORDS = PROVIDER_WORDS.aws;

/** Uses the words of a provider from now on. Reports about AWS do not name it. */
function speak(provider) {
  const known = PROVIDER_WORDS[provider ?? "aws"];
  if (!known) throw new Error(`provider ${provider} is not supported`);
  WORDS = known;
}

/** Replaces the texts of the template that are about AWS, or about costs if there are none. */
function showGlossary({ price }) {
  for (const entry of document.querySelectorAll("#glossary > div")) {
    const [title, text] = WORDS.glossary[entry.querySelector("dt").textContent] ?? [];
    if (!title) continue;
    entry.querySelector("dt").textContent = title;
    entry.querySelector("dd").textContent = text;
  }
  if (WORDS !== PROVIDER_WORDS.aws) document.getElementById("scope").textContent = "one subscription";
  if (price) return;
  document.getElementById("time-title").textContent = "Storage over time";
  document.querySelector('nav a[href="#time"]').textContent = "Storage";
}
