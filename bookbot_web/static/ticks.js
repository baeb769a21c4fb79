// Durations that go on: an element with data-seconds counts up from there, by this machine's clock, once a second.
// The server's figure wins whenever a live update brings a new one.
const begun = new WeakMap();

function words(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  for (const [size, unit, smaller, below] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (whole >= size) {
      const rest = Math.floor((whole % size) / smaller);
      return rest ? `${Math.floor(whole / size)} ${unit} ${rest} ${below}` : `${Math.floor(whole / size)} ${unit}`;
    }
  }
  return `${whole} s`;
}

function tick() {
  for (const element of document.querySelectorAll("[data-seconds]")) {
    const said = element.dataset.seconds;
    const known = begun.get(element);
    if (known?.said !== said) begun.set(element, { said, at: performance.now() });
    else element.textContent = words(Number(said) + (performance.now() - known.at) / 1000);
  }
}

tick();
setInterval(tick, 1000);
