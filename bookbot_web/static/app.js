// The one script every page loads: it puts the parts together, and pages work without it.
import "./times.js";
