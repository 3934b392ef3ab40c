// A mask painted over a photo. Python gets it as a PNG, white where it was painted, after every stroke; null while
// nothing is painted. What was done is kept as a list of strokes, so that any of it can be undone.

const COLOUR = "#e5007a"; // seen on most photos; the canvas lies over the photo half transparent

class Mask {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.canvas = this.find("canvas");
    this.pen = this.canvas.getContext("2d", { willReadFrequently: true });
    this.photo = this.find("img");
    this.cursor = this.find(".cursor");
    this.size = this.find("input");
    this.listeners = new AbortController();
    const on = (target, event, action) => target.addEventListener(event, action, { signal: this.listeners.signal });
    on(this.find(".paint"), "click", () => this.erases(false));
    on(this.find(".erase"), "click", () => this.erases(true));
    on(this.find(".undo"), "click", () => this.undo());
    on(this.find(".clear"), "click", () => this.add({ kind: "clear" }, "Cleared."));
    on(this.find(".invert"), "click", () => this.add({ kind: "invert" }, "Inverted."));
    on(this.size, "input", () => this.showCursor());
    on(this.canvas, "pointerdown", (event) => this.begin(event));
    on(this.canvas, "pointermove", (event) => this.go(event));
    for (const event of ["pointerup", "pointercancel"]) on(this.canvas, event, () => this.end());
    on(this.canvas, "pointerleave", () => this.stroke || this.canvas.matches(":focus-visible") || this.showCursor(false));
    on(this.canvas, "keydown", (event) => this.key(event));
    on(this.canvas, "focus", () => this.canvas.matches(":focus-visible") && this.showCursor());
    on(this.canvas, "blur", () => this.showCursor(false));
    this.canvas.setAttribute("aria-label", "Mask over the photo");
  }

  async update({ data, setStateValue }) {
    this.tell = (mask) => setStateValue("mask", mask);
    if (this.token === data.token) return;
    this.token = data.token;
    this.photo.src = data.picture;
    Object.assign(this.canvas, { width: data.width, height: data.height });
    this.place = { x: data.width / 2, y: data.height / 2 };
    this.actions = [];
    this.erases(false);
    this.start = undefined;
    if (data.mask) {
      const image = new Image();
      image.src = data.mask;
      await image.decode().catch(() => {});
      if (this.token === data.token && image.naturalWidth) this.start = cut(image, data.width, data.height);
    }
    this.draw();
  }

  // --- painting

  erases(yes) {
    this.erasing = yes;
    this.find(".paint").setAttribute("aria-pressed", String(!yes));
    this.find(".erase").setAttribute("aria-pressed", String(yes));
  }

  // Pixels of the canvas: the slider goes in hundredths of the photo's longer side.
  get width() {
    return (Number(this.size.value) / 100) * Math.max(this.canvas.width, this.canvas.height);
  }

  pointAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  begin(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.place = this.pointAt(event);
    this.stroke = { kind: "stroke", erase: this.erasing, width: this.width, points: [this.place] };
    this.apply({ ...this.stroke });
    this.showCursor();
  }

  go(event) {
    this.place = this.pointAt(event);
    this.showCursor();
    if (!this.stroke) return;
    const last = this.stroke.points.at(-1);
    this.stroke.points.push(this.place);
    this.apply({ ...this.stroke, points: [last, this.place] });
  }

  end() {
    if (!this.stroke) return;
    this.actions.push(this.stroke);
    this.stroke = undefined;
    this.changed();
  }

  add(action, words) {
    this.actions.push(action);
    this.apply(action);
    this.changed();
    this.say(words);
  }

  undo() {
    if (!this.actions.length) return;
    this.actions.pop();
    this.draw();
    this.changed();
    this.say("Undone.");
  }

  draw() {
    this.apply({ kind: "clear" });
    if (this.start) this.pen.drawImage(this.start, 0, 0);
    for (const action of this.actions) this.apply(action);
    this.buttons();
  }

  apply({ kind, erase, width, points }) {
    const { pen, canvas } = this;
    pen.save();
    if (kind === "clear") pen.clearRect(0, 0, canvas.width, canvas.height);
    if (kind === "invert") {
      pen.globalCompositeOperation = "xor";
      pen.fillStyle = COLOUR;
      pen.fillRect(0, 0, canvas.width, canvas.height);
    }
    if (kind === "stroke") {
      pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
      Object.assign(pen, { strokeStyle: COLOUR, lineWidth: width, lineCap: "round", lineJoin: "round" });
      pen.beginPath();
      pen.moveTo(points[0].x, points[0].y);
      for (const { x, y } of points.length > 1 ? points.slice(1) : points) pen.lineTo(x, y);
      pen.stroke();
    }
    pen.restore();
  }

  // --- telling

  changed() {
    this.buttons();
    this.tell(this.png());
  }

  buttons() {
    this.find(".undo").disabled = !this.actions.length;
    this.find(".clear").disabled = !this.actions.length && !this.start;
  }

  png() {
    const { width, height } = this.canvas;
    const painted = this.pen.getImageData(0, 0, width, height).data;
    let any = false;
    for (let i = 3; i < painted.length && !any; i += 4) any = painted[i] > 127;
    if (!any) return null;
    const copy = Object.assign(document.createElement("canvas"), { width, height });
    const pen = copy.getContext("2d");
    pen.drawImage(this.canvas, 0, 0);
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.globalCompositeOperation = "destination-over";
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, width, height);
    return copy.toDataURL("image/png");
  }

  say(text) {
    this.find(".spoken").textContent = text;
  }

  // --- the keyboard and the brush that is shown

  key(event) {
    if (event.ctrlKey || event.metaKey ? event.key !== "z" : event.altKey) return;
    const far = (event.shiftKey ? 0.1 : 0.02) * Math.max(this.canvas.width, this.canvas.height);
    const steps = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
    if (event.key in steps) this.step(...steps[event.key]);
    else if (event.key === " ") this.dab();
    else if (event.key === "+" || event.key === "-") this.resize(event.key === "+" ? 1 : -1);
    else if (event.key.toLowerCase() === "z") this.undo();
    else return;
    event.preventDefault();
    this.showCursor();
  }

  step(x, y) {
    const within = (value, most) => Math.max(0, Math.min(most, value));
    this.place = { x: within(this.place.x + x, this.canvas.width), y: within(this.place.y + y, this.canvas.height) };
    const [across, down] = [this.place.x / this.canvas.width, this.place.y / this.canvas.height];
    this.say(`${Math.round(100 * across)} % from the left, ${Math.round(100 * down)} % from the top`);
  }

  dab() {
    const action = { kind: "stroke", erase: this.erasing, width: this.width, points: [this.place] };
    this.add(action, this.erasing ? "Erased." : "Painted.");
  }

  resize(by) {
    this.size.value = Number(this.size.value) + by;
    this.say(`Brush size ${this.size.value}`);
  }

  showCursor(show = true) {
    this.cursor.hidden = !show;
    if (!show) return;
    const scale = this.canvas.clientWidth / this.canvas.width;
    const [x, y, side] = [this.place.x * scale, this.place.y * scale, this.width * scale];
    Object.assign(this.cursor.style, { left: `${x}px`, top: `${y}px`, width: `${side}px`, height: `${side}px` });
  }

  destroy() {
    this.listeners.abort();
  }
}

// A mask's white, in the brush's colour; its black, transparent.
function cut(image, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0, width, height);
  const pixels = pen.getImageData(0, 0, width, height);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i];
  pen.putImageData(pixels, 0, 0);
  pen.globalCompositeOperation = "source-in";
  pen.fillStyle = COLOUR;
  pen.fillRect(0, 0, width, height);
  return canvas;
}

const masks = new WeakMap();

export default function (component) {
  const root = component.parentElement.querySelector(".mask");
  if (!masks.has(root)) masks.set(root, new Mask(root));
  const mask = masks.get(root);
  mask.update(component);
  return () => mask.destroy();
}
