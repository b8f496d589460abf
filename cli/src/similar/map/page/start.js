// Once everything is defined.

for (const { key, name } of [{ key: "", name: "nothing" }, ...colourings]) {
  element("colour").append(new Option(name, key));
}
const dark = matchMedia("(prefers-color-scheme: dark)");
setTheme(dark.matches ? "dark" : "light");
dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
colourBy(colourings[0]?.key ?? "");
element("about").textContent = `${source.about} Click a point to hear the track and see what sounds like it.`;

/** For scripts in the browser's console, and for tests. */
window.sleeveMap = {
  count,
  choose,
  neighbours,
  select,
  path: (track) => source.paths[track],
  /** Where a track is, in pixels from the canvas' upper left corner. */
  position: (track) => [screenX(track), screenY(track)],
};
