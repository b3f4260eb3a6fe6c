// Storage and counts over time: what exists today by when it was made, and the simulation's future.

const FAMILIES_SHOWN = 8;
const POINTS = 96;

/** The largest families, the others as one, and last the snapshots whose image is gone. */
function rankFamilies(data) {
  const ranked = [...data.families].filter((one) => one.images.length > 0).sort((a, b) => b.gib - a.gib || b.images.length - a.images.length);
  const shown = ranked.length > FAMILIES_SHOWN + 1 ? ranked.slice(0, FAMILIES_SHOWN) : ranked.slice(0, FAMILIES_SHOWN + 1);
  const layers = shown.map((family, place) => ({ label: family.label, families: new Set([family]), tone: `series-${place}` }));
  const others = ranked.slice(shown.length);
  if (others.length > 0) layers.push({ label: plural(others.length, "other family", "other families"), families: new Set(others), tone: "series-others" });
  if (data.gone.length > 0 || laterGone(data)) layers.push({ label: "gone, snapshots still there", families: new Set(), tone: "gone" });
  return layers;
}

/** Whether the simulation has snapshots of images that are gone by then: what it counts beside the families. */
function laterGone({ projection }) {
  return projection?.gib.some((total, place) => total > projection.families.reduce((sum, one) => sum + one.gib[place], 0)) ?? false;
}

/** Times at equal distance, the last of them exactly `end`. */
function samples(start, end) {
  const count = start < end ? POINTS : 1;
  return Array.from({ length: count }, (_, place) => end - ((end - start) * (count - 1 - place)) / Math.max(1, count - 1));
}

/**
 * For each layer its GiB at each time, of what exists today. What has no date (a snapshot whose image is gone has none
 * here) counts from the beginning: so the last value is what is there today. `unsized` is what has no known size.
 */
function history(layers, data) {
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
    // What is dated after the plan is there all the same.
    const until = place + 1 === at.length ? Infinity : time;
    while (next < dated.length && dated[next].made <= until) add(dated[next++]);
    sums.forEach((sum, index) => gib[index].push(sum));
    images.push(count);
    unsized.push(without);
  });
  return { at, gib, images, unsized };
}

/** The simulation in the same layers, or null. What it says of no family is of images that are gone by then. */
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

/** Layers upon one another: for each layer and time from where to where it reaches. */
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

/** Every so many, and always the last. */
function thinned(values, most) {
  const every = Math.max(1, Math.ceil(values.length / most));
  return values.filter((_, place) => (values.length - 1 - place) % every === 0);
}
