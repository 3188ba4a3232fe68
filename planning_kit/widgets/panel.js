// The what-if panel: levers, the answer, the way out, the grid, scenarios. Python holds the state
// and reads every text; here it is shown, and what people do is sent as acts.

import { makeGrid } from "./grid.js";
import { makePicture } from "./picture.js";

const NO_ANSWER_MS = 15000;
const NO_ANSWER =
  "No answer from the kernel: run the cell again. What was done is kept as a draft.";
const MOST_COMPARED = 5;

// JupyterLab takes the keys of whatever has the focus for its own shortcuts unless that says no.
const KEYS_STAY = { "data-lm-suppress-shortcuts": "true" };
const FOCUSED = new Set(["button", "input", "select", "summary"]);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (FOCUSED.has(tag)) Object.assign(attributes, KEYS_STAY);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Redraws a part only where what it is drawn from has changed.
function part(host, draw) {
  let drawn = null;
  return (content) => {
    const text = JSON.stringify(content);
    if (text === drawn) return;
    drawn = text;
    host.replaceChildren(...draw(content));
  };
}

// One message is under way at a time; meanwhile moves of a lever replace each other, so that the
// newest is sent next and nothing else of it waits.
function makeLine(model, onChange) {
  const client = Math.random().toString(36).slice(2);
  const waiting = [];
  let sent = 0;
  let answered = 0;
  let timer = 0;

  const isLate = () => sent > answered || waiting.length > 0;

  function send() {
    if (sent > answered || !waiting.length) return;
    sent += 1;
    model.send({ client, seq: sent, acts: waiting.splice(0) });
    clearTimeout(timer);
    timer = setTimeout(() => onChange(true, true), NO_ANSWER_MS);
  }

  return {
    isLate,
    act(one) {
      const last = waiting.at(-1);
      const replaces = last?.act === "lever" && one.act === "lever" && last.key === one.key;
      if (replaces) waiting.pop();
      waiting.push(one);
      onChange(true, false);
      send();
    },
    hear(view) {
      if (view.client === client) answered = Math.max(answered, view.acted);
      if (answered === sent) clearTimeout(timer);
      onChange(isLate(), false);
      send();
    },
  };
}

function makeStrip(host) {
  return part(host, (cards) =>
    cards.map((card) =>
      element(
        "div",
        { class: `pk-card pk-${card.status || "plain"}`, title: card.help || "" },
        element("div", { class: "pk-card-label" }, card.label),
        element("div", { class: "pk-card-value" }, card.value),
        ...(card.note ? [element("div", { class: "pk-card-note" }, card.note)] : []),
      ),
    ),
  );
}

// Enter and leaving both end an entry; what is shown already is not said again.
function makeTyped(lever, id, say) {
  const onchange = ({ target }) => target.value !== target.shown && say(target.value);
  const onkeydown = (event) => event.key === "Enter" && onchange(event);
  if (lever.kind === "choice") {
    const options = lever.choices.map(([value, label]) => element("option", { value }, label));
    return element("select", { id, onchange }, ...options);
  }
  const looks = { type: "text", inputmode: "decimal", autocomplete: "off" };
  return element("input", { id, ...looks, "aria-describedby": `${id}-hint`, onchange, onkeydown });
}

function makeSlider({ label, kind, least, most, step }, say) {
  if (kind === "choice") return element("span");
  return element("input", {
    type: "range",
    min: least,
    max: most,
    step,
    "aria-label": `${label}, slider`,
    oninput: (event) => say(sliderText(event.target.value, kind), true),
    onchange: (event) => say(sliderText(event.target.value, kind)),
  });
}

function makeLever(lever, act) {
  const id = `pk-${Math.random().toString(36).slice(2)}`;
  const say = (text, drag = false) => act({ act: "lever", key: lever.key, text, drag });
  const hint = element("div", { class: "pk-hint", id: `${id}-hint` });
  const state = element("span", { class: "pk-state" }, "as in the scenario");
  const name = `${lever.label}: as in the scenario`;
  const back = element(
    "button",
    { type: "button", "aria-label": name, onclick: () => say(null) },
    "↺ as it was",
  );
  const text = makeTyped(lever, id, say);
  const slider = makeSlider(lever, say);
  const unit = element("span", { class: "pk-unit" }, lever.unit);
  const row = element(
    "div",
    { class: "pk-lever" },
    element("label", { for: id }, lever.label),
    slider,
    element("span", { class: "pk-typed" }, text, unit),
    element("span", {}, state, back),
    hint,
  );
  const parts = { text, slider, state, back, hint, row };
  return { row, update: (now, isLate) => showLever(now, isLate, parts) };
}

// What a slider says is written as somebody would type it: a share in per cent.
function sliderText(value, kind) {
  return kind === "share" ? `${Number((100 * value).toFixed(6))}%` : value;
}

// What somebody is typing or dragging right now is not written over.
function showLever(now, isLate, { text, slider, state, back, hint, row }) {
  const wrong = now.error;
  const isTyping = text.getRootNode().activeElement === text;
  text.shown = leverText(now);
  if (!(isLate && isTyping)) text.value = text.shown;
  if (slider.type === "range" && !isLate) {
    slider.value = now.value ?? now.least;
    slider.setAttribute("aria-valuetext", now.text);
  }
  text.setAttribute("aria-invalid", String(Boolean(wrong)));
  const isMoved = Boolean(wrong) || !now.as_in_scenario;
  state.hidden = isMoved;
  back.hidden = !isMoved;
  hint.textContent = wrong ? `⚠ ${wrong.message}` : "";
  row.classList.toggle("pk-moved", isMoved);
}

function leverText({ error, kind, value, text }) {
  if (error) return error.text;
  return kind === "choice" ? value : text;
}

function makeLevers(host, act) {
  const made = new Map();
  return (levers, isLate) => {
    for (const lever of levers) {
      if (!made.has(lever.key)) {
        const control = makeLever(lever, act);
        made.set(lever.key, control);
        host.append(control.row);
      }
      made.get(lever.key).update(lever, isLate);
    }
  };
}

function makeConflict(host, act) {
  return part(host, ({ message, ways }) => {
    if (!message) return [];
    const buttons = ways.map((text, at) =>
      element(
        "button",
        { type: "button", class: "pk-way", onclick: () => act({ act: "way", at }) },
        text,
      ),
    );
    const lead = ways.length ? [element("p", {}, "Ways out, each can be undone:")] : [];
    return [element("p", { class: "pk-message" }, `⚠ ${message}`), ...lead, ...buttons];
  });
}

function table(caption, heads, rows) {
  const head = (text) => element("th", { scope: "col" }, text);
  return element(
    "table",
    { class: "pk-table" },
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map(head))),
    element(
      "tbody",
      {},
      ...rows.map(([first, ...others]) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, first),
          ...others.map((text) => element("td", {}, text)),
        ),
      ),
    ),
  );
}

function makePerson(host, act) {
  return part(host, (person) => {
    if (!person) return [];
    const close = element(
      "button",
      { type: "button", "aria-label": "close", onclick: () => act({ act: "open", id: null }) },
      "×",
    );
    const words = person.words.map((text) => element("p", {}, text));
    const head = element("div", { class: "pk-person-head" }, element("h3", {}, person.name), close);
    return [head, ...words, table("How the goal comes about", ["step", "amount"], person.steps)];
  });
}

function makeFiles(host, act) {
  const name = element("input", {
    type: "text",
    "aria-label": "scenario name",
    placeholder: "stretch",
  });
  const pick = element("select", { "aria-label": "scenario to open" });
  const said = element("span", { role: "status", class: "pk-said" });
  const button = (label, tip, one) =>
    element("button", { type: "button", title: tip, onclick: () => act(one()) }, label);
  const named = (kind) => ({ act: kind, name: name.value });
  const undo = button("Undo", "Ctrl+Z", () => ({ act: "undo" }));
  const redo = button("Redo", "Ctrl+Y", () => ({ act: "redo" }));
  const reset = button("Reset", "Back to the file", () => ({ act: "reset" }));
  const save = button("Save", "Write what is shown into its file", () => ({ act: "save" }));
  const take = button("Take theirs", "Read the file again", () => ({ act: "take" }));
  const keep = button("Keep mine", "Write over the file", () => ({ act: "save", over: true }));
  const saveAs = button("Save as", "Write a new scenario file", () => named("save_as"));
  const copy = button("Duplicate", "Copy the file as it is on disk", () => named("duplicate"));
  const open = button("Open", "Open another scenario", () => ({ act: "load", name: pick.value }));
  const use = button("Use in the batch", "How to run it everywhere", () => ({ act: "use" }));
  const groups = [[undo, redo, reset], [save, take, keep], [name, saveAs, copy], [pick, open], [use]];
  host.append(...groups.map((parts) => element("span", { class: "pk-group" }, ...parts)), said);
  const options = part(pick, (names) => names.map((one) => element("option", { value: one }, one)));
  return (view, isLate) => {
    undo.disabled = !view.can_undo;
    redo.disabled = !view.can_redo;
    save.disabled = isLate || !view.file.is_changed;
    take.hidden = keep.hidden = !view.file.is_overtaken;
    options(view.scenarios);
    said.textContent = view.said;
  };
}

function makeCompare(host, act) {
  const choices = element("span", { class: "pk-group" });
  const found = element("div", { class: "pk-wide", "aria-live": "polite" });
  const chosen = () => [...choices.querySelectorAll("input:checked")].map((box) => box.value);
  const limit = () => {
    const full = chosen().length >= MOST_COMPARED;
    for (const box of choices.querySelectorAll("input:not(:checked)")) box.disabled = full;
  };
  const change = () => {
    limit();
    act({ act: "compare", names: chosen() });
  };
  host.append(
    element("summary", {}, "Compare scenarios"),
    element("p", {}, `Two to ${MOST_COMPARED} of them; the first is what the others differ from.`),
    choices,
    found,
  );
  const options = part(choices, (names) =>
    names.map((one) => element("label", {}, element("input", { type: "checkbox", value: one, onchange: change }), ` ${one}`)),
  );
  const tables = part(found, (all) => all.map(({ caption, heads, rows }) => table(caption, heads, rows)));
  return (view) => {
    options(["what is shown", ...view.scenarios]);
    tables(view.compared);
  };
}

class Panel {
  constructor(model, el) {
    this.model = model;
    this.line = makeLine(model, (isLate, isSilent) => this.grey(isLate, isSilent));
    const { act } = this.line;
    const hosts = makeHosts();
    this.root = hosts.root;
    this.stale = hosts.stale;
    this.people = makeGrid(hosts.grid, {
      edit: (cells) => act({ act: "edit", cells }),
      open: (id) => act({ act: "open", id }),
      undo: () => act({ act: "undo" }),
      redo: () => act({ act: "redo" }),
    });
    this.picture = makePicture(hosts.picture, model);
    this.strip = makeStrip(hosts.strip);
    this.conflict = makeConflict(hosts.conflict, act);
    this.levers = makeLevers(hosts.levers, act);
    this.person = makePerson(hosts.person, act);
    this.files = makeFiles(hosts.files, act);
    this.compare = makeCompare(hosts.compare, act);
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    el.append(this.root);
  }

  // Everything that is older than the controls is grey at once, and says so.
  grey(isLate, isSilent) {
    this.root.classList.toggle("pk-stale", isLate);
    this.root.setAttribute("aria-busy", String(isLate));
    this.people.stale(isLate);
    this.stale.textContent = isLate ? "computing…" : "";
    if (isSilent) this.stale.textContent = NO_ANSWER;
  }

  update() {
    const view = this.model.get("view");
    this.line.hear(view);
    const isLate = this.line.isLate();
    this.root.dataset.digest = view.digest;
    this.strip(view.cards);
    this.conflict({ message: view.message, ways: view.ways });
    this.levers(view.levers, isLate);
    this.people.update(view);
    this.people.stale(isLate);
    this.picture.update(view.picture, view.digest);
    this.person(view.person);
    this.files(view, isLate);
    this.compare(view);
  }

  // The grid undoes by itself; in a field that is being typed into, the browser does.
  onKey(event) {
    const { target } = event;
    const key = event.key.toLowerCase();
    if (event.defaultPrevented || !(event.ctrlKey || event.metaKey) || !"zy".includes(key)) return;
    if (target.matches("input[type=text], input[type=search]")) return;
    event.preventDefault();
    this.line.act({ act: key === "y" || event.shiftKey ? "redo" : "undo" });
  }
}

function makeHosts() {
  const host = (tag, name, attributes = {}) => element(tag, { class: name, ...attributes });
  const answer = { role: "status", "aria-live": "polite", "aria-label": "the answer" };
  const hosts = {
    strip: host("div", "pk-strip", answer),
    stale: host("p", "pk-stale-word", { role: "status" }),
    conflict: host("div", "pk-conflict", { role: "alert" }),
    levers: host("div", "pk-levers", { role: "group", "aria-label": "levers" }),
    picture: host("div", "pk-picture"),
    files: host("div", "pk-files", { role: "group", "aria-label": "scenario" }),
    grid: host("div", "pk-people"),
    person: host("div", "pk-person", { "aria-live": "polite" }),
    compare: host("details", "pk-compare"),
  };
  const { strip, stale, conflict, levers, picture, files, grid, person, compare } = hosts;
  const middle = element("div", { class: "pk-middle" }, levers, picture);
  const parts = [strip, stale, conflict, middle, files, grid, person, compare];
  const look = { class: "pk-what-if", "aria-label": "what if" };
  return { ...hosts, root: element("section", look, ...parts) };
}

function render({ model, el }) {
  const panel = new Panel(model, el);
  const update = () => panel.update();
  model.on("change:view", update);
  update();
  return () => {
    model.off("change:view", update);
    panel.picture.close();
  };
}

export default { render };
