// References to old images: each resource once, with its versions and their images.

const OLD = 90 * DAY;
const USES_SHOWN = 5;

/** The resources with references to old images, each with its images, the oldest first. */
function resourcesOf(data) {
  const old = data.images.filter((image) => image.made !== null && data.planned_at - image.made > OLD);
  const references = old.flatMap((image) => image.held.map((holder) => ({ image, ...holder })));
  return [...grouped(references, (one) => one.arn).values()].map(resourceOf);
}

function resourceOf(uses) {
  const images = [...new Set(uses.map((one) => one.image))];
  const { kind, arn, short } = uses[0];
  const sorted = [...uses].sort((a, b) => a.image.made - b.image.made || a.image.place - b.image.place);
  return {
    kind, arn, short, uses: sorted, images, name: uses.find((one) => one.name !== null)?.name ?? null,
    stale: uses.filter((one) => one.stale).length, made: sorted[0].image.made, ...sizeOf(images),
  };
}

function resourceCell(resource) {
  const { kind, name, short } = resource;
  return [el("strong", {}, foreign(`${kind} ${name ?? short}`)), el("div", { class: "note" }, arn(resource.arn))];
}

/** The images that a resource uses, with version and age. A button shows the rest of a long list. */
function usesCell(resource, data) {
  const line = ({ image, version, stale }) => el("li", {},
    version === null ? "" : [el("strong", {}, foreign(versionText(version, ""))), " "],
    broken(image.name, "foreign name"), " ", id(image.id),
    " ", el("span", { class: "note" }, el("span", { class: "date" }, day(image.made)), ` (${span(data.planned_at - image.made)})${stale ? ", stale" : ""}`));
  return growing(resource.uses, USES_SHOWN, 50, "images", line);
}

function staleText({ stale, uses }) {
  if (stale === 0) return "no";
  if (stale === uses.length) return "stale";
  return `${number(stale)} of ${number(uses.length)}`;
}

/** The text before the table. */
function referencesText(resources, data) {
  if (resources.length === 0) return "There are no references to images older than 90 days.";
  const images = [...new Set(resources.flatMap((one) => one.images))];
  const { gib, unsized } = sizeOf(images);
  const stale = resources.reduce((sum, one) => sum + one.stale, 0);
  const note = stale === 0
    ? "None of the references is stale."
    : `${plural(stale, "reference")} ${stale === 1 ? "is" : "are"} stale: nothing in the inventory launches instances from ${stale === 1 ? "it" : "them"}. Check with their owners before you delete ${stale === 1 ? "it" : "them"}: a person or a program might still launch instances.`;
  return `${plural(resources.length, "resource")} ${resources.length === 1 ? "refers" : "refer"} to ${plural(images.length, "image")} older than 90 days: ${atMost(gib, data.price, unsized)}. ${note}`;
}

function showReferences(data) {
  const section = document.getElementById("references");
  const resources = resourcesOf(data);
  section.append(el("p", {}, referencesText(resources, data)));
  if (resources.length === 0) return;
  section.append(new PagedTable({
    caption: "References to old images", rows: resources, sort: 2, printed: 200, more: "resource", empty: "None.",
    columns: [
      { title: "Resource", kind: "wrap", value: (one) => `${one.kind} ${one.name ?? one.short}`, cell: resourceCell },
      { title: "Old images", kind: "uses", value: (one) => one.images.length, cell: (one) => usesCell(one, data) },
      { title: "Oldest", kind: "date", value: (one) => one.made, cell: (one) => day(one.made) },
      { title: "Stale", kind: "short", value: (one) => (one.stale === 0 ? null : one.stale / one.uses.length), cell: staleText },
      { title: "Max. GiB", kind: "number", value: (one) => one.gib, cell: (one) => `${number(one.gib)}${one.unsized > 0 ? ` plus ${number(one.unsized)} unknown` : ""}` },
      ...(data.price ? [{ title: "Max. USD a month", kind: "number", value: (one) => one.gib, cell: (one) => usdNumber(one.gib * data.price.usd_per_gib_month) }] : []),
    ],
  }).element);
}
