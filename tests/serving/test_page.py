"""The page in headless Chromium, against a server from a script; the microphone is Chromium's fake one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from browser import FAKE_MICROPHONE, TELL_48_KHZ, launched
from fake_server import EXPRESSIONS, FakeServer, fake_server

from mien.serving import messages

WAIT_MS = 20_000

WATCH = """
window.asked = []; window.tracks = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  asked.push(wanted);
  const stream = await open(wanted);
  tracks.push(...stream.getTracks());
  return stream;
};
"""

GIVES = """
const given = MediaStreamTrack.prototype.getSettings;
MediaStreamTrack.prototype.getSettings = function () { return { ...given.call(this), ...%s }; };
"""

REJECTS = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '%s'));"

RUNS_AT_44100 = """
const Real = window.AudioContext;
window.AudioContext = class extends Real { constructor(options) { super({ ...options, sampleRate: 44100 }); } };
"""

HIDE = """() => {
  Object.defineProperty(document, 'hidden', { value: true, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""

NOTE_LABELS = """
const labels = new Map();
const prototype = CanvasRenderingContext2D.prototype;
const { scale, fillText } = prototype;
prototype.scale = function (...args) { labels.set(this.canvas, []); return scale.apply(this, args); };
prototype.fillText = function (text, x, y) {
  const box = this.measureText(text);
  labels.get(this.canvas).push({
    text, left: x - box.actualBoundingBoxLeft, right: x + box.actualBoundingBoxRight,
    top: y - box.actualBoundingBoxAscent, bottom: y + box.actualBoundingBoxDescent,
  });
  return fillText.call(this, text, x, y);
};
window.misplaced = () => [...labels].filter(([canvas]) => canvas.isConnected).flatMap(([canvas, all]) => {
  const { clientWidth: width, clientHeight: height } = canvas;
  const outside = all.filter((a) => a.left < 0 || a.right > width || a.top < 0 || a.bottom > height);
  const touching = all.filter((a, n) => all.slice(n + 1).some((b) =>
    a.left < b.right + 8 && b.left < a.right + 8 && a.top < b.bottom && b.top < a.bottom));
  return [...outside, ...touching].map(({ text }) => text);
});
window.labelled = () => [...labels.keys()].filter((canvas) => canvas.isConnected).length;
"""
"""Which labels of the charts are cut off, or nearer than 8 pixels to another."""

COLUMNS = """(name) => {
  const canvas = document.querySelector('[data-part=timeline]');
  const pen = canvas.getContext('2d');
  const { width, height } = canvas;
  const pixels = pen.getImageData(0, 0, width, height).data;
  const colour = getComputedStyle(canvas).getPropertyValue(`--${name}`);
  const [r, g, b] = colour.match(/[0-9a-f]{2}/gi).map((hex) => parseInt(hex, 16));
  const is = (at) => Math.abs(pixels[at] - r) + Math.abs(pixels[at + 1] - g) + Math.abs(pixels[at + 2] - b) < 12;
  const found = [];
  for (let x = 0; x < width; x += 1) {
    let n = 0;
    for (let y = 0; y < height; y += 1) n += is(4 * (y * width + x));
    found.push(n);
  }
  return found;
}"""
"""How many pixels of an expression's colour each column of the timeline has."""

Opened = Callable[..., AbstractContextManager[tuple[Any, FakeServer]]]


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """Open a view of the page; scripts run before the page's own."""
    with launched(FAKE_MICROPHONE) as browser:

        @contextmanager
        def opening(view: str, *scripts: str, **fields: Any) -> Iterator[tuple[Any, FakeServer]]:
            with fake_server() as server:
                for name, value in fields.items():
                    setattr(server, name, value)
                context = browser.new_context(viewport={"width": 360, "height": 740})
                context.set_default_timeout(WAIT_MS)
                page = context.new_page()
                faults: list[str] = []
                page.on("pageerror", lambda error: faults.append(str(error)))
                page.on("console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None)
                for script in scripts or (TELL_48_KHZ,):
                    page.add_init_script(script)
                page.goto(f"{server.address}#{view}")
                yield page, server
                context.close()
                assert faults == []

        yield opening


def start(page: Any, view: str) -> None:
    page.wait_for_selector("#link[data-state=good]")
    page.click(f"[data-start={view}]")


def sounding(page: Any) -> None:
    page.wait_for_selector("#sound-state:text-is('Sound is on')")


def silent(page: Any) -> None:
    page.wait_for_selector("#sound-bar", state="hidden")


def until(page: Any, condition: Callable[[], bool]) -> None:
    for _ in range(WAIT_MS // 50):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def test_raw_sound_is_asked_for_read_back_sent_and_stopped(opened: Opened) -> None:
    """One tap starts; Escape stops sound and microphone."""
    with opened("live", TELL_48_KHZ, WATCH) as (page, server):
        start(page, "live")
        sounding(page)
        until(page, lambda: len(server.frames) >= 10)
        wanted = page.evaluate("asked[0].audio")
        assert {wanted[name] for name in ("echoCancellation", "noiseSuppression", "autoGainControl")} == {False}
        told = server.last("start-live").audio
        assert told.rate_hz == 48_000
        assert (told.echo_cancellation, told.noise_suppression, told.gain_control) == (False, False, False)
        page.keyboard.press("Escape")
        silent(page)
        assert page.evaluate("tracks.map(track => track.readyState)") == ["ended"]
        until(page, lambda: server.said_types()[-1] == "stop")
        # The numbers and capture times go on, also over a second start.
        n_before = len(server.frames)
        start(page, "live")
        until(page, lambda: len(server.frames) >= n_before + 5)
        frames = server.frames[: n_before + 5]
        assert [frame.sequence for frame in frames] == list(range(len(frames)))
        times = [frame.captured_s for frame in frames]
        assert times == sorted(times) and {frame.samples.size for frame in frames} == {960}


def test_live_shows_the_answer_and_that_people_were_simulated(opened: Opened) -> None:
    shares = {name: 0.7 if name == "surprise" else 0.06 for name in EXPRESSIONS}
    with opened("live", predictions=[("surprise", shares, ["low-snr"])]) as (page, _):
        start(page, "live")
        page.wait_for_selector("#live .word:text-is('Surprise')")
        page.wait_for_selector("#live .answer svg")
        assert page.inner_text("#live .sure") == "70 % sure"
        assert page.inner_text("#live .bars li.first").split() == ["Surprise", "70", "%"]
        assert "echo is faint" in page.inner_text("#live [data-part=quality]")
        assert "simulated people only" in page.inner_text("#live [data-part=belief]")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("view", ["live", "check"])
def test_no_label_of_a_chart_is_cut_off_or_runs_into_another(opened: Opened, view: str, width: int) -> None:
    with opened(view, TELL_48_KHZ, NOTE_LABELS) as (page, server):
        page.set_viewport_size({"width": width, "height": 800})
        start(page, view)
        page.wait_for_selector("#check .verdict" if view == "check" else "#live .word:text-is('Unsure')")
        until(page, lambda: page.evaluate("labelled()") == 2)
        page.wait_for_timeout(200)
        assert page.evaluate("misplaced()") == []


def test_a_whole_hundred_percent_stands_on_one_line(opened: Opened) -> None:
    with opened("live", predictions=[("happiness", {"happiness": 1.0, "fear": 0.0}, [])]) as (page, _):
        start(page, "live")
        page.wait_for_selector("#live .bars li.first .percent:text-is('100 %')")
        share = page.locator("#live .bars li.first .percent")
        assert share.evaluate("(it) => it.clientHeight < 2 * parseFloat(getComputedStyle(it).fontSize)")


def test_windows_that_were_dropped_are_a_gap_in_the_timeline(opened: Opened) -> None:
    """Two seconds of happiness, four seconds lost, happiness again: nothing is drawn over the four."""
    shares = {name: 0.9 if name == "happiness" else 0.02 for name in EXPRESSIONS}
    with opened("live", predictions=[("happiness", shares, [])], lost=range(40, 120)) as (page, server):
        start(page, "live")
        until(page, lambda: len(server.frames) > 7.5 * 50)
        page.wait_for_timeout(200)
        assert "80 windows skipped" in page.inner_text("#live [data-part=quality]")
        columns = page.evaluate(COLUMNS, "happiness")
    drawn = [x for x, n in enumerate(columns) if n > 10]  # ribbon and line
    steps = [(after - before, before) for before, after in zip(drawn, drawn[1:], strict=False)]
    gap, at = max(steps)
    whole = len(columns) - 50  # about 20 s
    assert 0.15 * whole < gap < 0.25 * whole
    assert sum(step > 3 for step, _ in steps) == 1
    assert not any(columns[at + 3 : at + gap - 2]), "something is drawn across the gap"


def test_unsure_says_why_and_is_told_at_most_once_in_three_seconds(opened: Opened) -> None:
    flat = {name: 1 / 6 for name in EXPRESSIONS}
    words = [("unsure", flat, []), ("fear", flat, []), ("anger", flat, []), ("neutral", flat, [])]
    count = """window.said = 0;
    addEventListener('DOMContentLoaded', () => new MutationObserver(() => { said += 1; })
      .observe(document.getElementById('announcer'), { childList: true, characterData: true, subtree: true }));"""
    with opened("live", TELL_48_KHZ, count, predictions=words) as (page, server):
        start(page, "live")
        until(page, lambda: len(server.frames) > 25)
        before = page.evaluate("said")
        until(page, lambda: len(server.frames) > 75)
        assert page.evaluate("said") - before <= 2


def test_check_shows_verdict_findings_and_numbers(opened: Opened) -> None:
    with opened("check", problems=["gain-control"]) as (page, server):
        start(page, "check")
        page.wait_for_selector("#check .verdict")
        silent(page)
        assert "cannot be used as it is: gain control" in page.inner_text("#check .verdict")
        assert page.inner_text("#check .findings li:first-child").startswith("!")
        assert page.locator("#check tbody tr").count() == 10
        assert page.get_attribute("text=Save as JSON", "href") == "results/check.json"
        assert page.evaluate("document.activeElement.className") == "verdict"


def test_collecting_needs_consent_then_goes_take_by_take(opened: Opened) -> None:
    with opened("collect", changes=("mask",), neutral_s=0.1) as (page, server):
        start(page, "collect")
        assert page.is_visible("#agree-fault") and server.said_types() == ["hello"]
        assert page.evaluate("document.activeElement.id") == "agree"
        page.check("#agree")
        page.fill("#collect-subject", "P 7")
        start(page, "collect")
        assert page.is_visible("#collect-subject-fault")
        page.fill("#collect-subject", "P7")
        page.keyboard.press("Enter")
        page.wait_for_selector("#collect .word:text-is('Neutral first')")  # nobody is early
        page.click("#collect [data-part=ready]")
        page.wait_for_selector("#collect .verdict")
        silent(page)
        said = server.said_types()
        assert said.count("take-begin") == server.n_prompts
        assert server.last("start-collect").subject == "P7" and server.last("start-collect").consent is True
        assert "mien collect STUDY --forget 001" in page.inner_text("#collect [data-part=result]")


def test_a_take_can_be_paused_skipped_and_redone(opened: Opened) -> None:
    with opened("collect", countdown_s=30.0) as (page, server):
        page.check("#agree")
        start(page, "collect")
        page.wait_for_selector(".clock[data-phase=ready]")
        page.click("#collect [data-part=pause]")
        page.wait_for_selector(".clock[data-phase=paused]")
        page.click("#collect [data-part=pause]")
        page.wait_for_selector(".clock[data-phase=ready]")
        assert page.get_attribute("[data-say=redo]", "aria-disabled") == "true"
        page.click("[data-say=skip]")
        page.wait_for_selector("text=Take 2 of 3")
        page.click("[data-say=redo]")
        page.wait_for_selector("text=Take 1 of 3")
        page.click("[data-say=finish]")
        page.wait_for_selector("#collect .verdict")
        assert [kind for kind in server.said_types() if kind in ("skip", "redo", "finish")] == [
            "skip",
            "redo",
            "finish",
        ]


def test_calibrating_ends_with_a_model_that_knows_the_person(opened: Opened) -> None:
    with opened("calibrate", n_prompts=1) as (page, server):
        start(page, "calibrate")
        page.wait_for_selector("#calibrate .verdict")
        silent(page)
        assert "knows you" in page.inner_text("#calibrate .verdict")
        assert "simulated people only" in page.inner_text("#calibrate [data-part=belief]")
        assert "It learnt from 6 takes and 1 neutral one. What it learnt is not stored" in page.inner_text(
            "#calibrate [data-part=result]"
        )
        assert page.is_hidden("#keep") and not server.last("start-calibrate").keep
        page.click("button:text-is('Forget me')")
        until(page, lambda: server.said_types()[-1] == "forget")
        page.wait_for_selector("#calibrate [data-part=before]")


@pytest.mark.parametrize("agreed", [False, True])
def test_where_calibrations_are_kept_the_page_asks_first_and_says_what_is_kept(opened: Opened, agreed: bool) -> None:
    with opened("calibrate", n_prompts=1, welcome={"keeps_calibrations": True}) as (page, server):
        page.wait_for_selector("#link[data-state=good]")
        assert not page.is_checked("#keep")
        assert "only if you tick the box" in page.inner_text("#calibrate [data-part=before]")
        page.set_checked("#keep", agreed)
        start(page, "calibrate")
        page.wait_for_selector("#calibrate .verdict")
        assert server.last("start-calibrate").keep is agreed
        told = page.inner_text("#calibrate [data-part=result]")
        assert ("is kept on this server's disk" in told) is agreed
        assert ("is not stored" in told) is not agreed


def test_a_disk_that_cannot_keep_a_calibration_is_told(opened: Opened) -> None:
    problem = "the calibrated model cannot be kept: No space left on device"
    with opened("calibrate", n_prompts=1, welcome={"keeps_calibrations": True}, calibration_problem=problem) as (
        page,
        _,
    ):
        page.check("#keep")
        start(page, "calibrate")
        page.wait_for_selector("#calibrate .verdict")
        told = page.inner_text("#calibrate [data-part=result]")
        assert "is not stored" in told and problem in told


def test_who_comes_back_is_told_what_is_kept_and_forgotten_is_said_only_when_it_is(opened: Opened) -> None:
    error = messages.Error(code=messages.ErrorCode.STORAGE, message="person-001 cannot be deleted: Permission denied")
    known = {"keeps_calibrations": True, "calibrated": True, "calibration_kept": True}
    with opened("calibrate", welcome=known, error_at_forget=error) as (page, server):
        page.wait_for_selector("#calibrate .verdict")
        assert "is kept on this server's disk" in page.inner_text("#calibrate [data-part=result]")
        page.click("button:text-is('Forget me')")
        page.wait_for_selector("[data-failure=not-forgotten]")
        assert error.message in page.inner_text("#failure") and page.is_visible("#calibrate .verdict")
        server.error_at_forget = None
        assert "calibrated to you" in (page.text_content("#live [data-part=belief]") or "")
        page.click("#failure button:text-is('Try again')")
        page.wait_for_selector("#calibrate .verdict", state="hidden")
        assert "calibrated to you" not in (page.text_content("#live [data-part=belief]") or "")


def test_any_simulated_model_is_called_what_it_is(opened: Opened) -> None:
    model = messages.Model(
        name="mine", method="svm", expressions=EXPRESSIONS, simulated=True, calibrates=True, note="Learnt from people."
    )
    with opened("live", welcome={"model": model}) as (page, _):
        page.wait_for_selector("#link[data-state=good]")
        told = page.inner_text("#live [data-part=belief]")
        assert told.startswith("This model has learnt from simulated people only")


def test_a_short_collection_takes_a_minute_and_a_code_is_told_to_let_whoever_types_it_go_on(opened: Opened) -> None:
    collection = messages.Collection(
        study="s",
        protocol="p",
        consent="",
        expressions=EXPRESSIONS,
        n_takes=1,
        duration_s=1.0,
        masks=[],
        places=[],
        keep_audible=False,
    )
    with opened("collect", welcome={"collection": collection}) as (page, _):
        page.wait_for_selector("#link[data-state=good]")
        assert "1 take of 1 second, about 1 minute in all" in page.inner_text("#collect [data-part=lead]")
        assert "Whoever types the code" in page.inner_text("#collect-subject-hint")


SELDOM = [pytest.param(r, marks=pytest.mark.slow) for r in ("replaced", "session-over", "silence", "bad-version")]

FAILURES = [
    ("refused", REJECTS % "NotAllowedError"),
    ("no-microphone", REJECTS % "NotFoundError"),
    pytest.param("microphone-busy", REJECTS % "NotReadableError", marks=pytest.mark.slow),
    ("rate", RUNS_AT_44100),
    ("rate", GIVES % "{ sampleRate: 44100 }"),
    ("insecure", "Object.defineProperty(window, 'isSecureContext', { value: false });"),
    pytest.param("unsupported", "delete window.AudioWorkletNode;", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("kind", "script"), FAILURES)
def test_what_cannot_start_says_so_and_plays_nothing(opened: Opened, kind: str, script: str) -> None:
    with opened("live", script) as (page, server):
        start(page, "live")
        page.wait_for_selector(f"[data-failure={kind}]")
        silent(page)
        assert "What to do:" in page.inner_text("#failure")
        assert server.said_types() == ["hello"] and not any("emission" in path for path in server.requests)


def test_processing_that_stays_on_warns_and_no_study_takes_it(opened: Opened) -> None:
    with opened("live", GIVES % "{ sampleRate: 48000, noiseSuppression: true, autoGainControl: 'on' }") as (
        page,
        server,
    ):
        start(page, "live")
        sounding(page)
        page.wait_for_selector("[data-failure=processing]")
        assert "noise suppression, automatic gain control" in page.inner_text("#failure")
        told = server.last("start-live").audio
        assert (told.echo_cancellation, told.noise_suppression, told.gain_control) == (False, True, True)
        page.click("nav >> text=Collect")
        silent(page)
        page.check("#agree")
        start(page, "collect")
        page.wait_for_selector("[data-failure=processing]")
        silent(page)
        assert "start-collect" not in server.said_types()


def test_a_hidden_page_is_silent_until_it_is_started_again(opened: Opened) -> None:
    with opened("live", TELL_48_KHZ, WATCH) as (page, server):
        start(page, "live")
        sounding(page)
        page.evaluate(HIDE)
        silent(page)
        page.wait_for_selector("[data-failure=hidden]")
        assert page.evaluate("tracks.map(track => track.readyState)") == ["ended"]
        page.evaluate("() => Object.defineProperty(document, 'hidden', { value: false, configurable: true })")
        page.click("button:text-is('Start again')")
        sounding(page)


def test_a_lost_connection_pauses_the_sound_and_goes_on_by_itself(opened: Opened) -> None:
    with opened("live") as (page, server):
        start(page, "live")
        until(page, lambda: len(server.frames) > 5)
        server.drop()
        until(page, lambda: server.said_types().count("start-live") == 2)
        sounding(page)
        n_before = len(server.frames)
        until(page, lambda: len(server.frames) > n_before + 5)
        page.wait_for_selector("#failure > *", state="detached")
        assert server.n_connections == 2


@pytest.mark.parametrize("reason", ["full", "no-token", *SELDOM])
def test_a_server_that_closes_for_good_says_why(opened: Opened, reason: str) -> None:
    with opened("live") as (page, server):
        start(page, "live")
        sounding(page)
        server.close(reason, "so says the server")
        page.wait_for_selector(f"[data-failure={reason}]")
        silent(page)
        assert "so says the server" in page.inner_text("#failure")
        page.wait_for_timeout(900)
        assert server.n_connections == 1  # it does not come back by itself


def test_an_error_at_the_start_is_shown_and_nothing_is_played(opened: Opened) -> None:
    error = messages.Error(code=messages.ErrorCode.STUDY, message="the study is being written by another process")
    with opened("collect", error_at_start=error) as (page, server):
        page.check("#agree")
        start(page, "collect")
        page.wait_for_selector("[data-failure=server]")
        silent(page)
        assert error.message in page.inner_text("#failure")
        assert not any("emission" in path for path in server.requests)


def test_what_a_server_does_not_offer_says_how_to_get_it(opened: Opened) -> None:
    with opened("collect", welcome={"views": ["check"], "collection": None, "model": None}) as (page, _):
        page.wait_for_selector("#link[data-state=good]")
        assert "mien serve --collect" in page.inner_text("#collect [data-part=absent]")
        assert page.is_disabled("[data-start=collect]")


def test_by_keyboard_alone(opened: Opened) -> None:
    """Skip link, name, four views, then the view's own button; focus is seen; Enter starts, Stop is reached.

    A link to a view goes on behind its heading: one step further is that view's button.
    """
    with opened("") as (page, _):
        page.wait_for_selector("#link[data-state=good]")

        def tabbed() -> str:
            page.keyboard.press("Tab")
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            return str(page.evaluate("document.activeElement.textContent.trim()"))

        reached = [tabbed() for _ in range(7)]
        assert reached == ["Skip to the content", "mien", "Check", "Collect", "Live", "Calibrate", "Start the check"]
        page.focus("nav [href='#live']")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-start=live]")
        assert tabbed() == "Start listening"
        page.keyboard.press("Enter")
        sounding(page)
        page.focus("#stop")
        page.keyboard.press("Enter")
        silent(page)
        assert page.evaluate("document.activeElement.dataset.start") == "live"
