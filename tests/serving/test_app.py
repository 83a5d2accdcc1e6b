"""The server as its clients see it: pages, headers, cookies, and each view over /ws."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from serving_fakes import AUDIO, FAKES, Client, FakeLive, settings

pytest.importorskip("fastapi", reason="pip install mien[live]")
pytest.importorskip("httpx", reason="pip install mien[test]")

from starlette.testclient import TestClient  # noqa: E402
from starlette.websockets import WebSocketDisconnect  # noqa: E402

from mien.collecting.protocol import Protocol  # noqa: E402
from mien.datasets.study import load_study  # noqa: E402
from mien.probe import Chirp  # noqa: E402
from mien.serving import messages as said  # noqa: E402
from mien.serving.app import make_app  # noqa: E402
from mien.serving.limits import BYTES_PER_S, MOST_RATE_HZ, Limits  # noqa: E402


@pytest.fixture
def served(tmp_path):
    """Return a function that makes a browser at a server with some settings."""
    browsers = []

    def make(**changes):
        app = make_app(settings(tmp_path, **changes))
        # What a browser says of an address that a person typed.
        browser = TestClient(app, headers={"sec-fetch-site": "none"})
        browser.__enter__()
        browsers.append(browser)
        return browser

    yield make
    for browser in browsers:
        browser.__exit__(None, None, None)


def stream(browser, **headers):
    return browser.websocket_connect("/ws", headers=headers)


def test_the_page_comes_with_a_strict_policy_and_nothing_else(served):
    browser = served()
    answer = browser.get("/")
    assert answer.status_code == 200 and "mien" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "ws://testserver" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert browser.get("/app.js").headers["content-type"].startswith("text/javascript")
    assert browser.get("/faces/fear.svg").headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    "path",
    ["/../../pyproject.toml", "/%2e%2e/%2e%2e/etc/passwd", "/page/index.html", "//etc/passwd", "/docs", "/app.js/"],
)
def test_no_path_of_a_client_leads_anywhere(served, path):
    answer = served().get(path)
    assert answer.status_code == 404 and "root" not in answer.text


def test_a_name_that_is_not_ours_is_refused(served):
    browser = served()
    assert browser.get("/", headers={"host": "evil.example:8000"}).status_code == 403
    with pytest.raises(WebSocketDisconnect), stream(browser, host="evil.example"):
        pass


def test_a_page_of_another_origin_cannot_connect(served):
    browser = served()
    for origin in ("http://evil.example", "https://testserver", "null", "http://testserver:9000"):
        with pytest.raises(WebSocketDisconnect), stream(browser, origin=origin):
            pass
    with stream(browser, origin="http://testserver") as socket:
        assert Client(socket).hello().views == ["check", "live", "calibrate"]


def test_on_a_network_only_the_link_lets_in_and_only_once(served):
    browser = served(needs_token=True)
    shown = []
    sessions = browser.app.state.sessions
    sessions.on_token_used = lambda: shown.append(sessions.new_token())
    with stream(browser) as socket:
        assert Client(socket).closing().reason is said.CloseReason.NO_TOKEN
    token = sessions.new_token()
    # What previews links asks first; the phone afterwards still gets in.
    browser.get(f"/?token={token}")
    browser.cookies.clear()
    answer = browser.get(f"/?token={token}", follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and token not in cookie
    with stream(browser) as socket:
        assert not Client(socket).hello().resumed
    assert len(shown) == 1
    # Lost and resumed by the cookie; the link has served.
    with stream(browser) as socket:
        assert Client(socket).hello().resumed
    assert "set-cookie" not in browser.get(f"/?token={token}", follow_redirects=False).headers
    browser.cookies.clear()
    browser.get("/")
    with stream(browser) as socket:
        assert Client(socket).closing().reason is said.CloseReason.NO_TOKEN


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_who_is_led_here_by_another_site_keeps_their_session(served, site):
    browser = served()
    browser.get("/")
    with stream(browser) as socket:
        assert not Client(socket).hello().resumed
    # A strict cookie does not come along from elsewhere.
    kept = dict(browser.cookies)
    browser.cookies.clear()
    if site is None:
        del browser.headers["sec-fetch-site"]
    else:
        browser.headers["sec-fetch-site"] = site
    assert "set-cookie" not in browser.get("/").headers
    browser.cookies.update(kept)
    with stream(browser) as socket:
        assert Client(socket).hello().resumed


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_who_opens_the_page_by_themselves_has_a_session(served, site):
    browser = served()
    assert "set-cookie" in browser.get("/", headers={"sec-fetch-site": site}).headers
    assert "set-cookie" not in browser.get("/", headers={"sec-fetch-site": site}).headers


def test_a_browser_that_is_known_begins_streams_whoever_else_comes_from_its_address(served):
    browser = served(limits=Limits(connects_per_s=0.001, connects_burst=2.0))
    browser.get("/")
    with stream(browser) as socket:
        Client(socket).hello()
    kept = dict(browser.cookies)
    browser.cookies.clear()
    for _ in range(2):
        with stream(browser) as socket:
            Client(socket).hello()
    with stream(browser) as socket:
        assert Client(socket).closing().reason is said.CloseReason.TOO_FAST
    browser.cookies.update(kept)
    with stream(browser) as socket:
        assert Client(socket).hello().resumed


def test_over_https_the_cookie_is_secure(served):
    browser = served(https=True, needs_token=True)
    token = browser.app.state.sessions.new_token()
    assert "Secure" in browser.get(f"/?token={token}", follow_redirects=False).headers["set-cookie"]


def test_the_emission_repeats_without_a_seam(served):
    browser = served()
    with stream(browser) as socket:
        client = Client(socket)
        client.hello()
        told = client.start("live").emission
    sound = np.frombuffer(browser.get(told.url).content, "<f4")
    assert told.loop and len(sound) == told.n_samples and told.rate_hz == 48_000
    assert np.allclose(np.tile(sound, 2), told.level * Chirp().emit(2 * len(sound)), atol=1e-6)
    assert browser.get(told.wav_url).content[:4] == b"RIFF"
    assert browser.get("/emission/secret.f32").status_code == 404


def test_live_answers_every_window_and_says_when_each_was_captured(served):
    with stream(served()) as socket:
        client = Client(socket)
        welcome = client.hello()
        assert welcome.model.expressions == ["fear", "happiness"] and welcome.model.simulated
        started = client.start("live")
        assert started.window_s == 0.5 and started.profile_m == [0.1, 0.6]
        client.sound(np.full(4_800, 0.9))
        first, second = client.hear("prediction"), client.hear("prediction")
        assert (first.time_s, second.time_s) == (0.05, 0.1)
        assert first.expression == "happiness" and first.captured_s == pytest.approx(100.1)
        client.sound(np.full(4_800, 0.1), skip=2)
        third = client.hear("prediction")
        assert third.expression == "fear" and third.quality == ["dropout"]
        assert third.time_s == pytest.approx(0.35) and third.n_dropped_windows == 4
        client.say("stop")
        assert client.hear("stopped")
        client.sound(np.full(4_800, 0.1))
        client.say("skip")
        assert client.hear().code is said.ErrorCode.NOT_NOW


@pytest.mark.parametrize(("answer_s", "in_a_thread"), [(0.001, False), (0.1, True)])
def test_only_a_slow_model_answers_in_a_thread(served, answer_s, in_a_thread):
    heard_in = set()

    class Watched(FakeLive):
        def feed(self, samples, **options):
            heard_in.add(threading.current_thread().name)
            return super().feed(samples, **options)

    functions = replace(FAKES, live=lambda recognizer, hop_s: Watched())
    with stream(served(answer_s=answer_s, functions=functions)) as socket:
        client = Client(socket)
        client.hello()
        client.start("live")
        client.seconds(0.5)
        client.hear("prediction")
    assert {name.startswith("mien-recognise") for name in heard_in} == {in_a_thread}


def test_audio_at_another_rate_is_told_what_to_do(served):
    with stream(served()) as socket:
        client = Client(socket)
        client.hello()
        client.say("start-live", audio=AUDIO | {"rate_hz": 44_100})
        wrong = client.hear("error")
        assert wrong.code is said.ErrorCode.AUDIO and "44100 Hz; 48000 Hz is needed" in wrong.message
        client.say("start-live", audio=AUDIO | {"echo_cancellation": True})
        assert "echo cancellation is on" in client.hear("started").warnings[0]


@pytest.mark.parametrize("rate_hz", [96_001, 192_000, 768_000])
def test_a_check_at_a_rate_that_cannot_come_is_refused(served, rate_hz):
    with stream(served()) as socket:
        client = Client(socket)
        client.hello()
        client.say("start-check", audio=AUDIO | {"rate_hz": rate_hz})
        wrong = client.hear("error", "started")
        assert wrong.code is said.ErrorCode.AUDIO and f"{rate_hz} Hz; at most 96000 Hz" in wrong.message


def test_sound_at_the_highest_rate_is_allowed_to_come():
    n_frames = 96_000 / 960
    assert BYTES_PER_S > Limits().sound_rate * (4 * MOST_RATE_HZ + 24 * n_frames)


def test_a_view_that_is_not_offered_says_what_is(served):
    with stream(served(model=None)) as socket:
        client = Client(socket)
        assert client.hello().views == ["check"]
        assert "this server offers check" in client.start("live").message


def test_the_check_listens_as_long_as_it_plays_and_its_result_can_be_saved(served):
    browser = served(limits=Limits(sound_burst_s=60, backlog_s=60))
    browser.get("/")
    assert browser.get("/results/check.json").status_code == 404
    with stream(browser) as socket:
        client = Client(socket)
        client.hello()
        started = client.start("check")
        assert not started.emission.loop and started.duration_s > started.emission.n_samples / 48_000
        client.seconds(started.duration_s + 0.2)
        assert client.hear("check-progress").duration_s == started.duration_s
        result = client.hear("check-result")
        assert result.state == "mend" and not result.ok and result.problems == ["drift"]
        assert result.report["n_samples"] == round(48_000 * started.duration_s)
        assert client.hear("stopped")
    saved = browser.get("/results/check.json")
    assert saved.json() == result.report and "attachment" in saved.headers["content-disposition"]


def test_calibration_lives_in_memory_until_it_is_forgotten(served, tmp_path):
    browser = served(limits=Limits(sound_burst_s=60, backlog_s=60))
    browser.get("/")
    with stream(browser) as socket:
        client = Client(socket)
        client.hello()
        client.start("calibrate")
        words = []
        for number in (1, 2, 3):
            prompt = client.hear("prompt")
            words.append(prompt.expression)
            assert prompt.number == number and prompt.progress.n_done == number - 1
            client.say("take-begin", number=number)
            client.seconds(prompt.duration_s)
            assert client.hear("take-done").kept
        assert words == ["neutral", "fear", "happiness"]
        assert client.hear("calibrating") and client.hear("calibrated").n_takes == 2
        assert client.hear("stopped")
        assert client.start("live").calibrated
    with stream(browser) as socket:
        client = Client(socket)
        assert client.hello().calibrated
        client.say("forget")
        assert client.hear("forgotten")
        assert not client.start("live").calibrated
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page"]


def calibrate(client, **values):
    """Calibrate with one take, of neutral; return what is told of it."""
    client.start("calibrate", **values)
    client.say("take-begin", number=1)
    client.seconds(client.hear("prompt").duration_s)
    assert client.hear("take-done").kept
    client.say("finish")
    return client.hear("calibrated")


def test_a_calibration_is_kept_only_where_the_person_says_so_and_forget_deletes_it(served, tmp_path):
    kept = tmp_path / "kept"
    browser = served(calibrated_folder=kept, limits=Limits(sound_burst_s=60, backlog_s=60))
    browser.get("/")
    with stream(browser) as socket:
        client = Client(socket)
        assert client.hello().keeps_calibrations
        assert not calibrate(client).kept and not kept.exists()
        assert calibrate(client, keep=True).kept
        assert [path.name for path in kept.iterdir()] == ["person-001"]
        # Another of the same person takes its place, and nobody else's.
        (kept / "person-002").mkdir()
        assert calibrate(client, keep=True).kept
        assert sorted(path.name for path in kept.iterdir()) == ["person-002", "person-003"]
    with stream(browser) as socket:
        client = Client(socket)
        assert client.hello().calibration_kept
        client.say("forget")
        assert client.hear("forgotten") and [path.name for path in kept.iterdir()] == ["person-002"]
        assert not client.start("live").calibrated
    with stream(browser) as socket:
        assert not Client(socket).hello().calibration_kept


def test_a_calibration_that_is_not_kept_takes_the_kept_one_away(served, tmp_path):
    kept = tmp_path / "kept"
    browser = served(calibrated_folder=kept, limits=Limits(sound_burst_s=60, backlog_s=60))
    with stream(browser) as socket:
        client = Client(socket)
        client.hello()
        assert calibrate(client, keep=True).kept
        assert not calibrate(client).kept and not list(kept.iterdir())


def test_a_server_that_keeps_no_calibration_says_so_where_it_is_asked_to(served):
    with stream(served()) as socket:
        client = Client(socket)
        assert not client.hello().keeps_calibrations
        wrong = client.start("calibrate", keep=True)
        assert wrong.code is said.ErrorCode.NOT_OFFERED and "leave keep out" in wrong.message
        client.say("start-calibrate", audio=AUDIO, keep=1)
        assert client.closing().reason is said.CloseReason.BAD_MESSAGE


def test_a_disk_that_cannot_keep_a_calibration_is_told_and_the_model_knows_the_person_all_the_same(served, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("a file where a folder should be")
    with stream(served(calibrated_folder=kept, limits=Limits(sound_burst_s=60, backlog_s=60))) as socket:
        client = Client(socket)
        client.hello()
        known = calibrate(client, keep=True)
        assert not known.kept and "cannot be kept" in known.problem
        assert client.start("live").calibrated


def test_what_cannot_be_deleted_is_not_said_to_be_forgotten(served, tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    kept = tmp_path / "kept"
    with stream(served(calibrated_folder=kept, limits=Limits(sound_burst_s=60, backlog_s=60))) as socket:
        client = Client(socket)
        client.hello()
        assert calibrate(client, keep=True).kept
        with monkeypatch.context() as patched:
            patched.setattr("mien.serving.kept_calibrations.shutil.rmtree", refuse)
            client.say("forget")
            wrong = client.hear("error", "forgotten")
            assert wrong.code is said.ErrorCode.STORAGE and "person-001 cannot be deleted" in wrong.message
        client.say("forget")
        assert client.hear("error", "forgotten").type == "forgotten" and not list(kept.iterdir())


def test_a_bad_calibration_take_is_asked_for_again_and_one_may_be_taken_back(served):
    with stream(served(limits=Limits(sound_burst_s=60, backlog_s=60))) as socket:
        client = Client(socket)
        client.hello()
        client.start("calibrate")
        prompt = client.hear("prompt")
        client.say("take-begin", number=1)
        client.seconds(1)
        client.sound(np.zeros(4_800), skip=3)
        client.seconds(prompt.duration_s - 1.1)
        done = client.hear("take-done")
        assert not done.kept and done.quality == ["dropout"] and done.advice
        assert client.hear("prompt").attempt == 2
        client.say("redo")
        assert client.hear("error").code is said.ErrorCode.NOT_NOW
        client.say("skip")
        assert client.hear("prompt").can_redo
        client.say("finish")
        assert "no take yet" in client.hear("error").message
        client.say("take-begin", number=9)
        assert "prompt 2 is asked for" in client.hear("error").message
        client.say("redo")
        assert client.hear("prompt").number == 1


def echo_take(duration_s):
    """A take with the probe, a face's echo, and noise."""
    time_s = np.arange(round(48_000 * duration_s)) / 48_000
    sound = 0.3 * Chirp().at(time_s - 0.01) + 0.03 * Chirp().at(time_s - 0.0122)
    return (sound + 1e-4 * np.random.default_rng(0).standard_normal(len(time_s))).astype(np.float32)


def record(client, prompt):
    """Answer a prompt with a take."""
    client.say("take-begin", number=prompt.number)
    sound = echo_take(prompt.duration_s)
    for start in range(0, len(sound), 4_800):
        client.sound(sound[start : start + 4_800])
    return client.hear("take-done")


def test_collected_takes_are_a_study_and_a_lost_connection_resumes(served, tmp_path):
    protocol = Protocol(
        expressions=("fear",), n_takes=2, n_neutral_takes=0, masks=("open",), duration_s=1.0, neutral_s=0.2
    )
    study = tmp_path / "study"
    browser = served(study=study, protocol=protocol, limits=Limits(sound_burst_s=60, backlog_s=60))
    browser.get("/")
    with stream(browser) as socket:
        client = Client(socket)
        told = client.hello().collection
        assert told.n_takes == 2 and "speech above all, is removed" in told.consent
        client.say("start-collect", audio=AUDIO | {"device": "a phone"}, consent=True)
        assert client.hear("started").subject == "001"
        assert record(client, client.hear("prompt")).kept
        client.hear("prompt")
    with stream(browser) as socket:
        client = Client(socket)
        assert client.hello().collecting == "001"
        assert client.start("collect", consent=True).subject == "001"
        prompt = client.hear("prompt")
        assert prompt.number == 2 and prompt.progress.n_done == 1
        assert record(client, prompt).kept
        assert client.hear("collected").progress.n_done == 2
    table = load_study(study).table
    assert table["subject"].tolist() == ["001", "001"] and table["quality"].tolist() == ["ok", "ok"]


def test_another_browser_goes_on_with_a_person_by_their_code_as_the_protocol_says(served, tmp_path):
    protocol = Protocol(
        expressions=("fear",), n_takes=2, n_neutral_takes=0, masks=("open",), duration_s=1.0, neutral_s=0.2
    )
    study = tmp_path / "study"
    browser = served(study=study, protocol=protocol, limits=Limits(sound_burst_s=60, backlog_s=60))
    with stream(browser) as socket:
        client = Client(socket)
        client.hello()
        client.start("collect", consent=True)
        assert record(client, client.hear("prompt")).kept
    browser.cookies.clear()
    with stream(browser) as socket:
        client = Client(socket)
        assert client.hello().collecting is None
        assert client.start("collect", consent=True, subject="001").subject == "001"
        prompt = client.hear("prompt")
        assert (prompt.number, prompt.progress.n_done) == (2, 1)
        client.say("redo")
        assert (again := client.hear("prompt")).number == 1
        assert record(client, again).kept
    assert len(load_study(study).table) == 1


@pytest.mark.parametrize("subject", ["../x", "a/b", "", "P 7", "é", "x" * 33])
def test_no_other_name_than_letters_and_digits_reaches_the_study(served, tmp_path, subject):
    with stream(served(study=tmp_path / "study")) as socket:
        client = Client(socket)
        client.hello()
        client.say("start-collect", audio=AUDIO, consent=True, subject=subject)
        assert client.closing().reason is said.CloseReason.BAD_MESSAGE
    assert not list(tmp_path.glob("**/sub-*"))


def test_two_browsers_cannot_write_one_study_at_once(served, tmp_path):
    browser = served(study=tmp_path / "study")
    with stream(browser) as one:
        first = Client(one)
        first.hello()
        assert first.start("collect", consent=True).type == "started"
        browser.cookies.clear()
        with stream(browser) as other:
            second = Client(other)
            second.hello()
            wrong = second.start("collect", consent=True)
            assert wrong.type == "error" and wrong.code is said.ErrorCode.STUDY


def test_a_collection_of_which_nothing_came_leaves_nobody_behind(served, tmp_path):
    study = tmp_path / "study"
    browser = served(study=study)
    browser.get("/")
    with stream(browser) as socket:
        client = Client(socket)
        client.hello()
        for _ in range(3):
            assert client.start("collect", consent=True).subject == "001"
    assert not list(study.glob("sub-*"))
    # Who comes meanwhile is not taken for them, nor they for who came.
    browser.cookies.clear()
    with stream(browser) as socket:
        client = Client(socket)
        assert client.hello().collecting is None
        client.start("collect", consent=True)
        client.say("skip")
        client.hear("prompt")
        assert client.hear("prompt").number == 2
    assert [path.name for path in study.glob("sub-*")] == ["sub-001"]
    assert json.loads(next(study.glob("sub-001/*/*_session.json")).read_text())["consent"]["accepted"]


def test_another_tab_replaces_the_first_even_in_the_middle_of_a_collection(served, tmp_path):
    browser = served(study=tmp_path / "study")
    browser.get("/")
    with stream(browser) as one:
        first = Client(one)
        first.hello()
        first.start("collect", consent=True)
        first.say("skip")
        first.hear("prompt")
        assert first.hear("prompt").number == 2
        with stream(browser) as other:
            second = Client(other)
            assert second.hello().collecting == "001"
            assert first.closing().reason is said.CloseReason.REPLACED
            assert second.start("collect", consent=True).subject == "001"


def test_the_server_takes_so_many_clients_and_no_more(served):
    browser = served(limits=Limits(clients=1))
    with stream(browser) as one:
        Client(one).hello()
        browser.cookies.clear()
        with stream(browser) as other:
            assert Client(other).closing().reason is said.CloseReason.FULL
