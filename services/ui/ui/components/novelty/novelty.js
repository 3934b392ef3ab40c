// The player, the curve and the list of moments of one video. The figure comes ready from Python (ui/figure.py); here
// it gets the theme's colours, a playhead that follows the video, and clicks that seek it. The place in the video is
// part of the page's address ("t", seconds), which Python does not follow.

const plotting = import(new URL("/assets/plotting.js", location.href).href);

// A time as people write it, with some digits of a second's fraction (clock of ui/wording.py).
function clock(seconds, digits = 0) {
  const shown = digits ? Number(Math.max(0, seconds).toFixed(digits)) : Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(shown / 3600), Math.floor(shown / 60) % 60, shown % 60];
  const rest = digits ? s.toFixed(digits).padStart(3 + digits, "0") : two(s);
  return h ? `${h}:${two(m)}:${rest}` : `${m}:${rest}`;
}

// "+ car, − bird": what began to fit the picture, and what ceased to.
function changed({ changes }) {
  return changes.map(({ word, change }) => `${change > 0 ? "+" : "−"} ${word}`).join(", ");
}

// A time on the curve's axis, which shows dates from 1970 as a clock.
function date(seconds) {
  return new Date(1000 * seconds).toISOString().slice(0, -1);
}

function placeInAddress() {
  const time = Number(new URLSearchParams(location.search).get("t"));
  return Number.isFinite(time) ? Math.max(0, time) : 0;
}

const DRAGGED = 5; // pixels from which a press on the curve is a drag, which zooms and plays nothing
const DOUBLE_CLICK = 250; // milliseconds that a click waits: two of them show all of the curve, and play nothing
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// The same the other way round.
function seconds(date) {
  return Date.parse(`${String(date).replace(" ", "T")}Z`) / 1000;
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

class NoveltyPlayer {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.video = this.find("video");
    this.graph = this.find(".graph");
    this.card = this.find(".card");
    this.listeners = new AbortController();
    const on = (target, event, action) =>
      target.addEventListener(event, action, { signal: this.listeners.signal });
    for (const event of ["timeupdate", "seeking", "loadedmetadata"]) on(this.video, event, () => this.follow());
    for (const event of ["pause", "seeked"]) on(this.video, event, () => this.keepPlace());
    on(this.video, "error", () => this.canPlay(false));
    on(this.video, "loadedmetadata", () => this.canPlay(this.video.videoWidth > 0));
    on(this.graph, "keydown", (event) => this.key(event));
    on(this.graph, "mousemove", (event) => this.point(this.under(event)));
    for (const event of ["blur", "mouseleave"]) on(this.graph, event, () => this.point(undefined));
    on(this.graph, "pointerdown", ({ clientX }) => (this.pressed = clientX));
    on(this.graph, "click", (event) => Math.abs(event.clientX - this.pressed) < DRAGGED && this.click(event));
    on(this.find(".reset"), "click", () => this.showAll());
    this.sizes = new ResizeObserver(() => this.plotly?.Plots.resize(this.graph));
    this.sizes.observe(this.graph);
  }

  async update(data) {
    this.data = data;
    this.chosen = Math.min(this.chosen ?? 0, data.frames.length - 1);
    if (this.video.getAttribute("src") !== data.video) {
      this.video.src = data.video;
      this.seek(placeInAddress(), false);
    }
    if (data.view !== this.view) {
      this.view = data.view;
      this.tell("range", null);
    }
    this.listMoments();
    this.listLegend();
    if (data.seek && data.seek.token !== this.seekToken) {
      this.seekToken = data.seek.token;
      this.seek(data.seek.time, true);
      this.video.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
    }
    this.follow();
    this.keepPlace();
    try {
      const { loadPlotly, themed } = await plotting;
      this.themed = themed;
      this.plotly = await loadPlotly();
      if (data === this.data) await this.draw();
    } catch (error) {
      this.graph.textContent = error.message;
    }
  }

  // --- the curve

  async draw() {
    const { data, layout } = structuredClone(this.data.figure);
    const colour = (name) => this.themed(this.root, name);
    const [curve, found, fit] = data;
    Object.assign(curve, {
      line: { color: colour("primary-color"), width: 2 },
      marker: { color: colour("primary-color"), size: 5 },
    });
    found.marker = { color: colour("background-color"), size: 10, line: { color: colour("primary-color"), width: 2 } };
    const fits = colour("violet-text-color");
    if (fit) {
      fit.line = { color: fits, width: 1.5, dash: "dash" };
      Object.assign(layout.yaxis2, { color: fits, linecolor: fits });
    }
    const axis = { color: colour("text-color"), gridcolor: colour("border-color"), linecolor: colour("border-color") };
    for (const shape of layout.shapes ?? [])
      if (shape.name === "hole") Object.assign(shape, { fillcolor: colour("background-color"), opacity: 1 });
      else
        Object.assign(shape, { fillcolor: colour("orange-color"), opacity: shape.name.startsWith("strong") ? 0.25 : 0.1 });
    this.shades = layout.shapes ?? [];
    Object.assign(layout, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: colour("font"), color: colour("text-color"), size: 12 },
      shapes: [...this.shades, this.playhead()],
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis },
      uirevision: `${this.data.video} ${this.data.view}`, // a zoom survives another window or metric
    });
    this.whole = layout.xaxis.range.map(seconds);
    // A finger on the curve should scroll the page, not zoom.
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
    await this.plotly.react(this.graph, data, layout, {
      displayModeBar: false,
      responsive: false,
      doubleClick: false,
      showTips: false, // of a double click: it has a button
    });
    this.describe();
    this.zoomed();
    if (this.wired) return;
    this.wired = true;
    this.graph.on("plotly_relayout", (change) => "xaxis.range[0]" in change && this.zoomed(true));
  }

  // Whether a stretch that was dragged over fills the graph; Python hears of it where that has changed.
  zoomed(tell = false) {
    const shown = this.graph._fullLayout.xaxis.range.map(seconds);
    const all = shown.every((time, side) => Math.abs(time - this.whole[side]) < 0.002);
    this.find(".reset").hidden = all;
    if (tell) this.tell("range", all ? null : shown);
  }

  showAll() {
    this.plotly.relayout(this.graph, { "xaxis.range": this.whole.map(date) });
    this.zoomed(true);
  }

  playhead() {
    const x = date(this.video.currentTime);
    const line = { color: getComputedStyle(this.root).color, width: 1.5 };
    return { type: "line", name: "playhead", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, line };
  }

  follow() {
    if (this.pointed === undefined) this.showFrame(this.frameAt(this.video.currentTime));
    const moments = this.data.moments;
    this.root.querySelectorAll(".moments button").forEach((button, index) => {
      const { start, end } = moments[index];
      const inside = this.video.currentTime >= start - 0.05 && this.video.currentTime <= Math.max(end, start + 1);
      button.classList.toggle("current", inside);
    });
    if (!this.wired || this.moving) return;
    this.moving = requestAnimationFrame(() => {
      this.moving = undefined;
      const [line, x] = [`shapes[${this.shades.length}]`, date(this.video.currentTime)];
      this.plotly.relayout(this.graph, { [`${line}.x0`]: x, [`${line}.x1`]: x });
    });
  }

  // The last frame that was sampled at or before a time, as that is the one whose caption holds.
  frameAt(seconds) {
    const later = this.data.frames.findIndex((frame) => frame.time > seconds + 0.05);
    return later < 0 ? this.data.frames.length - 1 : Math.max(0, later - 1);
  }

  // The place is kept in the address: a reload, and whoever gets the link, comes back to it.
  keepPlace() {
    const address = new URL(location.href);
    const time = this.video.currentTime.toFixed(2).replace(/\.?0+$/, "");
    if (time === "0") address.searchParams.delete("t");
    else address.searchParams.set("t", time);
    if (address.href !== location.href && this.root.isConnected) history.replaceState(history.state, "", address);
  }

  // --- what a frame shows

  // The frame that is nearest to the pointer; undefined beside the curve.
  under({ clientX }) {
    const axis = this.graph._fullLayout?.xaxis;
    const x = clientX - this.graph.getBoundingClientRect().left - (axis?._offset ?? 0);
    if (!axis || x < -8 || x > axis._length + 8) return undefined;
    const [first, last] = axis.range.map(seconds);
    const time = first + ((last - first) * x) / axis._length;
    const after = Math.max(1, this.frameAt(time) + 1);
    const { frames } = this.data;
    return after < frames.length && frames[after].time - time < time - frames[after - 1].time ? after : after - 1;
  }

  point(index) {
    const pointer = this.find(".pointer");
    this.pointed = index;
    const axis = this.graph._fullLayout?.xaxis;
    const x = index === undefined || !axis ? -1 : axis.d2p(date(this.data.frames[index].time));
    pointer.hidden = x < 0 || x > axis._length;
    this.showFrame(index ?? this.frameAt(this.video.currentTime));
    if (pointer.hidden) return;
    const { t: top, h: height } = this.graph._fullLayout._size;
    Object.assign(pointer.style, { left: `${axis._offset + x}px`, top: `${top}px`, height: `${height}px` });
  }

  showFrame(index) {
    const frame = this.data.frames[index];
    const image = this.card.querySelector("img");
    if (image.getAttribute("src") !== frame.thumbnail) image.src = frame.thumbnail;
    this.card.querySelector(".card-caption").textContent = frame.caption;
    this.card.querySelector(".card-figures").textContent = this.figures(index);
  }

  figures(index) {
    const { time, novelty } = this.data.frames[index];
    const value = novelty === null ? "the first frame, which nothing comes before" : `novelty ${novelty.toFixed(3)}`;
    return `${this.clock(time)} · ${value}`;
  }

  describe() {
    const frame = this.data.frames[this.chosen];
    const text = `Frame ${this.chosen + 1} of ${this.data.frames.length}, ${this.figures(this.chosen)}: ${frame.caption}`;
    const values = { valuemin: 1, valuemax: this.data.frames.length, valuenow: this.chosen + 1, valuetext: text };
    for (const [name, value] of Object.entries(values)) this.graph.setAttribute(`aria-${name}`, value);
    return text;
  }

  listMoments() {
    const { moments } = this.data;
    const count = `${moments.length} odd ${moments.length === 1 ? "moment" : "moments"}`;
    this.find(".moments h2").textContent = this.data.standsOut ? count : "Nothing stands out";
    const entries = moments.map((moment) => {
      const [from, to] = [this.clock(moment.start), this.clock(moment.end)];
      const words = changed(moment);
      const text = element("span", {},
        element("span", { className: "when", textContent: from === to ? from : `${from} – ${to}` }),
        ...(words ? [element("span", { className: "changes", textContent: words })] : []),
        element("span", { className: "caption", textContent: moment.caption }));
      const score = element("span", { className: `score ${moment.strength}`, textContent: moment.strength, title: `stands out ${moment.score.toFixed(1)} times as far as a moment has to` });
      const button = element("button", { type: "button", onclick: () => this.playMoment(moment) },
        element("img", { src: moment.thumbnail, alt: "", loading: "lazy" }), text, score);
      button.setAttribute("aria-label", `Play from ${this.clock(moment.start)}: ${words || moment.caption}, ${moment.strength}`);
      const save = element("a", { href: moment.clip, download: "", className: "save", textContent: "Save clip" });
      save.setAttribute("aria-label", `Save clip from ${this.clock(moment.start)}`);
      return element("li", {}, button, save);
    });
    const hint = moments.length
      ? "These are the most unusual frames there are, and not very unusual."
      : "All of it looks alike. A higher sensitivity or another signal may see more.";
    if (!this.data.standsOut) entries.unshift(element("li", { className: "now", textContent: hint }));
    this.find(".moments ol").replaceChildren(...entries);
  }

  // What each line and colour in the graph means; of these only those that are there.
  listLegend() {
    const { data, layout } = this.data.figure;
    const strengths = new Set((layout.shapes ?? []).map((shape) => shape.name));
    const entries = [["line", "Novelty"]];
    if (strengths.has("strong moment")) entries.push(["shade strong", "Odd moment"]);
    if (strengths.has("weak moment")) entries.push(["shade weak", "Weak moment"]);
    if (data[1].x.length) entries.push(["found", "Found in the captions"]);
    if (data[2]) entries.push(["fit", `Fit to “${this.data.sought}”, on the right axis`]);
    this.find(".legend").replaceChildren(...entries.map(([className, text]) =>
      element("li", {}, element("span", { className }), text)));
  }

  clock(time) {
    return clock(time, this.data.digits);
  }

  // --- going there

  playMoment(moment) {
    this.chosen = moment.peak_index;
    this.showFrame(moment.best_index);
    this.speak(`Playing. ${this.describe()}`);
    this.seek(moment.start, true);
  }

  play(index) {
    this.chosen = index;
    this.speak(`Playing. ${this.describe()}`);
    this.seek(this.data.frames[index].time, true);
  }

  click(event) {
    const index = this.under(event);
    const second = this.clicked !== undefined;
    clearTimeout(this.clicked);
    this.clicked = undefined;
    if (second) this.showAll();
    else if (index !== undefined)
      this.clicked = setTimeout(() => {
        this.clicked = undefined;
        this.play(index);
      }, DOUBLE_CLICK);
  }

  seek(time, andPlay) {
    this.video.currentTime = time;
    this.follow();
    if (andPlay) this.video.play().catch(() => {}); // not allowed or not playable: the place is right all the same
  }

  key(event) {
    const last = this.data.frames.length - 1;
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -last, End: last };
    if (event.key === "Enter" || event.key === " ") this.play(this.chosen);
    else if (event.key in steps) {
      this.chosen = Math.max(0, Math.min(last, this.chosen + steps[event.key]));
      this.point(this.chosen);
      this.speak(this.describe());
    } else return;
    event.preventDefault();
  }

  speak(text) {
    this.find(".spoken").textContent = text;
  }

  canPlay(can) {
    this.find(".cannot-play").hidden = can;
  }

  destroy() {
    this.listeners.abort();
    this.sizes.disconnect();
    cancelAnimationFrame(this.moving);
    clearTimeout(this.clicked);
    this.video.pause();
    this.plotly?.purge(this.graph);
  }
}

const players = new WeakMap();

export default function (component) {
  const root = component.parentElement.querySelector(".novelty");
  if (!players.has(root)) players.set(root, new NoveltyPlayer(root));
  const player = players.get(root);
  player.tell = (name, value) => component.setStateValue(name, value);
  player.update(component.data);
  return () => player.destroy();
}
