// The log of a job while it is written: lines are added as they come, and followed until the reader scrolls up.
// Every text is put in as text; nothing a job says becomes markup.
const MOST = 5000; // lines kept in the page; older ones have their own pages
const log = document.getElementById("log");

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

function localClocks(root) {
  for (const time of root.querySelectorAll("time[data-clock]")) {
    const instant = new Date(time.dateTime);
    if (Number.isNaN(instant.valueOf())) continue;
    time.title = time.dateTime;
    time.textContent = clock.format(instant);
  }
}

function lineOf(line, url) {
  const place = `${line.attempt}-${line.seq}`;
  const row = element("li", `level-${LEVELS.includes(line.level) ? line.level.toLowerCase() : "info"}`);
  row.id = `L${place}`;
  const number = element("a", "log-no", line.seq);
  number.href = `${url}?line=${place}#L${place}`;
  number.setAttribute("aria-label", `Line ${place}`);
  const time = element("time");
  time.dateTime = line.created_at;
  time.dataset.clock = "";
  row.append(number, time, element("span", "log-level", line.level), element("span", "log-text", line.message));
  if (line.props && Object.keys(line.props).length) {
    const fields = element("details", "log-props");
    fields.append(element("summary", "", "fields"), element("code", "", JSON.stringify(line.props)));
    row.append(fields);
  }
  return row;
}

if (log) {
  const box = document.getElementById("log-box");
  const list = document.getElementById("log-lines");
  const none = document.getElementById("log-none");
  const button = document.getElementById("follow");
  const url = log.dataset.logUrl;
  const follows = "follows" in log.dataset;
  let isFollowing = follows && !location.hash.startsWith("#L");
  let expected = -1; // where our own scrolling leads, which is not the reader's

  const isAtEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  const show = () => button.setAttribute("aria-pressed", String(isFollowing));
  const toEnd = () => {
    box.scrollTop = box.scrollHeight;
    expected = box.scrollTop;
  };

  localClocks(list);
  if (follows) {
    button.hidden = !("active" in log.dataset);
    show();
    if (isFollowing) toEnd();
    button.addEventListener("click", () => {
      isFollowing = !isFollowing;
      show();
      if (isFollowing) toEnd();
    });
    box.addEventListener("scroll", () => {
      if (box.scrollTop === expected) return;
      isFollowing = isAtEnd();
      show();
    });
    document.addEventListener("bookbot:live", (event) => {
      button.hidden = event.detail.state === "ended" || !("active" in log.dataset);
    });
    document.addEventListener("bookbot:log", (event) => {
      const fresh = document.createDocumentFragment();
      for (const line of event.detail) {
        if (!document.getElementById(`L${line.attempt}-${line.seq}`)) fresh.append(lineOf(line, url));
      }
      if (!fresh.childElementCount) return;
      localClocks(fresh);
      list.append(fresh);
      none.hidden = true;
      if (isFollowing) {
        while (list.childElementCount > MOST) list.firstElementChild.remove();
        toEnd();
      }
    });
  }

  // A link to a line that is not on this page leads to the page that has it.
  const wanted = /^#L(\d+-\d+)$/.exec(location.hash);
  if (wanted && !document.getElementById(`L${wanted[1]}`) && !location.search.includes(`line=${wanted[1]}`)) {
    location.replace(`${url}?line=${wanted[1]}#L${wanted[1]}`);
  }
}

// The answer that is being written: what was added to it, or all of it where that is not known.
const section = document.getElementById("live-text-section");
if (section) {
  const box = document.getElementById("live-text");
  document.addEventListener("bookbot:text", (event) => {
    const { text, piece, isContinued } = event.detail;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    if (isContinued) box.append(piece);
    else box.textContent = text;
    section.hidden = !text;
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  });
}
