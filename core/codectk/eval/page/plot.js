// The numbers of a picture as a table, and rate against distortion with points that lead to their picture.

function drawNumbers() {
  const table = $("numbers");
  const head = element("tr", {}, ...["codec", "A", "B", "bytes", "bpp", ...data.scores.map((s) => s.label)]
    .map((text) => element("th", { scope: "col" }, text)));
  const best = {};
  for (const score of data.scores) {
    const values = data.codecs.map((codec) => shown(codec).scores[score.label]).filter((v) => v !== null);
    best[score.label] = values.length ? Math[score.lower ? "min" : "max"](...values) : null;
  }
  const rows = [ORIGINAL, ...data.codecs].map((codec) => {
    const one = codec === ORIGINAL ? null : shown(codec);
    const row = element("tr", { class: codec === state.b || codec === state.a ? "chosen" : "" });
    const name = element("th", { scope: "row" }, codec);
    if (one) name.style.boxShadow = `inset 4px 0 0 ${color(codec)}`;
    if (one) name.title = one.setting;
    row.append(name);
    for (const side of ["a", "b"]) {
      const choose = element("input", { type: "radio", name: side, "aria-label": `${codec} as ${side.toUpperCase()}` });
      choose.checked = state[side] === codec;
      choose.addEventListener("change", () => { state[side] = codec; update(); });
      row.append(element("td", {}, choose));
    }
    const cells = one ? [one.bytes.toLocaleString("en"), one.bpp.toFixed(3)] : ["", ""];
    for (const [i, text] of cells.entries()) {
      const cell = element("td", {}, text);
      if (one && one.note && i === 0) cell.append(element("span", { class: "note" }, one.note));
      row.append(cell);
    }
    for (const score of data.scores) {
      const value = one ? one.scores[score.label] : null;
      const text = !one ? "" : value === null ? (score.label === "PSNR dB" ? "∞" : "–") : value.toFixed(score.digits);
      row.append(element("td", { class: one && value !== null && value === best[score.label] ? "best" : "" }, text));
    }
    return row;
  });
  table.replaceChildren(
    element("caption", {}, `${picture().name} at ${sizeName(state.size)}; the best number of a column is bold`),
    element("thead", {}, head), element("tbody", {}, ...rows));
}

const sizeName = (size) => {
  const wanted = picture().shown.find((s) => s.size === size).wanted;
  return `${wanted.toLocaleString("en")} bytes (${(8 * wanted / picture().width / picture().height).toFixed(3)} bpp)`;
};

function points(codec, label) {
  const over = $("over").checked ? data.pictures : [picture()];
  return data.sizes.map((_, size) => {
    const all = over.map((p) => shown(codec, size, p));
    const values = all.map((one) => one.scores[label]);
    if (values.some((v) => v === null)) return null;
    const mean = (list) => list.reduce((sum, v) => sum + v, 0) / list.length;
    return { size, bpp: mean(all.map((one) => one.bpp)), value: mean(values) };
  }).filter((point) => point !== null);
}

function ticks(low, high) {
  const step = 10 ** Math.floor(Math.log10((high - low) / 2 || 1));
  const wide = [1, 2, 5, 10].map((k) => k * step).find((s) => (high - low) / s <= 5);
  const found = [];
  for (let t = Math.ceil(low / wide) * wide; t <= high + 1e-9; t += wide) found.push(Number(t.toPrecision(8)));
  return found;
}

function drawPlot() {
  const svg = $("plot"), score = data.scores.find((s) => s.label === $("metric").value);
  const lines = data.codecs.map((codec) => [codec, points(codec, score.label)]);
  const all = lines.flatMap(([, found]) => found);
  svg.replaceChildren();
  if (!all.length) return;
  const range = (list, room) => {
    const low = Math.min(...list), high = Math.max(...list), more = (high - low) * room || Math.abs(high) * 0.05 || 1;
    return [low - more, high + more];
  };
  const [x0, x1] = range(all.map((p) => p.bpp), 0.08), [y0, y1] = range(all.map((p) => p.value), 0.1);
  const X = (v) => 52 + 452 * (v - x0) / (x1 - x0), Y = (v) => 286 - 274 * (v - y0) / (y1 - y0);
  for (const t of ticks(x0, x1)) {
    svg.append(element("line", { class: "axis", x1: X(t), x2: X(t), y1: 12, y2: 286 }),
      element("text", { x: X(t), y: 302, "text-anchor": "middle" }, String(t)));
  }
  for (const t of ticks(y0, y1)) {
    svg.append(element("line", { class: "axis", x1: 52, x2: 504, y1: Y(t), y2: Y(t) }),
      element("text", { x: 46, y: Y(t) + 4, "text-anchor": "end" }, String(t)));
  }
  const way = `${score.label}, ${score.lower ? "lower" : "higher"} is better`;
  svg.append(element("text", { x: 278, y: 322, "text-anchor": "middle" }, `bits per pixel; ${way}`));
  for (const [codec, found] of lines) {
    const sorted = [...found].sort((p, q) => p.bpp - q.bpp);
    svg.append(element("polyline", { stroke: color(codec), points: sorted.map((p) => `${X(p.bpp)},${Y(p.value)}`).join(" ") }));
  }
  for (const [codec, found] of lines) {
    for (const point of found) {
      const text = `${codec}: ${point.value.toFixed(score.digits)} at ${point.bpp.toFixed(3)} bpp`;
      const dot = element("circle", {
        cx: X(point.bpp), cy: Y(point.value), r: 6, fill: color(codec), tabindex: "0", role: "button",
        "aria-label": `${text}, show it`, class: codec === state.b && point.size === state.size ? "here" : "",
      });
      const tell = () => { $("tip").textContent = text; };
      const go = () => { state.b = codec; state.size = point.size; update(); tell(); };
      dot.addEventListener("pointerenter", tell);
      dot.addEventListener("focus", tell);
      dot.addEventListener("click", go);
      dot.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); go(); }
      });
      svg.append(dot);
    }
  }
}
