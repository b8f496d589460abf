"""Opens a page of `sleeve similar map` in Chromium, without a network, and does what a person would.

usage: map_page.py PAGE CHOSEN WORD SCREENSHOTS

Chooses the track CHOSEN (its number on the page) by a click, searches for WORD, and draws a lasso. Prints as JSON what
was seen. Needs `playwright`, and Chromium on the PATH.
"""

import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def main():
    page_file, chosen, word, screenshots = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.exit("no Chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--no-zygote"])
        seen = visit(browser, page_file, chosen, word, screenshots)
        seen["telephone"] = telephone(browser, page_file, chosen, screenshots)
        browser.close()
    print(json.dumps(seen))


def opened(browser, page_file, problems, **options):
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("console", lambda message: message.type in ("error", "warning") and problems.append(message.text))
    page.on("request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or problems.append(request.url))
    page.goto(page_file.absolute().as_uri())
    page.wait_for_selector("html[data-ready=true]")
    return page


def visit(browser, page_file, chosen, word, screenshots):
    problems = []
    page = opened(browser, page_file, problems, viewport={"width": 1280, "height": 800}, color_scheme="light")
    box = page.locator("#points").bounding_box()

    def at(track):
        x, y = page.evaluate("track => sleeveMap.position(track)", track)
        return box["x"] + x, box["y"] + y

    count = page.evaluate("sleeveMap.count")
    seen = {"title": page.title(), "tracks": count, "colours": page.locator("#colour option").all_inner_texts()}
    seen["drawn"] = page.evaluate(DRAWN)
    page.mouse.move(*at(chosen))
    page.wait_for_selector("#tip:not([hidden])")
    seen["tip"] = page.locator("#tip").inner_text()
    page.mouse.click(*at(chosen))
    page.wait_for_selector("#track:not([hidden])")
    seen["chosen"] = page.locator("#track-path").inner_text()
    seen["neighbours"] = listed(page, "neighbours")
    page.wait_for_function("document.getElementById('player').readyState > 0 || document.getElementById('player').error")
    seen["seconds"] = page.evaluate("document.getElementById('player').duration")
    page.screenshot(path=screenshots / "chosen.png")
    # Keys: the walk goes to the nearest track, and back.
    page.locator("#points").focus()
    page.keyboard.press("n")
    seen["next"] = page.locator("#track-path").inner_text()
    page.keyboard.press("b")
    seen["back"] = page.locator("#track-path").inner_text()
    page.keyboard.press("/")
    page.keyboard.type(word)
    seen["found"] = listed(page, "found")
    page.keyboard.press("Escape")
    seen["found_after_escape"] = page.locator("#results").is_visible()
    # A lasso around the left half of the map, and what is inside by the page's own positions.
    middle = box["x"] + box["width"] / 2
    edge = [(box["x"] + 2, box["y"] + 2), (middle, box["y"] + 2), (middle, box["y"] + box["height"] - 2),
            (box["x"] + 2, box["y"] + box["height"] - 2)]
    seen["left"] = [page.evaluate("track => sleeveMap.path(track)", track) for track in range(count) if at(track)[0] < middle]
    page.keyboard.press("l")
    page.mouse.move(*edge[0])
    page.mouse.down()
    for point in edge[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()
    page.wait_for_selector("#selection:not([hidden])")
    seen["selection"] = page.locator("#selection-count").inner_text()
    with page.expect_download() as download:
        page.locator("#points").focus()
        page.keyboard.press("s")
    seen["playlist"] = Path(download.value.path()).read_text("utf-8")
    seen["file"] = download.value.suggested_filename
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-theme=dark]")
    seen["drawn_dark"] = page.evaluate(DRAWN)
    page.select_option("#colour", index=len(seen["colours"]) - 1)
    page.screenshot(path=screenshots / "dark.png")
    # 60 steps of zoom, in and out: the time of a frame, in milliseconds.
    seen["frame"] = page.evaluate(FRAME)
    seen["injected"] = page.evaluate("Boolean(window.injected)")
    seen["problems"] = problems
    return seen


def telephone(browser, page_file, chosen, screenshots):
    problems = []
    page = opened(browser, page_file, problems, viewport={"width": 390, "height": 800}, has_touch=True, device_scale_factor=2)
    box = page.locator("#points").bounding_box()
    x, y = page.evaluate("track => sleeveMap.position(track)", chosen)
    page.touchscreen.tap(box["x"] + x, box["y"] + y)
    page.wait_for_selector("#track:not([hidden])")
    page.screenshot(path=screenshots / "telephone.png")
    wide = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return {"chosen": page.locator("#track-path").inner_text(), "fits": wide, "map": box["height"], "problems": problems}


def listed(page, name):
    tracks = page.locator(f"#{name} button").evaluate_all("all => all.map(one => Number(one.dataset.track))")
    return [page.evaluate("track => sleeveMap.path(track)", track) for track in tracks]


# For each track, whether the canvas is not empty where it is.
DRAWN = """() => {
  const canvas = document.getElementById("points");
  // A copy, because reading a canvas makes the browser draw it more slowly from then on, and say so.
  const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const ratio = canvas.width / canvas.getBoundingClientRect().width;
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  let drawn = 0;
  for (let track = 0; track < sleeveMap.count; track++) {
    const [x, y] = sleeveMap.position(track);
    drawn += data[4 * (Math.round(y * ratio) * canvas.width + Math.round(x * ratio)) + 3] > 0;
  }
  return drawn;
}"""

FRAME = """async () => {
  const canvas = document.getElementById("points"), times = [];
  let before = performance.now();
  for (let step = 0; step < 60; step++) {
    canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: step < 30 ? -40 : 40, clientX: 400, clientY: 400, bubbles: true, cancelable: true }));
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - before);
    before = performance.now();
  }
  return times.sort((a, b) => a - b)[30];
}"""

if __name__ == "__main__":
    main()
