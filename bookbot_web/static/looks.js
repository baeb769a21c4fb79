// The tools below the navigation: light or dark, and whether this page is live.
const THEMES = ["auto", "light", "dark"];
const root = document.documentElement;
const button = document.getElementById("theme");

function current() {
  return root.dataset.theme ?? "auto";
}

function show() {
  button.textContent = `Theme: ${current()}`;
}

button.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(current()) + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    localStorage.setItem("bookbot-theme", next);
  } catch {
    // Then the choice holds for this page only.
  }
  show();
});
button.hidden = false;
show();

// `bookbot:live` comes from live.js; its detail names the state of the stream.
const WORDS = { connected: "Live", reconnecting: "Reconnecting …", trouble: "The database is away", paused: "Paused" };
const live = document.getElementById("live");

document.addEventListener("bookbot:live", (event) => {
  const { state, reason } = event.detail;
  const words = WORDS[state] ?? "";
  live.hidden = !words;
  live.dataset.state = state;
  live.title = reason ?? "";
  if (live.textContent !== words) live.textContent = words;
});
