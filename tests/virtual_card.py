"""A virtual sound card for tests: a PulseAudio server of their own, whose loudspeaker is heard by its microphone.

Programs play into the null sink `speaker` (the default) and record from `mic` (the default), a remapped monitor of the
null sink `air`, because browsers hide monitors. `air.Air` reads `speaker.monitor` and writes to `air`: what it makes of
it is what the microphone hears. While `joined`, the default is `cable` instead, a remapped monitor of `speaker`.

Needs Debian's pulseaudio, pulseaudio-utils, libportaudio2 and libasound2-plugins; tests skip, and say why, without.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

RATE_HZ = 48_000
STARTS_S = 30.0
NEEDED = ("pulseaudio", "pactl", "parec", "pacat")
_FORMAT = f"rate={RATE_HZ} format=float32le"


class VirtualCard:
    """A running server.

    Args:
        folder: its runtime folder and home.
        environment: what a program needs to find it, e.g. a browser.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "PULSE_SERVER": f"unix:{folder}/native",
        }

    def control(self, *words: str) -> str:
        """Run pactl, and return what it prints."""
        done = subprocess.run(
            ["pactl", *words], env=self.environment, capture_output=True, text=True, timeout=STARTS_S, check=True
        )
        return done.stdout.strip()

    @contextmanager
    def module(self, name: str, *options: str) -> Iterator[str]:
        """Load one of PulseAudio's modules for a while."""
        number = self.control("load-module", name, *options)
        try:
            yield number
        finally:
            self.control("unload-module", number)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Lead what is played on the left into the microphone as by a cable, sample for sample."""
        self.control("set-default-source", "cable")
        try:
            yield
        finally:
            self.control("set-default-source", "mic")

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        """Let sounddevice, in this process, find this card and no other."""
        import sounddevice

        kept = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        sounddevice._terminate()
        sounddevice._initialize()
        try:
            yield
        finally:
            sounddevice._terminate()
            for name, value in kept.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
            sounddevice._initialize()


def start_card(folder: Path) -> tuple[VirtualCard, subprocess.Popen]:
    """Start a server in a folder.

    Raises:
        OSError: it does not start; says what is missing, or what it printed.
    """
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        raise OSError(
            f"no virtual sound card: {', '.join(missing)} not installed (Debian: pulseaudio pulseaudio-utils)"
        )
    card = VirtualCard(folder)
    script = folder / "card.pa"
    script.write_text(
        f"load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/native\n"
        f"load-module module-null-sink sink_name=speaker {_FORMAT} channels=2\n"
        f"load-module module-null-sink sink_name=air {_FORMAT} channels=1 channel_map=mono\n"
        f"load-module module-remap-source master=air.monitor source_name=mic {_FORMAT} channels=1 "
        "master_channel_map=mono channel_map=mono\n"
        f"load-module module-remap-source master=speaker.monitor source_name=cable {_FORMAT} channels=1 "
        "master_channel_map=front-left channel_map=mono\n"
        "set-default-sink speaker\nset-default-source mic\n"
    )
    (folder / "daemon.conf").write_text(
        f"default-sample-rate = {RATE_HZ}\nalternate-sample-rate = {RATE_HZ}\ndefault-sample-format = float32le\n"
        "resample-method = soxr-hq\nflat-volumes = no\n"
    )
    log = (folder / "log.txt").open("w")
    server = subprocess.Popen(
        ["pulseaudio", "-n", "-F", str(script), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
         "--disable-shm=yes", "--realtime=no", "--high-priority=no"],
        env=card.environment | {"PULSE_CONFIG": str(folder / "daemon.conf")}, stdout=log, stderr=log,
    )  # fmt: skip
    log.close()
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until and server.poll() is None:
        try:
            if "cable" in card.control("list", "short", "sources"):
                return card, server
        except subprocess.SubprocessError:
            time.sleep(0.1)
    stop(server)
    said = " / ".join((folder / "log.txt").read_text().splitlines()[-3:])
    raise OSError(f"no virtual sound card: pulseaudio did not start ({said})")


def stop(process: subprocess.Popen) -> None:
    """End a process that we started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def skip_without_portaudio() -> None:
    """Skip where sounddevice, PortAudio or ALSA's way to PulseAudio is missing."""
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no virtual sound card: {error} (Debian: libportaudio2; pip: sounddevice)")


def skip_if_busy(why):
    """Skip where a busy machine explains that sound was lost in each of six tries; elsewhere it is a fault."""
    load, n_cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > n_cores:
        pytest.skip(f"sound was torn, on {n_cores} cores with a load of {load:.0f}: {why}")


@pytest.fixture(scope="session")
def pulse_server() -> Iterator[VirtualCard]:
    """A PulseAudio server for other programs, such as a browser; skipped where it cannot start."""
    # Sockets' names may not be long, which pytest's own folders are.
    with tempfile.TemporaryDirectory(prefix="mien-card-") as folder:
        try:
            card, server = start_card(Path(folder))
        except OSError as error:
            pytest.skip(str(error))
        try:
            yield card
        finally:
            stop(server)


@pytest.fixture
def virtual_card(pulse_server: VirtualCard) -> Iterator[VirtualCard]:
    """The server, seen by sounddevice in this process: device `pulse`."""
    skip_without_portaudio()
    with pulse_server.in_this_process():
        import sounddevice

        if not any("pulse" in str(device["name"]) for device in sounddevice.query_devices()):
            pytest.skip("no virtual sound card: ALSA has no device `pulse` (Debian: libasound2-plugins)")
        yield pulse_server
