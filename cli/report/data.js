// The JSON document, read into images and families that know one another.

const FORMAT = 2;

/** What may be said of an image, in the order of the filter; `tone` is its colour and its lane in a timeline. */
const DECISIONS = {
  in_use: { label: "In use", tone: "used" },
  keep: { label: "Kept", tone: "kept" },
  rescue: { label: "Rescue now", tone: "rescued" },
  wait: { label: "Expired, waiting", tone: "expiring" },
  expire: { label: "Marked now", tone: "expiring" },
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

/** All that a sweep does with an image. */
const SWEEP_STEPS = { rescue: "rescue", mark: "mark as expired", ...STEPS };

/** What a run does with a snapshot whose image is gone. */
const REMAINS = { keep: "Keep", mark: "Mark now", delete: "Delete now" };

/** The image of a row of the document. `shared` is the place of the image with which a snapshot of this one is counted. */
function readImage(row, place, strings) {
  const [image_id, name, family, made, state, action, reasons, holders, expired, step, at, gib, snapshots, shared] = row;
  const held = holders.map(([kind, by, stale]) => ({
    kind: strings[kind].replaceAll("_", " "),
    by: strings[by],
    stale: stale === 1,
  }));
  const decision = held.length > 0 ? "in_use" : action;
  const reasonTexts = reasons.map((index) => strings[index]);
  const { tone } = DECISIONS[decision] ?? DECISIONS.keep;
  return {
    place, id: image_id, name, family, made, state, action, decision, tone, reasonTexts, held, expired, step, at, gib, snapshots, shared,
  };
}

function familyLabel({ rule, family }) {
  if (rule === null) return "no rule matches";
  if (family === null) return `${rule}: family unknown`;
  return family === "all" ? rule : `${rule}: ${family}`;
}

/** A snapshot whose image is gone. */
function readGone([image, snapshot, gib, action, at, reasons], strings) {
  return { id: snapshot, image, gib, action, at, reasonTexts: reasons.map((index) => strings[index]) };
}

/**
 * Says of each image how many of its snapshots have no known size, each snapshot once. Where an image has others whose
 * size is known, only the summary tells of it, and only of what is expired: those are `partly`.
 */
function countUnsized(images, gone, summary) {
  const seen = new Set();
  let expired = 0;
  for (const image of images) {
    const fresh = image.gib === null ? image.snapshots.filter((one) => !seen.has(one)) : [];
    fresh.forEach((one) => seen.add(one));
    image.unsized = fresh.length;
    if (isExpired(image)) expired += fresh.length;
  }
  const partly = Math.max(0, summary.sizes_unknown - expired);
  const left = gone.filter((one) => one.gib === null).length;
  return { partly, gone: left, images: seen.size + partly, all: seen.size + partly + left };
}

/** Whether the image is beyond retention, whatever step is taken with it now. */
function isExpired(image) {
  return ["wait", "expire", "deprecate", "disable", "deregister"].includes(image.action);
}

/** The sum of what is known, and how many snapshots are not in it because their size is not. */
function sizeOf(images) {
  return { gib: images.reduce((sum, one) => sum + (one.gib ?? 0), 0), unsized: images.reduce((sum, one) => sum + one.unsized, 0) };
}

/**
 * The steps of the month, one a row: place of the image, step, time, snapshots, GiB. Those of many images at one time
 * stand in the document as one row: step, time, places; what is deleted is all that such an image has.
 */
function readMonth(month, images) {
  return month.flatMap((row) => {
    if (row.length !== 3) return [row];
    const [step, at, places] = row;
    return places.map((place) => [place, step, at, step === "delete_snapshots" ? images[place].snapshots : [], images[place].gib]);
  });
}

/** Everything that the page shows; throws where it cannot be read. */
function readDocument(text) {
  const found = JSON.parse(text);
  if (found.format !== FORMAT) throw new Error(`its format is ${found.format}, and this page reads ${FORMAT}`);
  const families = found.families.map((family) => ({ label: familyLabel(family), images: [] }));
  const images = found.images.map((row, place) => readImage(row, place, found.strings));
  for (const image of images) {
    image.family = families[image.family];
    image.family.images.push(image);
    image.shared = images[image.shared] ?? null;
  }
  const gone = found.gone.map((row) => readGone(row, found.strings));
  const unsized = countUnsized(images, gone, found.summary);
  for (const family of families) Object.assign(family, sizeOf(family.images));
  const { gib } = sizeOf(images);
  const goneGib = gone.reduce((sum, one) => sum + (one.gib ?? 0), 0);
  const month = found.month === null ? null : readMonth(found.month, images);
  return { ...found, month, families, images, gone, gib, goneGib, unsized, total: gib + goneGib };
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
  if (image.held.length === 0) return image.reasonTexts[0] ?? "";
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
