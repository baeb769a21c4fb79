// Before the first paint: light or dark as the reader chose it, so that no page flashes in the wrong one.
// A classic script in <head>, because modules run after the page has been shown.
(() => {
  try {
    const chosen = localStorage.getItem("bookbot-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; then the system's choice holds.
  }
})();
