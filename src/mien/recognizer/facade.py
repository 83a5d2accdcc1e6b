"""`Recognizer`."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from mien.datasets.extract import extract, one_thread
from mien.datasets.identity import refuse_unsound_subjects
from mien.datasets.study import Study
from mien.errors import ModelError
from mien.files import make_folder, refuse_unwritable
from mien.labels import NEUTRAL
from mien.learning.loop import SILENT, Run
from mien.learning.methods import METHODS, method_named, options_to_json, with_changes
from mien.learning.model_folder import TrainingFacts
from mien.probe import Probe, probe_to_json
from mien.recognizer.hearing import answers, band_words, clip_alike, fitting, front_end_for, refuse_other_probe
from mien.recognizer.person import (
    calibrated_to,
    calibrated_to_study,
    calibrated_to_windows,
    confident_on_windows,
    takes_in_memory,
)
from mien.recognizer.stored import load_recognizer, save_recognizer
from mien.recognizer.teaching import facts_of_learning, is_labelled, judging_rows, windows_of_rows
from mien.recording import Recording
from mien.sensing.features import Features, FrontEnd
from mien.sensing.front_ends import front_end_to_json
from mien.sensing.neutral import NeutralProfile
from mien.sensing.quality import joined_words

if TYPE_CHECKING:
    from mien.splits import Split


class Recognizer:
    """Recognise expressions in recordings.

    A front end whose `neutral` is "take" (the default of `mien`, `svm` and `linear`) measures against the face at a
    recording's start: without a `neutral_until_s` among its facts, a recording is assumed to begin with 0.15 s of
    neutral face (`NEUTRAL_UNTIL_S`).

    Args:
        method: a name from `METHODS`.
        front_end: what makes features of a recording; None takes the method's own, for tones alone `Doppler`.
        probe: what the recordings were made with; None takes it from the study it is fitted to (else the method's).
        options: the method's options that are to differ from its defaults, by name.
        seed: chance in the learning follows from it.

    Raises:
        ModelError: an unknown method or option, or a value that is not allowed.

    Example:
        >>> Recognizer("facer", options={"width": 8}).front_end.window_s
        0.25
    """

    def __init__(
        self,
        method: str,
        front_end: FrontEnd | None = None,
        probe: Probe | None = None,
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        known = method_named(method)
        self.method = method
        self.probe_is_given, self._front_end_is_given = probe is not None, front_end is not None
        self.probe: Probe = probe or known.probe
        self.front_end = front_end or front_end_for(self.probe, known.hears)
        self.options = with_changes(known.options, options or {})
        self.seed = seed
        self.labels: tuple[str, ...] = ()
        self.training = TrainingFacts()
        self.estimator: Any = None
        self.neutral: NeutralProfile | None = None

    @property
    def adapts(self) -> bool:
        """Whether the method can learn from unlabelled takes."""
        return method_named(self.method).adapts

    @property
    def by_chance(self) -> bool:
        """Whether another seed gives other answers."""
        return method_named(self.method).by_chance

    @property
    def calibrates(self) -> bool:
        """Whether the method can learn one person from few labelled takes."""
        return hasattr(method_named(self.method).estimator, "calibrate")

    @property
    def simulated(self) -> bool:
        """Whether it has learnt from simulated people."""
        return bool(self.training.simulated)

    def fit(
        self,
        study: Study,
        split: "Split | None" = None,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
        n_jobs: int = 1,
        progress: bool = True,
    ) -> Self:
        """Learn from a study's labelled takes.

        Args:
            split: its training and validation takes; None takes all, and holds out whole people for early stopping.
            checkpoints: folder for a checkpoint after every epoch; resume: go on from there.
            n_jobs: processes that make features.

        Raises:
            ProbeMismatch: the study was made with another probe.
            ModelError, StudyError: takes that cannot be learnt from or read, or one subject or sound as two.
            StorageError: checkpoints cannot be written; where no folder can be, before anything is learnt.
        """
        if checkpoints is not None:
            refuse_unwritable(checkpoints)
        if not self.probe_is_given:
            self.probe, self.probe_is_given = study.probe, True
            self.front_end = self.front_end if self._front_end_is_given else front_end_for(self.probe, self.front_end)
        refuse_other_probe(study.probe, self.probe, f"study {study.name!r}")
        refuse_unsound_subjects(study.table, f"study {study.name}")
        labels = study.table["expression"].to_numpy(dtype=object)
        everything = np.flatnonzero(is_labelled(labels))
        train, validation = (everything, everything[:0]) if split is None else (split.train, split.validation)
        features = extract(study, self.front_end, np.union1d(train, validation), n_jobs=n_jobs, progress=progress)
        subjects = study.table["subject"].to_numpy(dtype=object)
        # Made only now: a study that cannot be read leaves no folder behind.
        if checkpoints is not None:
            make_folder(checkpoints)
        self.fit_features(features, labels, subjects, train, validation, run=Run(checkpoints, resume, progress))
        named = {"study": study.name, "digest": study.digest, "simulated": study.is_simulated}
        self.training = self.training.model_copy(update=named)
        if checkpoints is not None:
            with suppress(OSError):  # of a method that keeps none it is empty, and else it stays
                Path(checkpoints).rmdir()
        return self

    def fit_features(
        self,
        features: Features,
        labels: np.ndarray,
        subjects: np.ndarray,
        train_rows: Sequence[int] | np.ndarray,
        validation_rows: Sequence[int] | np.ndarray = (),
        *,
        run: Run = SILENT,
    ) -> Self:
        """Learn from features.

        Args:
            labels, subjects: (row) expression and person of every row of the table; unlabelled rows are not learnt.
            train_rows: what everything is fitted to. validation_rows: what says when to stop, and calibrates.
            run: checkpoints, resuming, progress.

        Raises:
            ModelError: nothing to learn from, or features that are no numbers.
        """
        labels, subjects = np.asarray(labels, dtype=object), np.asarray(subjects, dtype=object)
        known = np.flatnonzero(is_labelled(labels))
        train_rows = np.intersect1d(np.asarray(train_rows, dtype=np.int64), known)
        part = features.of_rows(train_rows)
        if not len(part):
            raise ModelError("no labelled windows to learn from; label takes, or choose other training rows")
        self.labels = tuple(sorted({str(label) for label in labels[part.row]}))
        one_person = len(set(subjects[part.row])) == 1
        groups = np.arange(len(labels)) if one_person else subjects.astype(str)
        rows = np.intersect1d(np.asarray(validation_rows, dtype=np.int64), known)
        validation = windows_of_rows(
            features.of_rows(judging_rows(rows, labels, self.labels)), self.labels, labels, groups
        )
        windows = windows_of_rows(part, self.labels, labels, groups)
        made = method_named(self.method).estimator(self.options, self.seed)
        self.estimator = made.fit(windows.values, windows.labels, windows.groups, validation=validation, run=run)
        self.training = facts_of_learning(part, subjects, self.estimator)
        return self

    def adapt(
        self,
        study: Study,
        rows: Sequence[int] | np.ndarray | None = None,
        *,
        seed: int | None = None,
        n_jobs: int = 1,
        progress: bool = True,
    ) -> "Recognizer":
        """Return a new recognizer adapted to takes of a study, whose labels are not read; this one stays as it is.

        Args:
            rows: which takes; None takes all.

        Raises:
            ModelError: the method cannot adapt. ProbeMismatch: the study was made with another probe.
        """
        refuse_other_probe(study.probe, self.probe, f"study {study.name!r}")
        self._refuse_unable()
        chosen = np.arange(len(study)) if rows is None else np.asarray(rows, dtype=np.int64)
        features = extract(study, self.front_end, chosen, n_jobs=n_jobs, progress=progress)
        adapted = self.adapt_features(features, chosen, seed=seed)
        simulated = None if self.training.simulated is None else self.training.simulated or study.is_simulated
        named = {"adapted_study": study.name, "simulated": simulated}
        adapted.training = adapted.training.model_copy(update=named)
        return adapted

    def adapt_features(
        self, features: Features, rows: Sequence[int] | np.ndarray, *, seed: int | None = None
    ) -> "Recognizer":
        """Return a new recognizer adapted to the windows of `rows`, unlabelled; this one stays as it is.

        Raises:
            ModelError: the method cannot adapt, or there is nothing to adapt to.
        """
        self._refuse_unable()
        part = features.of_rows(rows)
        adapted = copy.copy(self)
        adapted.estimator = self.estimator.adapt(part.images(), seed)
        adapted.training = self.training.model_copy(update={"adapted_windows": len(part)})
        return adapted

    def calibrate(
        self,
        study: Study,
        rows: Sequence[int] | np.ndarray | None = None,
        *,
        n_jobs: int = 1,
        progress: bool = True,
    ) -> "Recognizer":
        """Return a new recognizer calibrated to one person's takes, in seconds; this one stays as it is.

        Takes of expressions that were learnt teach; 1, 2 or 4 of each are meant. What a front end that measures against
        a clip takes for the neutral face is made of the neutral takes and kept with the model, so that `predict_proba`
        needs no clip any more. A model that measures against a take's own beginning and has learnt against clips too
        (`hears_clips`) goes over to them. Other front ends have no use for neutral takes unless neutral was learnt.

        Args:
            rows: which takes; None takes all.

        Raises:
            ModelError: the method cannot be calibrated, takes of several people, unlabelled ones, expressions that
                were not learnt, or no neutral take where one is needed. ProbeMismatch: made with another probe.
        """
        refuse_other_probe(study.probe, self.probe, f"study {study.name!r}")
        self._refuse_uncalibrated()
        chosen = np.arange(len(study)) if rows is None else np.asarray(rows, dtype=np.int64)
        return calibrated_to_study(self, study, chosen, n_jobs, progress)

    def calibrate_recordings(self, takes: Sequence[tuple[str, Recording]]) -> "Recognizer":
        """Do the same with one person's (expression, take) pairs, which need not be of a study.

        Raises:
            ModelError: as `calibrate`. ProbeMismatch, RecordingError, ProbeNotFound: as `predict_proba`, of a take.
        """
        self._refuse_uncalibrated()
        n, probe, front_end = self.training.n_microphones, self.probe, self.front_end
        return calibrated_to(
            self, takes_in_memory([(word, fitting(take, probe, n, front_end)) for word, take in takes])
        )

    @property
    def uses_neutral(self) -> bool:
        """Whether a neutral take changes its answers: one was kept, or neutral is among what it was trained on."""
        return self.neutral is not None or NEUTRAL in self.labels

    def calibrate_features(
        self, features: Features, labels: Sequence[str] | np.ndarray, rows: Sequence[int] | np.ndarray
    ) -> "Recognizer":
        """Return a new recognizer calibrated to the takes `rows` of one person; this one stays as it is.

        Args:
            labels: (row) expression of every row of the table. Neutral takes teach nothing where neutral was not
                learnt; with them alone the estimator stays as it is.

        Raises:
            ModelError: the method cannot be calibrated, no takes, unlabelled ones, or expressions not learnt.
        """
        self._refuse_uncalibrated()
        return calibrated_to_windows(self, features, np.asarray(labels, dtype=object), rows)

    def calibrate_confidence(
        self, features: Features, labels: Sequence[str] | np.ndarray, rows: Sequence[int] | np.ndarray
    ) -> "Recognizer":
        """Return a new recognizer that is as sure as it is right on `rows`, some of them foreign faces, none learnt.

        Its answers stay the same; how sure they are, how much less where a face is foreign, and when they are `unsure`,
        are fitted anew. Args and errors are those of `calibrate_features`; it also refuses a model without foreignness.
        """
        self._refuse_unfitted()
        return confident_on_windows(self, features, np.asarray(labels, dtype=object), rows)

    def _refuse_uncalibrated(self) -> None:
        self._refuse_unfitted()
        if not self.calibrates:
            raise ModelError(f"method {self.method} cannot be calibrated; use another, such as mien")

    def _refuse_unable(self) -> None:
        self._refuse_unfitted()
        if not self.adapts:
            able = [name for name, method in METHODS.items() if method.adapts]
            raise ModelError(f"method {self.method} cannot adapt to unlabelled takes; use {' or '.join(able)}")

    def _refuse_unfitted(self) -> None:
        if self.estimator is None:
            raise ModelError(f"this {self.method} has learnt nothing yet; call fit first")

    def predict_features(self, features: Features) -> pd.DataFrame:
        """Return one row per window: row, start_s, p_<expression> each, and foreignness.

        Raises:
            ModelError: features of another shape than those learnt, or no numbers.
        """
        self._refuse_unfitted()
        probabilities, foreignness = self.estimator.assess(features.images())
        frame = pd.DataFrame(probabilities, columns=[f"p_{label}" for label in self.labels])
        frame.insert(0, "row", features.row)
        frame.insert(1, "start_s", features.start_s)
        return frame.assign(foreignness=foreignness)

    def predict_proba(
        self, recording: Recording, neutral: Recording | None = None, *, channel: int | None = None
    ) -> pd.DataFrame:
        """Return one row per window: time_s, expression, p_<expression> each, confidence, foreignness, quality.

        Args:
            recording: without a probe of its own it is taken to be made with the model's.
            neutral: a clip of the person's neutral face, where the front end asks for one and none was kept.
            channel: of several, for a model of one microphone, from 0; None takes that with the stronger probe.

        Returns:
            time_s is where the window starts; expression is "unsure" where confidence, the calibrated probability of
            the most probable, lies below what held-out people taught, where foreignness (0 is typical of held-out
            people) lies above 99 % of theirs, or where samples were lost or doubled within the window, or the probe was
            silent; quality is what the recording says and what its echoes show.

        Raises:
            ProbeMismatch: it was made with another probe, both named.
            RecordingError: it is shorter than a window, or has another rate or number of channels.
            ProbeNotFound: it holds no trace of the probe.
        """
        self._refuse_unfitted()
        n_microphones = self.training.n_microphones
        heard = fitting(recording, self.probe, n_microphones, self.front_end, channel)
        face = self.neutral if neutral is None else clip_alike(neutral, heard, n_microphones)
        with one_thread():
            features = self.front_end.features(heard, face)
        quality = joined_words(heard.quality, features.quality, band_words(features, self.training.weakest_band_db))
        predicted = self.predict_features(features)
        return answers(predicted, self.labels, self.estimator, quality, features.is_broken)

    def describe(self) -> dict[str, Any]:
        """Return what this recognizer is, as plain JSON values."""
        return {
            "method": self.method,
            "options": options_to_json(self.options),
            "front_end": front_end_to_json(self.front_end),
            "probe": probe_to_json(self.probe),
            "labels": list(self.labels),
            "seed": self.seed,
            "training": self.training.model_dump(mode="json", exclude_none=True),
        }

    def save(self, folder: Path | str, scores: str | None = None) -> Path:
        """Write the model's folder.

        Args:
            scores: what is known of its scores, with protocol, for the model card.

        Raises:
            ModelError: it has learnt nothing yet. StorageError: the disk cannot take it.
        """
        self._refuse_unfitted()
        return save_recognizer(self, Path(folder), scores)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model's folder, or the package's own model as "builtin".

        No code from a folder is run, and nothing outside it is read.

        Raises:
            ModelError: a folder that holds no model, or one that was changed or is of another version.
            ProbeError: its probe cannot be.
        """
        return load_recognizer(cls, folder)
