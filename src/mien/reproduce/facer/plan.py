"""What is run: the cases of the paper and ours beside them, the methods, and how large each scale is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from mien.errors import StudyError
from mien.evaluation.job import Factory
from mien.learning.methods import METHODS, method_named
from mien.probe import Chirp, Composite, Probe, PureTones
from mien.recognizer import Recognizer
from mien.reproduce.cohort import Ear
from mien.sensing.front_ends import Spectrogram
from mien.simulate.options import SimulationOptions

WIDEST: Probe = Composite((Chirp(), PureTones(tones_hz=(15_000.0,))))
"""Never heard itself: channels kept for it serve a chirp of 19-23 kHz, one of 15-23 kHz, and tones below a chirp."""

ONSET_S = 0.2
"""Quarter-second windows that start earlier show the neutral face with which every simulated take begins: left out."""

TUNES_WITHIN = ("svm", "linear")
"""Methods that choose their settings by folds within, so that they learn from training and inner-validation people."""

ADAPTED = ("none", "inductive", "transductive")
CALIBRATED = "calibrated-2"
"""To two labelled takes of each expression: case 2 has it beside SonicFace's quoted score, which is calibrated too."""

FEW_TAKES = tuple(f"inductive-{n_takes}" for n_takes in (1, 2, 5, 10))


@dataclass(frozen=True, slots=True)
class Case:
    """One question that methods are asked.

    Args:
        name: as the paper numbers it, with a word where we ask more.
        title: what is learnt from and what is scored.
        protocol, n_folds: see `mien.splits.make_splits`; first_folds: how many of the folds are scored, None for all.
        masks: which takes it is about.
        adaptations: see `mien.evaluation.adaptation`.
        methods: None for all.
        hop_s: of the spectrogram, where it is not the scale's.
        personal: whether takes of a new person are adapted and calibrated to, see `Scale.adaptations`.
        n_representations: windows of each side whose representations are kept, for Fig. 9.
    """

    name: str
    title: str
    protocol: str
    n_folds: int = 5
    first_folds: int | None = None
    masks: tuple[str, ...] = ("open",)
    adaptations: tuple[str, ...] = ADAPTED
    methods: tuple[str, ...] | None = None
    hop_s: float | None = None
    personal: bool = False
    n_representations: int = 0

    @property
    def leaks(self) -> bool:
        return self.protocol == "mixed-windows"


def unadapted() -> tuple[str, ...]:
    """Return the methods of cases without adaptation: there the adversarial ones would be `resnet` once more."""
    return tuple(name for name, method in METHODS.items() if name == "facer" or not method.adapts)


CASES = (
    Case(
        "1a",
        "same people, takes mixed (open face): 80 % learnt, 20 % scored",
        "mixed",
        5,
        1,
        adaptations=("none",),
        methods=unadapted(),
    ),
    Case("1a-folds", "the same, ten folds", "mixed", 10, adaptations=("none",), methods=unadapted()),
    Case(
        "1a-windows",
        "LEAKS ON PURPOSE: windows mixed that overlap by more than half, so that pieces of scored windows are learnt",
        "mixed-windows",
        5,
        1,
        adaptations=("none",),
        methods=("facer", "resnet"),
        hop_s=0.1,
    ),
    Case("1b", "same people, one place left out (open face)", "leave-out:place"),
    Case("1c", "same people, takes to two others (open face), all as if of one day: nothing drifts", "last-takes:2"),
    Case(
        "2",
        "16 men to 4 women (open face)",
        "transfer:sex=male:female",
        adaptations=(*ADAPTED, CALIBRATED),
        n_representations=2048,
    ),
    Case(
        "2-people",
        "people left out, men and women alike (open face)",
        "leave-out:subject",
        personal=True,
    ),
    Case("3", "same people, open face to mask", "transfer:mask=open:mask", masks=("open", "mask")),
    Case("4", "same people, mask to open face", "transfer:mask=mask:open", masks=("open", "mask")),
    Case("3-people", "other people, open face to mask", "transfer-disjoint:mask=open:mask", masks=("open", "mask")),
    Case("4-people", "other people, mask to open face", "transfer-disjoint:mask=mask:open", masks=("open", "mask")),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """How large everything is.

    Args:
        level: of the simulation.
        sex_counts: men and women; the paper has 16 and 4.
        n_takes: of each expression per person, with and without a mask each; the paper has 10.
        duration_s: of a take; the paper has about 5 s, the levels are stated for 1 s.
        seeds: each makes its own people, folds and learning.
        spectrogram: what `facer` and the residual networks hear.
        options: method -> options that are not its defaults.
        n_folds: case -> folds, where not the case's own.
        screened: (train, validation, test) people of the ablations.
        training_people: how many of them are learnt from on the curve over people, beside all.
        labelled: takes per expression of a new person that are calibrated to.
        varied: what is varied in the ablations, by the names of `variants.Variant.group`; None for all.
        n_trainings: of every network on every split; the ablations have one.
        words: what a reader must know of how these settings came about.
    """

    name: str
    level: str = "medium"
    sex_counts: tuple[int, int] = (16, 4)
    n_takes: int = 10
    duration_s: float = 1.0
    seeds: tuple[int, ...] = (0, 1, 2)
    spectrogram: Spectrogram = Spectrogram(from_s=ONSET_S)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    n_folds: Mapping[str, int] = field(default_factory=dict)
    screened: tuple[int, int, int] = (12, 3, 5)
    training_people: tuple[int, ...] = (3, 6)
    methods: tuple[str, ...] = tuple(METHODS)
    labelled: tuple[int, ...] = (1, 2)
    varied: tuple[str, ...] | None = None
    n_trainings: int = 3
    words: str = ""

    def simulation(self, seed: int) -> SimulationOptions:
        """Return what is simulated for a seed: every person with and without a mask, and a neutral clip of each."""
        return SimulationOptions(
            n_subjects=sum(self.sex_counts),
            level=self.level,
            n_takes=self.n_takes,
            duration_s=self.duration_s,
            masks=("open", "mask"),
            n_neutral_takes=1,
            n_microphones=2,
            probe=WIDEST,
            sex_counts=self.sex_counts,
            seed=seed,
        )

    def ear(self, method: str, case: Case | None = None) -> Ear:
        """Return what a method hears: its own front end, or this scale's spectrogram, with the hop of a case."""
        known = method_named(method)
        if not isinstance(known.hears, Spectrogram):
            return Ear(known.hears, known.probe)
        hop_s = None if case is None else case.hop_s
        return Ear(self.spectrogram if hop_s is None else replace(self.spectrogram, hop_s=hop_s), known.probe)

    def factory(self, method: str, case: Case | None = None) -> Factory:
        """Return what makes a fresh recognizer of a seed."""
        return factory_of(method, self.ear(method, case), self.options.get(method, {}))

    def named(self, case: Case) -> tuple[str, ...]:
        """Return the methods of a case."""
        return tuple(name for name in self.methods if case.methods is None or name in case.methods)

    def adaptations(self, case: Case) -> tuple[str, ...]:
        """Return the adaptations of a case."""
        calibrated = tuple(f"calibrated-{n_takes}" for n_takes in self.labelled)
        return (*case.adaptations, *FEW_TAKES, *calibrated) if case.personal else case.adaptations


def factory_of(method: str, ear: Ear, changes: Mapping[str, Any]) -> Factory:
    """Return what makes a fresh recognizer of a seed."""
    return partial(Recognizer, method, ear.front_end, ear.probe, changes)


ADAM = {"optimizer": "adamw", "schedule": "cosine", "weight_decay": 1e-3, "width": 8}

RATES = {"facer": 3e-3, "resnet": 1e-2, "xhar": 1e-2, "dann": 1e-2, "sonicface": 1e-3, "mien": 1e-2}
"""Learning rates, each the best of `experiments/reproduce_facer/tune.py`'s three, the highest of those that tie."""

ADAPTING_RATES = {"facer": 5e-4, "xhar": 5e-4, "dann": 2e-3}
"""The same of adaptation."""

_TUNED = (
    "Every network was tuned by the same three learning rates on 20 other simulated people (seed 1000, one split), "
    "adaptation by three more; xhar and dann learn as resnet does. svm and linear tune themselves within every fold. "
    "Passes were chosen for about the same time of one core each, and came out as told below. The optimiser is AdamW; "
    "the paper has SGD, for which the passes are too few. "
)


def narrow_options(passes: Mapping[str, int], bank_windows: int) -> dict[str, dict[str, Any]]:
    """Return the options of the networks at an eighth of the paper's width, as tuned.

    Args:
        passes: method -> epochs.
        bank_windows: what adaptation keeps of the windows learnt from.
    """
    adapting = {"adaptation_epochs": 2, "bank_windows": bank_windows}
    found: dict[str, dict[str, Any]] = {}
    for method, epochs in passes.items():
        residual = method not in ("sonicface", "mien")
        found[method] = {**(ADAM if residual else {}), "learning_rate": RATES[method], "epochs": epochs}
        if method in ADAPTING_RATES:
            found[method] |= {**adapting, "adaptation_learning_rate": ADAPTING_RATES[method]}
    return found


SMALL = Scale(
    "small",
    n_takes=4,
    seeds=(0,),
    spectrogram=Spectrogram(hop_s=0.25, from_s=ONSET_S),
    options=narrow_options({"facer": 6, "resnet": 7, "xhar": 7, "dann": 7, "sonicface": 40, "mien": 30}, 512),
    n_folds={"2-people": 4},
    n_trainings=1,
    words=_TUNED + "That was done at the bench's size, not at this one.",
)
"""A quarter of an hour of one core: few takes, an eighth of the paper's width, few epochs."""

BENCH = Scale(
    "bench",
    spectrogram=Spectrogram(hop_s=0.25, from_s=ONSET_S),
    options=narrow_options({"facer": 8, "resnet": 9, "xhar": 9, "dann": 9, "sonicface": 40, "mien": 30}, 1024),
    n_folds={"3-people": 2, "4-people": 2},
    labelled=(1, 2, 4),
    varied=("attention", "contrastive loss of Eq. 9", "neutral reference", "window", "microphones", "band"),
    words=_TUNED,
)
"""The paper's 20 people and 10 takes, of 1 s, three seeds: an hour of two cores. Of the ablations those that mattered
at the small scale, which has all."""

PAPER_SCALE = Scale(
    "paper",
    duration_s=5.0,
    spectrogram=Spectrogram(hop_s=0.55, from_s=ONSET_S),
    options={"resnet": {"width": 64}}
    | {name: {"width": 64, "bank_windows": 65_536} for name in ("facer", "xhar", "dann")},
    n_folds={"2-people": 20},
    screened=(12, 3, 5),
    labelled=(1, 2, 4),
    words="Every method stands at its defaults, the residual networks at the paper's width, with every labelled window "
    "kept to adapt with; nothing was tuned here. The defaults are not alike: those of facer, resnet, xhar and dann are "
    "the paper's SGD from a rate of 0.1; those of mien and sonicface (AdamW, a cosine of the rate) were chosen by us, "
    "mien's on other simulated people, which favours it.",
)
"""20 people, 10 takes of 5 s with and without a mask, about the paper's 20,535 windows: days of a CPU, so for a GPU."""

SCALES = {scale.name: scale for scale in (SMALL, BENCH, PAPER_SCALE)}


def scale_named(name: str) -> Scale:
    """Return a scale.

    Raises:
        StudyError: an unknown name.
    """
    if name not in SCALES:
        raise StudyError(f"scale {name!r} is unknown; known are {', '.join(SCALES)}")
    return SCALES[name]
