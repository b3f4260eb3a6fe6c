// The JSON document, read into images and families that know one another.

const FORMAT = 1;

/** What may be said of an image, in the order of the filter; `tone` is its colour and its lane in a timeline. */
const DECISIONS = {
  in_use: { label: "In use", tone: "used" },
  keep: { label: "Kept", tone: "kept" },
  rescue: { label: "Rescue now", tone: "rescued" },
  wait: { label: "Expired, waiting", tone: "expiring" },
  expire: { label: "Newly expired", tone: "expiring" },
  deprecate: { label: "Deprecate now", tone: "expiring" },
  disable: { label: "Disable now", tone: "expiring" },
  deregister: { label: "Deregister now", tone: "going" },
};

const STEPS = {
  deprecate: "deprecate",
  disable: "disable",
  deregister: "deregister",
  delete_snapshots: "delete its snapshots",
};

/** The image of a row of the document. */
function readImage(row, place, strings) {
  const [image_id, name, family, made, state, action, reasons, holders, expired, step, at, gib, snapshots] = row;
  const held = holders.map(([kind, by, stale]) => ({
    kind: strings[kind].replaceAll("_", " "),
    by: strings[by],
    stale: stale === 1,
  }));
  const decision = held.length > 0 ? "in_use" : action;
  const because = reasons.map((index) => strings[index]);
  const { tone } = DECISIONS[decision] ?? DECISIONS.keep;
  return {
    place, id: image_id, name, family, made, state, action, decision, tone, because, held, expired, step, at, gib, snapshots,
  };
}

function familyLabel({ rule, group }) {
  if (rule === null) return "no rule matches";
  if (group === null) return `${rule}: family unknown`;
  return group === "all" ? rule : `${rule}: ${group}`;
}

/** Everything that the page shows; throws where it cannot be read. */
function readDocument(text) {
  const found = JSON.parse(text);
  if (found.format !== FORMAT) throw new Error(`its format is ${found.format}, and this page reads ${FORMAT}`);
  const families = found.families.map((family) => ({ label: familyLabel(family), images: [], gib: 0 }));
  const images = found.images.map((row, place) => readImage(row, place, found.strings));
  for (const image of images) {
    image.family = families[image.family];
    image.family.images.push(image);
    image.family.gib += image.gib ?? 0;
  }
  const gone = found.gone.map(([image_id, snapshots, gib, at]) => ({ id: image_id, snapshots, gib, at }));
  return { ...found, families, images, gone, gib: images.reduce((sum, image) => sum + (image.gib ?? 0), 0) };
}

/** Whether the filter's choice takes the image in; an image in use may be one that is rescued. */
function isDecided(image, choice) {
  return choice === "" || image.decision === choice || (choice === "rescue" && image.action === "rescue");
}

function decisionText(image) {
  const label = DECISIONS[image.decision]?.label ?? image.decision;
  return image.decision === "in_use" && image.action === "rescue" ? `${label}, rescue now` : label;
}

/** Why, in one line. */
function whyText(image) {
  if (image.held.length === 0) return image.because[0] ?? "";
  const kinds = [...new Set(image.held.map((one) => one.kind))];
  return image.held.every((one) => one.stale) ? `${kinds.join(", ")} (stale)` : kinds.join(", ");
}

function nextText(image) {
  return image.step === null ? "" : `${STEPS[image.step] ?? image.step} ${day(image.at)}`;
}

/** The images that a step would be taken with now. */
function stepNow(image) {
  return image.action in STEPS ? image.action : null;
}
