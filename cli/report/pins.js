// What pins old images: each resource once, with its versions and the images that they use.

const OLD = 90 * DAY;
const USES_AT_ONCE = 5;

/** The resources that refer to images of some age; of each the images, the oldest first. */
function pinsOf(data) {
  const old = data.images.filter((image) => image.made !== null && data.planned_at - image.made > OLD);
  const references = old.flatMap((image) => image.held.map((holder) => ({ image, ...holder })));
  return [...grouped(references, (one) => one.arn).values()].map(pinOf);
}

function pinOf(uses) {
  const images = [...new Set(uses.map((one) => one.image))];
  const { kind, arn, short } = uses[0];
  const sorted = [...uses].sort((a, b) => a.image.made - b.image.made || a.image.place - b.image.place);
  return {
    kind, arn, short, uses: sorted, images, name: uses.find((one) => one.name !== null)?.name ?? null,
    stale: uses.filter((one) => one.stale).length, made: sorted[0].image.made, ...sizeOf(images),
  };
}

function pinCell(pin) {
  return [el("strong", {}, foreign(`${pin.kind} ${pin.name ?? pin.short}`)), el("div", { class: "note" }, arn(pin.arn))];
}

/** The images that a resource uses: version, image, age; the first few, and the others on request. */
function usesCell(pin, data) {
  const line = ({ image, version, stale }) => el("li", {},
    version === null ? "" : [el("strong", {}, foreign(`v${version}`)), " "],
    broken(image.name, "foreign name"), " ", id(image.id),
    " ", el("span", { class: "note" }, el("span", { class: "date" }, day(image.made)), ` (${span(data.planned_at - image.made)})${stale ? ", stale" : ""}`));
  return growing(pin.uses, USES_AT_ONCE, 50, "images", line);
}

function staleText({ stale, uses }) {
  if (stale === 0) return "no";
  if (stale === uses.length) return "stale";
  return `${number(stale)} of ${number(uses.length)}`;
}

/** What the section says before its table. */
function pinsText(pins, data) {
  if (pins.length === 0) return "Nothing refers to an image that is older than 90 days.";
  const images = [...new Set(pins.flatMap((pin) => pin.images))];
  const { gib, unsized } = sizeOf(images);
  const stale = pins.reduce((sum, pin) => sum + pin.stale, 0);
  const note = stale === 0
    ? "None of the references is stale."
    : `${plural(stale, "reference")} ${stale === 1 ? "is" : "are"} stale: nothing that was read launches instances from ${stale === 1 ? "it" : "them"}. Ask before you delete: a person or a program may.`;
  return `${plural(pins.length, "resource")} ${pins.length === 1 ? "refers" : "refer"} to ${plural(images.length, "image")} older than 90 days: ${atMost(gib, data.price, unsized)}. ${note}`;
}

function showPins(data) {
  const section = document.getElementById("pins");
  const pins = pinsOf(data);
  section.append(el("p", {}, pinsText(pins, data)));
  if (pins.length === 0) return;
  section.append(new PagedTable({
    caption: "What refers to old images", rows: pins, sort: 2, printed: 200, more: "resource", empty: "None.",
    columns: [
      { title: "Used by", kind: "wrap", value: (one) => `${one.kind} ${one.name ?? one.short}`, cell: pinCell },
      { title: "Old images", kind: "uses", value: (one) => one.images.length, cell: (one) => usesCell(one, data) },
      { title: "Oldest", kind: "date", value: (one) => one.made, cell: (one) => day(one.made) },
      { title: "Stale", kind: "short", value: (one) => (one.stale === 0 ? null : one.stale / one.uses.length), cell: staleText },
      { title: "At most GiB", kind: "number", value: (one) => one.gib, cell: (one) => `${number(one.gib)}${one.unsized > 0 ? ` plus ${number(one.unsized)} unknown` : ""}` },
      ...(data.price ? [{ title: "At most USD a month", kind: "number", value: (one) => one.gib, cell: (one) => usdNumber(one.gib * data.price.usd_per_gib_month) }] : []),
    ],
  }).element);
}
