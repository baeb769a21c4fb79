// Follows the page's event stream (`data-events` on body, from `data-cursor` on) and keeps the page up to date.
// A hidden tab lets its stream go, because a browser gives one site six connections, and comes back where it stopped.
import { updateRegions } from "./morph.js";

const REFRESH_MS = 1000; // at most one fetch of the page in so long
const JITTER_MS = 250; // viewers of one list do not all come at the same moment
const HIDDEN_MS = 3000; // a tab that is hidden for so long lets go
const LONGEST_WAIT_MS = 30_000;

const address = document.body.dataset.events;
let cursor = document.body.dataset.cursor || "";
let source = null;
let failures = 0;
let reconnecting = 0;
let hiding = 0;
let isOver = false;
let trouble = null;
let answer = { claim_id: null, call: null, length: 0, text: "" };

function say(name, detail) {
  document.dispatchEvent(new CustomEvent(`bookbot:${name}`, { detail }));
}

function show(state) {
  document.documentElement.dataset.liveState = state;
  say("live", { state, reason: trouble });
}

// The page itself

let refreshedAt = -Infinity;
let planned = 0;
let isFetching = false;
let isWanted = false;

function refresh() {
  if (!document.querySelector("[data-live][id]")) return;
  isWanted = true;
  if (planned || isFetching || document.hidden) return;
  const pause = Math.max(REFRESH_MS - (performance.now() - refreshedAt), 0) + Math.random() * JITTER_MS;
  planned = setTimeout(fetchPage, pause);
}

async function fetchPage() {
  planned = 0;
  isWanted = false;
  isFetching = true;
  refreshedAt = performance.now();
  try {
    // A page may name the address of its own update: a list, for the rows it shows and no others.
    const page = await fetch(document.body.dataset.liveUrl ?? location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (page.ok && !updateRegions(await page.text())) {
      document.addEventListener("selectionchange", refresh, { once: true });
    }
  } catch {
    // The server is away; the stream notices too, and the page is fetched when it is back.
  }
  isFetching = false;
  if (isWanted) refresh();
}

// The stream

function connect() {
  clearTimeout(reconnecting);
  if (source || isOver || document.hidden) return;
  const url = new URL(address, location.href);
  if (cursor) url.searchParams.set("after", cursor);
  const mine = new EventSource(url);
  let isFirst = true;
  source = mine;
  const on = (name, act) => mine.addEventListener(name, (event) => {
    if (source !== mine) return;
    if (event.lastEventId) cursor = event.lastEventId;
    act(JSON.parse(event.data));
  });
  mine.onopen = () => {
    failures = 0;
    isFirst = true;
    show(trouble ? "trouble" : "connected");
  };
  mine.onerror = () => {
    if (source !== mine) return;
    leave();
    wait();
  };
  on("state", (state) => {
    say("state", state);
    if (isFirst) refresh(); // what happened between the page and its stream
    isFirst = false;
  });
  on("log", (lines) => say("log", lines));
  on("text", hear);
  on("seen", () => {
    if (!document.body.dataset.cursor) refresh();
  });
  on("changed", refresh);
  on("trouble", ({ reason }) => {
    trouble = reason;
    show(reason ? "trouble" : "connected");
    if (!reason) refresh();
  });
  on("reconnect", () => {
    leave();
    wait();
  });
  on("end", () => {
    isOver = true;
    leave();
    show("ended");
    refresh();
  });
}

function leave() {
  if (source) source.close();
  source = null;
}

// Twice as long after every failure, and never all at the same moment.
function wait() {
  show("reconnecting");
  const pause = Math.min(500 * 2 ** failures, LONGEST_WAIT_MS) * (0.5 + Math.random());
  failures += 1;
  clearTimeout(reconnecting);
  reconnecting = setTimeout(connect, pause);
}

// The answer that is coming, put together from its pieces: `text` is all of it, as far as it is shown.
function hear({ claim_id, call, at, text, length }) {
  const isContinued = claim_id === answer.claim_id && call === answer.call && at === answer.length;
  answer = { claim_id, call, length, text: isContinued ? answer.text + text : text };
  say("text", { ...answer, piece: text, isContinued });
}

if (address) {
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(() => {
        leave();
        clearTimeout(reconnecting);
        if (!isOver) show("paused");
      }, HIDDEN_MS);
    } else {
      connect();
      if (isWanted) refresh();
    }
  });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });
  addEventListener("online", connect);
  connect();
}
