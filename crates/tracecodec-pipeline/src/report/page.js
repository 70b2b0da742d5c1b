"use strict";

// The numbers behind a drawing: each panel's marks are [x, y, series, where, what] in units of its viewBox.
const SVG = "http://www.w3.org/2000/svg";
const tip = document.getElementById("tip");
// Puts what is shown at its place again; null while nothing is shown.
let place = null;

function panelOf(element) {
  const svg = element.querySelector("svg");
  const { names, marks } = JSON.parse(element.querySelector("script").textContent);
  let ring = null;
  let current = -1;

  function show(index) {
    current = index;
    const [x, y, series, where, what] = marks[index];
    if (!ring) {
      ring = document.createElementNS(SVG, "circle");
      ring.setAttribute("class", "ring");
      ring.setAttribute("r", "6.5");
      svg.append(ring);
    }
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    const name = document.createElement("b");
    name.textContent = names[series];
    tip.replaceChildren(name, `${where}: ${what}`);
    tip.hidden = false;
    place = () => putAt(x, y);
    place();
  }

  function putAt(x, y) {
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    const left = box.left + x * scale;
    const top = box.top + y * scale;
    const { width, height } = tip.getBoundingClientRect();
    const room = document.documentElement.clientWidth - width - 4;
    tip.style.left = `${Math.max(4, Math.min(left + 14 > room ? left - width - 14 : left + 14, room))}px`;
    tip.style.top = `${top > height + 14 ? top - height - 12 : top + 16}px`;
  }

  function hide() {
    if (!ring) return;
    tip.hidden = true;
    place = null;
    ring.remove();
    ring = null;
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale;
    const y = (event.clientY - box.top) * scale;
    let best = -1;
    let least = Infinity;
    marks.forEach(([mx, my], index) => {
      const distance = (mx - x) ** 2 + (my - y) ** 2;
      if (distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  // The next mark of the same series, or the mark of another series that is nearest.
  function walk(key) {
    if (current < 0) return 0;
    const [x, y, series] = marks[current];
    const same = marks.flatMap((mark, index) => (mark[2] === series ? [index] : []));
    const at = same.indexOf(current);
    switch (key) {
      case "ArrowRight": return same[Math.min(at + 1, same.length - 1)];
      case "ArrowLeft": return same[Math.max(at - 1, 0)];
      case "Home": return same[0];
      case "End": return same[same.length - 1];
    }
    const other = series + (key === "ArrowDown" ? 1 : -1);
    let best = current;
    let least = Infinity;
    marks.forEach(([mx, my, of], index) => {
      const distance = Math.hypot(mx - x, my - y);
      if (of === other && distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  if (marks.length === 0) return;
  const follow = (event) => show(nearest(event));
  element.addEventListener("pointermove", follow);
  element.addEventListener("pointerdown", follow);
  // A finger that is lifted leaves what it showed.
  element.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hide(); });
  document.addEventListener("pointerdown", (event) => { if (ring && !element.contains(event.target)) hide(); });
  element.addEventListener("blur", hide);
  element.addEventListener("focus", () => {
    if (element.matches(":focus-visible")) show(Math.max(current, 0));
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    if (!["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    show(walk(event.key));
  });
}

document.querySelectorAll(".panel").forEach(panelOf);
addEventListener("scroll", () => place?.(), { passive: true });

// A figure as one SVG file: its panels at their places, under its title and legend, on white.
function standalone(figure) {
  const { width, height } = figure.dataset;
  const svg = figure.querySelector("template").content.firstElementChild.cloneNode(true);
  const paper = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ x: 0, y: 0, width, height, fill: "#ffffff" })) paper.setAttribute(name, value);
  svg.prepend(paper);
  for (const [tag, source] of [["desc", "figcaption"], ["title", "h3"]]) {
    const words = document.createElementNS(SVG, tag);
    words.textContent = figure.querySelector(source).textContent;
    svg.prepend(words);
  }
  for (const panel of figure.querySelectorAll(".panel")) {
    const place = document.createElementNS(SVG, "g");
    place.setAttribute("transform", `translate(${panel.dataset.x} ${panel.dataset.y})`);
    for (const child of panel.querySelector("svg").children) {
      if (!["title", "desc"].includes(child.tagName) && child.getAttribute("class") !== "ring") place.append(child.cloneNode(true));
    }
    svg.append(place);
  }
  return new XMLSerializer().serializeToString(svg);
}

document.querySelectorAll(".save").forEach((button) => {
  button.addEventListener("click", () => {
    const figure = button.closest("figure");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([standalone(figure)], { type: "image/svg+xml" }));
    link.download = `${figure.id}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
});

// Light or dark: as the system has it, until the button is pressed; the choice is kept where the browser allows it.
const root = document.documentElement;
const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
}

function tellTheme() {
  theme.textContent = isDark() ? "Light" : "Dark";
  theme.setAttribute("aria-label", `Change to ${theme.textContent.toLowerCase()} colours`);
  theme.setAttribute("aria-pressed", String(isDark()));
}

try {
  const kept = localStorage.getItem("tracecodec-theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
} catch { /* Not allowed here. */ }
tellTheme();
system.addEventListener("change", tellTheme);
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("tracecodec-theme", root.dataset.theme);
  } catch { /* Not allowed here. */ }
  tellTheme();
});

// The way from a number to the captures: the steps that it comes from, each before those that it reads.
const steps = JSON.parse(document.getElementById("steps").textContent);

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.append(...children);
  return made;
}

function chainOf(names) {
  const found = [];
  const visit = (name) => {
    if (found.includes(name)) return;
    found.push(name);
    Object.keys(steps[name]?.inputs ?? {}).forEach(visit);
  };
  names.forEach(visit);
  return found;
}

document.querySelectorAll("button.from").forEach((button) => button.addEventListener("click", () => {
  const sources = JSON.parse(button.dataset.from);
  const numbers = element("ul", "", ...sources.map(({ step, what, value }) => element("li", `${value} is ${what} of ${step}`)));
  const chain = element("ol", "", ...chainOf(sources.map(({ step }) => step)).map((name) => {
    const step = steps[name];
    if (!step) return element("li", name);
    const words = step.verb ? `${name}: ${step.verb}, key ${step.key.slice(0, 16)}` : `${name}: BLAKE3 ${step.key}`;
    return element("li", words, ...(step.settings ? [element("pre", JSON.stringify(step.settings, null, 1))] : []));
  }));
  const dialog = document.getElementById("chain");
  dialog.lastElementChild.replaceChildren(element("h3", "Where this number comes from"), numbers, chain);
  dialog.showModal();
}));
