// A table that is sorted by any column and shown page by page: twenty thousand rows in a page at once would take seconds.
// On a small screen the style sheet makes a card of each row, and a choice takes the place of the head.

const PAGE_ROWS = matchMedia("(max-width: 46rem)").matches ? 20 : 50;

/** A cell, which names its column where it is part of a card. The roles stay when the table is no longer laid out as one. */
function tableCell(name, title, attributes, content) {
  const role = attributes.scope === "row" ? "rowheader" : "cell";
  return el(name, { role, "data-label": title, ...attributes }, content === "" ? "" : el("div", {}, content));
}

function tableOf(caption, heads, body) {
  return el("table", { role: "table" }, el("caption", { class: "hidden" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)), body);
}

/**
 * `columns`: `{title, value(row) to sort by, cell(row) to show, kind}`, the first of them heads its row.
 * `detail(row)`: what a row shows when it is opened; without it rows cannot be opened.
 */
class PagedTable {
  constructor({ caption, columns, rows, sort, down, detail, printed, empty, more }) {
    Object.assign(this, { columns, detail, printed, empty, more });
    this.sort = { column: sort, down: down ?? false };
    this.page = 0;
    this.size = PAGE_ROWS;
    this.prefix = `t${(PagedTable.made = (PagedTable.made ?? 0) + 1)}`;
    this.body = el("tbody", { role: "rowgroup" });
    this.heads = columns.map((column, index) => this.head(column, index));
    this.status = el("p", { class: "count", role: "status" });
    this.buttons = [
      el("button", { type: "button", click: () => this.turn(-1) }, "Previous"),
      el("button", { type: "button", click: () => this.turn(1) }, "Next"),
    ];
    this.pager = el("nav", { class: "pager", "aria-label": `Pages: ${caption}` }, this.buttons);
    this.rest = el("p", { class: "print-only" });
    this.region = el("div", { class: "framed" }, tableOf(caption, this.heads.map((one) => one.cell), this.body));
    this.sorter = this.sortChoice();
    this.element = el("div", { class: "paged" }, el("div", { class: "field sorter" }, el("label", { for: `${this.prefix}-sort` }, "Sort by"), this.sorter), this.region, el("div", { class: "under" }, this.status, this.pager), this.rest);
    this.all = rows;
    this.order();
    this.choose(() => true);
    PagedTable.every.push(this);
  }

  head(column, index) {
    // The arrow stays beside the last word.
    const words = column.title.split(" ");
    const last = el("span", { class: "last" }, words.pop(), el("span", { class: "arrow", "aria-hidden": "true" }));
    const button = el("button", { type: "button", click: () => this.sortBy(index) }, words.map((word) => `${word} `), last);
    return { button, cell: el("th", { scope: "col", role: "columnheader", class: column.kind, "data-title": column.title }, button) };
  }

  /** The same as the head's buttons, where there is no head. */
  sortChoice() {
    const ways = this.columns.flatMap(({ title }, index) =>
      [["up", "ascending"], ["down", "descending"]].map(([way, word]) => el("option", { value: `${index} ${way}` }, `${title}, ${word}`)));
    const change = () => {
      const [index, way] = choice.value.split(" ");
      this.sortBy(Number(index), way === "down");
    };
    const choice = el("select", { id: `${this.prefix}-sort`, change }, ways);
    return choice;
  }

  sortBy(index, down = this.sort.column === index && !this.sort.down) {
    this.sort = { column: index, down };
    this.order();
    this.choose(this.chosen);
  }

  /** Sorts all rows; what is unknown goes last either way, and equals stay in the order of the document. */
  order() {
    const { column, down } = this.sort;
    const keyed = this.all.map((row, place) => ({ row, place, key: sortKey(this.columns[column].value(row)) }));
    const sign = down ? -1 : 1;
    keyed.sort((a, b) => {
      if (a.key === b.key) return a.place - b.place;
      if (a.key === null || b.key === null) return a.key === null ? 1 : -1;
      return a.key < b.key ? -sign : sign;
    });
    this.sorted = keyed.map((one) => one.row);
    this.sorter.value = `${column} ${down ? "down" : "up"}`;
    this.heads.forEach(({ cell }, index) => {
      cell.setAttribute("aria-sort", index !== column ? "none" : down ? "descending" : "ascending");
    });
  }

  /** Shows the rows that the filter takes, from their first page on. */
  choose(filter) {
    this.chosen = filter;
    this.rows = this.sorted.filter(filter);
    this.page = 0;
    this.show();
  }

  turn(by) {
    const page = this.page + by;
    if (page < 0 || page >= this.pages()) return;
    this.page = page;
    this.show();
    this.element.scrollIntoView({ block: "start" });
  }

  pages() {
    return Math.max(1, Math.ceil(this.rows.length / this.size));
  }

  show() {
    const start = this.page * this.size;
    const rows = this.rows.slice(start, start + this.size);
    this.body.replaceChildren(...rows.flatMap((row, index) => this.row(row, start + index)));
    if (rows.length === 0) {
      this.body.append(el("tr", { role: "row" }, el("td", { role: "cell", colspan: this.columns.length, class: "none" }, this.empty)));
    }
    this.pager.hidden = this.pages() === 1;
    this.buttons[0].setAttribute("aria-disabled", this.page === 0);
    this.buttons[1].setAttribute("aria-disabled", this.page + 1 === this.pages());
    const of = this.rows.length === this.all.length ? "" : ` of ${number(this.all.length)}`;
    const range = this.pages() > 1 ? `; ${number(start + 1)} to ${number(start + rows.length)} shown` : "";
    say(this.status, `${plural(this.rows.length, this.more)}${of}${range}`);
  }

  row(row, place) {
    const line = el("tr", { role: "row" });
    const cells = this.columns.map((column, index) =>
      tableCell(index === 0 ? "th" : "td", column.title, { scope: index === 0 ? "row" : null, class: column.kind }, column.cell(row)));
    if (this.detail) cells[0].firstChild.prepend(this.opener(row, line, `${this.prefix}-${place}`));
    line.append(...cells);
    return line;
  }

  opener(row, line, name) {
    const button = el("button", { type: "button", class: "open", "aria-expanded": "false", "aria-label": `Details of ${visible(row.id)}` });
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      if (open) line.nextElementSibling.remove();
      else line.after(el("tr", { class: "detail", id: name, role: "row" }, el("td", { role: "cell", colspan: this.columns.length }, this.detail(row))));
      button.setAttribute("aria-expanded", String(!open));
      if (open) button.removeAttribute("aria-controls");
      else button.setAttribute("aria-controls", name);
    });
    return button;
  }

  /** On paper there are no pages to turn: the list from its beginning, up to a number that is said. */
  startPrint() {
    if (this.rows.length <= this.size) return;
    this.left = this.page;
    Object.assign(this, { page: 0, size: this.printed });
    this.show();
    const more = this.rows.length - this.printed;
    this.rest.textContent = more > 0 ? `${plural(more, `more ${this.more}`)} not printed. What search and filter leave is printed.` : "";
  }

  endPrint() {
    if (this.size === PAGE_ROWS) return;
    Object.assign(this, { page: this.left, size: PAGE_ROWS });
    this.show();
    this.rest.textContent = "";
  }
}
PagedTable.every = [];

/** Shades the edges behind which there is more: not every system shows its scroll bars. */
function scrolling(region) {
  const shade = () => {
    const { scrollLeft, scrollWidth, clientWidth } = region;
    region.classList.toggle("more-left", scrollLeft > 1);
    region.classList.toggle("more-right", scrollWidth - clientWidth - scrollLeft > 1);
  };
  region.addEventListener("scroll", shade, { passive: true });
  const resized = new ResizeObserver(shade);
  [region, ...region.children].forEach((one) => resized.observe(one));
  return region;
}

function sortKey(value) {
  if (value === null || value === undefined || value === "") return null;
  return typeof value === "string" ? value.toLowerCase() : value;
}
