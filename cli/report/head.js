// The head of the page and the plan summary.

function showFacts(data) {
  const facts = [
    [WORDS.account, id(data.account)],
    ...(data.region === "" ? [] : [["Region", id(data.region)]]),
    ["Inventory taken", minute(data.taken_at)],
    ["Planned for", minute(data.planned_at)],
    ["Policy", policyText(data)],
    ["Program", foreign(data.program)],
  ];
  document.getElementById("facts").append(
    ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  document.getElementById("program").replaceChildren(foreign(data.program));
  document.getElementById("price").append(priceNote(data.price));
}

/** The file names of the policy and of the policy it is compared with. */
function policyText({ policy, projection }) {
  const compared = projection?.against_gib ? [", compared with ", foreign(otherPolicy(projection))] : [];
  return [foreign(policy), ...compared];
}

function priceNote(price) {
  const { sizes, noPrice } = WORDS;
  if (!price) return `${sizes}${noPrice}`;
  return `${sizes} Price: USD ${price.usd_per_gib_month} per GiB-month in ${visible(price.region)} as of ${visible(price.as_of)} (${visible(price.note)}).`;
}

function showRefusal(data) {
  const box = document.getElementById("refusal");
  if (data.refusal === null && data.unread.length === 0) return;
  box.hidden = false;
  if (data.refusal === null) box.querySelector("h2").textContent = "Some sources could not be read";
  else box.append(el("p", { class: "lead" }, foreign(data.refusal)));
  if (data.unread.length === 0) return;
  const line = ({ source, error, permission }) => el("li", {},
    el("strong", {}, foreign(source.replaceAll("_", " "))), ": ", foreign(error),
    permission ? [". Missing permission: ", el("code", {}, id(permission))] : null);
  box.append(el("p", {}, "Sources that could not be read:"), el("ul", {}, data.unread.map(line)));
}

/** The specialized images that are shared; their users can read what they contain. */
function showExposed(data) {
  const exposed = data.images.filter((image) => image.exposed);
  if (exposed.length === 0) return;
  const box = document.getElementById("exposed");
  box.hidden = false;
  const it = exposed.length === 1 ? "it" : "them";
  box.append(el("p", { class: "lead" }, `${plural(exposed.length, "specialized image")} ${exposed.length === 1 ? "is" : "are"} shared. Whoever may launch ${it} can read the credentials and secrets in ${it}.`),
    ...growing(exposed, 10, 50, "images", (image) => el("li", {}, id(image.id))));
}

function countDecisions(images) {
  const counts = Object.fromEntries(Object.keys(DECISIONS).map((key) => [key, 0]));
  for (const { decision } of images) counts[decision] = (counts[decision] ?? 0) + 1;
  return counts;
}

function isAre(count) {
  return `${number(count)} ${count === 1 ? "is" : "are"}`;
}

/** The snapshots of unknown size of images that are deregistered now; it may count too many, but not too few. */
function unsizedNow(data) {
  const going = data.images.filter((image) => image.action === "deregister");
  const partly = going.some((image) => image.gib !== null && image.snapshots.length > 1);
  return sizeOf(going).unsized + (partly ? data.unsized.partly : 0);
}

/** The remaining snapshots of deregistered images; null if there are none. */
function remainingText({ gone, goneGib, price, unsized }) {
  if (gone.length === 0) return null;
  const doing = (action, done) => {
    const count = gone.filter((one) => one.action === action).length;
    return count > 0 && `${isAre(count)} ${done}`;
  };
  const what = [doing("keep", "kept"), doing("mark", "tagged now"), doing("delete", "deleted now")].filter(Boolean);
  return `${plural(gone.length, "snapshot")} of ${WORDS.removed} images ${gone.length === 1 ? "remains" : "remain"}, ${atMost(goneGib, price, unsized.gone)}: ${listed(what)}.`;
}

/** The plan in sentences: first the numbers of images, then sizes and costs. */
function summaryText(data, counts) {
  const { summary, price } = data;
  if (data.images.length === 0) return [[`${WORDS.here} ${remainingText(data) ?? "Nothing would be changed."}`]];
  const done = { expire: "tagged as expired", deprecate: "deprecated", disable: "disabled", deregister: WORDS.removed };
  const now = Object.keys(done).filter((action) => counts[action] > 0).map((action, place) =>
    (place === 0 ? `${number(counts[action])} would be ${done[action]} now` : `${number(counts[action])} ${done[action]}`));
  // Each image is counted in exactly one part, so the numbers add up to the total.
  const parts = [
    counts.in_use && `${isAre(counts.in_use)} in use`,
    counts.keep && `${isAre(counts.keep)} kept`,
    counts.rescue && `${number(counts.rescue)} ${counts.rescue === 1 ? "is" : "are"} not in use but would be rescued`,
    counts.wait && `${isAre(counts.wait)} expired and ${counts.wait === 1 ? "waits" : "wait"} for the next step`,
    ...now,
  ].filter(Boolean);
  const first = [`Of ${plural(data.images.length, "image")}, ${listed(parts)}.`];
  const sentences = [];
  if (now.length === 0 && summary.rescue === 0) first.push("A run would change none of them now.");
  if (summary.deregister > 0) {
    const withSnapshots = WORDS.snapshots ? ` and deleting ${summary.deregister === 1 ? "its" : "their"} ${plural(summary.snapshots, "snapshot")}` : "";
    sentences.push(`${WORDS.removing} ${plural(summary.deregister, "image")}${withSnapshots} frees ${atMost(summary.snapshots_gib, price, unsizedNow(data))}.`);
  }
  const uncovered = uncoveredText(data);
  if (uncovered) sentences.push(uncovered);
  const gone = remainingText(data);
  if (gone) sentences.push(gone);
  if (summary.deferred > 0) first.push(`${plural(summary.deferred, "image")} ${summary.deferred === 1 ? "is" : "are"} due for another step, but a limit in the policy defers ${summary.deferred === 1 ? "it" : "them"} to a later run.`);
  if (summary.rescue > 0) first.push(`${plural(summary.rescue, "image")} ${summary.rescue === 1 ? "was" : "were"} expired and ${summary.rescue === 1 ? "is" : "are"} in use or kept again: ${summary.rescue === 1 ? "its" : "their"} steps are undone.`);
  return [first, sentences];
}

/** The images without a matching rule, and their part of the storage; null if there are none. */
function uncoveredText({ summary, images, price }) {
  const { uncovered, uncovered_gib, images_gib } = summary;
  if (uncovered === 0) return null;
  if (uncovered === images.length) return "No rule of the policy matches an image, so all images are kept.";
  const part = images_gib > 0 ? `, ${percent(uncovered_gib / images_gib)} of the storage of all images` : "";
  const unsized = sizeOf(images.filter((image) => image.family.rule === null)).unsized;
  return `No rule matches ${plural(uncovered, "image")}, so ${uncovered === 1 ? "it is" : "they are"} kept: ${atMost(uncovered_gib, price, unsized)}${part}.`;
}

/** The savings once all expired images are deregistered and their snapshots deleted. */
function savedTile(data) {
  const { summary, price } = data;
  const expired = data.images.filter(isExpired).length;
  const usd = price ? `USD ${usdNumber(summary.expired_gib * price.usd_per_gib_month)} a month` : null;
  const size = gibText(summary.expired_gib);
  const when = `when ${expired === 1 ? "the expired image is" : `all ${number(expired)} expired images are`} ${WORDS.removed}${WORDS.snapshots ? ` and ${expired === 1 ? "its" : "their"} snapshots are deleted` : ""}`;
  const note = expired === 0 ? "No image is expired." : `${usd ? `${size}, ` : ""}${when}${plusUnsized(summary.sizes_unknown)}.`;
  return { tone: "saved", label: "Savings, at most", count: usd ?? size, note: `${capital(note)} ${dateText(data)}` };
}

/** The date of the first deletion, or the date before which there is none. */
function dateText({ refusal, first_deletion, planned_at, images, gone }) {
  if (refusal !== null) return "The plan is refused: nothing is deleted.";
  if (first_deletion === null) return "Nothing would be deleted.";
  if (first_deletion > planned_at) return `Nothing is deleted before ${day(first_deletion)}.`;
  const isNow = images.some((one) => one.action === "deregister") || gone.some((one) => one.action === "delete");
  return isNow ? `The first deletion would be now, ${day(planned_at)}.` : "The first deletion may be in the next run.";
}

function tiles(data, counts) {
  const expired = counts.wait + counts.expire + counts.deprecate + counts.disable;
  const { summary, price } = data;
  return [
    savedTile(data),
    { tone: "all", label: "Images", count: data.images.length, note: atMost(data.gib, price, data.unsized.images) },
    { tone: "used", label: "In use", count: counts.in_use, note: "never removed" },
    { tone: "kept", label: "Kept", count: counts.keep, note: "by a rule, a tag or a protection, or not covered" },
    { tone: "rescued", label: "Rescue now", count: counts.rescue, note: "not in use, but kept again", rare: true },
    { tone: "expiring", label: "Expired", count: expired, note: `at a step before ${WORDS.removal}` },
    { tone: "going", label: DECISIONS.deregister.label, count: counts.deregister, note: counts.deregister > 0 ? atMost(summary.snapshots_gib, price, unsizedNow(data)) : "" },
  ].filter((tile) => !tile.rare || tile.count > 0);
}

function showNow(data) {
  const counts = countDecisions(data.images);
  const section = document.getElementById("now");
  section.append(el("div", { id: "summary" }, summaryText(data, counts).filter((part) => part.length > 0).map((part, place) => el("p", { class: place === 0 ? "lead" : "" }, part.join(" ")))));
  const shown = tiles(data, counts);
  section.append(el("ul", { class: "tiles" }, shown.map(({ tone, label, count, note }) =>
    el("li", { class: tone }, el("span", { class: "label" }, label), el("strong", {}, typeof count === "number" ? number(count) : count), el("span", { class: "note" }, note)))));
  const parts = shown.slice(2).filter((tile) => tile.count > 0);
  if (parts.length > 0) {
    section.append(el("div", { class: "bar", "aria-hidden": "true" },
      parts.map(({ tone, count }) => el("span", { class: tone, style: `flex-grow:${count}` }))));
  }
  const unsized = data.images.filter((image) => image.gib === null).length;
  if (unsized > 0) section.append(el("p", { class: "note" }, `The size of ${plural(unsized, "image")} is unknown, and not included.`));
}
