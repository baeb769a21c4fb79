// Keys: / search, j and k through a list, g and a letter to a page, ? the list of keys. Never while something is typed.
const help = document.getElementById("help");
const opener = document.getElementById("keys");

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest("input, textarea, select") !== null);
}

function rows() {
  return [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const here = all.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + step, 0), all.length - 1);
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
}

function showHelp() {
  if (!help.open) help.showModal();
}

const ACTIONS = {
  "/": () => {
    const field = document.querySelector("[data-search]");
    if (!field) return;
    field.closest("details")?.setAttribute("open", "");
    field.focus();
    field.select?.();
  },
  j: () => move(1),
  k: () => move(-1),
  "?": showHelp,
};

let goes = 0; // until when a letter after g names a page

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || help.open) return;
  if (event.timeStamp < goes) {
    goes = 0;
    const link = document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`);
    if (link) {
      event.preventDefault();
      link.click();
    }
    return;
  }
  if (event.key === "g") {
    goes = event.timeStamp + 1500;
    return;
  }
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

opener.hidden = false;
opener.addEventListener("click", showHelp);
