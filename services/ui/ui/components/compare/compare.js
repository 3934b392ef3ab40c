// Two pictures over one another and a line between them that moves: with the pointer, or with the arrow keys.

class Compare {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.root = root;
    this.input = this.find("input");
    this.listeners = new AbortController();
    const on = (target, event, action) => target.addEventListener(event, action, { signal: this.listeners.signal });
    on(this.input, "input", () => this.move());
    for (const side of ["before", "after"]) {
      on(this.find(`.${side}`), "error", () => this.say(`The picture ${side} the edit could not be loaded.`));
    }
  }

  update({ before, after, width, height, fit }) {
    const stage = this.find(".stage");
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.style.maxWidth = `calc(min(38rem, 75vh) * ${width / height})`; // so that an upright picture fits the window
    this.find(".before").style.objectFit = fit;
    this.load(".before", before);
    this.load(".after", after);
    this.move();
  }

  load(selector, address) {
    const image = this.find(selector);
    if (image.getAttribute("src") === address) return;
    this.say("");
    image.src = address;
  }

  move() {
    const place = Number(this.input.value);
    this.root.style.setProperty("--place", `${place}%`);
    this.input.setAttribute("aria-valuetext", `${place} % before, ${100 - place} % after`);
  }

  say(text) {
    this.find(".message").textContent = text;
    this.find(".message").hidden = !text;
  }

  destroy() {
    this.listeners.abort();
  }
}

const compares = new WeakMap();

export default function (component) {
  const root = component.parentElement.querySelector(".compare");
  if (!compares.has(root)) compares.set(root, new Compare(root));
  const compare = compares.get(root);
  compare.update(component.data);
  return () => compare.destroy();
}
