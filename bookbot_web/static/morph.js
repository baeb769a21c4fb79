// Brings the regions marked `data-live` up to date from a fresh copy of the page, and moves nothing the reader holds:
// the focus, what is selected, what is typed, open sections and scrolled boxes stay as they are.
import { localTimes } from "./times.js";

const KEPT_ATTRIBUTES = { DETAILS: ["open"], DIALOG: ["open"] };

// Whether the reader has put something into this field that the page did not have when it came.
function isTouched(element) {
  if (element instanceof HTMLInputElement) {
    return ["checkbox", "radio"].includes(element.type)
      ? element.checked !== element.defaultChecked
      : element.value !== element.defaultValue;
  }
  if (element instanceof HTMLTextAreaElement) return element.value !== element.defaultValue;
  if (element instanceof HTMLSelectElement) {
    const options = [...element.options];
    const hasDefault = options.some((option) => option.defaultSelected);
    return hasDefault && options.some((option) => option.selected !== option.defaultSelected)
      || (!hasDefault && !element.multiple && element.selectedIndex > 0);
  }
  return false;
}

// A form somebody is filling in is left alone as a whole: a choice may depend on another field's.
function isInUse(element) {
  return element instanceof HTMLFormElement && [...element.elements].some((field) => isTouched(field));
}

function isField(element) {
  return element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement
    || element instanceof HTMLSelectElement;
}

const rules = {
  morphStyle: "outerHTML",
  ignoreActiveValue: true,
  restoreFocus: true,
  callbacks: {
    beforeNodeMorphed(old) {
      return !(isTouched(old) || isInUse(old) || (isField(old) && old === document.activeElement)
        || (old instanceof Element && old.hasAttribute("data-keep")));
    },
    beforeNodeRemoved(old) {
      return !(old instanceof Element && (old.contains(document.activeElement) || holdsTouched(old)));
    },
    beforeAttributeUpdated(name, element) {
      return !(KEPT_ATTRIBUTES[element.tagName] || []).includes(name);
    },
  },
};

function holdsTouched(element) {
  return isTouched(element) || [...element.querySelectorAll("input, textarea, select")].some((one) => isTouched(one));
}

// Text that is selected would lose its selection; the region waits until it is let go.
export function holdsSelection(region) {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && selection.rangeCount > 0
    && selection.getRangeAt(0).intersectsNode(region);
}

// Returns whether every region could be brought up to date; `html` is the text of the fresh page.
export function updateRegions(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  localTimes(fresh);
  let isComplete = true;
  for (const region of document.querySelectorAll("[data-live][id]")) {
    const next = fresh.getElementById(region.id);
    if (!next || !next.hasAttribute("data-live")) continue;
    if (holdsSelection(region)) {
      isComplete = false;
      continue;
    }
    const boxes = [...region.querySelectorAll("[id]"), region].map((box) => [box, box.scrollTop, box.scrollLeft]);
    window.Idiomorph.morph(region, next.outerHTML, rules);
    for (const [box, top, left] of boxes) {
      if (box.scrollTop !== top) box.scrollTop = top;
      if (box.scrollLeft !== left) box.scrollLeft = left;
    }
  }
  document.dispatchEvent(new CustomEvent("bookbot:updated"));
  return isComplete;
}
