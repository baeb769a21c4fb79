// Selecting rows of a list: all at once, how many, and a range with Shift. The forms work without it.
const all = document.getElementById("select-all");
const said = document.getElementById("selected");
let last = null;

function boxes() {
  return [...document.querySelectorAll('#job-rows input[name="job_id"]')];
}

function count() {
  const every = boxes();
  const chosen = every.filter((box) => box.checked).length;
  said.textContent = chosen ? `${chosen} selected` : "Select all on this page";
  all.checked = chosen > 0 && chosen === every.length;
  all.indeterminate = chosen > 0 && chosen < every.length;
}

if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    count();
  });
  document.addEventListener("click", (event) => {
    const box = event.target.closest?.('#job-rows input[name="job_id"]');
    if (!box) return;
    if (event.shiftKey && last && last !== box) {
      const every = boxes();
      const [from, to] = [every.indexOf(last), every.indexOf(box)].sort((a, b) => a - b);
      for (const one of every.slice(Math.max(from, 0), to + 1)) one.checked = box.checked;
    }
    last = box;
    count();
  });
  count();
}
