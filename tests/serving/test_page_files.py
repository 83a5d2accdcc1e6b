"""What can be said of the page without a browser: nothing inline, nothing from elsewhere, every failure in words."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mien.labels import ALL_EXPRESSIONS, UNSURE
from mien.serving import messages
from mien.serving.audio_frames import HEADER, MAGIC

PAGE = Path(messages.__file__).parent / "page"
SCRIPTS = sorted(PAGE.glob("*.js"))
FILES = [path for path in PAGE.rglob("*") if path.suffix in (".html", ".css", ".js", ".svg")]


class _Elements(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def elements() -> list[tuple[str, dict[str, str | None]]]:
    return _Elements((PAGE / "index.html").read_text()).found


def test_nothing_inline(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    """A strict policy would refuse it, and the page would break."""
    for tag, attributes in elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
        assert tag != "style" and (tag != "script" or attributes.get("src"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_from_other_hosts(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|wss?://|@import|url\(", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_text_becomes_code_or_markup(path: Path) -> None:
    """Words of a server or device are shown as text, whatever they hold."""
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text()
    )


def test_what_the_page_names_is_there(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    ids = {attributes["id"] for _, attributes in elements if "id" in attributes}
    for tag, attributes in elements:
        for name in ("src", "href"):
            target = attributes.get(name) or ""
            assert target in ("", "#check") or target.lstrip("#") in ids or (PAGE / target).is_file(), (tag, target)
        for name in ("for", "aria-labelledby", "aria-describedby"):
            assert set((attributes.get(name) or "").split()) <= ids, (tag, attributes)
    for path in SCRIPTS:
        for name in re.findall(r'from "\./([^"]+)"', path.read_text()):
            assert (PAGE / name).is_file(), f"{path.name} imports {name}"


def test_landmarks_and_language(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    tags = [tag for tag, _ in elements]
    assert [tags.count(tag) for tag in ("header", "nav", "main", "footer", "title")] == [1] * 5
    assert ("html", {"lang": "en"}) in elements
    assert any(attributes.get("aria-live") == "polite" for _, attributes in elements)
    assert any(attributes.get("role") == "alert" for _, attributes in elements)


@pytest.mark.parametrize("name", [*ALL_EXPRESSIONS, UNSURE, "mask"])
def test_every_answer_is_drawn(name: str) -> None:
    root = ElementTree.parse(PAGE / "faces" / f"{name}.svg").getroot()
    assert root.get("viewBox") == "0 0 200 200"
    assert (root.findtext("{http://www.w3.org/2000/svg}title") or "").lower().find(name) >= 0


def test_the_page_speaks_this_protocol() -> None:
    connection, session = ((PAGE / f"{name}.js").read_text() for name in ("connection", "session"))
    assert f"const VERSION = {messages.PROTOCOL_VERSION};" in connection
    assert f"MAGIC = 0x{MAGIC:x};" in session and f"HEADER_BYTES = {HEADER.size};" in session


@pytest.mark.parametrize("reason", list(messages.CloseReason))
def test_every_reason_for_closing_is_known_by_its_code(reason: messages.CloseReason) -> None:
    """The words of `closing` may be lost with the connection; the code is then all there is."""
    text = (PAGE / "connection.js").read_text()
    assert f'{messages.CLOSE_CODES[reason]}: "{reason.value}"' in text


def test_every_failure_says_what_to_do() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: apt-get install nodejs")
    code = f'import("{(PAGE / "failures.js").as_uri()}").then((m) => console.log(JSON.stringify(m.FAILURES)))'
    done = subprocess.run([node, "-e", code], capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"this node does not load modules of a browser: {done.stderr[:200]}")
    failures = json.loads(done.stdout)
    thrown = set(re.findall(r'new Failure\("([a-z-]+)"', "".join(path.read_text() for path in SCRIPTS)))
    assert thrown <= set(failures)
    for kind, failure in failures.items():
        assert failure["title"]
        # What the server or the browser says stands in for these two's own words.
        assert failure["todo"] or kind in ("server", "warning")
