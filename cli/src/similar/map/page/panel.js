// The lists beside the map: the chosen track with its neighbours, the selection, the results of a search.

const element = (id) => document.getElementById(id);
const LISTED = 200;
const visited = new Set();
const history = [];

/** A list item with a button that chooses a track. Text only ever becomes text, never markup. */
function item(track, note) {
  const entry = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.track = track;
  button.append(caption(track));
  if (note) {
    const small = document.createElement("small");
    small.textContent = ` ${note}`;
    button.append(small);
  }
  button.addEventListener("click", () => choose(track));
  button.addEventListener("pointerenter", () => hover(track));
  button.addEventListener("pointerleave", () => hover(-1));
  entry.append(button);
  return entry;
}

function list(into, tracks, note = () => "") {
  const items = tracks.slice(0, LISTED).map((track) => item(track, note(track)));
  if (tracks.length > LISTED) {
    const more = document.createElement("li");
    more.textContent = `and ${tracks.length - LISTED} more`;
    items.push(more);
  }
  into.replaceChildren(...items);
}

function hover(track) {
  shown.over = track;
  redraw();
}

/** Chooses a track: rings it and its neighbours, lists them, and plays it if that is wanted. */
function choose(track, { play = element("autoplay").checked, remember = true } = {}) {
  if (remember && shown.chosen >= 0 && shown.chosen !== track) history.push(shown.chosen);
  visited.add(track);
  const near = neighbours(track);
  shown.chosen = track;
  shown.ringed = near.map((one) => one.track);
  element("track").hidden = false;
  element("track-title").textContent = caption(track);
  const album = value("album", track);
  const about = [album, value("label", track), value("year", track), value("genre", track), clock(source.seconds[track])];
  element("track-about").textContent = about.filter(Boolean).join(" · ");
  element("track-path").textContent = source.paths[track];
  element("track-tags").replaceChildren(...strongestTags(track).map(tagButton));
  const cosines = new Map(near.map((one) => [one.track, one.cosine.toFixed(3)]));
  list(element("neighbours"), shown.ringed, (one) => cosines.get(one));
  reveal(track);
  prepare(track, play);
  redraw();
}

function unchoose() {
  shown.chosen = -1;
  shown.ringed = [];
  element("track").hidden = true;
  element("player").pause();
  redraw();
}

/** The next track of a walk: the nearest neighbour that was not visited yet. */
function next() {
  if (shown.chosen < 0) return count ? choose(0) : undefined;
  const found = shown.ringed.find((track) => !visited.has(track));
  if (found !== undefined) choose(found);
}

function back() {
  const before = history.pop();
  if (before !== undefined) choose(before, { remember: false });
}

function strongestTags(track) {
  return activations
    .map((values, tag) => ({ tag, value: values[track] }))
    .sort((a, b) => b.value - a.value)
    .slice(0, 5)
    .filter((one) => one.value > 12);
}

function tagButton({ tag, value }) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `${source.tags[tag]} ${(value / 255).toFixed(2)}`;
  button.title = "Colour the map by this tag";
  button.addEventListener("click", () => colourBy(`tag:${tag}`));
  return button;
}

function prepare(track, play) {
  const player = element("player");
  element("player-error").hidden = true;
  player.src = address(track);
  if (play) player.play().catch(() => {});
}

element("player").addEventListener("error", () => {
  if (!element("player").getAttribute("src")) return;
  const reason = "This file cannot be played: the browser does not know its format, or it is not where the library says.";
  element("player-error").textContent = reason;
  element("player-error").hidden = false;
});

function select(tracks) {
  shown.selected = new Set(tracks);
  element("selection").hidden = !tracks.length;
  element("selection-count").textContent = tracks.length === 1 ? "1 track selected" : `${tracks.length} tracks selected`;
  list(element("selected"), tracks);
  redraw();
}

/** The text of a playlist; paths are relative to where the page is, so it belongs beside the page. */
function playlist(tracks) {
  const line = (text) => text.replace(/[\r\n]+/g, " ");
  const lines = ["#EXTM3U"];
  for (const track of tracks) {
    // A line that begins with # would be a comment.
    const path = source.addresses[track] ?? source.paths[track];
    lines.push(`#EXTINF:${Math.round(source.seconds[track])},${line(caption(track))}`);
    lines.push(path.startsWith("#") ? `./${path}` : path);
  }
  return lines.join("\n") + "\n";
}

function save() {
  if (!shown.selected.size) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([playlist([...shown.selected])], { type: "audio/x-mpegurl" }));
  link.download = "selection.m3u8";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Shows what contains every word; all else becomes faint. */
function search() {
  const words = plain(element("search").value).split(/\s+/).filter(Boolean);
  const matches = [];
  if (words.length) {
    searchable.forEach((text, track) => words.every((word) => text.includes(word)) && matches.push(track));
  }
  element("results").hidden = !words.length;
  element("results-count").textContent = matches.length === 1 ? "1 track found" : `${matches.length} tracks found`;
  list(element("found"), matches, (track) => value("album", track));
  found = words.length ? new Set(matches) : null;
  updateFaint();
}

let found = null;
let group = null;

/** What is outside the search or the chosen group of the legend is faint. */
function updateFaint() {
  shown.faint = null;
  if (found || group !== null) {
    shown.faint = new Uint8Array(count);
    for (let track = 0; track < count; track++) {
      const out = (found && !found.has(track)) || (group !== null && shown.colours.of[track] !== group);
      shown.faint[track] = out ? 1 : 0;
    }
  }
  redraw();
}

function colourBy(key) {
  element("colour").value = key;
  shown.colours = colouring(key);
  group = null;
  legend();
  updateFaint();
}

function legend() {
  const { groups, palette, ends } = shown.colours;
  const box = element("legend");
  box.replaceChildren();
  box.hidden = !groups.length && !ends;
  if (ends) {
    const ramp = document.createElement("div");
    ramp.className = "ramp";
    ramp.style.background = `linear-gradient(to right, ${RAMP.join(",")})`;
    const labels = document.createElement("div");
    labels.className = "ends";
    labels.append(...ends.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
    box.append(ramp, labels);
  }
  for (const { name, size: members, colour } of groups) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Show only these";
    button.setAttribute("aria-pressed", String(group === colour));
    const dot = document.createElement("i");
    dot.style.background = palette[colour];
    button.append(dot, `${name} (${members})`);
    button.addEventListener("click", () => {
      group = group === colour ? null : colour;
      legend();
      updateFaint();
    });
    box.append(button);
  }
}
