// Photos as dots. The figure comes ready from Python (ui/photoset/map.py); here it gets the theme's colours and a card
// with the photo under the pointer.

const plotting = import(new URL("/assets/plotting.js", location.href).href);
const COLOURS = ["primary-color", "orange-color", "blue-color", "red-color", "green-color", "violet-color", "yellow-color"];
const OTHER = "gray-color"; // the eighth kind, or all that have no colour of their own

class PhotoMap {
  constructor(root) {
    this.root = root;
    this.map = root.querySelector(".map");
    this.card = root.querySelector(".card");
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
      trace.marker = { color: colour(COLOURS[index] ?? OTHER), size: 11, opacity: 0.9, line };
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
    for (const event of ["plotly_hover", "plotly_click"]) this.map.on(event, ({ points }) => this.show(points[0]));
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
