// What the page shows: read once from the JSON in the page.

const source = JSON.parse(document.getElementById("data").textContent);

function bytes(text) {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) out[at] = binary.charCodeAt(at);
  return out;
}

const count = source.paths.length;
/** Positions, 0 to 65535 on both axes: x of a track, then its y. */
const places = new Uint16Array(bytes(source.places).buffer);
/** `perTrack` neighbours of each track, the nearest first. */
const perTrack = source.neighbours_per_track;
const neighbourNumbers = new Uint32Array(bytes(source.neighbours).buffer);
const neighbourCosines = new Float32Array(bytes(source.cosines).buffer);
/** Activations of each tag, 0 to 255, one row a tag. */
const activations = source.activations.map((values) => bytes(values));

/** A text field: `names` are its different values, `of` the number of a track's value, -1 without one. */
function field(name) {
  return source.fields[name];
}

function value(name, track) {
  const found = field(name);
  const at = found ? found.of[track] : -1;
  return at < 0 ? "" : found.names[at];
}

function fileName(track) {
  return source.paths[track].split(/[/\\]/).pop();
}

function title(track) {
  return source.titles[track] || fileName(track);
}

/** "Artist – Title", or what there is of it. */
function caption(track) {
  const artist = value("artist", track);
  return artist ? `${artist} – ${title(track)}` : title(track);
}

function clock(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Up to `perTrack` neighbours with their cosines. */
function neighbours(track) {
  const found = [];
  for (let at = track * perTrack; at < (track + 1) * perTrack; at++) {
    if (neighbourNumbers[at] < count) found.push({ track: neighbourNumbers[at], cosine: neighbourCosines[at] });
  }
  return found;
}

/** Where the browser finds the file: relative to the page. */
function address(track) {
  const exact = source.addresses[track];
  if (exact !== undefined) return exact;
  return source.paths[track].split("/").map(encodeURIComponent).join("/");
}

/** What a search looks at, in lower case and without accents. */
function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
const searchable = source.paths.map((path, track) =>
  plain([source.titles[track], value("artist", track), value("album", track), path].join("\n")));
