"use strict";
(() => {
  const INTERVAL_MS = 3000;
  const SVG = "http://www.w3.org/2000/svg";
  const at = (id) => document.getElementById(id);
  const none = "\u2013";

  // Text only ever becomes text: names come from a database.
  const make = (tag, properties = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value !== null && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  };
  const draw = (tag, properties) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(properties)) node.setAttribute(name, value);
    return node;
  };

  // As `Objective.format` does.
  const scoreOf = (score, objective) => {
    if (score === null) return none;
    return objective.written_as === "percent" ? `${(100 * score).toFixed(2)}\u00a0%` : String(Number(score.toPrecision(4)));
  };
  // As `Objective.named` does.
  const namedScoreOf = (score, objective) => score === null || objective.name === "accuracy" ? scoreOf(score, objective)
    : `${scoreOf(score, objective)} ${objective.label.replace(/^validation /, "")} ${objective.direction === "maximize" ? "↑" : "↓"}`;
  const count = (number, noun, plural) => `${number.toLocaleString("en")}\u00a0${number === 1 ? noun : plural ?? `${noun}s`}`;
  const rateOf = (trials) => trials.toFixed(trials < 10 ? 1 : 0);
  const duration = (seconds) => {
    if (seconds === null) return none;
    const whole = Math.round(seconds);
    if (whole < 60) return `${whole}\u00a0s`;
    if (whole < 3600) return `${Math.floor(whole / 60)}\u00a0min ${whole % 60}\u00a0s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)}\u00a0h ${Math.floor((whole % 3600) / 60)}\u00a0min`;
    return `${Math.floor(whole / 86400)}\u00a0d ${Math.floor((whole % 86400) / 3600)}\u00a0h`;
  };

  const curveOf = (worker) => {
    const [width, height, room] = [240, 60, 4];
    const scores = worker.curve.map(([, score]) => score);
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    const write = (score) => scoreOf(score, worker.objective);
    const best = write(worker.objective.direction === "maximize" ? high : low);
    const step = worker.folds === null ? "epoch" : "fold";
    const last = Math.max(worker.folds ?? worker.epochs ?? 0, worker.curve.at(-1)[0], 2);
    const across = (epoch) => (width * (epoch - 1)) / (last - 1);
    const up = (score) => height - room - ((height - 2 * room) * (score - low)) / (high - low || 1);
    const points = worker.curve.map(([epoch, score]) => `${across(epoch).toFixed(1)},${up(score).toFixed(1)}`);
    // A line of one point would not be seen.
    if (points.length === 1) points.push(`${across(worker.curve[0][0]) + 3},${up(scores[0]).toFixed(1)}`);
    const measured = worker.objective.label[0].toUpperCase() + worker.objective.label.slice(1);
    const label = `${measured} of trial ${worker.trial} by ${step}: ${write(scores[0])} after the first, ` +
      `${best} at best, ${write(scores.at(-1))} after ${step} ${worker.curve.at(-1)[0]}.`;
    const picture = draw("svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
    picture.append(
      draw("line", { x1: 0, x2: width, y1: height, y2: height }),
      draw("polyline", { points: points.join(" ") }),
    );
    const hidden = { "aria-hidden": "true" };
    // Highest and lowest score beside the curve, first and last epoch below it.
    const heights = make("p", { class: "heights", ...hidden }, make("span", {}, write(high)), make("span", {}, high === low ? "" : write(low)));
    const ends = make("p", { class: "ends", ...hidden }, make("span", {}, `${step} 1`), make("span", {}, `${step} ${last}`));
    // The mean over the first folds may be higher than over all so far, which alone is compared.
    const reached = worker.folds === null ? `best ${best}` : `mean of ${scores.length}: ${write(scores.at(-1))}`;
    return [make("p", { class: "detail", ...hidden }, `${worker.objective.label}, ${reached}`),
      make("div", { class: "plotted" }, heights, picture, ends)];
  };

  const STAGES = { confirm: "confirming trial", retrain: "retraining trial", ensemble: "ensemble" };
  const workOf = (worker) => {
    if (worker.state !== "training" || worker.study === null) return worker.state === "lost" ? "no sign of life" : "waiting for work";
    const what = STAGES[worker.stage] ?? "trial";
    return `${worker.study}: ${what}${worker.trial === null ? "" : ` ${worker.trial}`}`;
  };

  const cardOf = (worker) => {
    const fold = worker.state === "training" && worker.fold !== null ? `fold ${worker.fold} of ${worker.folds} · ` : "";
    const epoch = worker.state === "training" && worker.epoch !== null
      ? `epoch ${worker.epoch}${worker.epochs ? ` of ${worker.epochs}` : ""} · ` : "";
    const card = make("li", { class: "card", "data-worker": worker.id },
      make("p", {}, make("span", { class: `state ${worker.state}` }, worker.state), ` · ${worker.device} · pid ${worker.pid}`),
      make("p", { class: "what" }, workOf(worker)),
      make("p", { class: "detail" }, `${fold}${epoch}seen ${duration(worker.last_seen_s)} ago`));
    if (worker.curve.length > 0 && worker.objective !== null) card.append(...curveOf(worker));
    return card;
  };

  const workersOf = (workers) => {
    if (workers.length === 0) return [make("p", {}, "No worker is running. Start some: ", make("code", {}, "tuner workers"))];
    const hosts = Map.groupBy ? Map.groupBy(workers, (worker) => worker.host) : new Map();
    if (!Map.groupBy) for (const worker of workers) hosts.set(worker.host, [...(hosts.get(worker.host) ?? []), worker]);
    return [...hosts].map(([host, here]) => make("div", { class: "host" },
      make("h3", {}, `${host}: ${count(here.length, "worker")}`),
      make("ul", { class: "cards" }, ...here.map(cardOf))));
  };

  const HEADERS = ["Study", "State", "Progress", "Best score", "Complete", "Pruned", "Failed", "Running", "Trials an hour", "Time left", "Trainings after the search", "Failures by kind", "Also in"];
  const rowOf = (study) => {
    const finished = study.complete + study.pruned + study.failed;
    const failures = Object.entries(study.failures).map(([kind, number]) => `${kind.replaceAll("_", " ")}: ${number}`);
    const optuna = make("a", { href: study.optuna_path, "aria-label": `${study.name} in Optuna Dashboard` }, "Optuna Dashboard");
    const cells = [
      study.stop_reason ? `${study.state}: ${study.stop_reason.split(", the last: ")[0]}` : study.state === "finals" ? "retraining the best" : study.state,
      make("span", {}, make("progress", { max: Math.max(1, study.budget), value: finished, "aria-label": `Trials of ${study.name}` }), ` ${finished} of ${study.budget}`),
      namedScoreOf(study.best_score, study.objective) + (study.front ? ` (front of ${study.front.toLocaleString("en")})` : ""), study.complete, study.pruned, study.failed, study.running,
      study.trials_per_hour === null ? none : rateOf(study.trials_per_hour),
      study.state === "searching" ? duration(study.time_left_s) : none,
      study.finals_planned ? `${study.finals_done} of ${study.finals_planned}` : none,
      failures.join(", ") || none,
      optuna,
    ];
    const name = make("a", { href: study.report_path, "aria-label": `Report of ${study.name}` }, study.name);
    return make("tr", { "data-study": study.name }, make("th", { scope: "row" }, name),
      ...cells.map((cell) => make("td", {}, typeof cell === "number" ? String(cell) : cell)));
  };

  const studiesOf = (studies) => {
    if (studies.length === 0) return [make("p", {}, "No studies yet. Create one: ", make("code", {}, "tuner study create --space cnn"))];
    const head = make("tr", {}, ...HEADERS.map((header) => make("th", { scope: "col" }, header)));
    const table = make("table", {}, make("caption", { class: "visually-hidden" }, "Studies"), make("thead", {}, head),
      make("tbody", {}, ...studies.map(rowOf)));
    return [make("div", { class: "scroll", role: "region", "aria-label": "Studies", tabindex: "0" }, table)];
  };

  // What has the focus is drawn anew too, and gets it back.
  const redraw = (place, nodes) => {
    const all = 'a, [tabindex="0"]';
    const focused = place.contains(document.activeElement) ? [...place.querySelectorAll(all)].indexOf(document.activeElement) : -1;
    const scrolled = place.querySelector(".scroll")?.scrollLeft ?? 0;
    place.replaceChildren(...nodes);
    if (focused >= 0) place.querySelectorAll(all)[focused]?.focus({ preventScroll: true });
    const region = place.querySelector(".scroll");
    if (region) region.scrollLeft = scrolled;
  };

  let summary = "";
  const show = (fleet) => {
    const training = fleet.workers.filter((worker) => worker.state === "training").length;
    const rate = fleet.trials_per_hour === null ? "" : ` · ${rateOf(fleet.trials_per_hour)} trials an hour`;
    const left = fleet.time_left_s ? ` · about ${duration(fleet.time_left_s)} of searching left` : "";
    const text = `${count(fleet.workers.length, "worker")}, ${training} training${rate}`;
    // A screen reader is told only when workers or their rate have changed, not each second of the time left.
    if (text !== summary) at("summary").replaceChildren(text, make("span", { id: "left" }, left));
    else at("left").textContent = left;
    summary = text;
    redraw(at("workers"), workersOf(fleet.workers));
    redraw(at("progress"), studiesOf(fleet.studies));
    document.documentElement.dataset.drawn = fleet.now;
  };

  const say = (trouble) => {
    if (trouble) at("trouble").textContent = trouble;
    at("trouble").hidden = trouble === null;
  };

  const refresh = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/fleet.json", { headers: { Accept: "application/json" } });
      if (answer.status === 401) return location.assign("/login?next=/fleet");
      if (!answer.ok) throw new Error((await answer.json()).reason);
      show(await answer.json());
      say(null);
    } catch (error) {
      say(`These values are old: ${error.message}. Trying again.`);
    }
  };

  const keepFresh = async () => {
    await refresh();
    setTimeout(keepFresh, INTERVAL_MS);
  };

  show(JSON.parse(at("data").textContent));
  document.addEventListener("visibilitychange", refresh);
  setTimeout(keepFresh, INTERVAL_MS);
})();
