// The timelines of the families on a common axis. An opened family shows a row for each image. Elements are created only
// when they are shown.

const FAMILIES_AT_ONCE = 25;
const IMAGES_AT_ONCE = 50;
const AHEAD = 45 * DAY;
const LANES = ["used", "kept", "expiring", "going"];
const TONES = { used: "in use", kept: "kept", expiring: "expired", get going() { return `${WORDS.remove} now`; }, rescued: "rescue now" };
const LEGEND = ["used", "kept", "rescued", "expiring", "going"];

/** The common axis, from the oldest image to the next steps, in thousandths of its length. */
function timeAxis(data) {
  let start = data.planned_at - 30 * DAY;
  let end = data.planned_at + AHEAD;
  for (const image of data.images) if (image.made !== null && image.made < start) start = image.made;
  for (const { at } of [...data.images, ...data.gone]) if (at !== null && at > end) end = Math.min(at, data.planned_at + 180 * DAY);
  const place = (time) => Math.min(1000, Math.max(0, ((time - start) / (end - start)) * 1000));
  return { start, end, now: data.planned_at, place };
}

/** Ticks at round dates, at most about `most`. */
function axisTicks({ start, end }, most) {
  const months = (end - start) / (30.44 * DAY);
  const every = [1, 2, 3, 6, 12, 24, 60, 120].find((step) => months / step <= most) ?? 240;
  const first = new Date(start * 1000);
  const ticks = [];
  for (let month = Math.ceil((first.getUTCMonth() + 1) / every) * every; ticks.length <= most + 1; month += every) {
    const time = Date.UTC(first.getUTCFullYear(), month, 1) / 1000;
    if (time > end) break;
    ticks.push({ time, text: every >= 12 ? day(time).slice(0, 4) : day(time).slice(0, 7) });
  }
  return ticks;
}

function axisElement(axis) {
  const mark = (time, text, kind) => el("span", { class: kind, style: `left:${axis.place(time) / 10}%` }, text);
  const near = (time, distance) => Math.abs(axis.place(time) - axis.place(axis.now)) < distance;
  const ticks = axisTicks(axis, 6).filter(({ time }) => !near(time, 75) && axis.place(time) < 960 && axis.place(time) > 20);
  // On a small screen, a label takes a larger part of the axis. Labels that do not fit are hidden.
  const tight = (time) => near(time, 220) || axis.place(time) < 80 || axis.place(time) > 920;
  return el("div", { class: "axis", "aria-hidden": "true" }, el("span"),
    el("div", { class: "ticks" }, ticks.map(({ time, text }) => mark(time, text, tight(time) ? "tick tight" : "tick")), mark(axis.now, "planned", axis.place(axis.now) > 900 ? "tick now end" : "tick now")));
}

function strip(axis, height, ...marks) {
  return svg("svg", { class: "strip", viewBox: `0 0 1000 ${height}`, height, preserveAspectRatio: "none", "aria-hidden": "true" },
    ...marks, svg("rect", { class: "today", x: axis.place(axis.now), y: 0, width: 1.2, height }));
}

/** A family in one strip: a lane for each decision, a box at each creation date, a hollow box at each next step. */
function familyStrip(axis, images) {
  const made = {};
  const next = {};
  for (const image of images) {
    const lane = image.tone === "rescued" ? 1 : LANES.indexOf(image.tone);
    const draw = (into, time) => {
      into[image.tone] ??= new Set();
      into[image.tone].add(`M${Math.min(997, Math.round(axis.place(time)))} ${lane * 7 + 1}h3v5h-3z`);
    };
    if (image.made !== null) draw(made, image.made);
    if (image.at !== null) draw(next, image.at);
  }
  const paths = (all, kind) => Object.entries(all).map(([tone, parts]) => svg("path", { class: `${tone} ${kind}`, d: [...parts].join("") }));
  return strip(axis, 28, ...paths(made, "made"), ...paths(next, "next"));
}

/** One image: a bar from its creation to now, pale until it expired, and a thin line to the box of its next step. */
function imageStrip(axis, image) {
  const bar = (from, to, kind, height = 8) => svg("rect", {
    class: `${kind ?? ""} ${image.tone}`, x: axis.place(from), y: 7 - height / 2, width: Math.max(2, axis.place(to) - axis.place(from)), height,
  });
  const made = image.made ?? axis.start;
  const turned = image.expired !== null && image.expired > made ? Math.min(image.expired, axis.now) : axis.now;
  const bars = image.expired === null ? [bar(made, axis.now)] : [bar(made, turned, "before"), bar(turned, axis.now)];
  const next = image.at === null ? [] : [bar(axis.now, Math.max(axis.now, image.at), "ahead", 2), svg("rect", { class: `${image.tone} step`, x: Math.min(996, axis.place(image.at) - 2), y: 0, width: 4, height: 14 })];
  return strip(axis, 14, ...bars, ...next);
}

function imageLine(axis, image) {
  const next = nextText(image);
  const why = image.held.length > 0 ? `${decisionText(image)}: ${reasonText(image)}` : [decisionText(image), ...image.reasonTexts].join("; ");
  return el("li", { class: "line" },
    el("div", { class: "who" }, id(image.id), " ", foreign(image.name, "foreign name")),
    imageStrip(axis, image),
    el("div", { class: "why" }, swatch(image.tone), visible(why), next ? `; next: ${next}` : "", `; created ${day(image.made)}`));
}

/** A list that shows more items at the press of a button, so that only requested items are created. */
function growing(items, first, more, what, make) {
  const list = el("ul", { class: "growing" });
  const button = el("button", { type: "button", class: "more" });
  let shown = 0;
  const grow = (count) => {
    const made = items.slice(shown, shown + count).map(make);
    list.append(...made);
    shown += made.length;
    const left = items.length - shown;
    button.hidden = left === 0;
    button.textContent = `Show ${number(Math.min(more, left))} more ${what} (${number(left)} not shown)`;
    return made[0];
  };
  grow(first);
  button.addEventListener("click", () => {
    // The focused button may disappear, so the focus moves to the first new item.
    const made = grow(more);
    const target = made?.querySelector("summary") ?? made;
    if (target && target.tagName !== "SUMMARY") target.tabIndex = -1;
    target?.focus();
  });
  return [list, button];
}

/** The remaining snapshots of deregistered images; the strip shows the dates from which they can be deleted. */
function goneGroup(axis, data) {
  const { gone, goneGib, unsized } = data;
  const dated = new Set(gone.filter((one) => one.at !== null).map((one) => Math.min(997, Math.round(axis.place(one.at)))));
  const marks = svg("path", { class: "gone next", d: [...dated].map((x) => `M${x} 1h3v5h-3z`).join("") });
  const fates = { keep: "kept", mark: "tag now", delete: "delete now" };
  const counts = Object.keys(fates).map((action) => [gone.filter((one) => one.action === action).length, fates[action]]);
  const images = new Set(gone.map((one) => one.image)).size;
  const note = `${plural(gone.length, "snapshot")} of ${plural(images, "image")}, ${gibText(goneGib)}${plusUnsized(unsized.gone)}: ${counts.filter(([count]) => count > 0).map(([count, name]) => `${number(count)} ${name}`).join(", ")}`;
  return opening(foreign(remaining()), note, strip(axis, 28, marks), () => growing(gone, IMAGES_AT_ONCE, IMAGES_AT_ONCE, "snapshots", (one) => goneLine(axis, one)));
}

function goneLine(axis, one) {
  const x = one.at === null ? 0 : axis.place(one.at);
  const marks = one.at === null ? [] : [svg("rect", { class: "gone step", x: Math.max(0, Math.min(996, x - 2)), y: 0, width: 4, height: 14 })];
  const from = one.at === null ? "no date" : `can be deleted from ${day(one.at)}`;
  return el("li", { class: "line" },
    el("div", { class: "who" }, id(one.id), el("span", { class: "note" }, "of ", id(one.image), `, ${WORDS.removed}`)),
    strip(axis, 14, ...marks),
    el("div", { class: "why" }, swatch("gone"), visible([REMAINS[one.action] ?? one.action, ...one.reasonTexts, from].join("; "))));
}

function familyCounts(family) {
  const counts = new Map();
  for (const { tone } of family.images) counts.set(tone, (counts.get(tone) ?? 0) + 1);
  const parts = Object.keys(TONES).filter((tone) => counts.has(tone)).map((tone) => `${number(counts.get(tone))} ${TONES[tone]}`);
  return `${plural(family.images.length, "image")}, ${gibText(family.gib)}${plusUnsized(family.unsized)}: ${parts.join(", ")}`;
}

function familyLine(axis, family) {
  return el("li", {}, opening(familyName(family), familyCounts(family), familyStrip(axis, family.images), () => {
    const newest = [...family.images].sort((a, b) => (b.made ?? -Infinity) - (a.made ?? -Infinity) || a.place - b.place);
    return growing(newest, IMAGES_AT_ONCE, IMAGES_AT_ONCE, "images", (image) => imageLine(axis, image));
  }));
}

/** A strip that opens; its content is created when it does. */
function opening(label, note, drawing, make) {
  const details = el("details", { class: "family" }, el("summary", {},
    el("span", { class: "who" }, el("strong", {}, label), el("span", { class: "note" }, note)), drawing));
  // Also called before printing, because the event would come too late.
  details.show = () => details.children.length > 1 || details.append(...make());
  details.addEventListener("toggle", () => details.open && details.show());
  return details;
}

function goneTable(data) {
  return new PagedTable({
    caption: `Remaining snapshots of ${WORDS.removed} images`,
    rows: data.gone, sort: 3, printed: 100, more: "snapshot", empty: "None.",
    columns: [
      { title: "Snapshot", value: (one) => one.id, cell: (one) => id(one.id) },
      { title: `${capital(WORDS.removed)} image`, value: (one) => one.image, cell: (one) => id(one.image) },
      { title: "Decision", kind: "fate", value: (one) => REMAINS[one.action] ?? one.action, cell: (one) => [swatch("gone"), REMAINS[one.action] ?? visible(one.action)] },
      { title: "Can be deleted from", kind: "short", value: (one) => one.at, cell: (one) => (one.at === null ? "no date" : day(one.at)) },
      { title: "Reason", kind: "why", value: (one) => one.reasonTexts.join("; "), cell: (one) => foreign(one.reasonTexts.join("; ")) },
      { title: "Max. GiB", kind: "number", value: (one) => one.gib, cell: (one) => (one.gib === null ? "unknown" : number(one.gib)) },
    ],
  }).element;
}

function showTimelines(data) {
  const section = document.getElementById("timelines");
  const families = data.families.filter((family) => family.images.length > 0).sort((a, b) => b.gib - a.gib || b.images.length - a.images.length);
  if (families.length === 0) section.append(el("p", { class: "none" }, "There are no families, because there are no images."));
  else section.append(...familyParts(data, families));
  if (data.gone.length > 0) {
    section.append(el("h3", {}, `Remaining snapshots of ${WORDS.removed} images`),
      el("p", {}, `The images of these snapshots are ${WORDS.removed}. A snapshot that a run has tagged can be deleted from its date on. A snapshot without a date is kept until a run tags it. The snapshots cost money until they are deleted.${WORDS.needed}`),
      goneTable(data));
  }
}

function familyParts(data, families) {
  const axis = timeAxis(data);
  const list = el("div", { class: "families" });
  const status = el("p", { class: "count", role: "status" });
  const show = (words) => {
    const found = families.filter((family) => words.every((word) => `${family.label}\n${family.key ?? ""}`.toLowerCase().includes(word)));
    list.replaceChildren(axisElement(axis), ...growing(found, FAMILIES_AT_ONCE, FAMILIES_AT_ONCE, "families", (family) => familyLine(axis, family)));
    if (data.gone.length > 0 && words.every((word) => remaining().includes(word))) list.append(goneGroup(axis, data));
    const of = found.length === families.length ? "" : `${number(found.length)} of `;
    announce(status, `${of}${plural(families.length, "family", "families")}`);
  };
  show([]);
  const search = families.length > 5 ? [searchField("find-family", "Search families", show)] : [];
  return [
    el("p", {}, "Each strip is a family, the largest first. Each box is an image at its creation date; a hollow box after “planned” is its next step. Open a family to see its images: a bar begins at the creation date of the image and is pale until the image expired, and a thin line leads to the next step.",
      data.gone.length > 0 ? ` The last strip shows the remaining snapshots of ${WORDS.removed} images: each box is a date from which a snapshot can be deleted.` : ""),
    el("ul", { class: "legend" }, LEGEND.map((tone) => el("li", {}, swatch(tone), TONES[tone])), el("li", {}, "in this order from the top of each strip; rescued images are in the same row as kept images"),
      data.gone.length > 0 ? el("li", {}, swatch("gone"), remaining()) : ""),
    el("div", { class: "tools" }, search, status),
    list,
  ];
}
