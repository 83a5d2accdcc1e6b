"""Can this device do it? From a sweep that it played to itself: response, noise, faults, and the probe to use."""

from mien.device.adaptive import LIVE_PROBLEMS
from mien.device.analyse import analyse_sweep, probe_from_file
from mien.device.faults import PROBLEMS
from mien.device.live import analyse_check
from mien.device.live_report import Check, LiveReport
from mien.device.report import Band, ChannelReport, DeviceReport, Interval, Recommendation

__all__ = [
    "LIVE_PROBLEMS",
    "PROBLEMS",
    "Band",
    "ChannelReport",
    "Check",
    "DeviceReport",
    "Interval",
    "LiveReport",
    "Recommendation",
    "analyse_check",
    "analyse_sweep",
    "probe_from_file",
]
