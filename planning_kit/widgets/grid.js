/*
 * The editable grid of the what-if panel: makeGrid(host, handlers) gives {update, stale, focus}.
 *
 * It shows a view (columns, rows, errors, totals) and tells its handlers what a planner does:
 * edit([[id, key, text], …]), undo(), redo(), open(id). It reads no numbers: texts go to Python as
 * they were typed or pasted, and what is wrong with them comes back in view.errors.
 */

const GRID_ROW = 28; // px, the height of a row: where a row lies is computed, never measured
const GRID_BEYOND = 6; // rows drawn above and below those in sight
const GRID_NAMED = 5; // at most so many are named in a message
const GRID_EMPTY = "–";
const GRID_FORMULA = /^\s*['=+\-@＝＋－＠]/; // so begins what a spreadsheet would run
const GRID_WIDTHS = { name: 12, amount: 8, share: 6, chance: 6, flag: 5.5, text: 14 }; // em, least

// --- numbers and texts, written as planning_kit.messages.amounts does -----------------------------

/* Round as Python does: what lies exactly in the middle goes to the even digit. */
function gridFixed(value, digits) {
  const longer = Math.abs(value).toFixed(digits + 1);
  const middle = longer.endsWith("5") && Number.isInteger(value * 2 ** (digits + 1));
  const cut = digits ? longer.slice(0, -1) : longer.slice(0, -2);
  const text = middle && "02468".includes(cut.at(-1)) ? cut : Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `-${text}` : text;
}

function gridNumber(value, digits = 0) {
  if (!Number.isFinite(value)) return GRID_EMPTY;
  const [whole, ...decimals] = gridFixed(value, digits).split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...decimals].join(".");
}

function gridShare(share, digits = 1) {
  return Number.isFinite(share) ? `${gridNumber(100 * share, digits)} %` : GRID_EMPTY;
}

function gridChance(chance) {
  if (chance > 0 && chance < 0.005) return "< 1 %";
  if (chance > 0.995 && chance < 1) return "> 99 %";
  return gridShare(chance, 0);
}

function gridShown(value, kind, digits) {
  if (gridIsEmpty(value)) return GRID_EMPTY;
  if (kind === "amount") return gridNumber(value, digits);
  if (kind === "share") return gridShare(value);
  if (kind === "chance") return gridChance(value);
  return gridRaw(value);
}

function gridIsEmpty(value) {
  return value === null || value === undefined || value === "";
}

/* The value as a spreadsheet takes it: no thousands marks, all digits. */
function gridRaw(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value ?? "");
}

/* The value as one edits it: a share says that it is one. */
function gridTyped(value, kind) {
  const isShare = kind === "share" || kind === "chance";
  if (isShare && !gridIsEmpty(value)) return `${Number((100 * value).toPrecision(12))}%`;
  return gridRaw(value);
}

/* Count things, name the first of them: "3 cells are locked: a, b, c."; "" where there are none. */
function gridReport(names, [one, many]) {
  if (!names.length) return "";
  const more = names.length - GRID_NAMED;
  const named = names.slice(0, GRID_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
  return `${names.length} ${names.length === 1 ? one : many}: ${named}.`;
}

// --- blocks of cells on the clipboard --------------------------------------------------------------

/* Read what spreadsheets copy: tabs and lines; a cell that holds either, or quotes, is quoted. */
function gridReadBlock(text) {
  const lines = text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  const cell = /(?:"([^"]*(?:""[^"]*)*)"|([^\t\n]*))(\t|\n|$)/y;
  const block = [[]];
  for (let end = null; end !== ""; ) {
    const [, quoted, plain, delimiter] = cell.exec(lines);
    block.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (delimiter === "\n") block.push([]);
    end = delimiter;
  }
  return block;
}

function gridReadHtml(html) {
  const table = new DOMParser().parseFromString(html, "text/html").querySelector("table");
  const texts = (line) => Array.from(line.cells, (cell) => cell.textContent.trim());
  return table ? Array.from(table.rows, texts) : [];
}

/* LibreOffice leaves empty rows at the end of a block out of the text, but not of its HTML. */
function gridReadClipboard(clipboard) {
  const text = clipboard.getData("text/plain");
  const table = gridReadHtml(clipboard.getData("text/html"));
  if (!text) return table;
  const block = gridReadBlock(text);
  const missing = table.slice(block.length);
  const areEmpty = missing.every((texts) => texts.every((cell) => cell === ""));
  return areEmpty ? [...block, ...missing] : block;
}

function gridWriteBlock(block) {
  const quote = (text) => (/[\t\n\r"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return block.map((texts) => texts.map(quote).join("\t")).join("\r\n");
}

/* An apostrophe keeps a spreadsheet from running a text; it comes off when it comes back. */
function gridGuard(text) {
  return GRID_FORMULA.test(text) ? `'${text}` : text;
}

function gridUnguard(text) {
  return text.startsWith("'") && GRID_FORMULA.test(text.slice(1)) ? text.slice(1) : text;
}

/* So that "asa" finds Åsa. */
function gridFold(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

// --- elements --------------------------------------------------------------------------------------

/* JupyterLab takes the keys of whatever has the focus for its own shortcuts unless that says no. */
function gridMake(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  gridSet(made, { ...attributes, "data-lm-suppress-shortcuts": "true" });
  made.append(...children);
  return made;
}

/* Set attributes; one that is null goes. */
function gridSet(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null) element.removeAttribute(name);
    else element.setAttribute(name, value);
  }
}

/* Write a cell only where it changed: 500 rows of news touch the few that are drawn. */
function gridWrite(cell, text, attributes) {
  const written = JSON.stringify([text, attributes]);
  if (cell.written === written) return;
  if (cell.textContent !== text) cell.textContent = text;
  gridSet(cell, attributes);
  cell.written = written;
}

function gridPlace(id, key) {
  return JSON.stringify([id, key]);
}

// --- which rows, in which order --------------------------------------------------------------------

/*
 * The rows as they lie in the grid. News keep the order that the planner looks at (a row must not
 * run away from under an edit); a click on a header, the filter and other people arrange it anew.
 */
class GridRows {
  constructor() {
    this.columns = [];
    this.given = [];
    this.shown = [];
    this.filter = "";
    this.sort = { key: null, direction: null };
  }

  update({ columns, rows }) {
    const same =
      rows.length === this.given.length && rows.every((row, at) => row.id === this.given[at].id);
    this.columns = columns;
    this.given = rows;
    if (!same) return this.arrange();
    const byId = new Map(rows.map((row) => [row.id, row]));
    this.shown = this.shown.map((row) => byId.get(row.id));
  }

  filterBy(text) {
    this.filter = text;
    this.arrange();
  }

  sortBy(key) {
    const next = { ascending: "descending", descending: null };
    const direction = this.sort.key === key ? next[this.sort.direction] : "ascending";
    this.sort = direction ? { key, direction } : { key: null, direction: null };
    this.arrange();
  }

  arrange() {
    this.shown = this.given.filter(this.keeps());
    if (this.sort.key) this.shown.sort(this.comparison());
  }

  /* Every word must stand in a name or a text of the row. */
  keeps() {
    const words = gridFold(this.filter).split(/\s+/);
    const columns = this.columns.filter(({ kind }) => kind === "name" || kind === "text");
    return (row) => {
      const texts = columns.map(({ key }) => row.values[key] ?? "");
      const text = gridFold(texts.join("\n"));
      return words.every((word) => text.includes(word));
    };
  }

  /* Compare numbers as numbers and texts as texts; what is empty is last both ways. */
  comparison() {
    const { key, direction } = this.sort;
    const sign = direction === "ascending" ? 1 : -1;
    const { compare } = new Intl.Collator(undefined, { numeric: true });
    return ({ values: { [key]: one } }, { values: { [key]: other } }) => {
      const empty = gridIsEmpty(one) - gridIsEmpty(other);
      if (empty || gridIsEmpty(one)) return empty;
      return sign * (typeof one === "string" ? compare(one, other) : one - other);
    };
  }
}

// --- the grid --------------------------------------------------------------------------------------

/* Places are {row, column}, counted in the order shown; the header is row -1. */
class Grid {
  static made = 0;

  constructor(host, handlers) {
    this.handlers = handlers;
    this.view = { seq: -Infinity, columns: [], rows: [], errors: {}, totals: {} };
    this.rows = new GridRows();
    this.sent = new Map(); // texts on their way to Python: shown until it answers
    this.active = { row: 0, column: 0 };
    this.anchor = this.active; // the other corner of the selected block
    this.editing = null;
    this.lines = new Map(); // the rows that are drawn, by where they lie
    this.build(host);
    this.listen();
  }

  get columns() {
    return this.view.columns;
  }

  get last() {
    return { row: this.rows.shown.length - 1, column: this.columns.length - 1 };
  }

  // --- building

  build(host) {
    this.filter = gridMake("input", { type: "search", "aria-label": "filter people" });
    this.filter.placeholder = "filter by name or note";
    this.count = gridMake("span", { class: "pk-count" });
    this.waiting = gridMake("span", { class: "pk-waiting", hidden: "" }, "being computed …");
    this.head = gridMake("tr", { role: "row", "aria-rowindex": 1 });
    this.above = gridMake("tr", { class: "pk-space", "aria-hidden": "true" });
    this.below = this.above.cloneNode();
    this.sums = gridMake("tr", { role: "row" });
    this.gap = gridMake("tr", { role: "row" });
    this.widths = gridMake("colgroup");
    this.table = gridMake(
      "table",
      { role: "grid", "aria-label": "goals of people", "aria-multiselectable": "true" },
      this.widths,
      gridMake("thead", { role: "rowgroup" }, this.head),
      gridMake("tbody", { role: "rowgroup" }, this.above, this.below),
      gridMake("tfoot", { role: "rowgroup" }, this.sums, this.gap),
    );
    this.editor = gridMake("input", { class: "pk-editor", autocomplete: "off", hidden: "" });
    this.scroller = gridMake("div", { class: "pk-scroll" }, this.table, this.editor);
    this.note = gridMake("p", { class: "pk-note", id: `pk-grid-note-${Grid.made++}` });
    this.status = gridMake("p", { class: "pk-status", role: "status", "aria-live": "polite" });
    this.root = gridMake("div", { class: "pk-grid" });
    this.root.style.setProperty("--pk-row", `${GRID_ROW}px`);
    const bar = gridMake("div", { class: "pk-bar" }, this.filter, this.count, this.waiting);
    this.root.append(bar, this.scroller, this.note, this.status);
    host.append(this.root);
  }

  listen() {
    const on = (element, acts) => {
      for (const [name, act] of Object.entries(acts)) {
        element.addEventListener(name, (event) => act.call(this, event));
      }
    };
    on(this.filter, { input: this.onFilter });
    on(this.editor, { blur: this.onLeave });
    on(this.table, { mousedown: this.onPress, mouseover: this.onDrag });
    on(this.table, { click: this.onClick, dblclick: this.onDoubleClick });
    on(this.scroller, { scroll: this.draw, keydown: this.onKey });
    on(this.scroller, { copy: this.onCopy, paste: this.onPaste });
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  // --- what the panel calls

  update(view) {
    if (view.seq < this.view.seq) return;
    const newColumns = JSON.stringify(view.columns) !== JSON.stringify(this.columns);
    this.view = view;
    this.sent.clear();
    this.rows.update(view);
    if (newColumns) this.drawColumns();
    this.drawWidths();
    this.clamp();
    this.stale(false);
    this.draw();
  }

  stale(flag) {
    this.root.classList.toggle("stale", flag);
    this.waiting.hidden = !flag;
    this.table.setAttribute("aria-busy", String(flag));
  }

  focus() {
    this.reveal(this.active);
    this.draw();
    (this.cellAt(this.active) ?? this.scroller).focus({ preventScroll: true });
  }

  // --- drawing

  drawColumns() {
    for (const line of this.lines.values()) line.remove();
    this.lines.clear();
    this.head.replaceChildren(...this.columns.map(this.makeHeader));
    this.sums.replaceChildren(...this.makeCells());
    this.gap.replaceChildren(...this.makeCells().slice(0, 2));
    gridSet(this.gap.cells[1] ?? this.gap, { colspan: this.columns.length - 1 });
  }

  /* A column is wide enough for its sum; no number is ever cut off. */
  drawWidths() {
    const { totals, digits } = this.view;
    const widths = this.columns.map(({ key, kind }) => {
      const sum = key in totals ? gridShown(totals[key], kind, digits) : "";
      return Math.max(GRID_WIDTHS[kind], 0.7 * sum.length + 1.5);
    });
    this.widths.replaceChildren(
      ...widths.map((width) => gridMake("col", { style: `width:${width}em` })),
    );
    this.table.style.width = `${widths.reduce((all, width) => all + width, 0)}em`;
  }

  makeHeader({ label, unit, help, kind }, at) {
    const attributes = { role: "columnheader", class: `pk-${kind}`, "aria-colindex": at + 1 };
    const header = gridMake("th", { ...attributes, scope: "col", title: help || null }, label);
    if (unit) header.append(" ", gridMake("span", { class: "pk-unit" }, unit));
    return header;
  }

  makeCells() {
    const role = (kind) => (kind === "name" ? "rowheader" : "gridcell");
    const make = ({ kind }, at) => gridMake("td", { role: role(kind), "aria-colindex": at + 1 });
    return this.columns.map(make);
  }

  draw() {
    const [from, to] = this.inSight();
    this.above.style.height = `${from * GRID_ROW}px`;
    this.below.style.height = `${(this.rows.shown.length - to) * GRID_ROW}px`;
    this.dropLines(from, to);
    let before = this.above;
    for (let at = from; at < to; at++) {
      const line = this.lines.get(at) ?? this.addLine(at);
      this.drawLine(line, at);
      if (line.previousSibling !== before) before.after(line);
      before = line;
    }
    this.drawFrame();
  }

  inSight() {
    const first = Math.floor(this.scroller.scrollTop / GRID_ROW) - GRID_BEYOND;
    const room = Math.ceil(this.scroller.clientHeight / GRID_ROW) + 2 * GRID_BEYOND;
    const to = Math.min(this.rows.shown.length, Math.max(0, first) + room);
    return [Math.max(0, Math.min(first, to)), to];
  }

  /* Take away what is out of sight. Its focus goes to the scroller, so that no key is lost. */
  dropLines(from, to) {
    for (const [at, line] of this.lines) {
      if (at >= from && at < to) continue;
      if (line.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
      line.remove();
      this.lines.delete(at);
    }
  }

  addLine(at) {
    const line = gridMake("tr", { role: "row" }, ...this.makeCells());
    this.lines.set(at, line);
    return line;
  }

  drawLine(line, at) {
    gridSet(line, { "aria-rowindex": at + 2 });
    const row = this.rows.shown[at];
    this.columns.forEach((column, columnAt) => {
      this.drawCell(line.cells[columnAt], row, column, { row: at, column: columnAt });
    });
  }

  drawCell(cell, row, column, place) {
    const error = this.errorOf(row, column);
    const lock = this.lockOf(row, column);
    const marks = { "pk-on": row.values[column.key] === true, "pk-locked": lock };
    const classes = Object.keys(marks).filter((name) => marks[name]);
    const { shown } = this.said(row, column);
    gridWrite(cell, shown, {
      ...this.marksOf(place),
      class: [`pk-${column.kind}`, ...classes].join(" "),
      title: error?.message ?? lock ?? (column.kind === "text" ? shown : null),
      "aria-readonly": String(!column.edit || Boolean(lock)),
      "aria-invalid": error ? "true" : null,
      "aria-selected": String(this.isSelected(place)),
    });
  }

  /* One cell of the grid can be reached with Tab; the line below says more about it. */
  marksOf({ row, column }) {
    const isActive = row === this.active.row && column === this.active.column;
    const note = isActive && this.noteOfActive() ? this.note.id : null;
    return { tabindex: isActive ? 0 : -1, "aria-describedby": note };
  }

  /* Everything around the rows. */
  drawFrame() {
    const shown = this.rows.shown.length;
    gridSet(this.table, { "aria-rowcount": shown + 3, "aria-colcount": this.columns.length });
    gridSet(this.sums, { "aria-rowindex": shown + 2 });
    gridSet(this.gap, { "aria-rowindex": shown + 3 });
    this.columns.forEach(({ key }, at) => {
      const direction = key === this.rows.sort.key ? this.rows.sort.direction : "none";
      const marks = this.marksOf({ row: -1, column: at });
      gridSet(this.head.cells[at], { ...marks, "aria-sort": direction });
    });
    this.drawTotals();
    this.count.textContent = `${shown} of ${this.view.rows.length} people`;
    this.note.textContent = this.noteOfActive();
    this.keepFocus();
  }

  drawTotals() {
    const { totals, gap, digits } = this.view;
    this.columns.forEach(({ key, kind }, at) => {
      const total = key in totals ? gridShown(totals[key], kind, digits) : "";
      gridWrite(this.sums.cells[at], at ? total : "sum of all people", { class: `pk-${kind}` });
    });
    if (this.columns.length) {
      gridWrite(this.gap.cells[0], `gap ${gridNumber(gap, digits)}`, { class: "pk-name" });
    }
  }

  /* While the active cell is not drawn, the scroller stands for it. */
  keepFocus() {
    const cell = this.cellAt(this.active);
    this.scroller.tabIndex = cell ? -1 : 0;
    if (document.activeElement === this.scroller) cell?.focus({ preventScroll: true });
  }

  // --- what a cell says

  errorOf(row, column) {
    return this.view.errors[row.id]?.[column.key];
  }

  lockOf(row, column) {
    return row.locks?.[column.key];
  }

  /* What a cell says: as it is shown, as one edits it, as it is copied. */
  said(row, column) {
    const kept = this.sent.get(gridPlace(row.id, column.key)) ?? this.errorOf(row, column)?.text;
    if (kept !== undefined) {
      return { shown: kept || GRID_EMPTY, typed: kept, copied: gridGuard(kept) };
    }
    const value = row.values[column.key];
    const raw = gridRaw(value);
    return {
      shown: gridShown(value, column.kind, this.view.digits),
      typed: gridTyped(value, column.kind),
      copied: typeof value === "string" ? gridGuard(raw) : raw,
    };
  }

  nameOf(row) {
    const column = this.columns.find(({ kind }) => kind === "name");
    return row.values[column?.key] ?? row.id;
  }

  noteOfActive() {
    const column = this.columns[this.active.column];
    const row = this.rows.shown[this.active.row];
    if (!row) return column?.help ?? "";
    const lock = this.lockOf(row, column);
    return this.errorOf(row, column)?.message ?? (lock ? `locked: ${lock}` : "");
  }

  say(...sentences) {
    this.status.textContent = sentences.filter(Boolean).join(" ");
  }

  // --- where one is

  get block() {
    const rows = [this.anchor.row, this.active.row];
    const columns = [this.anchor.column, this.active.column];
    return {
      top: Math.min(...rows),
      bottom: Math.max(...rows),
      left: Math.min(...columns),
      right: Math.max(...columns),
    };
  }

  isSelected({ row, column }) {
    const { top, bottom, left, right } = this.block;
    return row >= top && row <= bottom && column >= left && column <= right;
  }

  cellAt({ row, column }) {
    const line = row < 0 ? this.head : this.lines.get(row);
    return line?.cells[column];
  }

  placeOf(element) {
    const cell = element.closest("td, th");
    const row = Number(cell?.parentElement.getAttribute("aria-rowindex") ?? NaN) - 2;
    return row <= this.last.row ? { row, column: cell.cellIndex } : null;
  }

  within({ row, column }, first = -1) {
    return {
      row: Math.min(Math.max(first, row), this.last.row),
      column: Math.max(0, Math.min(column, this.last.column)),
    };
  }

  clamp() {
    this.active = this.within(this.active);
    this.anchor = this.within(this.anchor);
  }

  /* Go to a place; or, extending, draw the selected block up to it. */
  moveTo(place, extend = false) {
    this.active = this.within(place, extend ? 0 : -1);
    this.anchor = extend ? this.within(this.anchor, 0) : this.active;
    this.focus();
  }

  moveBy(rows, columns) {
    this.moveTo({ row: this.active.row + rows, column: this.active.column + columns });
  }

  get roomForRows() {
    const frame = this.head.offsetHeight + this.sums.offsetHeight + this.gap.offsetHeight;
    return this.scroller.clientHeight - frame;
  }

  /* Scroll as little as brings a place out from under header, names and sums. */
  reveal({ row, column }) {
    const { scroller } = this;
    const header = this.head.cells[column];
    if (row >= 0) {
      const most = row * GRID_ROW;
      const least = most + GRID_ROW - this.roomForRows;
      scroller.scrollTop = Math.max(least, Math.min(most, scroller.scrollTop));
    }
    if (column > 0) {
      const most = header.offsetLeft - this.head.cells[0].offsetWidth;
      const least = header.offsetLeft + header.offsetWidth - scroller.clientWidth;
      scroller.scrollLeft = Math.max(least, Math.min(most, scroller.scrollLeft));
    }
  }

  // --- keys

  onKey(event) {
    if (event.isComposing) return;
    const act = event.target === this.editor ? this.actOfEditor(event) : this.actOfKey(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  actOfEditor({ key, shiftKey }) {
    const back = shiftKey ? -1 : 1;
    const moves = { Enter: [back, 0], Tab: [0, back], Escape: [0, 0] };
    if (!(key in moves)) return null;
    return () => {
      this.closeEditor(key !== "Escape");
      this.moveBy(...moves[key]);
    };
  }

  actOfKey(event) {
    const control = (event.ctrlKey || event.metaKey) && !event.altKey; // AltGr is both: it types
    const place = this.placeOfKey(event.key, control);
    if (place) return () => this.moveTo(place, event.shiftKey);
    if (control) return this.actOfControl(event.key.toLowerCase(), event.shiftKey);
    const acts = {
      Enter: this.enter,
      F2: this.edit,
      " ": this.active.row < 0 ? this.enter : this.toggle,
      Delete: this.clear,
      Backspace: this.clear,
      Escape: () => this.moveBy(0, 0),
    };
    return acts[event.key]?.bind(this) ?? this.startTyping(event.key);
  }

  /* Open an empty editor in time for the key itself to go into it. */
  startTyping(key) {
    const types = key.length === 1 || key === "Process" || key === "Dead";
    if (types) this.edit("");
    return null;
  }

  placeOfKey(key, control) {
    const { row, column } = this.active;
    const page = Math.max(1, Math.floor(this.roomForRows / GRID_ROW));
    const places = {
      ArrowUp: { row: control ? 0 : row - 1, column },
      ArrowDown: { row: control ? this.last.row : row + 1, column },
      ArrowLeft: { row, column: control ? 0 : column - 1 },
      ArrowRight: { row, column: control ? this.last.column : column + 1 },
      PageUp: { row: Math.max(0, row - page), column },
      PageDown: { row: row + page, column },
      Home: { row: control ? 0 : row, column: 0 },
      End: { row: control ? this.last.row : row, column: this.last.column },
    };
    return places[key];
  }

  actOfControl(key, shift) {
    const { undo, redo } = this.handlers;
    return { a: () => this.selectAll(), z: shift ? redo : undo, y: redo }[key];
  }

  selectAll() {
    this.anchor = this.last;
    this.active = this.within({ row: 0, column: 0 });
    this.focus();
  }

  enter() {
    const column = this.columns[this.active.column];
    if (this.active.row < 0) this.sortBy(column);
    else if (column.kind === "name") this.open();
    else this.edit();
  }

  open() {
    this.handlers.open(this.rows.shown[this.active.row].id);
  }

  // --- mouse

  onPress(event) {
    const place = this.placeOf(event.target);
    if (!place || event.button !== 0) return;
    event.preventDefault();
    this.dragging = place.row >= 0;
    document.addEventListener("mouseup", () => (this.dragging = false), { once: true });
    this.moveTo(place, event.shiftKey);
  }

  onDrag(event) {
    const place = this.dragging && this.placeOf(event.target);
    if (place) this.moveTo(place, true);
  }

  onClick(event) {
    const place = this.placeOf(event.target);
    if (!place || event.shiftKey) return;
    const column = this.columns[place.column];
    if (place.row < 0) this.sortBy(column);
    else if (column.kind === "name") this.open();
    else if (column.kind === "flag") this.toggle();
  }

  onDoubleClick(event) {
    const place = this.placeOf(event.target);
    const kind = this.columns[place?.column]?.kind;
    if (place?.row >= 0 && kind !== "flag" && kind !== "name") this.edit();
  }

  // --- order and filter

  sortBy({ key }) {
    this.rows.sortBy(key);
    this.draw();
  }

  onFilter() {
    this.rows.filterBy(this.filter.value);
    this.clamp();
    this.draw();
  }

  // --- editing

  /* Open the editor over the active cell, with what the cell says or with a text. */
  edit(text) {
    const row = this.rows.shown[this.active.row];
    const column = this.columns[this.active.column];
    if (!row) return;
    if (!this.isFree({ row, column })) return this.say(...this.refusals([{ row, column }]));
    if (column.kind === "flag") return this.toggle();
    const { typed } = this.said(row, column);
    this.editing = { row, column, before: text === undefined ? typed : null };
    this.focus();
    this.showEditor(text ?? typed);
  }

  showEditor(text) {
    const { row, column } = this.editing;
    const cell = this.cellAt(this.active);
    const box = cell.getBoundingClientRect();
    const frame = this.scroller.getBoundingClientRect();
    const { clientLeft, clientTop, scrollLeft, scrollTop } = this.scroller;
    Object.assign(this.editor.style, {
      left: `${box.left - frame.left - clientLeft + scrollLeft}px`,
      top: `${box.top - frame.top - clientTop + scrollTop}px`,
      width: `${box.width}px`,
    });
    gridSet(this.editor, {
      "aria-label": `${column.label} of ${this.nameOf(row)}`,
      "aria-invalid": cell.getAttribute("aria-invalid"),
      "aria-describedby": cell.getAttribute("aria-describedby"),
    });
    this.editor.value = text;
    this.editor.hidden = false;
    this.editor.focus({ preventScroll: true });
  }

  closeEditor(keep) {
    const { editing } = this;
    if (!editing) return;
    this.editing = null; // first of all: an editor that is hidden loses its focus and comes again
    this.editor.hidden = true;
    const text = this.editor.value;
    const row = this.view.rows.find(({ id }) => id === editing.row.id); // as it is by now
    if (keep && row && text !== editing.before) this.change([{ ...editing, row, text }]);
  }

  /* Who turns to another window is not done yet. */
  onLeave() {
    if (document.hasFocus()) this.closeEditor(true);
  }

  /* Turn the flags of the selected block to what the active one is not. */
  toggle() {
    const active = this.rows.shown[this.active.row];
    const flag = this.columns[this.active.column];
    if (!active || flag.kind !== "flag") return;
    const text = this.said(active, flag).typed === "yes" ? "no" : "yes";
    const flags = this.selected().filter(({ column }) => column.kind === "flag");
    this.change(flags.map((cell) => ({ ...cell, text })));
  }

  clear() {
    const empty = ({ kind }) => (kind === "flag" ? "no" : "");
    this.change(this.selected().map((cell) => ({ ...cell, text: empty(cell.column) })));
  }

  selected() {
    const { top, bottom, left, right } = this.block;
    const columns = this.columns.slice(left, right + 1);
    const rows = this.rows.shown.slice(top, bottom + 1);
    return rows.flatMap((row) => columns.map((column) => ({ row, column })));
  }

  /* Send what may be changed, as one act; say what may not, and what found no place. */
  change(targets, lost = { rows: [], cells: [] }) {
    const says = ({ row, column, text }) => Object.values(this.said(row, column)).includes(text);
    const news = targets.filter((cell) => !says(cell));
    const free = news.filter((cell) => this.isFree(cell));
    this.say(
      free.length > 1 ? `${free.length} cells changed.` : "",
      ...this.refusals(news.filter((cell) => !this.isFree(cell))),
      gridReport(lost.rows, ["row past the last person", "rows past the last person"]),
      gridReport(lost.cells, ["cell past the last column", "cells past the last column"]),
    );
    if (free.length) this.send(free.map(({ row, column, text }) => [row.id, column.key, text]));
  }

  isFree({ row, column }) {
    return column.edit && !this.lockOf(row, column);
  }

  refusals(cells) {
    const name = ({ row, column }) => `${column.label} of ${this.nameOf(row)}`;
    const lock = ({ row, column }) => this.lockOf(row, column);
    const locked = cells.filter(lock).map((cell) => `${name(cell)} (${lock(cell)})`);
    const fixed = cells.filter((cell) => !lock(cell)).map(name);
    return [
      gridReport(locked, ["cell is locked", "cells are locked"]),
      gridReport(fixed, ["cell cannot be edited", "cells cannot be edited"]),
    ];
  }

  send(cells) {
    for (const [id, key, text] of cells) this.sent.set(gridPlace(id, key), text);
    this.draw();
    this.handlers.edit(cells);
  }

  // --- copy and paste, by their events: the clipboard's own interface needs https

  onCopy(event) {
    const { top, bottom, left, right } = this.block;
    if (event.target === this.editor || top < 0) return;
    event.preventDefault();
    const columns = this.columns.slice(left, right + 1);
    const rows = this.rows.shown.slice(top, bottom + 1);
    const texts = rows.map((row) => columns.map((column) => this.said(row, column).copied));
    event.clipboardData.setData("text/plain", gridWriteBlock(texts));
  }

  onPaste(event) {
    if (event.target === this.editor) return;
    event.preventDefault();
    const block = gridReadClipboard(event.clipboardData);
    if (!block.length) return this.say("There is no text to paste.");
    this.paste(block);
  }

  /* Lay a block on the rows as they are shown; it is repeated where that fills the selection. */
  paste(block) {
    const { bottom, left, right } = this.block;
    const top = Math.max(0, this.block.top);
    const width = Math.max(...block.map((texts) => texts.length));
    const fills = (bottom - top + 1) % block.length === 0 && (right - left + 1) % width === 0;
    const rows = fills ? bottom - top + 1 : block.length;
    const columns = fills ? right - left + 1 : width;
    const targets = [];
    const lost = { rows: [], cells: [] };
    for (let at = 0; at < rows; at++) {
      const row = this.rows.shown[top + at];
      const texts = block[at % block.length].map(gridUnguard);
      if (row) this.layLine({ row, texts, left, columns, width }, targets, lost.cells);
      else if (texts.some(Boolean)) lost.rows.push(`'${texts.join(" ")}'`);
    }
    this.anchor = this.within({ row: top + rows - 1, column: left + columns - 1 });
    this.active = { row: top, column: left };
    this.draw();
    this.change(targets, lost);
  }

  layLine({ row, texts, left, columns, width }, targets, lost) {
    for (let at = 0; at < columns; at++) {
      const text = texts[at % width];
      const column = this.columns[left + at];
      if (column && text !== undefined) targets.push({ row, column, text });
      else if (text) lost.push(`'${text}'`);
    }
  }
}

export function makeGrid(host, handlers) {
  const grid = new Grid(host, handlers);
  return {
    update: (view) => grid.update(view),
    stale: (flag) => grid.stale(flag),
    focus: () => grid.focus(),
  };
}
