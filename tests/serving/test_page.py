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
        page.click("text=Forget me")
        until(page, lambda: server.said_types()[-1] == "forget")


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
