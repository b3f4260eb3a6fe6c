// Storage and counts over time: existing images by creation date, and the simulation.

/** The label of snapshots whose image no longer exists. */
function remaining() {
  return `${WORDS.removed}, snapshots remain`;
}
const FAMILIES_SHOWN = 8;
const POINTS = 96;

/** The largest families, the other families as one, and the remaining snapshots of deregistered images. */
function rankFamilies(data) {
  const ranked = [...data.families].filter((one) => one.images.length > 0).sort((a, b) => b.gib - a.gib || b.images.length - a.images.length);
  const shown = ranked.length > FAMILIES_SHOWN + 1 ? ranked.slice(0, FAMILIES_SHOWN) : ranked.slice(0, FAMILIES_SHOWN + 1);
  const layers = shown.map((family, place) => ({ label: family.label, families: new Set([family]), tone: `series-${place}` }));
  const others = ranked.slice(shown.length);
  if (others.length > 0) layers.push({ label: plural(others.length, "other family", "other families"), families: new Set(others), tone: "series-others" });
  if (data.gone.length > 0 || laterGone(data)) layers.push({ label: remaining(), families: new Set(), tone: "gone" });
  return layers;
}

/** Whether the simulation contains snapshots of images deregistered by then, which belong to no family. */
function laterGone({ projection }) {
  return projection?.gib.some((total, place) => total > projection.families.reduce((sum, one) => sum + one.gib[place], 0)) ?? false;
}

/** Times at equal intervals, the last one exactly `end`. */
function samples(start, end) {
  const count = start < end ? POINTS : 1;
  return Array.from({ length: count }, (_, place) => end - ((end - start) * (count - 1 - place)) / Math.max(1, count - 1));
}

/**
 * The GiB of each layer at each time, for existing resources. A resource without a date, such as a snapshot whose image
 * is deregistered, counts from the start, so the last value is the present total. `unsized` counts unknown sizes.
 */
function pastOf(layers, data) {
  const dated = data.images.filter((image) => image.made !== null).sort((a, b) => a.made - b.made);
  const at = samples(dated[0]?.made ?? data.planned_at, data.planned_at);
  const of = new Map(layers.flatMap((layer, index) => [...layer.families].map((family) => [family, index])));
  const sums = layers.map((layer) => (layer.tone === "gone" ? data.goneGib : 0));
  let without = data.unsized.gone + data.unsized.partly;
  const unsized = [];
  const gib = layers.map(() => []);
  const images = [];
  let count = 0;
  const add = (image) => {
    count += 1;
    sums[of.get(image.family)] += image.gib ?? 0;
    without += image.unsized;
  };
  data.images.filter((image) => image.made === null).forEach(add);
  let next = 0;
  at.forEach((time, place) => {
    // Images dated after the plan exist all the same.
    const until = place + 1 === at.length ? Infinity : time;
    while (next < dated.length && dated[next].made <= until) add(dated[next++]);
    sums.forEach((sum, index) => gib[index].push(sum));
    images.push(count);
    unsized.push(without);
  });
  return { at, gib, images, unsized };
}

/** The simulation in the same layers, or null. Storage of no family belongs to images deregistered by then. */
function future(layers, data) {
  const { projection } = data;
  if (!projection || projection.at.length === 0) return null;
  const parts = new Map(projection.families.map((one) => [data.families[one.family], one.gib]));
  const gib = layers.map((layer) => projection.at.map((_, place) =>
    [...layer.families].reduce((sum, family) => sum + (parts.get(family)?.[place] ?? 0), 0)));
  const gone = gib[layers.findIndex((layer) => layer.tone === "gone")];
  projection.gib.forEach((total, place) => {
    const rest = total - gib.reduce((sum, one) => sum + one[place], 0);
    if (gone && rest > 0) gone[place] += rest;
  });
  return { at: projection.at, gib, images: projection.images };
}

/** Stacked layers: the lower and upper bound of each layer at each time. */
function stack({ at, gib }, layers) {
  const floor = at.map(() => 0);
  return layers.flatMap((layer, index) => at.map((time, place) => {
    const y1 = floor[place];
    floor[place] += gib[index][place];
    return { at: new Date(time * 1000), layer: index, tone: layer.tone, y1, y2: floor[place] };
  }));
}

function totals({ at, gib, unsized }) {
  return at.map((time, place) => ({ at: new Date(time * 1000), unsized: unsized?.[place], value: gib.reduce((sum, one) => sum + one[place], 0) }));
}

function points(at, values) {
  return at.map((time, place) => ({ at: new Date(time * 1000), value: values[place] }));
}

/** At most about `most` values at equal intervals, including the last. */
function thinned(values, most) {
  const every = Math.max(1, Math.ceil(values.length / most));
  return values.filter((_, place) => (values.length - 1 - place) % every === 0);
}
