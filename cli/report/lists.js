// The steps in the next month.

const MONTH = 31 * DAY;

function wordsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** A search field with a label; Escape clears it. `found` is called with the words. */
function searchField(name, label, found) {
  const input = el("input", { type: "search", id: name, autocomplete: "off", spellcheck: "false", input: () => found(wordsOf(input.value)) });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || input.value === "") return;
    event.preventDefault();
    input.value = "";
    found([]);
  });
  return el("div", { class: "field" }, el("label", { for: name }, label), input);
}

const DEREGISTERED = { id: "", get name() { return `(${WORDS.removed})`; }, family: { label: "", key: null }, gone: true };

/** The image of each snapshot, which may be deregistered. */
function ownersOf(data) {
  const owners = new Map(data.gone.map((one) => [one.id, { ...DEREGISTERED, id: one.image }]));
  for (const image of data.images) for (const snapshot of image.snapshots) if (!owners.has(snapshot)) owners.set(snapshot, image);
  return owners;
}

/** The steps of daily sweeps within the month; if they were not simulated, the next step of each image, by date. */
function stepsOf(data) {
  if (data.month === null) return nextSteps(data);
  const owners = ownersOf(data);
  return data.month.map(([place, step, at, snapshots, gib]) => {
    const image = place === null ? owners.get(snapshots[0]) ?? DEREGISTERED : data.images[place];
    return { image, step, at, snapshots, gib, now: at <= data.planned_at };
  });
}

function nextSteps(data) {
  const now = data.planned_at;
  const until = now + MONTH;
  const steps = [];
  const add = (image, step, at, snapshots, gib) => steps.push({ image, step, at, snapshots: step === "delete_snapshots" ? snapshots : [], gib, now: at === now });
  for (const image of data.images) {
    if (stepNow(image)) add(image, image.action, now, image.snapshots, image.gib);
    if (image.step !== null && image.at !== null && image.at <= until) add(image, image.step, Math.max(now, image.at), image.snapshots, image.gib);
  }
  for (const one of data.gone) {
    const at = one.action === "delete" ? now : one.at;
    if (at === null || at > until || (at <= now && one.action !== "delete")) continue;
    add({ ...DEREGISTERED, id: one.image }, "delete_snapshots", at, [one.id], one.gib);
  }
  return steps.sort((a, b) => a.at - b.at);
}

/** The columns of the table by date: the steps of images, then the steps of snapshots. */
const BY_DATE = {
  rescue: "Rescue", mark: "Tag as expired", deprecate: "Deprecate", disable: "Disable", get deregister() { return capital(WORDS.remove); },
  mark_snapshots: "Tag snapshots", delete_snapshots: "Delete snapshots",
};

/** Whether a step frees storage: the last one, which removes the image itself if it has no snapshots. */
function isFreeing({ step }) {
  return step === "delete_snapshots" || (step === "deregister" && !WORDS.snapshots);
}

/** The days with steps: the number of each step, and the size that deletions free. */
function daysOf(steps) {
  const days = new Map();
  for (const one of steps) {
    const date = day(one.at);
    const row = days.get(date) ?? { at: one.at, now: one.now, counts: {}, gib: 0, unsized: 0, frees: false };
    days.set(date, row);
    const deletes = one.step === "delete_snapshots";
    const frees = isFreeing(one);
    const column = one.step === "mark" && one.image.gone ? "mark_snapshots" : one.step;
    // Steps of snapshots count snapshots, because an image can have several.
    row.counts[column] = (row.counts[column] ?? 0) + (deletes || one.image.gone ? one.snapshots.length : 1);
    if (frees) row.gib += one.gib ?? 0;
    if (deletes && one.gib === null) row.unsized += one.snapshots.length;
    row.frees ||= frees;
  }
  return [...days.values()];
}

function stepDay(one) {
  return one.now ? `${day(one.at)} (now)` : day(one.at);
}

function dayTable(steps) {
  const rows = daysOf(steps);
  const taken = Object.keys(BY_DATE).filter((step) => rows.some((row) => row.counts[step] > 0));
  const frees = (row) => (row.frees ? `${number(row.gib)}${row.unsized > 0 ? ` plus ${number(row.unsized)} unknown` : ""}` : "");
  return new PagedTable({
    caption: "Steps in the next month, by date", rows, sort: 0, printed: 200, more: "day", empty: "No steps are due within a month.",
    columns: [
      { title: "Date", kind: "date", value: (row) => row.at, cell: stepDay },
      ...taken.map((step) => ({
        title: BY_DATE[step], kind: "number", value: (row) => row.counts[step] ?? null, cell: (row) => (row.counts[step] ? number(row.counts[step]) : ""),
      })),
      ...(rows.some((row) => row.frees)
        ? [{ title: "Max. GiB freed", kind: "number", value: (row) => (row.frees ? row.gib : null), cell: frees }]
        : []),
    ],
  }).element;
}

function stepText(one) {
  if (one.step === "mark" && one.image.gone) return "tag for deletion";
  return SWEEP_STEPS[one.step] ?? one.step;
}

function stepSearchText(one) {
  one.text ??= [day(one.at), stepText(one), one.image.id, one.image.name, one.image.family.label, one.image.family.key ?? "", ...one.snapshots].join("\n").toLowerCase();
  return one.text;
}

/** The table of all steps, with a search field. */
function stepParts(steps) {
  const who = (one) => [id(one.image.id), el("div", {}, broken(one.image.name, "foreign name")),
    ...one.snapshots.map((snapshot) => el("div", { class: "note" }, id(snapshot)))];
  const table = new PagedTable({
    caption: "Steps in the next month", rows: steps, sort: 0, printed: 200, more: "step", empty: "No step matches.",
    columns: [
      { title: "Date", kind: "date", value: (one) => one.at, cell: stepDay },
      { title: "Step", kind: "short", value: (one) => one.step, cell: stepText },
      { title: "Image", kind: "wrap", value: (one) => one.image.name, cell: who },
      { title: "Family", kind: "wrap", value: (one) => one.image.family.label, cell: (one) => familyName(one.image.family) },
      { title: "Max. GiB", kind: "number", value: (one) => one.gib, cell: (one) => (one.gib === null ? "unknown" : number(one.gib)) },
    ],
  });
  const search = searchField("find-step", `Search date, step, image, name, family${WORDS.snapshots ? ", snapshot" : ""}`, (words) =>
    table.choose((one) => words.every((word) => stepSearchText(one).includes(word))));
  return [el("h3", {}, "All steps"), el("div", { class: "tools", role: "search", "aria-label": "Steps in the next month" }, search), table.element];
}

/** The size that the deletions of the month free, as a sentence. */
function freedText(steps, data) {
  const going = steps.filter(isFreeing);
  if (going.length === 0) return "";
  const sum = (parts, value) => parts.reduce((all, one) => all + value(one), 0);
  if (!WORDS.snapshots) return ` The deletions free ${atMost(sum(going, (one) => one.gib ?? 0), data.price, 0)}.`;
  const unsized = sum(going.filter((one) => one.gib === null), (one) => one.snapshots.length);
  const count = plural(sum(going, (one) => one.snapshots.length), "snapshot");
  return ` Deleting ${count} frees ${atMost(sum(going, (one) => one.gib ?? 0), data.price, unsized)}.`;
}

/** How to stop the listed steps. */
function stopParts(data) {
  const text = ["To stop the steps of an image, keep it permanently, or temporarily with --for 2w. This sets the tag ", el("code", {}, id(data.keep_tag)),
    ", and the next run undoes the steps. For snapshots of a ", WORDS.removed, " image, keep the snapshots."];
  const prefix = data.keep_tag.replace(/:keep$/, "");
  const option = prefix === "image-steward" ? "" : ` --prefix ${visible(prefix)}`;
  const command = `image-steward keep IMAGE ${WORDS.option(data)}${option}`;
  return [el("p", {}, text), el("pre", {}, command)];
}

function showMonth(data) {
  const section = document.getElementById("month");
  const steps = stepsOf(data);
  const dates = `From ${day(data.planned_at)} to ${day(data.planned_at + MONTH)}`;
  section.append(el("p", {}, data.month === null
    ? `${dates}, if nothing changes: the steps due now, and the next step of each image. The list does not include later steps, and ignores the limits in the policy.`
    : `${dates}, with daily runs under the limits in the policy, if nothing changes and no image is created.${freedText(steps, data)}`));
  if (data.refusal !== null) section.append(el("p", { class: "note" }, data.month === null
    ? "The plan is refused. Until the cause is fixed, none of these steps is applied, even on its date."
    : "The plan is refused. The list shows what runs do until the cause is fixed: they do not retire any image further."));
  if (steps.length === 0) {
    section.append(el("p", { class: "none" }, "No steps are due within a month."));
    return;
  }
  if (steps.some((one) => one.step !== "rescue")) section.append(...stopParts(data));
  section.append(el("h3", {}, "By date"), dayTable(steps), ...stepParts(steps));
}
