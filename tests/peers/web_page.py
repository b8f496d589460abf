"""Serves the example page's folder and does in Chromium what a person would: drops songs, plays, compares, speaks.

usage: web_page.py FOLDER SAMPLES FIRST SECOND SCREENSHOTS

SAMPLES are raw mono floats at 16 kHz, which the package is given as they are; FIRST and SECOND are songs. Prints as JSON what
was seen. Needs `playwright`, and Chromium on the PATH.
"""

import functools
import http.server
import json
import shutil
import struct
import sys
import threading
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# A microphone that beeps, and nobody who has to allow it.
FLAGS = ["--no-sandbox", "--no-zygote", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


class Files(http.server.SimpleHTTPRequestHandler):
    """Static files as any server gives them, and the samples."""

    def translate_path(self, path):
        return sys.argv[2] if path == "/samples" else super().translate_path(path)

    def log_message(self, *_):
        pass


def main():
    folder, _, first, second, screenshots = sys.argv[1:]
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.exit("no Chromium on the PATH")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        seen = visit(browser, origin, first, second, Path(screenshots))
        browser.close()
    print(json.dumps(seen))


def visit(browser, origin, first, second, screenshots):
    problems = []
    context = browser.new_context(viewport={"width": 1000, "height": 1040}, color_scheme="light")
    context.on("request", lambda request: request.url.startswith((origin, "data:", "blob:")) or problems.append(request.url))
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("console", lambda message: message.type in ("error", "warning") and problems.append(message.text))
    page.goto(origin)
    page.wait_for_selector("html[data-ready=true]")
    seen = {"title": page.title(), "vectors": page.evaluate("sleevePage.vectors")}
    seen["equal_samples"] = page.evaluate(EQUAL_SAMPLES)
    seen["leaks"] = page.evaluate(LEAKS)
    # The refusal itself is reported in the console.
    problems[:] = [problem for problem in problems if "example.invalid" not in problem]

    page.set_input_files("#file-1", first)
    until(page, "sleevePage.songs[0]?.isDone")
    seen["through_web_audio"] = page.evaluate("sleevePage.songs[0].tags.map(row => Array.from(row))")
    seen["status"] = page.locator("#status").inner_text()
    seen["shown"] = page.locator("#tags th").all_inner_texts()

    # From the top of the page, by the keyboard alone.
    page.evaluate("document.activeElement.blur()")
    seen["order"] = [stop(page) for _ in range(6)]
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    until(page, "document.getElementById('player').currentTime > 0.2")
    seen["button_while_playing"] = page.locator("#play").inner_text()
    before = moment(page)
    until(page, "document.getElementById('player').currentTime > 4")
    seen["moves"] = [one != other for one, other in zip(before, moment(page))]
    page.screenshot(path=screenshots / "light.png")
    page.keyboard.press("Space")
    until(page, "document.getElementById('player').paused")
    page.locator("#picture").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    until(page, "document.getElementById('picture').getAttribute('aria-valuenow') === '10.0'")
    seen["place"] = page.evaluate("document.getElementById('player').currentTime")
    seen["place_in_words"] = page.locator("#picture").get_attribute("aria-valuetext")

    page.set_input_files("#file-2", second)
    page.wait_for_selector("#comparison:not([hidden])")
    seen["alike"] = page.locator("#alike").inner_text()
    seen["compared"] = page.locator("#compared tr").count()
    page.locator("input[name=which]").first.check()
    seen["chosen"] = page.locator("#listening-title").inner_text()
    seen["snapshot"] = page.locator("body").aria_snapshot()
    seen["unnamed"] = page.evaluate(UNNAMED)
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.emulate_media(color_scheme="dark")
    seen["dark"] = page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light
    page.screenshot(path=screenshots / "dark.png", full_page=True)

    # What the browser cannot decode is decoded by the package; what nobody can is said.
    page.evaluate(DROP, ["tone.aiff", list(tone())])
    until(page, "sleevePage.songs[1]?.name === 'tone.aiff' && sleevePage.songs[1].isDone")
    seen["aiff"] = page.evaluate("[sleevePage.songs[1].tags.length, sleevePage.songs[1].seconds]")
    wrong = screenshots / "wrong.mp3"
    wrong.write_bytes(b"not music at all " * 100)
    page.set_input_files("#file-2", wrong)
    page.wait_for_selector("#status.wrong")
    seen["wrong"] = page.locator("#status").inner_text()

    page.locator("#microphone").focus()
    page.keyboard.press("Enter")
    until(page, "sleevePage.live()?.recording.tags.length > 0")
    seen["microphone"] = page.evaluate("[sleevePage.live().recording.frames, sleevePage.live().recording.tags.length]")
    seen["pressed"] = page.locator("#microphone").get_attribute("aria-pressed")
    page.screenshot(path=screenshots / "microphone.png")
    page.keyboard.press("Enter")
    page.wait_for_selector("#microphone[aria-pressed=false]")
    page.set_viewport_size({"width": 390, "height": 800})
    seen["fits_a_telephone"] = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    seen["problems"] = problems
    return seen


def until(page, condition):
    """Waits for a condition. The page's policy forbids what `wait_for_function` does."""
    end = time.monotonic() + 120
    while not page.evaluate(condition):
        if time.monotonic() > end:
            raise TimeoutError(condition)
        page.wait_for_timeout(50)


def stop(page):
    """The next stop of the Tab key."""
    page.keyboard.press("Tab")
    return page.evaluate("document.activeElement.id")


def moment(page):
    """What is on the screen: the picture's pixels, the meters, the clock."""
    return page.evaluate("""() => [
      document.querySelector("#picture canvas").toDataURL(),
      Array.from(document.querySelectorAll("#tags meter"), (meter) => meter.value).join(),
      document.getElementById("time").textContent,
    ]""")


def tone():
    """Four seconds of a tone as AIFF, which Chromium does not decode."""
    count = 4 * 16000
    samples = b"".join(struct.pack(">h", int(8000 * ((i * 440 // 16000) % 2 * 2 - 1))) for i in range(count))
    rate = struct.pack(">HQ", 16383 + 13, 16000 << (63 - 13))
    common = struct.pack(">hLh", 1, count, 16) + rate
    sound = struct.pack(">LL", 0, 0) + samples
    chunks = b"COMM" + struct.pack(">L", len(common)) + common + b"SSND" + struct.pack(">L", len(sound)) + sound
    return b"FORM" + struct.pack(">L", 4 + len(chunks)) + b"AIFF" + chunks


EQUAL_SAMPLES = """async () => {
  const { load } = await import("./sleeve/index.js");
  const samples = new Float32Array(await (await fetch("samples")).arrayBuffer());
  const extractor = (await load()).bundledModel().extractor();
  const { predictions } = extractor.extract(samples, { sampleRate: 16000 });
  return Array.from(predictions.values);
}"""

# The page's own policy refuses every other host, before anything is asked.
LEAKS = """async () => {
  const refused = new Promise((resolve) => document.addEventListener("securitypolicyviolation", (event) =>
    resolve(`${event.effectiveDirective} ${event.blockedURI}`), { once: true }));
  const sent = fetch("https://example.invalid/").then(() => "sent", () => new Promise((resolve) => setTimeout(resolve, 1000, "not refused")));
  return Promise.race([refused, sent]);
}"""

DROP = """([name, bytes]) => {
  const dataTransfer = new DataTransfer();
  const song = new File([Uint8Array.from(bytes)], name);
  // The first place is taken; this one has its own.
  sleevePage.songs[1] = null;
  dataTransfer.items.add(song);
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""

UNNAMED = """() => Array.from(document.querySelectorAll("button, input, meter, [role=slider], [role=radiogroup]"))
  .filter((one) => !(one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim()))
  .map((one) => one.outerHTML)"""

if __name__ == "__main__":
    main()
