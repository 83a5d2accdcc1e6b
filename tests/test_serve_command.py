"""`mien serve`: what it shows, and what it refuses on one line."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from types import SimpleNamespace

import pytest

from mien.cli.serve import serve
from mien.probe import Chirp

for name in ("fastapi", "uvicorn", "websockets", "cryptography"):
    pytest.importorskip(name, reason="pip install mien[live]")

PROGRAM = [sys.executable, "-c", "from mien.cli import main; main()", "serve"]


def said(*arguments):
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=300)


def test_it_serves_the_page_until_it_is_interrupted(tmp_path):
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    options = ["--port", "0", "--json", "--collect", str(tmp_path / "study")]
    with subprocess.Popen(
        [*PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        told = ""
        for line in server.stdout:
            told += line
            if line.startswith("}"):
                break
        told = json.loads(told)
        assert told["views"] == ["check", "collect"] and told["link"] == told["address"]
        with urllib.request.urlopen(told["address"], timeout=120) as answer:
            assert b"<!doctype html>" in answer.read().lower()
        server.send_signal(signal.SIGINT)
        _, talk = server.communicate(timeout=120)
    assert server.returncode == 0 and "stopped; nothing is kept but what is in" in talk
    assert "Traceback" not in talk and not (tmp_path / "study").exists()


def test_it_tells_of_every_view_that_it_offers(capsys, monkeypatch):
    recognizer = SimpleNamespace(probe=Chirp(), calibrates=True)
    monkeypatch.setattr(sys.modules["mien.cli.serve"], "_loaded", lambda _: (recognizer, "", 0.001))
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    serve("builtin", port=0, as_json=True)
    assert json.loads(capsys.readouterr().out)["views"] == ["check", "live", "calibrate"]


def test_a_taken_port_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = said("--port", str(taken.getsockname()[1]))
    assert found.returncode == 1 and "choose another --port" in found.stderr
    assert "Traceback" not in found.stderr and len(found.stderr.strip().splitlines()) == 1


def test_a_protocol_without_a_study_is_wrong_usage(tmp_path):
    found = said("--protocol", str(tmp_path / "none.json"))
    assert found.returncode == 2 and "add --collect STUDY" in " ".join(found.stderr.split())
