// Colours of the dots: by a text field, by year, or by an activation.

const CATEGORIES = [
  "#4e79a7", "#f28e2b", "#e15759", "#2aa198", "#59a14f", "#c9a100", "#b07aa1", "#ff7f9a", "#9c755f", "#5ab4e5",
  "#8f6bd1", "#7f9a2f",
];
const STEPS = 32;
const UNKNOWN = 0;

/** From dark blue over green to yellow (like viridis), as `STEPS` colours. */
const RAMP = Array.from({ length: STEPS }, (_, step) => {
  const anchors = [[68, 30, 110], [50, 100, 142], [33, 145, 140], [94, 201, 98], [245, 226, 50]];
  const at = (step / (STEPS - 1)) * (anchors.length - 1);
  const low = Math.min(Math.floor(at), anchors.length - 2);
  const mix = anchors[low].map((from, channel) => Math.round(from + (anchors[low + 1][channel] - from) * (at - low)));
  return `rgb(${mix.join(",")})`;
});

/** The ways to colour, in the order of the list: key, name. */
const colourings = [
  ...["artist", "album", "year", "genre", "folder"].filter((name) => source.fields[name]?.names.length).map((name) => ({ key: name, name })),
  ...source.tags.map((name, tag) => ({ key: `tag:${tag}`, name, tag })),
];

/**
 * What colours the dots: `palette`, and for each track a number in it (0: unknown or of a small group).
 * `groups` are what the legend lists; `ends` the two ends of a ramp.
 */
function colouring(key) {
  const of = new Uint8Array(count);
  const chosen = colourings.find((entry) => entry.key === key);
  if (!chosen) return { palette: [null], of, groups: [] };
  if (chosen.tag !== undefined) {
    const values = activations[chosen.tag];
    let highest = 1;
    for (const value of values) highest = Math.max(highest, value);
    for (let track = 0; track < count; track++) of[track] = 1 + Math.floor((values[track] / highest) * (STEPS - 1));
    return { palette: [null, ...RAMP], of, groups: [], ends: ["0", (highest / 255).toFixed(2)] };
  }
  const found = field(key);
  if (key === "year") {
    const years = found.names.map(Number);
    const first = Math.min(...years), last = Math.max(...years);
    for (let track = 0; track < count; track++) {
      const at = found.of[track];
      if (at >= 0) of[track] = 1 + Math.round(((years[at] - first) / Math.max(1, last - first)) * (STEPS - 1));
    }
    return { palette: [null, ...RAMP], of, groups: [], ends: [String(first), String(last)] };
  }
  const sizes = new Uint32Array(found.names.length);
  for (const at of found.of) if (at >= 0) sizes[at]++;
  // The largest first, ties in the order of their names.
  const largest = [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a] || a - b).slice(0, CATEGORIES.length);
  const rank = new Map(largest.map((at, place) => [at, place + 1]));
  for (let track = 0; track < count; track++) of[track] = rank.get(found.of[track]) ?? UNKNOWN;
  const groups = largest.map((at, place) => ({ name: found.names[at], size: sizes[at], colour: place + 1 }));
  return { palette: [null, ...CATEGORIES], of, groups };
}
