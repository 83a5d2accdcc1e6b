"""Can this device do it? From a sweep that it played to itself: response, noise, faults, and the probe to use."""

from mien.device.analyse import analyse_sweep, probe_from_file
from mien.device.faults import PROBLEMS
from mien.device.report import Band, ChannelReport, DeviceReport, Interval, Recommendation

__all__ = [
    "PROBLEMS",
    "Band",
    "ChannelReport",
    "DeviceReport",
    "Interval",
    "Recommendation",
    "analyse_sweep",
    "probe_from_file",
]
