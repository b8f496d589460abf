// The canvas: where a track is on the screen, drawing, and which track is under the pointer.

const canvas = document.getElementById("points");
const context = canvas.getContext("2d");
const SPAN = 65535;
const MARGIN = 0.06;
const CELLS = 64;

/** `zoom` is pixels for the whole width of the map; `x` and `y` are the map's place (0 to 1) in the middle of the canvas. */
const camera = { x: 0.5, y: 0.5, zoom: 1 };
const size = { width: 1, height: 1, ratio: 1 };
/** What is shown; changed by other modules, which then call `redraw`. */
const shown = { colours: colouring(""), chosen: -1, ringed: [], over: -1, selected: new Set(), faint: null, lasso: [] };

// Tracks by cell of a grid, so that the pointer looks at few.
const cells = Array.from({ length: CELLS * CELLS }, () => []);
const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS)));
for (let track = 0; track < count; track++) {
  cells[cellOf(places[2 * track + 1] / SPAN) * CELLS + cellOf(places[2 * track] / SPAN)].push(track);
}

function screenX(track) {
  return (places[2 * track] / SPAN - camera.x) * camera.zoom + size.width / 2;
}

function screenY(track) {
  return (places[2 * track + 1] / SPAN - camera.y) * camera.zoom + size.height / 2;
}

function mapX(x) {
  return (x - size.width / 2) / camera.zoom + camera.x;
}

function mapY(y) {
  return (y - size.height / 2) / camera.zoom + camera.y;
}

function wholeZoom() {
  return Math.min(size.width, size.height) / (1 + 2 * MARGIN);
}

function fit() {
  Object.assign(camera, { x: 0.5, y: 0.5, zoom: wholeZoom() });
  redraw();
}

/** Zooms by a factor around a place of the screen, which stays where it is. */
function zoom(factor, x = size.width / 2, y = size.height / 2) {
  const [fixedX, fixedY] = [mapX(x), mapY(y)];
  camera.zoom = Math.min(wholeZoom() * 2000, Math.max(wholeZoom() / 2, camera.zoom * factor));
  camera.x = fixedX - (x - size.width / 2) / camera.zoom;
  camera.y = fixedY - (y - size.height / 2) / camera.zoom;
  redraw();
}

function move(x, y) {
  camera.x = Math.min(1.5, Math.max(-0.5, camera.x - x / camera.zoom));
  camera.y = Math.min(1.5, Math.max(-0.5, camera.y - y / camera.zoom));
  redraw();
}

/** Moves to a track, unless it is well inside the canvas. */
function reveal(track) {
  const [x, y] = [screenX(track), screenY(track)];
  const inside = x > 40 && y > 40 && x < size.width - 40 && y < size.height - 40;
  if (!inside) move(size.width / 2 - x, size.height / 2 - y);
}

/** Radius of a dot in pixels: more room, larger dots. */
function radius() {
  const room = camera.zoom / Math.sqrt(count);
  return Math.min(7, Math.max(1.6, room * 0.22));
}

/** The track nearest to a place of the screen, at most `reach` pixels away; -1 without one. */
function trackAt(x, y, reach = Math.max(8, radius() + 3)) {
  let best = -1;
  let least = reach * reach;
  const [left, right] = [cellOf(mapX(x - reach)), cellOf(mapX(x + reach))];
  const [top, bottom] = [cellOf(mapY(y - reach)), cellOf(mapY(y + reach))];
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      for (const track of cells[row * CELLS + column]) {
        const distance = (screenX(track) - x) ** 2 + (screenY(track) - y) ** 2;
        if (distance <= least && !(shown.faint && shown.faint[track])) {
          least = distance;
          best = track;
        }
      }
    }
  }
  return best;
}

let waiting = false;
function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** One dot of each colour, drawn once: copying a small picture is faster than an arc for each track. */
let sprites = { key: "" };
function spritesFor(r) {
  const key = [r.toFixed(2), size.ratio, document.documentElement.dataset.theme, shown.colours.palette.join()].join("|");
  if (sprites.key === key) return sprites;
  const cell = Math.ceil((2 * r + 2) * size.ratio);
  const sheet = document.createElement("canvas");
  sheet.width = cell * (shown.colours.palette.length + 1);
  sheet.height = cell;
  const pen = sheet.getContext("2d");
  const dot = (place, colour, alpha) => {
    pen.globalAlpha = alpha;
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc((place + 0.5) * cell, cell / 2, r * size.ratio, 0, 2 * Math.PI);
    pen.fill();
  };
  shown.colours.palette.forEach((colour, place) => dot(place, colour ?? style("--faint"), colour ? 0.9 : 0.5));
  dot(shown.colours.palette.length, style("--faint"), 0.12);
  sprites = { key, sheet, cell };
  return sprites;
}

function draw() {
  const { ratio, width, height } = size;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const r = radius();
  const { sheet, cell } = spritesFor(r);
  const faintPlace = shown.colours.palette.length;
  const { of } = shown.colours;
  let visible = 0;
  // The faint ones first, so that they hide nothing.
  for (const faint of shown.faint ? [1, 0] : [0]) {
    for (let track = 0; track < count; track++) {
      if (shown.faint && Number(Boolean(shown.faint[track])) !== faint) continue;
      const x = screenX(track), y = screenY(track);
      if (x < -r || y < -r || x > width + r || y > height + r) continue;
      visible++;
      const place = faint ? faintPlace : of[track];
      context.drawImage(sheet, place * cell, 0, cell, cell, Math.round(x * ratio - cell / 2), Math.round(y * ratio - cell / 2), cell, cell);
    }
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const track of shown.selected) ring(track, r + 2.5, style("--accent"), 1.5);
  for (const track of shown.ringed) ring(track, r + 4, style("--ink"), 1.5);
  if (shown.over >= 0) ring(shown.over, r + 3, style("--ink"), 1);
  if (shown.chosen >= 0) ring(shown.chosen, r + 6, style("--accent"), 3);
  if (visible <= 120) drawTitles(r);
  drawLasso();
}

function ring(track, r, colour, line) {
  context.strokeStyle = colour;
  context.lineWidth = line;
  context.beginPath();
  context.arc(screenX(track), screenY(track), r, 0, 2 * Math.PI);
  context.stroke();
}

/** Titles beside the dots where there is room; one that would cover another is left out. */
function drawTitles(r) {
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = style("--ink");
  const taken = [];
  for (let track = 0; track < count; track++) {
    const x = screenX(track) + r + 6, y = screenY(track);
    if (x < 0 || y < 0 || x > size.width || y > size.height || (shown.faint && shown.faint[track])) continue;
    const text = title(track).slice(0, 40);
    const box = [x, y - 8, x + context.measureText(text).width, y + 8];
    if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
    taken.push(box);
    context.fillText(text, x, y);
  }
}

function drawLasso() {
  if (shown.lasso.length < 2) return;
  context.strokeStyle = style("--accent");
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.beginPath();
  shown.lasso.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.stroke();
  context.setLineDash([]);
}

/** The tracks inside a polygon of places on the screen, in the order of the library. */
function inside(polygon) {
  const found = [];
  for (let track = 0; track < count; track++) {
    if (shown.faint && shown.faint[track]) continue;
    const x = screenX(track), y = screenY(track);
    let odd = false;
    for (let at = 0, before = polygon.length - 1; at < polygon.length; before = at++) {
      const [x1, y1] = polygon[at], [x2, y2] = polygon[before];
      if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
    }
    if (odd) found.push(track);
  }
  return found;
}

new ResizeObserver(() => {
  const box = canvas.getBoundingClientRect();
  const first = size.width === 1;
  // The same share of the map stays visible.
  const share = camera.zoom / wholeZoom();
  Object.assign(size, { width: box.width || 1, height: box.height || 1, ratio: window.devicePixelRatio || 1 });
  canvas.width = Math.round(size.width * size.ratio);
  canvas.height = Math.round(size.height * size.ratio);
  camera.zoom = first ? wholeZoom() : wholeZoom() * share;
  draw();
  document.documentElement.dataset.ready = "true";
}).observe(canvas);
