// Runs before Streamlit's scripts, for what it leaves undone in the frame around the pages.

// Where the server is: else Streamlit tries the page's own address first, which answers 404.
window.__streamlit = { BACKEND_BASE_URL: `${location.origin}/` };

document.addEventListener("click", ({ target }) => {
  const link = target.closest?.("[data-testid=stTopNavLink], [data-testid=stSidebarNavLink]");
  if (!link) return;
  goToSection(link);
  closeMenu();
});

// The link to the section one is in leads from a job to the section's start.
function goToSection(link) {
  if (new URL(link.href).pathname !== location.pathname || !location.search) return;
  history.pushState({}, "", link.href);
  dispatchEvent(new PopStateEvent("popstate"));
}

// On a phone the menu lies over the page that was chosen in it.
function closeMenu() {
  if (!matchMedia("(max-width: 768px)").matches) return;
  setTimeout(() => document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click(), 0);
}

// Icons' names are no words, and a place to drop files is no mere decoration.
function mend() {
  for (const icon of document.querySelectorAll("[data-testid=stIconMaterial]:not([aria-hidden])"))
    icon.setAttribute("aria-hidden", "true");
  for (const zone of document.querySelectorAll("[data-testid=stFileUploaderDropzone][role=presentation]"))
    zone.setAttribute("role", "group");
}

let waiting;
new MutationObserver(() => {
  waiting ??= requestAnimationFrame(() => {
    waiting = undefined;
    mend();
  });
}).observe(document, { childList: true, subtree: true });
