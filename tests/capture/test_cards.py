"""Which sound card a part of a name means."""

import builtins

import pytest

from mien.capture import Card, choose_cards
from mien.capture.cards import list_cards
from mien.errors import DeviceError

MAC = (
    Card(0, "MacBook Pro Microphone", "Core Audio", 1, 0, is_default_input=True),
    Card(1, "MacBook Pro Speakers", "Core Audio", 0, 2, is_default_output=True),
    Card(2, "AirPods Pro", "Core Audio", 1, 0),
    Card(3, "AirPods Pro", "Core Audio", 0, 2),
    Card(4, "USB Audio Device", "Core Audio", 1, 2),
    Card(5, "USB Audio Device 2", "Core Audio", 1, 2),
    Card(6, "Line In/Out", "Core Audio", 2, 2),
)


@pytest.mark.parametrize(
    ("named", "microphone", "loudspeaker"),
    [
        (None, 0, 1),
        ("macbook", 0, 1),
        ("AIRPODS", 2, 3),
        ("usb audio device", 4, 4),
        ("device 2", 5, 5),
        ("4", 4, 4),
        ("line in/out", 6, 6),
        ("usb audio device/speakers", 4, 1),
        ("microphone", 0, 1),
        ("2/1", 2, 1),
    ],
)
def test_a_part_of_a_name_is_enough(named, microphone, loudspeaker):
    pair = choose_cards(named, MAC)
    assert (pair.microphone.index, pair.loudspeaker.index) == (microphone, loudspeaker)


def test_candidates_are_listed_when_several_fit():
    with pytest.raises(DeviceError, match=r"2 fit 'usb': 4: USB Audio Device .*5: USB Audio Device 2"):
        choose_cards("usb", MAC)
    with pytest.raises(DeviceError, match="2 fit 'pro'"):
        choose_cards("airpods/pro", MAC)


@pytest.mark.parametrize("named", ["nothing like it", "99", "", "airpods/none"])
def test_what_there_is_is_listed_when_none_fits(named):
    with pytest.raises(DeviceError, match="MacBook|fit"):
        choose_cards(named, MAC)


def test_a_machine_without_sound_says_so():
    with pytest.raises(DeviceError, match="no microphone"):
        choose_cards(None, ())
    with pytest.raises(DeviceError, match="no loudspeaker"):
        choose_cards(None, MAC[:1])
    with pytest.raises(DeviceError, match="no default microphone; choose one with --device"):
        choose_cards(None, (MAC[4], MAC[5]))


@pytest.mark.parametrize(
    ("raised", "words"),
    [(ImportError("no"), r"pip install 'mien\[live\]'"), (OSError("PortAudio library not found"), "libportaudio2")],
)
def test_what_is_not_installed_is_named(monkeypatch, raised, words):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "sounddevice":
            raise raised
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DeviceError, match=words):
        list_cards()
