// The pictures of a series: a table where there are rows and columns, else a list. Python is told which was chosen.

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

class Sheet {
  constructor(root) {
    this.place = root.querySelector(".scroll");
  }

  update({ data, setTriggerValue }) {
    this.choose = (index) => setTriggerValue("chosen", index);
    const { chosen, ...drawn } = data;
    const asked = JSON.stringify(drawn);
    if (asked !== this.drawn) {
      this.drawn = asked;
      this.buttons = new Map(data.pictures.map((picture) => [picture.index, this.button(picture)]));
      this.place.replaceChildren(data.rows.length && data.columns.length ? this.table(data) : this.list(data));
    }
    for (const [index, button] of this.buttons) button.setAttribute("aria-pressed", String(index === chosen));
  }

  button({ index, address, title, figures, best, name }) {
    const words = element("span", { className: "words" },
      element("span", { className: "title", textContent: title, title }),
      element("span", { className: "figures", textContent: best ? `★ ${figures}` : figures }));
    const picture = element("img", { src: address, alt: "", loading: "lazy" });
    const button = element("button", { type: "button", onclick: () => this.choose(index) }, picture, words);
    button.classList.toggle("best", best);
    button.setAttribute("aria-label", name);
    return button;
  }

  table({ rows, columns, pictures, corner }) {
    const head = element("tr", {}, element("td", { textContent: corner }),
      ...columns.map((name) => element("th", { scope: "col", textContent: name })));
    const body = rows.map((row) => element("tr", {}, element("th", { scope: "row", textContent: row, title: row }),
      ...columns.map((column) => {
        const found = pictures.filter((picture) => picture.row === row && picture.column === column);
        return element("td", {}, ...found.map(({ index }) => this.buttons.get(index)));
      })));
    return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  }

  list({ pictures }) {
    return element("div", { className: "list" }, ...pictures.map(({ index }) => this.buttons.get(index)));
  }
}

const sheets = new WeakMap();

export default function (component) {
  const root = component.parentElement.querySelector(".sheet");
  if (!sheets.has(root)) sheets.set(root, new Sheet(root));
  sheets.get(root).update(component);
}
