"use strict";
// What is shown, and the panes that show it: all of them share one zoom and one place.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#e69f00", "#7f6fd0", "#888888"];
const ORIGINAL = "original";

const state = {
  picture: 0, size: 0, a: ORIGINAL, b: data.codecs[0], view: "slide", border: 50, flicker: false,
  zoom: 1, x: 0, y: 0, fitted: true,
};

const picture = () => data.pictures[state.picture];
const shown = (codec, size = state.size, p = picture()) => p.shown.find((s) => s.codec === codec && s.size === size);
const address = (codec) => (codec === ORIGINAL ? picture().original : shown(codec).image);
const color = (codec) => COLORS[data.codecs.indexOf(codec) % COLORS.length];

function element(name, attributes = {}, ...inside) {
  const made = name === "svg" || SVG.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}
const SVG = new Set(["circle", "polyline", "line", "text", "g", "title"]);

function pane(layers, label) {
  const made = element("div", { class: "pane", tabindex: "0", role: "img", "aria-label": label });
  for (const [i, layer] of layers.entries()) {
    made.append(element("img", { src: layer, alt: "", class: i ? "top" : "bottom", draggable: "false" }));
  }
  made.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomAt(event.deltaY < 0 ? 1.25 : 0.8, event, made);
  }, { passive: false });
  made.addEventListener("pointerdown", (event) => grab(event, made));
  made.addEventListener("dblclick", (event) => zoomAt(2, event, made));
  return made;
}

const fingers = new Map();

function grab(event, made) {
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  made.setPointerCapture(event.pointerId);
  const onBorder = event.target.classList.contains("border");
  const move = (now) => {
    const before = fingers.get(now.pointerId);
    if (!before) return;
    const others = [...fingers].filter(([id]) => id !== now.pointerId).map(([, at]) => at);
    fingers.set(now.pointerId, [now.clientX, now.clientY]);
    if (others.length) {  // two fingers zoom
      const distance = ([x, y]) => Math.hypot(x - others[0][0], y - others[0][1]);
      zoomAt(distance([now.clientX, now.clientY]) / Math.max(1, distance(before)), now, made);
    } else if (onBorder) {
      const box = made.getBoundingClientRect();
      setBorder(100 * (now.clientX - box.left) / box.width);
    } else {
      state.x += now.clientX - before[0];
      state.y += now.clientY - before[1];
      state.fitted = false;
      place();
    }
  };
  const end = (now) => {
    fingers.delete(now.pointerId);
    made.removeEventListener("pointermove", move);
    made.removeEventListener("pointerup", end);
    made.removeEventListener("pointercancel", end);
  };
  made.addEventListener("pointermove", move);
  made.addEventListener("pointerup", end);
  made.addEventListener("pointercancel", end);
}

function zoomAt(factor, event, made) {
  const box = (made || $("stage").firstElementChild).getBoundingClientRect();
  const [x, y] = event ? [event.clientX - box.left, event.clientY - box.top] : [box.width / 2, box.height / 2];
  const next = Math.min(32, Math.max(0.02, state.zoom * factor));
  state.x = x - (x - state.x) * next / state.zoom;
  state.y = y - (y - state.y) * next / state.zoom;
  state.zoom = next;
  state.fitted = false;
  place();
}

function fit() {
  const first = $("stage").firstElementChild;
  if (!first) return;
  const { width, height } = first.getBoundingClientRect();
  state.zoom = Math.min(width / picture().width, height / picture().height);
  state.x = (width - picture().width * state.zoom) / 2;
  state.y = (height - picture().height * state.zoom) / 2;
  state.fitted = true;
  place();
}

function place() {
  for (const made of document.querySelectorAll(".pane")) {
    made.classList.toggle("sharp", state.zoom > 1.5);
    const box = made.getBoundingClientRect();
    const border = (box.width * state.border / 100 - state.x) / state.zoom;
    for (const image of made.children) {
      if (image.tagName !== "IMG") continue;
      image.style.transform = `translate(${state.x}px, ${state.y}px) scale(${state.zoom})`;
      image.style.width = `${picture().width}px`;
      const sliding = state.view === "slide" && image.classList.contains("top");
      image.style.clipPath = sliding ? `inset(0 0 0 ${Math.max(0, border)}px)` : "";
      if (sliding && state.flicker) image.style.clipPath = "";
      image.style.visibility = sliding && state.flicker === "a" ? "hidden" : "";
    }
    const line = made.querySelector(".border");
    if (line) line.style.left = `${state.border}%`;
    if (line) line.hidden = Boolean(state.flicker);
  }
  $("zoom").textContent = `${Math.round(100 * state.zoom * window.devicePixelRatio)} %`;
}

function setBorder(value) {
  state.border = Math.min(100, Math.max(0, value));
  state.flicker = false;
  $("slider").value = state.border;
  place();
}

function names(made, a, b) {
  made.append(element("span", { class: "name a" }, a));
  if (b) made.append(element("span", { class: "name b" }, b));
}

const caption = (codec) => {
  if (codec === ORIGINAL) return "original";
  const one = shown(codec);
  return `${codec}, ${one.bytes.toLocaleString("en")} bytes`;
};

// The number of columns that makes pictures of this shape largest.
function bestColumns(stage, count) {
  const scale = (columns) => Math.min(stage.clientWidth / columns / picture().width,
    stage.clientHeight / Math.ceil(count / columns) / picture().height);
  const all = Array.from({ length: count }, (_, i) => i + 1);
  return all.reduce((best, columns) => (scale(columns) > scale(best) ? columns : best));
}

function drawStage() {
  const stage = $("stage");
  stage.replaceChildren();
  stage.hidden = state.view === "blind" && trial.done;
  stage.style.gridTemplateColumns = "minmax(0, 1fr)";
  stage.style.gridTemplateRows = "";
  stage.classList.toggle("difference", state.view === "difference");
  if (state.view === "all") {
    const all = [ORIGINAL, ...data.codecs];
    const columns = bestColumns(stage, all.length);
    stage.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    for (const codec of all) {
      const made = pane([address(codec)], caption(codec));
      names(made, caption(codec));
      stage.append(made);
    }
  } else if (state.view === "blind") {
    drawTrial(stage);
  } else {
    const made = pane([address(state.a), address(state.b)], `${caption(state.a)} and ${caption(state.b)}`);
    names(made, caption(state.a), caption(state.b));
    if (state.view === "slide") made.append(element("div", { class: "border" }));
    else made.style.filter = `brightness(${$("gain").value})`;
    stage.append(made);
  }
  if (state.fitted) fit(); else place();
}
