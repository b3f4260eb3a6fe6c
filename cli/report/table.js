// A table that can be sorted by any column and is shown in pages, because twenty thousand rows at once would take seconds.
// On a small screen, the style sheet shows each row as a card, and a select element replaces the head.

const PAGE_ROWS = matchMedia("(max-width: 46rem)").matches ? 20 : 50;

/** A cell with the title of its column, for cards. The roles remain when the style sheet changes the table layout. */
function tableCell(name, title, attributes, content) {
  const role = attributes.scope === "row" ? "rowheader" : "cell";
  return el(name, { role, "data-label": title, ...attributes }, content === "" ? "" : el("div", {}, content));
}

function tableOf(caption, heads, body) {
  return el("table", { role: "table" }, el("caption", { class: "hidden" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)), body);
}

/**
 * A column of a table.
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: any) => any} value What the rows are sorted by.
 * @property {(row: any) => any} cell The content of the cell.
 * @property {string} [kind] A class of the style sheet.
 */

/**
 * What a table consists of.
 * @typedef {object} TableParts
 * @property {string} caption
 * @property {Column[]} columns
 * @property {any[]} rows
 * @property {number} sort The column that the rows are sorted by at first.
 * @property {boolean} [down] Sort in descending order.
 * @property {(row: any) => any} [detail] The content of an expanded row; without it, rows cannot be expanded.
 * @property {number} printed The number of rows on paper.
 * @property {string} empty The text of a table without rows.
 * @property {string} more What a row is, in the singular.
 */

/** The first column is the row header. */
class PagedTable {
  /** @param {TableParts} parts */
  constructor({ caption, columns, rows, sort, down, detail, printed, empty, more }) {
    this.columns = columns;
    this.detail = detail;
    this.printed = printed;
    this.empty = empty;
    this.more = more;
    this.sort = { column: sort, down: down ?? false };
    this.page = 0;
    this.size = PAGE_ROWS;
    this.prefix = `t${PagedTable.every.length + 1}`;
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
    // The arrow stays on the line of the last word.
    const words = column.title.split(" ");
    const last = el("span", { class: "last" }, words.pop(), el("span", { class: "arrow", "aria-hidden": "true" }));
    const button = el("button", { type: "button", click: () => this.sortBy(index) }, words.map((word) => `${word} `), last);
    return { button, cell: el("th", { scope: "col", role: "columnheader", class: column.kind, "data-title": column.title }, button) };
  }

  /** A select element with the same function as the buttons of the head. */
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

  /** Sorts all rows. Unknown values come last in both directions; equal rows keep the order of the data. */
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

  /** Shows the first page of the rows that match the filter. */
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
    const of = this.rows.length === this.all.length ? "" : `${number(this.rows.length)} of `;
    const range = this.pages() > 1 ? `, showing ${number(start + 1)} to ${number(start + rows.length)}` : "";
    announce(this.status, `${of}${plural(this.all.length, this.more)}${range}`);
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

  /** For printing, shows the list from its beginning, up to a maximum, and the number of rows left out. */
  startPrint() {
    if (this.rows.length <= this.size) return;
    this.left = this.page;
    Object.assign(this, { page: 0, size: this.printed });
    this.show();
    const more = this.rows.length - this.printed;
    this.rest.textContent = more > 0 ? `${plural(more, `more ${this.more}`)} not printed. Use search and filter to select what is printed.` : "";
  }

  endPrint() {
    if (this.size === PAGE_ROWS) return;
    Object.assign(this, { page: this.left, size: PAGE_ROWS });
    this.show();
    this.rest.textContent = "";
  }
}
PagedTable.every = [];

/** Shades the edges of scrollable content, because not every system shows scroll bars. */
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
