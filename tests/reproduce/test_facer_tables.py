"""The tables of FacER's reproduction, from predictions that are known."""

from dataclasses import fields

import pandas as pd
import pytest

from mien.evaluation.statistics import holm
from mien.reproduce.facer.page import why
from mien.reproduce.facer.paper import PAPER, Stated
from mien.reproduce.facer.plan import SMALL
from mien.reproduce.facer.run import Found, joined
from mien.reproduce.facer.tables import (
    ablations,
    as_text,
    beside_the_paper,
    by_class,
    classes_in_full,
    estimates,
    every_method,
    paired,
    processor_time,
    stated_and_ours,
    summary,
)
from mien.reproduce.facer.variants import variants

CLASSES = ("fear", "happiness")


def predictions(method: str, adaptation: str, n_right: int, n_people: int = 4, unit: str = "take") -> pd.DataFrame:
    """Return ten predictions a person, `n_right` of them right."""
    rows = []
    for person in range(n_people):
        for number in range(10):
            truth = CLASSES[number % 2]
            named = truth if number < n_right else CLASSES[1 - number % 2]
            rows.append(
                {"method": method, "protocol": "p", "fold": person % 2, "subject": str(person), "seed": 0}
                | {"adaptation": adaptation, "scored_unit": unit, "row": 10 * person + number, "n_windows": 1}
                | {"truth": truth, "predicted": named}
                | {f"p_{name}": 0.8 if name == named else 0.2 for name in CLASSES}
            )
    return pd.DataFrame(rows)


def found_of(**cases: list[pd.DataFrame]) -> Found:
    joint = pd.concat([pd.concat(parts).assign(case=name) for name, parts in cases.items()], ignore_index=True)
    times = pd.DataFrame(
        [
            {"case": "2", "method": "facer", "part": part, "cpu_s": cpu_s, "n_weights": 123.0}
            for part, cpu_s in (("fit", 2.0), ("fit", 4.0), ("inductive", 1.0), ("none", 0.5))
        ]
        + [{"case": "ablation x", "method": "facer | a | b", "part": "fit", "cpu_s": 9.0, "n_weights": 5.0}]
    )
    return Found(joint, pd.DataFrame(), times, {}, {})


FOUND = found_of(
    **{
        "2": [
            predictions("facer", "none", 5),
            predictions("facer", "transductive", 6),
            predictions("facer", "transductive", 4, unit="window"),
            predictions("mien", "none", 9),
        ],
        "2-people": [
            predictions("facer", "none", 5),
            predictions("facer", "inductive", 7),
            predictions("mien", "none", 9),
        ],
    }
)


def test_scores_are_what_was_right():
    scores = summary(FOUND).set_index(["case", "method", "adaptation", "scored_unit"])
    assert scores.loc[("2", "facer", "transductive", "window"), "accuracy"] == pytest.approx(0.4)
    row = scores.loc[("2", "mien", "none", "take")]
    assert row["accuracy"] == row["accuracy_low"] == row["accuracy_high"] == pytest.approx(0.9)
    assert row["n_subjects"] == 4 and row["n_scored"] == 40 and row["accuracy_folds"] == pytest.approx(0)


def test_the_papers_values_stand_beside_ours():
    table = beside_the_paper(summary(FOUND)).set_index("case")
    assert table.loc["2", "paper"] == "85.0 %, F1 85.2 %" and table.loc["1a", "paper"] == "each class > 91.0 %"
    assert table.loc["2", "facer, windows"] == pytest.approx(0.4)
    assert table.loc["2", "facer, takes"] == pytest.approx(0.6) and table.loc["2", "mien, takes"] == pytest.approx(0.9)
    assert pd.isna(table.loc["3", "facer, takes"]) and table.loc["2-people", "paper"] == ""


def test_every_method_has_a_row_and_every_case_a_column():
    table = every_method(summary(FOUND)).set_index(["method", "adaptation"])
    assert list(table.columns) == ["2", "2-people"]
    assert list(table.index) == [("facer", how) for how in ("none", "inductive", "transductive")] + [("mien", "none")]
    assert table.loc[("facer", "none")].tolist() == pytest.approx([0.5, 0.5])


def test_paired_tests_are_over_people():
    table = paired(FOUND, "2-people", ("mien", "facer, inductive")).set_index(["first", "second"])
    row = table.loc[("mien", "facer")]
    assert row["difference"] == pytest.approx(0.4) and row["n_subjects"] == 4 and row["p"] == pytest.approx(0.125)
    assert ("facer, inductive", "facer") in table.index and ("facer, inductive", "mien") not in table.index


def test_p_values_are_corrected_over_the_whole_table_each_pair_once():
    table = paired(FOUND, "2-people", ("mien", "facer", "facer, inductive"))
    pairs = {frozenset((row.first, row.second)) for row in table.itertuples()}
    assert len(pairs) == len(table) == 3
    assert (table["p_holm"] == holm(table["p"])).all() and table["p_holm"].tolist() == pytest.approx([0.375] * 3)


def test_every_class_has_its_scores_and_every_stated_value_its_row():
    classes = by_class(FOUND)
    here = classes_in_full(classes, "2")
    row = here[(here["method"] == "facer") & (here["class"] == "fear")].iloc[0]
    # Of ten, numbers 0 to 3 are right: two of five of each class.
    assert (row["recall"], row["precision"], row["n"]) == (pytest.approx(0.4), pytest.approx(0.4), 20)
    table = stated_and_ours(summary(FOUND), classes).set_index(["case", "method", "score"])
    assert table.loc[("2", "facer", "accuracy"), "ours"] == pytest.approx(0.4)
    assert table.loc[("2", "facer", "accuracy of surprise"), "paper"] == 0.905
    assert table.loc[("1a-folds", "facer", "standard deviation over folds"), "paper"] == 0.004
    assert ("1c", "facer", "least average precision of a class") in table.index
    assert table.loc[("1b", "xhar", "standard deviation over folds"), "paper"] == 0.016
    assert table.loc[("1a", "facer", "least accuracy of a class"), "paper"] == 0.91
    assert "calibrated to the user" in table.loc[("2", "sonicface", "accuracy"), "stated in"]
    numbers = [field for field in fields(Stated) if field.default is None]
    n_values = sum(
        sum(getattr(stated, field.name) is not None for field in numbers) + len(stated.per_class)
        for stated in PAPER.values()
    )
    assert len(table) == n_values and table["paper"].notna().all()


def test_processor_time_is_that_of_the_cases():
    row = processor_time(FOUND).iloc[0]
    assert (row["weights"], row["fits"], row["s per fit"], row["s in all"]) == (123, 2, 3.0, 7.5)


def test_margins_of_ablations_are_against_the_usual():
    chosen = [each for each in variants(SMALL) if each.method == "svm" and each.protocol == "subjects:12/3/5"][:2]
    parts = [predictions(each.title, "none", 5 + 2 * number) for number, each in enumerate(chosen)]
    found = found_of(**{f"ablation {chosen[0].protocol}": parts})
    table = ablations(found, summary(found), chosen)
    assert table["margin"].tolist() == pytest.approx([0, 0.2]) and table["transductive"].isna().all()


def test_margins_of_what_acts_in_adaptation_are_taken_after_adapting():
    screens = [each for each in variants(SMALL) if each.method == "facer" and each.ear == SMALL.ear("facer")]
    usual = next(each for each in screens if each.usual)
    late = [each for each in screens if each.in_adaptation]
    assert {each.group for each in late} == {"contrastive loss of Eq. 9", "pseudo-labels"} and len(late) == 3
    chosen = [usual, late[0]]
    parts = [predictions(each.title, "none", 5) for each in chosen]
    parts += [predictions(each.title, "transductive", n) for each, n in zip(chosen, (8, 6), strict=True)]
    found = found_of(**{f"ablation {usual.protocol}": parts})
    row = ablations(found, summary(found), chosen).iloc[1]
    assert row["margin"] == pytest.approx(-0.2) and row["low"] == row["high"] == pytest.approx(0.6)
    assert row["as trained"] == pytest.approx(0.5) and row["judged"] == "transductive"


def test_people_of_different_seeds_are_different_people(tmp_path):
    class Made:
        predictions = pd.DataFrame({"subject": ["001"]})
        results = timings = predictions
        facts: dict = {}

    both = joined([("2", 0, tmp_path, Made()), ("2", 1, tmp_path, Made())], one_seed=False)
    assert both.predictions["subject"].tolist() == ["0-001", "1-001"]
    assert joined([("2", 0, tmp_path, Made())], one_seed=True).predictions["subject"].tolist() == ["001"]


def test_estimates_and_text_leave_out_what_was_not_measured():
    assert set(estimates(FOUND, "2")) == {("facer", "none"), ("facer", "transductive"), ("mien", "none")}
    lines = list(as_text(beside_the_paper(summary(FOUND))))
    assert "85.0 %, F1 85.2 %" in "\n".join(lines) and "nan" not in "\n".join(lines)


def test_the_page_says_how_large_the_run_was():
    words = " ".join(why(SMALL, "dann is left out."))
    assert "960 takes of 1 s" in words and "2,880 windows" in words and "width 8" in words
    assert words.endswith("dann is left out.")
