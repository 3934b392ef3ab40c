// Photos as dots. The figure comes ready from Python (ui/photo_sets/map.py); here it gets colours, a card with the photo
// under the pointer, and a click that opens the photo.

const plotting = import(new URL("/assets/plotting.js", location.href).href);
// Okabe and Ito's colours, which differ for colour-blind people too, on white and on black; shapes tell them apart again.
const COLOURS = ["#0072b2", "#e69f00", "#cc79a7", "#009e73", "#d55e00", "#56b4e9", "#b8a800", "#888888"];
const SHAPES = ["circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon"];

class PhotoMap {
  constructor(root) {
    this.root = root;
    this.map = root.querySelector(".map");
    this.card = root.querySelector(".card");
    this.dialog = root.querySelector("dialog");
    root.querySelector(".close").onclick = () => this.dialog.close();
    root.querySelector(".reset").onclick = () => this.plotly.relayout(this.map, { "xaxis.autorange": true, "yaxis.autorange": true });
    this.dialog.onclick = ({ target }) => target === this.dialog && this.dialog.close();
    this.sizes = new ResizeObserver(() => this.plotly?.Plots.resize(this.map));
    this.sizes.observe(this.map);
  }

  async update(data) {
    this.data = data;
    try {
      const { loadPlotly, themed } = await plotting;
      this.themed = themed;
      this.plotly = await loadPlotly();
      if (data === this.data) await this.draw();
    } catch (error) {
      this.map.textContent = error.message;
    }
  }

  async draw() {
    const { data, layout } = structuredClone(this.data.figure);
    const colour = (name) => this.themed(this.root, name);
    data.forEach((trace, index) => {
      const line = { color: colour("background-color"), width: 1 };
      trace.marker = { color: COLOURS[index], symbol: SHAPES[index], size: 11, opacity: 0.9, line };
    });
    Object.assign(layout, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: colour("font"), color: colour("text-color"), size: 12 },
    });
    // A finger on the map should scroll the page; a tap shows a photo.
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
    await this.plotly.react(this.map, data, layout, { displayModeBar: false, responsive: false, scrollZoom: false });
    if (this.wired) return;
    this.wired = true;
    this.map.on("plotly_hover", ({ points }) => this.show(points[0]));
    this.map.on("plotly_click", ({ points }) => this.open(points[0]));
    this.map.on("plotly_unhover", () => (this.card.hidden = true));
  }

  show(point) {
    const photo = this.data.photos[point.customdata];
    const image = this.card.querySelector("img");
    if (image.getAttribute("src") !== photo.thumbnail) image.src = photo.thumbnail;
    this.card.querySelector(".card-name").textContent = photo.name;
    this.card.querySelector(".card-tags").textContent = photo.tags;
    this.card.hidden = false;
    const { xaxis, yaxis } = this.map._fullLayout;
    const place = (axis, value, room, size) => {
      const at = axis._offset + axis.d2p(value);
      const after = at + 14;
      return `${Math.max(0, after + size > room ? at - 14 - size : after)}px`;
    };
    this.card.style.left = place(xaxis, point.x, this.map.clientWidth, this.card.offsetWidth);
    this.card.style.top = place(yaxis, point.y, this.map.clientHeight, this.card.offsetHeight);
  }

  open(point) {
    const photo = this.data.photos[point.customdata];
    this.card.hidden = true;
    Object.assign(this.dialog.querySelector("img"), { src: photo.thumbnail, alt: photo.name });
    this.dialog.querySelector(".photo-name").textContent = photo.name;
    this.dialog.querySelector(".photo-tags").textContent = photo.tags;
    this.dialog.showModal();
  }

  destroy() {
    this.sizes.disconnect();
    this.plotly?.purge(this.map);
  }
}

const maps = new WeakMap();

export default function (component) {
  const root = component.parentElement.querySelector(".photomap");
  if (!maps.has(root)) maps.set(root, new PhotoMap(root));
  const map = maps.get(root);
  map.update(component.data);
  return () => map.destroy();
}
