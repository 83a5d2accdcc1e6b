"""What the documents point at is there, and what they say of the program is so."""

import re
from pathlib import Path

import pytest
import typer.main

from mien import cli, demo

CHECKOUT = Path(__file__).parents[1]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_placeholder_is_left(page):
    assert not re.findall(r"^[A-Z]{4,}(?:-[A-Z]+)*$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_exist(page):
    commands = typer.main.get_command(cli.app).commands
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        shown = re.findall(r"^mien (\S+)", block, flags=re.MULTILINE)
        assert set(shown) <= set(commands)


def test_readme_tells_of_the_demo_as_it_is():
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert f"simulates {demo.PEOPLE} people" in text
    assert all(f"| {method} |" in text for method in demo.FRONT_ENDS)
