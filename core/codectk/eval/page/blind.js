// The blind test: two codecs without names around the original; at the end Bradley-Terry scores of all votes.

const trial = { list: [], at: 0, votes: [], done: false };

function shuffle(list) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

function startTrials() {
  trial.list = [];
  for (const [p] of data.pictures.entries()) {
    for (const [size] of data.sizes.entries()) {
      for (let i = 0; i < data.codecs.length; i++) {
        for (let j = i + 1; j < data.codecs.length; j++) {
          trial.list.push({ picture: p, size, pair: shuffle([data.codecs[i], data.codecs[j]]) });
        }
      }
    }
  }
  shuffle(trial.list);
  Object.assign(trial, { at: 0, votes: [], done: trial.list.length === 0 });
}

function drawTrial(stage) {
  const now = trial.list[trial.at];
  $("ask").hidden = trial.done;
  $("result").hidden = !trial.done;
  if (trial.done) { drawResult(); return; }
  state.picture = now.picture;
  state.size = now.size;
  const sides = [["Left", now.pair[0]], ["Original", ORIGINAL], ["Right", now.pair[1]]];
  const wide = stage.clientWidth > 700;
  stage.style[wide ? "gridTemplateColumns" : "gridTemplateRows"] = "repeat(3, minmax(0, 1fr))";
  for (const [label, codec] of sides) {
    const made = pane([address(codec)], label);
    names(made, label);
    stage.append(made);
  }
  $("question").textContent = `${trial.at + 1} of ${trial.list.length}: which is closer to the original?`;
}

function vote(choice) {
  if (state.view !== "blind" || trial.done) return;
  const now = trial.list[trial.at];
  const [left, right] = now.pair;
  trial.votes.push({
    picture: data.pictures[now.picture].name, size: now.size, left, right,
    winner: choice === 0 ? null : choice === 1 ? left : right,
  });
  trial.at += 1;
  trial.done = trial.at >= trial.list.length;
  state.fitted = true;
  update();
}

// Maximum likelihood by Hunter's MM iteration; half a win and half a loss against a common rival keep it finite.
function bradleyTerry(votes, codecs) {
  const wins = Object.fromEntries(codecs.map((c) => [c, 0.5]));
  for (const v of votes) {
    wins[v.left] += v.winner === v.left ? 1 : v.winner === null ? 0.5 : 0;
    wins[v.right] += v.winner === v.right ? 1 : v.winner === null ? 0.5 : 0;
  }
  let strength = Object.fromEntries(codecs.map((c) => [c, 1]));
  for (let round = 0; round < 500; round++) {
    const next = {};
    for (const c of codecs) {
      let sum = 1 / (strength[c] + 1);
      for (const v of votes) {
        if (v.left === c || v.right === c) sum += 1 / (strength[v.left] + strength[v.right]);
      }
      next[c] = wins[c] / sum;
    }
    const mean = Math.exp(codecs.reduce((sum, c) => sum + Math.log(next[c]), 0) / codecs.length);
    for (const c of codecs) next[c] /= mean;
    strength = next;
  }
  return strength;
}

function result() {
  const strength = bradleyTerry(trial.votes, data.codecs);
  const table = data.codecs.map((codec) => {
    const mine = trial.votes.filter((v) => v.left === codec || v.right === codec);
    return {
      codec, shown: mine.length, preferred: mine.filter((v) => v.winner === codec).length,
      ties: mine.filter((v) => v.winner === null).length, score: Math.log(strength[codec]),
    };
  }).sort((p, q) => q.score - p.score);
  return { format: "codectk-votes/1", comparison: data.digest, votes: trial.votes, table };
}

function drawResult() {
  const found = result();
  const columns = ["codec", "score", "preferred", "no difference", "shown"];
  const rows = found.table.map((r) => element("tr", {}, element("th", { scope: "row" }, r.codec),
    ...[r.score.toFixed(2), r.preferred, r.ties, r.shown].map((v) => element("td", {}, String(v)))));
  const save = element("button", { id: "save" }, "Save as JSON");
  save.addEventListener("click", () => {
    const link = element("a", { download: "votes.json",
      href: URL.createObjectURL(new Blob([JSON.stringify(found, null, 1)], { type: "application/json" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  const again = element("button", { id: "again" }, "Once more");
  again.addEventListener("click", () => { startTrials(); state.fitted = true; update(); });
  $("result").replaceChildren(
    element("table", {}, element("caption", {}, `Preferences in ${trial.votes.length} comparisons`),
      element("thead", {}, element("tr", {}, ...columns.map((c) => element("th", { scope: "col" }, c)))),
      element("tbody", {}, ...rows)),
    element("p", { class: "hint" }, "Score: Bradley-Terry, natural logarithm of the strength; a difference of 1 means "
      + "that the better one is preferred 73 % of the time."),
    save, " ", again);
}
