// Long texts are fetched when their section is opened, once; without this there is a link to them in it.
document.addEventListener("toggle", async (event) => {
  const section = event.target;
  if (!(section instanceof HTMLDetailsElement) || !section.open || !section.dataset.fetch || section.dataset.done) return;
  section.dataset.done = "yes";
  try {
    const answer = await fetch(section.dataset.fetch, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fragment = page.querySelector("[data-fragment]");
    section.querySelector(".fetched").replaceChildren(...fragment.childNodes);
  } catch {
    delete section.dataset.done; // the link in it still leads there
  }
}, true);
