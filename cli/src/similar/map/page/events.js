// Pointer, wheel, touch and keys.

const pointers = new Map();
let gesture = null;
let lassoMode = false;

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  const at = place(event);
  pointers.set(event.pointerId, at);
  if (pointers.size === 2) {
    shown.lasso = [];
    gesture = { kind: "pinch" };
  } else if (lassoMode || event.shiftKey) {
    gesture = { kind: "lasso" };
    shown.lasso = [at];
  } else {
    gesture = { kind: "move", from: at, moved: false };
  }
  hideTip();
});

canvas.addEventListener("pointermove", (event) => {
  const at = place(event);
  const before = pointers.get(event.pointerId);
  if (!before) return point(at);
  if (gesture?.kind === "pinch" && pointers.size === 2) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const length = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const [from, to] = [middle(before, other), middle(at, other)];
    move(to[0] - from[0], to[1] - from[1]);
    zoom(length(at, other) / length(before, other), ...to);
  } else if (gesture?.kind === "lasso") {
    shown.lasso.push(at);
    redraw();
  } else if (gesture?.kind === "move") {
    gesture.moved ||= Math.hypot(at[0] - gesture.from[0], at[1] - gesture.from[1]) > 4;
    if (gesture.moved) move(at[0] - before[0], at[1] - before[1]);
  }
  pointers.set(event.pointerId, at);
});

function release(event) {
  if (!pointers.delete(event.pointerId)) return;
  const ended = gesture;
  // After a pinch, the finger that stays down does nothing.
  gesture = pointers.size ? { kind: "rest" } : null;
  if (event.type === "pointercancel") {
    shown.lasso = [];
    return redraw();
  }
  if (ended?.kind === "lasso") {
    const polygon = shown.lasso;
    shown.lasso = [];
    if (polygon.length > 2) select(inside(polygon));
    setLasso(false);
  } else if (ended?.kind === "move" && !ended.moved) {
    const reach = event.pointerType === "touch" ? 22 : undefined;
    const track = trackAt(...place(event), reach);
    if (track >= 0) choose(track);
  }
}
canvas.addEventListener("pointerup", release);
canvas.addEventListener("pointercancel", release);
canvas.addEventListener("pointerleave", () => {
  hideTip();
  if (shown.over >= 0) hover(-1);
});

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 30 : event.deltaMode === 2 ? 300 : 1;
  zoom(Math.exp(-Math.max(-300, Math.min(300, event.deltaY * unit)) * 0.002), ...place(event));
}, { passive: false });
canvas.addEventListener("dblclick", (event) => zoom(2, ...place(event)));

function point([x, y]) {
  const track = trackAt(x, y);
  canvas.classList.toggle("over", track >= 0);
  if (track !== shown.over) hover(track);
  if (track < 0) return hideTip();
  const tip = element("tip");
  const year = value("year", track);
  tip.textContent = [caption(track), value("album", track) + (year ? ` (${year})` : "")].filter(Boolean).join("\n");
  tip.style.whiteSpace = "pre-line";
  tip.hidden = false;
  tip.style.left = `${Math.max(0, Math.min(x + 14, size.width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.max(0, Math.min(y + 14, size.height - tip.offsetHeight - 4))}px`;
}

function hideTip() {
  element("tip").hidden = true;
}

function setLasso(on) {
  lassoMode = on;
  element("lasso").setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("lasso", on);
}

function setHelp(open) {
  element("keys").hidden = !open;
  element("help").setAttribute("aria-expanded", String(open));
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  element("theme").textContent = theme === "dark" ? "Light" : "Dark";
  redraw();
}

function clear() {
  setLasso(false);
  setHelp(false);
  select([]);
  unchoose();
  element("search").value = "";
  group = null;
  search();
  legend();
}

function togglePlay() {
  const player = element("player");
  if (shown.chosen < 0) return;
  if (player.paused) player.play().catch(() => {});
  else player.pause();
}

const STEP = 80;
const KEYS = {
  "/": () => element("search").focus(),
  "?": () => setHelp(element("keys").hidden),
  ArrowLeft: () => move(STEP, 0),
  ArrowRight: () => move(-STEP, 0),
  ArrowUp: () => move(0, STEP),
  ArrowDown: () => move(0, -STEP),
  "+": () => zoom(1.5),
  "=": () => zoom(1.5),
  "-": () => zoom(1 / 1.5),
  "0": fit,
  " ": togglePlay,
  Escape: clear,
  n: next,
  b: back,
  l: () => setLasso(!lassoMode),
  s: save,
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const typing = event.target.matches("input, select, audio");
  // A focused button or list keeps the keys that work it.
  const own = event.target.matches("button") && key === " ";
  if ((typing && key !== "Escape") || own || !Object.hasOwn(KEYS, key)) return;
  event.preventDefault();
  KEYS[key]();
  if (key === "Escape") canvas.focus();
});

element("search").addEventListener("input", search);
element("colour").addEventListener("change", (event) => colourBy(event.target.value));
element("lasso").addEventListener("click", () => setLasso(!lassoMode));
element("fit").addEventListener("click", fit);
element("help").addEventListener("click", () => setHelp(element("keys").hidden));
element("theme").addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
});
element("save").addEventListener("click", save);
element("clear").addEventListener("click", () => select([]));
element("select-neighbours").addEventListener("click", () => select([shown.chosen, ...shown.ringed]));
