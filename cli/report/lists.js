// The short lists: what goes next month, and what pins old images.

const MONTH = 31 * DAY;
const OLD = 90 * DAY;

function wordsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** A search field with a label; Escape empties it. `found` gets the words. */
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

const IMAGE_COLUMNS = [
  { title: "Image", value: (one) => one.image.id, cell: (one) => id(one.image.id) },
  { title: "Name", value: (one) => one.image.name, cell: (one) => foreign(one.image.name, "foreign name") },
];

/** The steps within a month, by date: of images, and of what is gone but for its snapshots. */
function stepsOf(data) {
  const steps = [];
  const until = data.planned_at + MONTH;
  for (const image of data.images) {
    const now = stepNow(image);
    if (now) steps.push({ id: image.id, image, at: data.planned_at, step: now, now: true });
    if (image.step !== null && image.at !== null && image.at <= until) steps.push({ id: image.id, image, at: image.at, step: image.step, now: false });
  }
  for (const gone of data.gone) {
    if (gone.at === null || gone.at > until) continue;
    const image = { id: gone.id, name: "(already gone)", family: { label: "" }, gib: gone.gib };
    steps.push({ id: gone.id, image, at: gone.at, step: "delete_snapshots", now: gone.at <= data.planned_at });
  }
  return steps;
}

function showMonth(data) {
  const section = document.getElementById("month");
  const steps = stepsOf(data);
  const keep = el("code", {}, id(data.keep_tag));
  section.append(el("p", {}, `What a step would be taken with from ${day(data.planned_at)} to ${day(data.planned_at + MONTH)}, if nothing changes. To stop it, tag the image `, keep,
    ": with an empty value for good, with a date (2027-01-31) until then. The next run takes back what was done to it. For snapshots of an image that is gone, tag the snapshots."));
  if (data.refusal !== null) section.append(el("p", { class: "note" }, "The plan refuses: while it does, none of these steps is taken, whatever its date."));
  section.append(el("pre", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Command that keeps an image" }, `aws ec2 create-tags --resources IMAGE --tags Key=${visible(data.keep_tag)},Value=`));
  section.append(new PagedTable({
    caption: "Steps of the next month", rows: steps, sort: 2, printed: 200, more: "step", empty: "No step comes within a month.",
    columns: [
      ...IMAGE_COLUMNS,
      { title: "Date", kind: "date", value: (one) => one.at, cell: (one) => (one.now ? `now (due ${day(one.at)})` : day(one.at)) },
      { title: "Step", value: (one) => one.step, cell: (one) => STEPS[one.step] ?? one.step },
      { title: "Family", value: (one) => one.image.family.label, cell: (one) => foreign(one.image.family.label) },
      { title: "At most GiB", kind: "number", value: (one) => one.image.gib, cell: (one) => (one.image.gib === null ? "unknown" : number(one.image.gib)) },
    ],
  }).element);
}

function pinsOf(data) {
  const old = data.images.filter((image) => image.made !== null && data.planned_at - image.made > OLD);
  return old.flatMap((image) => image.held.map((holder) => ({ image, ...holder })));
}

function showPins(data) {
  const section = document.getElementById("pins");
  const pins = pinsOf(data);
  const images = new Set(pins.map((pin) => pin.image));
  const gib = [...images].reduce((sum, image) => sum + (image.gib ?? 0), 0);
  const stale = pins.filter((pin) => pin.stale).length;
  section.append(el("p", {}, pins.length === 0
    ? "Nothing refers to an image that is older than 90 days."
    : `What refers to images that are older than 90 days: ${plural(images.size, "image")}, ${atMost(gib, data.price)}. ${stale === 0 ? "None of it is stale." : `${plural(stale, "reference")} ${stale === 1 ? "is" : "are"} stale: nothing that was read starts machines from ${stale === 1 ? "it" : "them"}. Ask before you delete: a person or a program may.`}`));
  if (pins.length === 0) return;
  section.append(new PagedTable({
    caption: "What refers to old images", rows: pins, sort: 2, printed: 200, more: "reference", empty: "None.",
    columns: [
      ...IMAGE_COLUMNS,
      { title: "Made", kind: "date", value: (one) => one.image.made, cell: (one) => `${day(one.image.made)} (${span(data.planned_at - one.image.made)})` },
      { title: "Kind", value: (one) => one.kind, cell: (one) => foreign(one.kind) },
      { title: "Stale", value: (one) => (one.stale ? 0 : 1), cell: (one) => (one.stale ? "stale" : "no") },
      { title: "Held by", value: (one) => one.by, cell: (one) => [arn(one.by), one.stale ? el("div", { class: "note" }, "Nothing that was read starts machines from it.") : null] },
    ],
  }).element);
}
