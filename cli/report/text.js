"use strict";
// Text, numbers, dates and elements. All text from outside is shown with `foreign` or `el`, which only create text nodes:
// this page never parses data as HTML.

const NUMBER = new Intl.NumberFormat("en-US");
const SMALL_MONEY = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const DAY = 86400;

// Control, format, private and unassigned characters, and other invisible characters: bidi overrides could make one name
// look like another.
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Replaces invisible characters with their code. */
function visible(text) {
  return String(text).replace(UNSEEN, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
}

/** An element with attributes (a function is a listener) and children; strings become text. */
function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG elements. */
function svg(name, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** A text from outside, isolated from the direction of the surrounding text. */
function foreign(text, kind) {
  return el("bdi", { class: kind ?? "foreign" }, visible(text));
}

/** The same, with line break opportunities after punctuation. */
function broken(text, kind = "foreign") {
  const parts = visible(text).split(/(?<=[=:/.])|(?<=_)(?!64)/);
  return el("bdi", { class: kind }, parts.flatMap((part, place) => (place === 0 ? [part] : [el("wbr"), part])));
}

/** An ID: never cut, never wrapped. */
function id(text) {
  return foreign(text, "id");
}

/** An ARN: it wraps, preferably after punctuation. */
function arn(text) {
  return broken(text, "arn");
}

/** The name of a family; its key is the tooltip. */
function familyName(family) {
  const key = family.key && family.key !== "all" ? visible(family.key) : null;
  // A line may break after the separator of two values, not before it.
  return el("span", { title: key }, broken(family.label.replaceAll(" · ", "\u00a0· ")));
}

function swatch(tone) {
  return el("span", { class: `swatch ${tone}`, "aria-hidden": "true" });
}

function number(count) {
  return NUMBER.format(count);
}

function plural(count, one, many) {
  return `${number(count)} ${count === 1 ? one : many ?? `${one}s`}`;
}

function gibText(gib) {
  return `${number(Math.round(gib))} GiB`;
}

/** `12%`; `less than 1%` and `over 99%` instead of `0%` and `100%` for fractions other than 0 and 1. */
function percent(fraction) {
  if (fraction > 0 && fraction < 0.005) return "less than 1%";
  if (fraction < 1 && fraction >= 0.995) return "over 99%";
  return `${Math.round(fraction * 100)}%`;
}

function usdNumber(usd) {
  if (usd === 0) return "0";
  // Rounded up, as in `plan`: sizes and costs are upper bounds.
  return usd < 10 ? SMALL_MONEY.format(usd) : number(Math.ceil(usd));
}

function usdText(gib, price) {
  return `USD ${usdNumber(gib * price.usd_per_gib_month)} a month`;
}

/** `, plus 2 snapshots of unknown size`; empty if all sizes are known. */
function plusUnsized(unsized) {
  return unsized > 0 ? `, plus ${plural(unsized, WORDS.sizePart)} of unknown size` : "";
}

/** `at most 12 GiB, USD 0.65 a month`; without a price, only the size. Names the snapshots that the bound lacks. */
function atMost(gib, price, unsized) {
  return `at most ${gibText(gib)}${price ? `, ${usdText(gib, price)}` : ""}${plusUnsized(unsized)}`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function known(seconds) {
  return Number.isFinite(seconds) && Math.abs(seconds) < 8.64e12;
}

function day(seconds) {
  return known(seconds) ? new Date(seconds * 1000).toISOString().slice(0, 10) : "unknown";
}

function minute(seconds) {
  if (!known(seconds)) return "unknown";
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** A duration in the largest unit of which it has at least two. */
function span(seconds) {
  const days = Math.max(0, Math.floor(seconds / DAY));
  if (days >= 730) return plural(Math.floor(days / 365), "year");
  if (days >= 61) return plural(Math.floor(days / 30.44), "month");
  return plural(days, "day");
}

/** `a, b and c`. */
function listed(parts) {
  if (parts.length < 2) return parts.join("");
  return `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** The items by key, in the order of the first item of each key. */
function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

/** Updates the text of a live region only if it changes, so that screen readers announce it once. */
function announce(region, text) {
  if (region.textContent !== text) region.textContent = text;
}
