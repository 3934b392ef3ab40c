// What the components that draw with Plotly share. They are inline scripts, so they import this by its whole address.

let loading;

// Plotly from this server, once a page.
export function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/assets/plotly.min.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = undefined;
      reject(new Error("The graph could not be loaded. Reload the page."));
    };
    document.head.append(script);
  });
  return loading;
}

// A colour, or the font, of the page's theme, for instance "primary-color".
export function themed(root, name) {
  return getComputedStyle(root).getPropertyValue(`--st-${name}`).trim();
}
