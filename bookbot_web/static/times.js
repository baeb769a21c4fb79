// Instants in the reader's own zone; the title keeps UTC. Also those that a live update brings in.
const words = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const instant = new Date(element.dateTime);
    if (Number.isNaN(instant.valueOf())) continue;
    element.title = element.dateTime;
    element.textContent = words.format(instant);
  }
}

localTimes(document);
