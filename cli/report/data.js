// Reads the JSON data into images and families that refer to each other.

const FORMAT = 1;

/** The decisions, in the order of the filter; `tone` is the color, and the lane in a timeline. */
const DECISIONS = {
  in_use: { label: "In use", tone: "used" },
  keep: { label: "Kept", tone: "kept" },
  rescue: { label: "Rescue now", tone: "rescued" },
  wait: { label: "Expired, waiting", tone: "expiring" },
  expire: { label: "Newly expired", tone: "expiring" },
  deprecate: { label: "Deprecate now", tone: "expiring" },
  disable: { label: "Disable now", tone: "expiring" },
  deregister: { get label() { return `${capital(WORDS.remove)} now`; }, tone: "going" },
};

const STEPS = {
  deprecate: "deprecate",
  disable: "disable",
  get deregister() { return WORDS.remove; },
  delete_snapshots: "delete its snapshots",
};

/** All steps of a sweep for an image. */
const SWEEP_STEPS = { __proto__: STEPS, rescue: "rescue", mark: "tag as expired" };

/** The decisions about a snapshot whose image is deregistered. */
const REMAINS = { keep: "Keep", mark: "Tag now", delete: "Delete now" };

/** The image of a row of the data. `shared` is the index of the image whose size includes a shared snapshot. */
function readImage(row, place, strings) {
  const [image_id, name, family, made, state, action, reasons, holders, expired, step, at, gib, snapshots, shared = null] = row;
  const held = heldBy(holders, strings);
  const decision = held.length > 0 ? "in_use" : action;
  const reasonTexts = reasons.map((index) => strings[index]);
  const { tone } = DECISIONS[decision] ?? DECISIONS.keep;
  return {
    place, id: image_id, name, family, made, state, action, decision, tone, reasonTexts, held, expired, step, at, gib, snapshots, shared,
  };
}

/** The image with the details that the data contains about it; `id` in the details is the full ID. */
function withDetails(image, { id: fullId = image.id, ...details } = {}) {
  return { ...image, ...details, fullId };
}

/** The references to an image. A source without versions may report a launch template again; it is left out. */
function heldBy(holders, strings) {
  const text = (place) => (place === null ? null : strings[place]);
  const held = holders.map(([kind, arn, end, stale, version = null, name = null]) => ({
    kind: strings[kind], arn: strings[arn], version: text(version), name: text(name), short: strings[arn].slice(-end), stale: stale === 1,
  }));
  const versioned = new Set(held.filter((one) => one.version !== null).map((one) => one.arn));
  return held.filter((one) => one.version !== null || !versioned.has(one.arn));
}

/** A snapshot whose image is deregistered. */
function readGone([image, snapshot, gib, action, at, reasons], strings) {
  return { id: snapshot, image, gib, action, at, reasonTexts: reasons.map((index) => strings[index]) };
}

/**
 * Counts the snapshots of unknown size per image, each snapshot once. If an image also has snapshots of known size, only
 * the summary counts the unknown ones, and only for expired images: those are `partly`.
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

/** Whether the image is expired, whatever its step. */
function isExpired(image) {
  return ["wait", "expire", "deprecate", "disable", "deregister"].includes(image.action);
}

/** The sum of the known sizes, and the number of snapshots of unknown size. */
function sizeOf(images) {
  return { gib: images.reduce((sum, one) => sum + (one.gib ?? 0), 0), unsized: images.reduce((sum, one) => sum + one.unsized, 0) };
}

/**
 * The steps of the month, one per row: index of the image, step, time, snapshots, GiB. The data contains equal steps of
 * many images at one time as one row: step, time, indexes. For such images, all snapshots are deleted.
 */
function readMonth(month, images) {
  return month.flatMap((row) => {
    if (row.length !== 3) return [row];
    const [step, at, places] = row;
    return places.map((place) => [place, step, at, step === "delete_snapshots" ? images[place].snapshots : [], images[place].gib]);
  });
}

/** Everything that the page shows. Throws an error if the data cannot be read. */
function readDocument(text) {
  const found = JSON.parse(text);
  if (found.format !== FORMAT) throw new Error(`format ${found.format} is not supported; this page supports format ${FORMAT}`);
  speak(found.provider);
  const families = found.families.map(({ name, rule, family }) => ({ label: name, rule, key: family, images: [] }));
  const images = found.images.map((row, place) => withDetails(readImage(row, place, found.strings), found.details?.[place]));
  for (const image of images) {
    image.family = families[image.family];
    image.family.images.push(image);
    image.shared = images[image.shared] ?? null;
    // It is unknown when a refusal ends, so the steps have no dates.
    if (found.refusal !== null) image.at = null;
  }
  const gone = found.gone.map((row) => readGone(row, found.strings));
  const unsized = countUnsized(images, gone, found.summary);
  for (const family of families) Object.assign(family, sizeOf(family.images));
  const { gib } = sizeOf(images);
  const goneGib = gone.reduce((sum, one) => sum + (one.gib ?? 0), 0);
  const month = found.month === null ? null : readMonth(found.month, images);
  return { ...found, month, families, images, gone, gib, goneGib, unsized, total: gib + goneGib };
}

/** Whether the filter selects the image; an image in use can also be rescued. */
function isDecided(image, choice) {
  return choice === "" || image.decision === choice || (choice === "rescue" && image.action === "rescue");
}

function decisionText(image) {
  const label = DECISIONS[image.decision]?.label ?? image.decision;
  return image.decision === "in_use" && image.action === "rescue" ? `${label}, rescue now` : label;
}

/** The reason, in one line. */
function reasonText(image) {
  if (image.held.length === 0) return image.reasonTexts[0] ?? "";
  const kinds = [...grouped(image.held, (one) => one.kind)];
  const text = kinds.map(([kind, held]) => kindText(kind, held)).join(", ");
  return image.held.every((one) => one.stale) ? `${text} (stale)` : text;
}

/** `v8`, or `(latest)`; `before` is put before it. */
function versionText(version, before) {
  if (version === null) return "";
  return WORDS.snapshots ? `${before}v${version}` : `${before}(${version})`;
}

/** `launch template web v8`, or the number of references of that kind. */
function kindText(kind, held) {
  const count = new Set(held.map((one) => one.arn)).size;
  if (count > 1) return plural(count, kind);
  const [{ name, short, version }] = held;
  const versions = held.length > 1 ? ` (${plural(held.length, "version")})` : versionText(version, " ");
  return `${kind} ${name ?? short}${versions}`;
}

/** The next step and its date; while the plan is refused, there is no date. */
function nextText(image) {
  if (image.step === null) return "";
  const step = STEPS[image.step] ?? image.step;
  return image.at === null ? `${step}, no date` : `${step} ${day(image.at)}`;
}

/** The step that is due now, or null. */
function stepNow(image) {
  return image.action in STEPS ? image.action : null;
}
