// The table of all images, with search, filter and details.

const IMAGES_PRINTED = 300;

/** The text that the search matches, computed on first use. */
function searchText(image) {
  image.text ??= [
    image.id, image.fullId, image.name, image.family.label, image.family.key ?? "", decisionText(image), image.state, ...image.reasonTexts,
    ...image.held.flatMap((one) => [one.kind, one.name ?? "", one.arn]), ...image.snapshots,
  ].join("\n").toLowerCase();
  return image.text;
}

function imageColumns({ price }) {
  return [
    { title: "Image", value: (one) => one.id, cell: (one) => id(one.id) },
    { title: "Name", value: (one) => one.name, cell: (one) => broken(one.name, "foreign name"), kind: "wrap" },
    { title: "Decision", kind: "fate", value: (one) => decisionText(one), cell: (one) => [swatch(one.tone), decisionText(one), one.state === "available" ? "" : ` (${visible(one.state)})`] },
    { title: "Reason", kind: "why", value: (one) => reasonText(one), cell: (one) => [foreign(reasonText(one)), moreReasons(one)] },
    { title: "Family", value: (one) => one.family.label, cell: (one) => familyName(one.family), kind: "wrap" },
    { title: "Next step", kind: "short", value: (one) => one.at, cell: (one) => nextText(one) },
    { title: "Created", kind: "date", value: (one) => one.made, cell: (one) => day(one.made) },
    { title: "Max. GiB", kind: "number", value: (one) => (isShared(one) ? null : one.gib), cell: sizeCell },
    ...(price ? [{ title: "Max. USD a month", kind: "number", value: (one) => (isShared(one) ? null : one.gib), cell: (one) => costCell(one, price) }] : []),
  ];
}

/** Whether the sizes of all its snapshots are counted with another image. */
function isShared(image) {
  return image.shared !== null && !image.gib;
}

function sizeCell(image) {
  if (isShared(image)) return el("abbr", { title: `counted with ${visible(image.shared.id)}` }, "shared");
  return image.gib === null ? "unknown" : number(image.gib);
}

function costCell(image, price) {
  return image.gib === null || isShared(image) ? "" : usdNumber(image.gib * price.usd_per_gib_month);
}

function sizeLine(image, data) {
  const shared = image.shared === null ? null : [isShared(image) ? "its snapshot is counted with " : "; a snapshot that it shares is counted with ", id(image.shared.id)];
  if (isShared(image)) return shared;
  return [image.gib === null ? "unknown" : atMost(image.gib, data.price, 0), ...(shared ?? [])];
}

function moreReasons(image) {
  const more = image.reasonTexts.length - (image.held.length > 0 ? 0 : 1);
  return more > 0 ? ` (and ${plural(more, "more reason")})` : "";
}

function referenceLine(holder) {
  const version = holder.version === null ? "" : `, ${WORDS.snapshots ? "version " : ""}${visible(holder.version)}`;
  const name = holder.name === null ? "" : [" ", el("strong", {}, foreign(holder.name))];
  return el("li", {}, foreign(holder.kind), name, " ", arn(holder.arn), version, holder.stale ? ": stale, because nothing in the inventory launches instances from it" : "");
}

/** The parts of the details about the disks, if the provider lists disks. */
function diskParts({ fullId, os_state, disks = [], sources = [], exposed, unconfirmed }) {
  const disk = ({ lun, size_gib }) => `${lun === undefined ? "operating system" : `data disk ${lun}`}, ${size_gib === undefined ? "size unknown" : gibText(size_gib)}`;
  const list = (items, show) => (items.length === 0 ? "none" : el("ul", {}, items.map((one) => el("li", {}, show(one)))));
  return [
    ["ID", arn(fullId)],
    ["Operating system", `${visible(os_state ?? "state unknown")}${exposed ? "; WARNING: shared, so that others can read the credentials and secrets in it" : ""}`],
    ["Disks", list(disks, disk)],
    ["Created from", list(sources, id)],
    ...(unconfirmed ? [["Replication", "not confirmed; the image takes no place in its family"]] : []),
  ];
}

/** All details of an image. */
function imageDetail(image, data) {
  const age = image.made === null ? "unknown, so it is kept" : `${day(image.made)}, ${span(data.planned_at - image.made)} before the plan`;
  const reasons = [...(image.held.length > 0 ? ["in use"] : []), ...image.reasonTexts];
  const { key } = image.family;
  const parts = [
    ["Decision", `${decisionText(image)}; state: ${visible(image.state)}`],
    ["All reasons", reasons.length === 0 ? "none" : el("ul", {}, reasons.map((one) => el("li", {}, foreign(one))))],
    ["References", image.held.length === 0 ? "none found" : el("ul", {}, image.held.map(referenceLine))],
    ["Family", [foreign(image.family.label), key && key !== "all" ? el("div", { class: "note" }, arn(key)) : ""]],
    ["Created", age],
    ["Expired since", image.expired === null ? "not expired" : day(image.expired)],
    ["Next step", image.step === null ? "none" : nextText(image)],
    ...(WORDS.snapshots ? [["Snapshots", image.snapshots.length === 0 ? "none" : el("ul", {}, image.snapshots.map((one) => el("li", {}, id(one))))]] : diskParts(image)),
    ["Size", sizeLine(image, data)],
  ];
  return el("div", { class: "about", role: "group", tabindex: "0", "aria-label": `Details of ${visible(image.id)}` }, el("dl", {}, parts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
}

function showImages(data) {
  const section = document.getElementById("images");
  const table = new PagedTable({
    caption: "All images", rows: data.images, sort: 6, down: true, printed: IMAGES_PRINTED, more: "image",
    empty: data.images.length === 0 ? "There are no images." : "No image matches.", columns: imageColumns(data), detail: (image) => imageDetail(image, data),
  });
  let words = [];
  const update = () => {
    const wanted = choice.value;
    table.choose((image) => isDecided(image, wanted) && words.every((word) => searchText(image).includes(word)));
  };
  const search = searchField("search", `Search ID, name, family, reason${WORDS.snapshots ? ", ARN, snapshot" : ""}`, (found) => {
    words = found;
    update();
  });
  const counts = Object.keys(DECISIONS).map((key) => [key, data.images.filter((image) => isDecided(image, key)).length]);
  const choice = el("select", { id: "decision", change: update }, el("option", { value: "" }, `All (${number(data.images.length)})`),
    counts.map(([key, count]) => el("option", { value: key }, `${DECISIONS[key].label} (${number(count)})`)));
  section.append(
    el("div", { class: "tools", role: "search", "aria-label": "Images" }, search, el("div", { class: "field" }, el("label", { for: "decision" }, "Decision"), choice)),
    table.element);
}
