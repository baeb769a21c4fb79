// The one script every page loads: it puts the parts together, and pages work without it.
import "./keyboard.js";
import "./looks.js";
import "./times.js";
import "./ticks.js";
import "./live.js";
