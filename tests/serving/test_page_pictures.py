"""Pictures of every view, on a phone and a desktop, light and dark, for a person; and what a program sees in them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import FAKE_MICROPHONE, TELL_48_KHZ, launched
from fake_server import EXPRESSIONS, FakeServer, fake_server

pytestmark = pytest.mark.slow

SIZES = {"phone": (360, 740), "desktop": (1280, 800)}

OVERFLOWING = """() => [...document.querySelectorAll('main *, header *, nav *, #sound-bar *, #failure *')]
  .filter(e => e.offsetParent && !e.closest('.scroll') && !e.matches('.unseen, .unseen *, .fill'))
  .filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1);
  })
  .map(e => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 40)}`)"""

FAINT = """() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const rgba = text => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const shown = e.offsetParent || getComputedStyle(e).position === 'fixed';
    if (!own || !shown || e.closest('svg, .unseen, template, script, .skip')) continue;
    const [more, less] = [light(rgba(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
    const ratio = (more + 0.05) / (less + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${e.tagName} ${e.textContent.trim().slice(0, 40)}`);
  }
  return faint;
}"""
"""Texts with a contrast below 4.5 to 1 (WCAG 2, 1.4.3)."""


def story() -> list[tuple[str, dict[str, float], list[str]]]:
    """Return predictions of a face that goes from unsure over happiness to neutral and surprise."""
    rows: list[tuple[str, dict[str, float], list[str]]] = []
    for word, n in (("unsure", 30), ("happiness", 60), ("neutral", 30), ("surprise", 50)):
        for step in range(n):
            grown = min(1.0, step / 12)
            weights = {
                name: 0.12 + 0.05 * ((7 * k + step // 4) % 3) for k, name in enumerate([*EXPRESSIONS, "neutral"])
            }
            if word != "unsure":
                weights[word] += 2.4 * grown
            total = sum(weights.values())
            rows.append((word, {name: weight / total for name, weight in weights.items()}, []))
    return rows


def before(view: str) -> Callable[[Any, FakeServer], None]:
    return lambda page, server: page.wait_for_selector(f"#{view} [data-start]")


def tap(page: Any, view: str) -> None:
    page.click(f"[data-start={view}]")


def start(page: Any, view: str) -> None:
    tap(page, view)
    page.wait_for_selector("#sound-state:text-is('Sound is on')")


def checking(page: Any, server: FakeServer) -> None:
    server.check_s = 60.0
    start(page, "check")
    page.wait_for_timeout(900)


def checked(page: Any, server: FakeServer) -> None:
    tap(page, "check")
    page.wait_for_selector("#check .verdict")


def not_fit(page: Any, server: FakeServer) -> None:
    server.problems = ["gain-control", "echo-cancellation"]
    checked(page, server)


def listening(page: Any, server: FakeServer) -> None:
    server.predictions = story()
    start(page, "live")
    page.wait_for_timeout(8_000)


def noisy(page: Any, server: FakeServer) -> None:
    server.predictions = [(word, shares, ["low-snr", "dropout"]) for word, shares, _ in story()[:5]]
    start(page, "live")
    page.wait_for_timeout(1_000)


def agree(page: Any) -> None:
    page.check("#agree")
    tap(page, "collect")


def asking(page: Any, server: FakeServer) -> None:
    server.changes = ("mask", "place")
    agree(page)
    page.wait_for_selector("#collect [data-part=ready]")


def resting(page: Any, server: FakeServer) -> None:
    server.rest_s = 60.0
    agree(page)
    page.wait_for_selector(".clock[data-phase=rest]")


def making(page: Any, server: FakeServer) -> None:
    server.take_s, server.advice, server.n_prompts = (
        3.0,
        "the echo is weak: hold the device 25 to 50 cm from the face",
        122,
    )
    server._done = 40
    agree(page)
    page.wait_for_timeout(1_900)


def collected(page: Any, server: FakeServer) -> None:
    agree(page)
    page.wait_for_selector("#collect .verdict")


def calibrating(page: Any, server: FakeServer) -> None:
    server.countdown_s, server.neutral_s = 30.0, 0.5
    tap(page, "calibrate")
    page.wait_for_selector(".clock[data-phase=ready]")


def learning(page: Any, server: FakeServer) -> None:
    server.hold_calibration, server.n_prompts = True, 1
    tap(page, "calibrate")
    page.wait_for_selector("text=Learning how you look")


def calibrated(page: Any, server: FakeServer) -> None:
    server.n_prompts = 1
    tap(page, "calibrate")
    page.wait_for_selector("#calibrate .verdict")


def keeping(page: Any, server: FakeServer) -> None:
    server.welcome = {"keeps_calibrations": True}
    page.reload()
    page.wait_for_selector("#keep")


def kept(page: Any, server: FakeServer) -> None:
    keeping(page, server)
    page.check("#keep")
    calibrated(page, server)


def gaps(page: Any, server: FakeServer) -> None:
    server.lost = range(50, 100)
    listening(page, server)


def lost(page: Any, server: FakeServer) -> None:
    server.predictions = story()
    start(page, "live")
    page.wait_for_timeout(1_500)
    server.refuse = "stopping"
    server.drop()
    page.wait_for_selector("[data-failure]")


def busy(page: Any, server: FakeServer) -> None:
    server.close("full", "32 clients are served already")
    page.wait_for_selector("[data-failure]")


SCENES: list[tuple[str, str, Callable[[Any, FakeServer], None]]] = [
    ("check", "before", before("check")),
    ("check", "running", checking),
    ("check", "result", checked),
    ("check", "not-fit", not_fit),
    ("collect", "before", before("collect")),
    ("collect", "asking", asking),
    ("collect", "rest", resting),
    ("collect", "take", making),
    ("collect", "done", collected),
    ("live", "before", before("live")),
    ("live", "running", listening),
    ("live", "noisy", noisy),
    ("live", "gaps", gaps),
    ("live", "lost", lost),
    ("live", "busy", busy),
    ("calibrate", "before", before("calibrate")),
    ("calibrate", "take", calibrating),
    ("calibrate", "learning", learning),
    ("calibrate", "done", calibrated),
    ("calibrate", "keeping", keeping),
    ("calibrate", "kept", kept),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched(FAKE_MICROPHONE) as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("view", "state", "act"), SCENES, ids=[f"{view}-{state}" for view, state, _ in SCENES])
def test_every_view_fits_the_screen_and_is_readable(
    browser: Any, tmp_path: Path, view: str, state: str, act: Callable[[Any, FakeServer], None], size: str, scheme: str
) -> None:
    """Pictures go to the folder named by MIEN_PICTURES, where it is set."""
    width, height = SIZES[size]
    folder = Path(os.environ.get("MIEN_PICTURES", tmp_path))
    with fake_server() as server:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=size == "phone"
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        page.add_init_script(TELL_48_KHZ)
        page.goto(f"{server.address}#{view}")
        page.wait_for_selector("#link[data-state=good]")
        act(page, server)
        page.screenshot(path=str(folder / f"{view}-{state}-{size}-{scheme}.png"))
        page.screenshot(path=str(folder / f"{view}-{state}-{size}-{scheme}-whole.png"), full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate(FAINT) == []
        assert faults == []
        context.close()
