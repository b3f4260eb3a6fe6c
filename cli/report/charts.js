// The two charts. Plot draws them as SVG, with colors from the style sheet, so that they adapt to light, dark and print.

const TABLE_ROWS = 24;

function color(tone) {
  return `var(--${tone})`;
}

/** The common parts of both charts: the axes, and the line at the time of the plan. */
function frame(data, width, marks, extra) {
  return Plot.plot({
    width,
    height: width < 720 ? 260 : 340,
    marginLeft: 28 + 8 * number(Math.round(extra.domain[1] * 1.2)).length,
    marginRight: 64,
    marginTop: 34,
    style: { fontSize: "12px", background: "none" },
    x: { type: "utc", label: null },
    y: { zero: true, nice: true, ...extra },
    marks: [
      Plot.axisX({ ticks: width < 560 ? 4 : 8 }),
      ...marks,
      Plot.ruleY([0]),
      Plot.ruleX([new Date(data.planned_at * 1000)], { stroke: "currentColor", strokeOpacity: 0.6 }),
      data.projection ? Plot.text([new Date(data.planned_at * 1000)], { x: (time) => time, text: () => "planned", frameAnchor: "top", dy: -12 }) : null,
    ],
  });
}

/** Ticks at round amounts of money on an axis in GiB. */
function moneyAxis(most, price, width, unsized) {
  const step = roundStep((most * price.usd_per_gib_month) / 5);
  const sums = Array.from({ length: 7 }, (_, place) => place * step).filter((sum) => sum <= most * price.usd_per_gib_month * 1.05);
  return Plot.axisY(sums.map((sum) => sum / price.usd_per_gib_month), {
    anchor: "right", label: width < 560 || unsized > 0 ? "USD a month" : "max. USD a month", labelArrow: "none",
    tickFormat: (gib) => usdTick(gib * price.usd_per_gib_month), stroke: null,
  });
}

function usdTick(usd) {
  const sum = Math.round(usd * 100) / 100;
  return Number.isInteger(sum) ? number(sum) : SMALL_MONEY.format(sum);
}

function roundStep(least) {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((one) => one * power).find((step) => step >= least);
}

/** The title of a column of totals or an axis; it is not a bound if some sizes are unknown. */
function bound(data, unit) {
  return data.unsized.all > 0 ? `${unit}, where known` : `max. ${unit}`;
}

/** The total at a time. The simulation does not count snapshots of unknown size. */
function totalText({ value, unsized }, data) {
  const known = atMost(value, data.price, unsized ?? 0);
  return unsized === undefined && data.unsized.all > 0 ? `${known}, plus ${WORDS.sizePart}s of unknown size` : known;
}

function storageChart(data, series, width) {
  const { layers, past, ahead, against } = series;
  const areas = (stacked, options) => Plot.areaY(stacked, {
    x: "at", y1: "y1", y2: "y2", z: "layer", fill: (one) => color(one.tone), stroke: color("ground"), strokeWidth: 0.75, ...options,
  });
  const most = Math.max(1, ...totals(past).map((one) => one.value), ...(ahead ? totals(ahead).map((one) => one.value) : []), ...(against ?? []).map((one) => one.value));
  const marks = [
    Plot.axisY({ label: width < 560 ? "GiB" : bound(data, "GiB"), labelArrow: "none", tickFormat: number }),
    Plot.gridY({ stroke: "currentColor", strokeOpacity: 0.15 }),
    data.price ? moneyAxis(most, data.price, width, data.unsized.all) : null,
    areas(stack(past, layers), {}),
    ahead ? areas(stack(ahead, layers), { fillOpacity: 0.45 }) : null,
    ahead ? Plot.lineY(totals(ahead), { x: "at", y: "value", stroke: "currentColor", strokeWidth: 2, strokeDasharray: "7 4" }) : null,
    against ? Plot.lineY(against, { x: "at", y: "value", stroke: color("against"), strokeWidth: 2, strokeDasharray: "2 4" }) : null,
    pointer([...totals(past), ...(ahead ? totals(ahead) : [])], (one) => totalText(one, data)),
  ];
  return frame(data, width, marks, { type: "linear", domain: [0, most] });
}

function countChart(data, series, width) {
  const { past, ahead, againstImages } = series;
  const now = points(past.at, past.images);
  const then = ahead ? points(ahead.at, ahead.images) : [];
  const marks = [
    Plot.axisY({ label: "images", labelArrow: "none", tickFormat: number, ticks: 5 }),
    Plot.gridY({ stroke: "currentColor", strokeOpacity: 0.15 }),
    Plot.areaY(now, { x: "at", y: "value", fill: color("series-0"), fillOpacity: 0.35 }),
    Plot.lineY(now, { x: "at", y: "value", stroke: color("series-0"), strokeWidth: 2 }),
    ahead ? Plot.lineY(then, { x: "at", y: "value", stroke: "currentColor", strokeWidth: 2, strokeDasharray: "7 4" }) : null,
    againstImages ? Plot.lineY(againstImages, { x: "at", y: "value", stroke: color("against"), strokeWidth: 2, strokeDasharray: "2 4" }) : null,
    pointer([...now, ...then], (one) => plural(Math.round(one.value), "image")),
  ];
  const most = Math.max(1, ...[...now, ...then, ...(againstImages ?? [])].map((one) => one.value));
  return frame(data, width, marks, { type: "linear", domain: [0, most] });
}

function pointer(rows, text) {
  return Plot.tip(rows, Plot.pointerX({
    x: "at", y: "value", title: (one) => `${one.at.toISOString().slice(0, 10)}\n${text(one)}`, fill: color("ground"),
  }));
}

/** A chart that is drawn again when its width changes. */
function drawn(label, make) {
  const figure = el("div", { class: "chart", role: "img", "aria-label": label });
  let width = 0;
  figure.draw = (wanted) => {
    if (wanted === width || wanted < 1) return;
    width = wanted;
    figure.replaceChildren(make(wanted));
    figure.firstChild.setAttribute("aria-hidden", "true");
  };
  new ResizeObserver(([entry]) => figure.draw(Math.floor(entry.contentRect.width))).observe(figure);
  return figure;
}

/** The table of the numbers of a chart, created when it is opened. */
function numbers(title, columns, rows) {
  const details = el("details", { class: "numbers" }, el("summary", {}, title));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    details.append(scrolling(el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": title },
      tableOf(title, columns.map((name, place) => el("th", { scope: "col", role: "columnheader", class: place ? "number" : "" }, visible(name))),
        el("tbody", { role: "rowgroup" }, rows().map((cells) => el("tr", { role: "row" }, cells.map((cell, place) =>
          tableCell(place ? "td" : "th", visible(columns[place]), place ? { class: "number" } : { scope: "row" }, cell)))))))));
  });
  return details;
}

function storageRows({ past, ahead, against, layers }, data) {
  const rows = (part, name, other) => thinned(part.at.map((time, place) => {
    const total = part.gib.reduce((sum, one) => sum + one[place], 0);
    const cost = data.price ? [usdNumber(total * data.price.usd_per_gib_month)] : [];
    const compared = against ? [other ? number(Math.round(other[place].value)) : ""] : [];
    return [`${day(time)}${name}`, number(Math.round(total)), ...cost, ...compared, ...layers.map((_, index) => number(Math.round(part.gib[index][place])))];
  }), TABLE_ROWS);
  return [...rows(past, ""), ...(ahead ? rows(ahead, " (simulated)", against) : [])];
}

function countRows({ past, ahead, againstImages }) {
  const rows = (part, name, other) => thinned(part.at.map((time, place) => [
    `${day(time)}${name}`, number(Math.round(part.images[place])), ...(againstImages ? [other ? number(Math.round(other[place].value)) : ""] : []),
  ]), TABLE_ROWS);
  return [...rows(past, ""), ...(ahead ? rows(ahead, " (simulated)", againstImages) : [])];
}

function legend(layers, projection) {
  const line = (kind, text) => el("li", {}, el("span", { class: `dash ${kind}`, "aria-hidden": "true" }), el("span", {}, text));
  const ours = projection ? [line("", ["simulated with ", foreign(projection.policy)])] : [];
  const theirs = projection?.against_gib ? [line("against", ["simulated with ", foreign(otherPolicy(projection))])] : [];
  return el("ul", { class: "legend" }, layers.map((layer) => el("li", {}, swatch(layer.tone), foreign(layer.label))), ours, theirs);
}

function seriesOf(data) {
  const layers = rankFamilies(data);
  const { projection } = data;
  const line = (values) => (projection && values ? points(projection.at, values) : null);
  return {
    layers, past: pastOf(layers, data), ahead: future(layers, data),
    against: line(projection?.against_gib), againstImages: line(projection?.against_images),
  };
}

function goneText({ gone, goneGib, gib }) {
  if (gone.length === 0) return "";
  return ` Of this, ${gibText(gib)} belongs to images, and ${gibText(goneGib)} to ${plural(gone.length, "snapshot")} of ${WORDS.removed} images. The chart shows these snapshots from the start, because their creation dates are unknown.`;
}

function aheadText(data) {
  const { projection } = data;
  if (!projection) return "";
  const same = data.gone.length > 0 && projection.gib[0] === data.total ? ` It begins with the same total, including snapshots of ${WORDS.removed} images.` : "";
  const other = projection.against_gib ? ` The dotted line is the same simulation with ${visible(otherPolicy(projection))}.` : "";
  const bin = data.bin_days_assumed ? " The inventory does not contain the retention time of images in the Recycle Bin; the simulation assumes one year." : "";
  return ` The dashed line is a simulation of ${plural(projection.days, "day")} with ${visible(projection.policy)}, in which each family continues to get new images at its recent rate.${bin}${same}${other}`;
}

/** The file name of the other policy, which may be the same as the name of the first one. */
function otherPolicy({ policy, against }) {
  if (!against) return "the other policy";
  return against === policy ? `the other ${against}` : against;
}

/** The images and storage that remain with each policy at the end, and the difference. */
function comparedText({ projection, price, unsized, refusal }) {
  if (!projection?.against_gib || projection.at.length === 0) return null;
  const [images, gib, theirImages, theirGib] = [projection.images, projection.gib, projection.against_images, projection.against_gib].map((values) => values.at(-1));
  const refused = refusal === null ? "" : ` The plan is refused: in the simulation, ${visible(projection.policy)} removes nothing until the cause is fixed.`;
  const note = (unsized.all > 0 ? ` ${capital(WORDS.sizePart)}s of unknown size are not counted.` : "") + refused;
  return `After ${plural(projection.days, "day")}, ${plural(images, "image")} and at most ${gibText(gib)} remain with ${visible(projection.policy)}, and ${plural(theirImages, "image")} and ${gibText(theirGib)} with ${visible(otherPolicy(projection))}: ${differenceText(theirImages - images, theirGib - gib, price)} with ${visible(projection.policy)}. GiB${price ? " and USD" : ""} are upper bounds.${note}`;
}

/** For example `46 images and USD 68 a month less`; positive arguments mean less. */
function differenceText(images, gib, price) {
  const size = price ? usdText(Math.abs(gib), price) : gibText(Math.abs(gib));
  const parts = [[images, plural(Math.abs(images), "image")], [gib, size]].filter(([less]) => less !== 0);
  const word = (less) => (less > 0 ? "less" : "more");
  if (parts.length === 0) return "no difference";
  if (parts.length === 2 && Math.sign(images) === Math.sign(gib)) return `${parts[0][1]} and ${parts[1][1]} ${word(gib)}`;
  const same = parts.length === 2 ? "" : images === 0 ? "the same number of images, " : ", the same storage";
  const text = parts.map(([less, what]) => `${what} ${word(less)}`).join(", ");
  return images === 0 ? same + text : text + same;
}

function showTime(data) {
  const section = document.getElementById("time");
  if (data.images.length === 0) {
    const left = data.gone.length > 0 ? ` Remaining snapshots of ${WORDS.removed} images: ${atMost(data.total, data.price, data.unsized.all)}.` : "";
    section.append(el("p", { class: "none" }, `There is no chart, because there are no images.${left}`));
    return;
  }
  const series = seriesOf(data);
  const total = atMost(data.total, data.price, data.unsized.all);
  const compared = comparedText(data);
  section.append(
    ...(compared === null ? [] : [el("p", { class: "lead", id: "compared" }, compared)]),
    el("p", {}, `The chart shows the storage in this inventory, by creation date. It does not include images that were removed earlier. The total is ${total}.${goneText(data)}${aheadText(data)}`),
    el("h3", {}, data.price ? "Storage in GiB and monthly cost, by family" : "Storage in GiB, by family"),
    drawn(`Storage over time by family, ${total} in total. The table below contains the numbers.`, (width) => storageChart(data, series, width)),
    legend(series.layers, data.projection),
    numbers(data.price ? "Numbers: storage and cost" : "Numbers: storage", [
      "Date", capital(bound(data, "GiB")), ...(data.price ? [capital(bound(data, "USD a month"))] : []), ...(series.against ? [`GiB with ${otherPolicy(data.projection)}`] : []),
      ...series.layers.map((layer) => `GiB: ${layer.label}`)], () => storageRows(series, data)),
    el("h3", {}, "Number of images"),
    drawn(`Number of images over time, ${number(data.images.length)} in total. The table below contains the numbers.`, (width) => countChart(data, series, width)),
    legend([{ label: "existing images, by creation date", tone: "series-0" }], data.projection),
    numbers("Numbers: images", ["Date", "Images", ...(series.againstImages ? [`Images with ${otherPolicy(data.projection)}`] : [])], () => countRows(series)));
}
