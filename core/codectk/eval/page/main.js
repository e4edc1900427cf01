// Controls, keys, and the one function that brings the page up to date with the state.

const HINTS = {
  slide: "Drag the border or the picture, wheel or two fingers zoom, double click zooms in. Space flickers between both; "
    + "[ ] other codec, , . other picture, - + zoom, 0 fits, s a d v views.",
  all: "All pictures move together. Wheel or two fingers zoom; drag moves.",
  difference: "Black is equal. The slider above multiplies the difference.",
  blind: "Names are hidden. Zoom and drag as you like, then choose: keys 1 and 2, 0 for no difference.",
};

function update() {
  if (state.view !== "blind") { $("ask").hidden = true; $("result").hidden = true; }
  const hidden = state.view === "blind";
  drawStage();
  $("numbers-section").hidden = hidden;
  $("plot-section").hidden = hidden;
  $("picture").disabled = $("size").disabled = hidden;
  $("slider-label").hidden = state.view !== "slide";
  $("gain-label").hidden = state.view !== "difference";
  $("hint").textContent = HINTS[state.view];
  $("picture").value = state.picture;
  if (!hidden) {
    $("size").replaceChildren(...data.sizes.map((_, i) => element("option", { value: i }, sizeName(i))));
    $("size").value = state.size;
    drawNumbers();
    drawPlot();
  }
  for (const button of document.querySelectorAll("[data-view]")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
  }
  $("state").textContent = hidden ? "" : state.view === "all" ? picture().name
    : `${picture().name}: ${caption(state.a)} | ${caption(state.b)}`;
}

function setView(view) {
  if (view === "blind" && state.view !== "blind") startTrials();
  state.view = view;
  state.flicker = false;
  state.fitted = true;
  update();
}

function flicker() {
  if (state.view !== "slide") return;
  state.flicker = state.flicker === "a" ? "b" : "a";
  place();
  $("state").textContent = `${picture().name}: ${caption(state.flicker === "a" ? state.a : state.b)}`;
}

function turn(list, now, by) { return list[(list.indexOf(now) + by + list.length) % list.length]; }

function otherPicture(by) {
  state.picture = (state.picture + by + data.pictures.length) % data.pictures.length;
  state.fitted = true;
  update();
}

const KEYS = {
  " ": flicker, "0": () => (state.view === "blind" ? vote(0) : fit()), "1": () => vote(1), "2": () => vote(2),
  "[": () => { state.b = turn(data.codecs, state.b, -1); update(); },
  "]": () => { state.b = turn(data.codecs, state.b, 1); update(); },
  ",": () => otherPicture(-1), ".": () => otherPicture(1), "+": () => zoomAt(1.25), "=": () => zoomAt(1.25),
  "-": () => zoomAt(0.8), f: fit, s: () => setView("slide"), a: () => setView("all"), d: () => setView("difference"),
  v: () => setView("blind"),
  ArrowLeft: () => (state.view === "slide" ? setBorder(state.border - 2) : null),
  ArrowRight: () => (state.view === "slide" ? setBorder(state.border + 2) : null),
};

document.addEventListener("keydown", (event) => {
  const typing = ["SELECT", "INPUT"].includes(event.target.tagName);
  const pressed = event.target.tagName === "BUTTON" && [" ", "Enter"].includes(event.key);
  const blocked = state.view === "blind" && ["[", "]", ",", "."].includes(event.key);
  if (typing || pressed || blocked || event.ctrlKey || event.altKey || event.metaKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

for (const [i, p] of data.pictures.entries()) $("picture").append(element("option", { value: i }, p.name));
for (const score of data.scores) $("metric").append(element("option", {}, score.label));
$("picture").addEventListener("change", () => { state.picture = Number($("picture").value); state.fitted = true; update(); });
$("size").addEventListener("change", () => { state.size = Number($("size").value); update(); });
$("metric").addEventListener("change", drawPlot);
$("over").addEventListener("change", drawPlot);
$("slider").addEventListener("input", () => setBorder(Number($("slider").value)));
$("gain").addEventListener("input", drawStage);
$("in").addEventListener("click", () => zoomAt(1.25));
$("out").addEventListener("click", () => zoomAt(0.8));
$("fit").addEventListener("click", fit);
$("first").addEventListener("click", () => vote(1));
$("second").addEventListener("click", () => vote(2));
$("tie").addEventListener("click", () => vote(0));
$("stop").addEventListener("click", () => { trial.done = true; update(); });
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => setView(button.dataset.view));
}
new ResizeObserver(() => { if (state.fitted) fit(); else place(); }).observe($("stage"));
for (const line of data.about) $("about").append(element("p", {}, line));
update();
