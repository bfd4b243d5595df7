(() => {
"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (name, parent, text) => {
  const element = parent.appendChild(document.createElement(name));
  if (text !== undefined) element.textContent = text;
  return element;
};
for (const element of all(".js")) element.hidden = false;

// The value of the mark that is pointed at, or that has the focus.
for (const figure of all(".fig")) {
  const readout = figure.querySelector(".readout");
  if (!readout) continue;
  readout.hidden = false;
  const hint = readout.textContent;
  const show = (event) => {
    const mark = event.target.closest("[data-t],[aria-label]");
    const text = mark && figure.contains(mark) && (mark.dataset.t || mark.getAttribute("aria-label"));
    readout.textContent = text || hint;
  };
  figure.addEventListener("pointerover", show);
  figure.addEventListener("focusin", show);
  figure.addEventListener("pointerleave", () => { readout.textContent = hint; });
}

// Headings that sort.
for (const table of all("table.heat")) {
  const body = table.tBodies[0];
  all("thead .so", table).forEach((heading, column) => {
    const cell = heading.parentNode;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceWith(button);
    cell.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const rising = cell.getAttribute("aria-sort") !== "ascending";
      for (const other of all("thead th", table)) other.setAttribute("aria-sort", "none");
      cell.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const value = (row) => parseFloat(row.cells[column].dataset.v);
      // A cell without a value stays last in both directions.
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
        return rising ? x - y : y - x;
      };
      for (const row of all("tr.pr", body).sort(compare)) {
        const detail = row.nextElementSibling;
        const opened = detail && detail.className === "dt" ? detail : null;
        body.append(row);
        if (opened) body.append(opened);
      }
    });
  });
}

// Prompts that open: their details stand in one block of data.
const data = document.getElementById("prompt-details");
const details = data && JSON.parse(data.textContent);
const bar = (parent, parts, longest) => {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 240 14");
  svg.setAttribute("aria-hidden", "true");
  let from = 0;
  parts.forEach((part, index) => {
    const piece = document.createElementNS(space, "rect");
    const width = 240 * part / longest;
    for (const [name, value] of [["class", "p" + index], ["x", from], ["width", width], ["height", 14]]) {
      piece.setAttribute(name, value);
    }
    from += width;
    if (width > 0) svg.append(piece);
  });
  parent.append(svg);
};
const fill = (cell, prompt, name) => {
  const box = make("div", cell);
  box.className = "scroll";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Prompt " + name);
  const table = make("table", box);
  make("caption", table, "Prompt " + name);
  const head = make("tr", make("thead", table));
  for (const text of ["model", ...details.columns, "mean time of a request"]) make("th", head, text).scope = "col";
  const body = make("tbody", table);
  const sums = prompt.parts.map((parts) => parts.reduce((sum, part) => sum + part, 0));
  const longest = Math.max(1, ...sums);
  details.models.forEach((model, index) => {
    const row = make("tr", body);
    make("th", row, model).scope = "row";
    for (const figure of prompt.figures[index]) make("td", row, figure);
    const parts = prompt.parts[index];
    const words = parts.map((part, place) => part ? details.parts[place] + " " + part + " ms" : "").filter(Boolean);
    const time = make("td", row);
    time.title = words.join(", ");
    bar(time, parts, longest);
    const text = make("span", time, words.join(", "));
    text.className = "vh";
  });
  const texts = [...(prompt.text === undefined ? [] : [["Prompt", prompt.text]]), ...(prompt.answers || [])];
  for (const [heading, text] of texts) {
    make("p", cell, heading);
    const block = make("pre", cell, text);
    block.tabIndex = 0;
    block.setAttribute("role", "region");
    block.setAttribute("aria-label", heading);
  }
};
if (details) all("#heat tr.pr").forEach((row, index) => {
  const old = row.querySelector(".op");
  const name = old.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "op";
  button.textContent = name;
  button.setAttribute("aria-expanded", "false");
  old.replaceWith(button);
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    const next = row.nextElementSibling;
    if (next && next.className === "dt") { next.hidden = open; return; }
    const detail = document.createElement("tr");
    detail.className = "dt";
    const cell = make("td", detail);
    cell.colSpan = row.cells.length;
    fill(cell, details.prompts[index], name);
    row.after(detail);
  });
});

addEventListener("beforeprint", () => { for (const folded of all("details")) folded.open = true; });
})();
