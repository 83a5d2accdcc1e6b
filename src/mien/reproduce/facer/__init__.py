"""FacER: every case, baseline, table and figure of the paper beside ours, on simulated people.

G. Wang, Q. Yan, S. Patrarungrong, J. Wang, H. Zeng, FacER: Contrastive attention based expression recognition via
smartphone earpiece speaker, IEEE INFOCOM 2023.
"""

from mien.reproduce.facer.reproduce import Reproduction, reproduce_facer

__all__ = ["Reproduction", "reproduce_facer"]
