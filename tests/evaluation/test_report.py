"""The page: whole by itself, honest in its title, complete, and readable without seeing."""

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from fake_study import AdaptiveNearest, Chancy, FakeStudy, Nearest, fake_features, fake_table

from mien.datasets.simulated import simulate_study
from mien.datasets.study import load_study
from mien.errors import StudyError
from mien.evaluation.attention import read_attention
from mien.evaluation.benchmark import evaluate
from mien.evaluation.plan import plain
from mien.evaluation.report import report_from_folder, write_report
from mien.evaluation.report_hearing import hears
from mien.evaluation.report_reading import read
from mien.evaluation.report_words import BANKED, adaptation_words, disjoint_words
from mien.learning.methods import METHODS
from mien.sensing.doppler import Doppler
from mien.sensing.front_ends import RangeProfile, Spectrogram
from mien.simulate.options import SimulationOptions

TABLE = fake_table(5, 4)
FEATURES = fake_features(TABLE, subject_gain=0.5)
TWO = {"adaptive": AdaptiveNearest, "nearest": Nearest}
SECTIONS = (
    "result limits emitted received confusion classes people tests calibration adaptation split floors study again"
).split()


class Page(HTMLParser):
    """What a reader of the source finds: open tags balanced, headings, pictures and their words, links."""

    VOID = {"meta", "img", "br", "link", "input", "path", "use", "rect", "circle", "line", "image", "stop", "polyline"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, words):
        self.words.append(words)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def results_of(protocol="leave-out:subject", origin="simulated", methods=None, table=TABLE, **options):
    study = FakeStudy(table, origin=origin, generator={"level": {"name": "medium"}, "seed": 7})
    methods = methods or {"nearest": Nearest}
    features = dict.fromkeys(methods, options.pop("features", FEATURES))
    return evaluate(study, methods, protocol, n_folds=5, features=features, progress=False, **options)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return write_report(results_of(methods=TWO), None, out).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def title_of(text):
    return re.search(r"<title>(.*?)</title>", text).group(1)


def test_the_page_is_well_formed_and_loads_nothing(source, page):
    assert page.open == [] or page.open == ["html"]
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            assert re.match(r"(#|data:)", attributes.get(name) or "#")
    assert not page.of("script") and not page.of("link")
    assert "@import" not in source and not re.search(r"url\((?!['\"]?(#|data:))", source)


def test_simulated_stands_in_the_title_the_banner_and_every_caption(source, page):
    assert title_of(source).startswith("Simulated")
    assert "No person was recorded" in page.text
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", source)
    assert captions and all("Simulated, level medium; seed 0" in caption for caption in captions)


def test_a_collected_study_is_not_called_simulated(tmp_path):
    text = write_report(results_of(origin="collected"), None, tmp_path).read_text(encoding="utf-8")
    assert "imulated" not in title_of(text) and "No person was recorded" not in text


def test_every_section_is_there_and_linked(source, page):
    anchors = [attributes["id"] for attributes in page.of("section")]
    assert anchors == SECTIONS
    assert [a["href"][1:] for a in page.of("a") if a["href"] != "#result"] == SECTIONS[1:]


def test_pictures_have_words_and_tables_have_heads(source, page):
    pictures = page.of("svg") + page.of("img")
    assert len(pictures) > 8
    assert all(len(attributes.get("aria-label") or attributes.get("alt") or "") > 10 for attributes in pictures)
    scopes = [attributes.get("scope") for attributes in page.of("th")]
    assert scopes and set(scopes) == {"col", "row"}
    assert page.of("html")[0]["lang"] == "en"
    assert page.of("meta")[1]["content"] == "width=device-width, initial-scale=1"


def test_pictures_follow_light_and_dark(source):
    for picture in re.findall(r"<svg.*?</svg>", source, flags=re.DOTALL):
        colours = {colour.lower() for colour in re.findall(r"#[0-9a-f]{6}\b", picture, flags=re.IGNORECASE)}
        assert colours <= {"#ffffff", "#000000"}, colours
    assert "prefers-color-scheme: dark" in source


def test_the_headline_is_the_figure_in_the_table(page):
    results = results_of(methods=TWO)
    row = results.summary().query("method == 'adaptive' and adaptation == 'none' and scored_unit == 'take'").iloc[0]
    said = re.search(r"Given 120 takes of 5 people that it had never heard, adaptive named (\d+) % right", page.text)
    assert said.group(1) == f"{100 * row['balanced_accuracy']:.0f}"
    assert f"{row['balanced_accuracy']:.3f}" in page.text


def test_few_people_and_one_seed_are_said_where_the_figures_are(page, tmp_path):
    assert page.text.count("With only 5 people the interval is too narrow") == 2
    assert "if other people had been drawn" not in page.text
    assert "(one seed: people were dealt to folds in one way)" in page.text
    assert "people were dealt to folds in one way." in page.text
    table = fake_table(8, 1)
    results = evaluate(
        FakeStudy(table),
        {"adaptive": AdaptiveNearest},
        "leave-out:subject",
        n_folds=4,
        seeds=(0, 1),
        features={"adaptive": fake_features(table)},
        progress=False,
    )
    more = Page(write_report(results, None, tmp_path).read_text(encoding="utf-8")).text
    assert "too narrow" not in more and "if other people had been drawn" in more and "dealt to folds" not in more


def poor(seed):
    return Chancy(seed=seed, luck=30.0)


@pytest.fixture(scope="module")
def chancy(tmp_path_factory):
    """Return the page of two methods that differ by their trainings alone and of a poor one, and its results."""
    table = fake_table(8, 2)
    methods = {"chancy": Chancy, "twin": lambda seed: Chancy(seed=seed + 1000), "poor": poor}
    results = results_of(table=table, methods=methods, features=fake_features(table, noise=0.3))
    out = tmp_path_factory.mktemp("chancy")
    return Page(write_report(results, None, out).read_text(encoding="utf-8")).text, results


def test_how_often_was_trained_and_how_far_that_spreads_is_said(chancy):
    text, results = chancy
    deviation = results.summary().query("scored_unit == 'take'").set_index("method")["balanced_accuracy_deviation"]
    spread = ", ".join(f"{name} {100 * deviation[name]:.1f}" for name in ("chancy", "twin", "poor"))
    said = f"Means of 3 trainings of every split, whose standard deviation is, in points: {spread};"
    assert text.count(said) == 2  # beside the scores and above the tests
    assert "if other people and trainings had been drawn" in text
    assert "95 % interval over subjects and trainings" in text and "macro-F1 over subjects and trainings" in text
    assert "another moves such figures" not in text and "chance in training matters" not in text
    assert "--seeds 0 --trainings 3 --adaptations" in text


def test_one_training_is_said_where_the_figures_are(tmp_path):
    results = results_of(methods={"chancy": Chancy, "nearest": Nearest}, n_trainings=1)
    text = Page(write_report(results, None, tmp_path).read_text(encoding="utf-8")).text
    assert "chancy: one training: the interval does not hold the spread over trainings" in text
    assert "How much chance in training matters: one training of every split" in text
    assert "--trainings 1 " in text
    del results.facts["trainings"]  # as of results that are older
    assert "chancy, nearest: one training" in Page(write_report(results, None, tmp_path).read_text("utf-8")).text


def test_the_best_of_the_others_is_judged_by_a_test(chancy, tmp_path):
    text, results = chancy
    table = results.summary().query("scored_unit == 'take'").set_index("method")["balanced_accuracy"]
    assert table["poor"] < table["twin"] != table["chancy"]
    assert re.search(r"best of the other methods is twin with \d+\s% ?: no difference is shown \(", text)
    turned = results_of(
        table=fake_table(8, 2),
        methods={"poor": poor, "nearest": Nearest},
        features=fake_features(fake_table(8, 2), noise=0.3),
    )
    text = Page(write_report(turned, None, tmp_path).read_text(encoding="utf-8")).text
    said = re.search(r"nearest with \d+\s% ?: nearest is ahead \(\+(\d+) to \+(\d+) points against poor\)", text)
    assert 0 < int(said.group(1)) <= int(said.group(2))


def test_a_difference_below_the_spread_of_trainings_is_called_none(chancy):
    text, _ = chancy
    rows = re.findall(r"((?:chancy|twin) − \w+) .{5,80}? (no difference|chancy|twin|poor)\b", text)
    assert dict(rows) == {"chancy − twin": "no difference", "chancy − poor": "chancy", "twin − poor": "twin"}


def test_classes_that_are_never_right_are_said(tmp_path):
    results = results_of(methods={"adaptive": AdaptiveNearest})
    table = results.predictions
    fear = (table["predicted"] == "fear") | (table["truth"] == "fear")
    chosen = (table["adaptation"] == "transductive") & fear
    table.loc[chosen, "predicted"] = "anger"
    anger = (table["adaptation"] == "inductive") & (table["truth"] == "anger")
    table.loc[anger, "predicted"] = "disgust"
    table.loc[(table["adaptation"] == "inductive") & (table["truth"] == "disgust"), "predicted"] = "anger"
    text = Page(write_report(results, None, tmp_path).read_text(encoding="utf-8")).text
    assert "adaptive after transductive adaptation never names fear." in text
    assert "adaptive after inductive adaptation names anger and disgust, but never where that is shown." in text
    assert "adaptive never names" not in text


def test_a_study_called_study_is_named_once(tmp_path):
    results = results_of()
    results.facts["study"]["name"] = "study"
    source = write_report(results, None, tmp_path).read_text(encoding="utf-8")
    assert '<p class="eyebrow">simulated study, level medium' in source


def test_what_adaptation_saw_and_what_the_split_keeps_apart_are_said(page):
    assert "Training and scoring share no person and no take." in page.text
    assert (
        "every take by a model that had not seen it" in page.text
        and "This is the setting of the FacER paper" in page.text
    )
    assert "How well it works on real faces" in page.text


def test_facers_bank_is_said_where_facer_adapted(page):
    assert "the bank that a model keeps" not in page.text
    words = dict(adaptation_words(read(results_of(methods={"facer": AdaptiveNearest}), None)))
    assert "bank" not in words["none"]
    for adaptation in ("inductive", "transductive"):
        assert "facer hears again" in words[adaptation]
        assert "the bank that a model keeps (at most 1,024" in words[adaptation]
    banked = {name: method.options for name, method in METHODS.items() if hasattr(method.options, "bank_windows")}
    assert set(banked) == set(BANKED) and {options.bank_windows for options in banked.values()} == {1024}


def test_mixed_windows_is_marked_in_title_banner_and_limits(tmp_path):
    text = write_report(results_of("mixed-windows"), None, tmp_path).read_text(encoding="utf-8")
    assert "leaking split" in title_of(text)
    assert "Leaks on purpose." in text and "no evidence of recognition" in text
    assert "trained on pieces of the very takes" in text and "nothing known of the takes" not in text
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert captions and all("leaks on purpose" in caption for caption in captions)
    assert "share takes" in text and "never heard" not in title_of(text)


def test_people_who_were_trained_on_are_not_called_unheard(tmp_path):
    text = write_report(results_of("mixed"), None, tmp_path).read_text(encoding="utf-8")
    assert "never heard" not in title_of(text)
    assert "the people who are scored were also trained on" in text and "They share people" in text


def test_takes_of_a_person_are_drawn_over_their_number_and_said_in_words(tmp_path):
    asked = ("none", "inductive-1", "inductive-5", "transductive")
    results = results_of(methods={"adaptive": AdaptiveNearest}, adaptations=asked)
    page = Page(write_report(results, None, tmp_path).read_text(encoding="utf-8"))
    anchors = [attributes["id"] for attributes in page.of("section")]
    assert anchors == [*SECTIONS[:4], "takes", *SECTIONS[4:]]
    assert "adaptive, inductive-1" in page.text and "1 unlabelled take of each scored person" in page.text
    tiles = re.findall(r"after adapting to (\d+) unlabelled takes? of each person", page.text)
    assert set(tiles) == {"5"}  # of each kind the one that knows most
    assert results.facts["plan"]["adaptations"] == list(asked)


def test_too_few_people_for_a_test_is_said(tmp_path):
    table = TABLE[TABLE["subject"] <= "004"].reset_index(drop=True)
    results = results_of("leave-out:place", table=table, methods={"one": Nearest, "two": Nearest})
    text = write_report(results, None, tmp_path).read_text(encoding="utf-8")
    assert "too few to show any difference at 0.05" in text


def test_a_network_narrower_than_the_papers_is_said(tmp_path):
    results = results_of()
    method = next(iter(results.facts["plan"]["methods"].values()))
    method["options"] = {"network": {"shape": {"width": 16}}}
    text = write_report(results, None, tmp_path).read_text(encoding="utf-8")
    assert "the ResNet-18 of nearest has a quarter of the paper's width (16 filters of 64" in unescape(text)
    method["options"] = {"network": {"shape": {"width": 64}}}
    assert "filters of 64" not in write_report(results, None, tmp_path).read_text(encoding="utf-8")


def test_what_each_method_hears_and_where_neutral_comes_from_are_said(tmp_path):
    results = results_of(methods=TWO)
    methods = results.facts["plan"]["methods"]
    methods["adaptive"]["front_end"] = {"kind": "range-profile", "window_s": 1.0, "neutral": "take"}
    methods["nearest"]["front_end"] = {"kind": "spectrogram", "window_s": 0.25, "gate": True}
    source = write_report(results, None, tmp_path).read_text(encoding="utf-8")
    text = Page(source).text
    assert "The methods hear different things" in text and "the first 0.15 s are taken" in text
    assert "the simulator's true onset" in text
    assert source.count('<p class="hears">') == 2 and '<td class="prose">0.25 s spectrograms</td>' in source
    methods["adaptive"]["front_end"] = methods["nearest"]["front_end"]
    alike = Page(write_report(results, None, tmp_path).read_text(encoding="utf-8")).text
    assert "hear different things" not in alike and "neutral reference" not in alike


def test_front_ends_in_words():
    assert hears(plain(Doppler())) == "Doppler shifts over the whole take"
    assert hears(plain(RangeProfile(window_s=0.5))) == "0.5 s range profiles"
    assert hears(plain(Spectrogram(gate=False))) == "0.25 s spectrograms of all distances"
    assert hears(None) == "ready-made features"


def test_names_are_escaped(tmp_path):
    methods = {"<b>mine</b>": Nearest, "other & more": Nearest}
    Page(text := write_report(results_of(methods=methods), None, tmp_path).read_text(encoding="utf-8"))
    assert "<b>mine</b>" not in text and "&lt;b&gt;mine&lt;/b&gt;" in text


def test_the_page_is_made_again_from_its_folder(tmp_path):
    made = write_report(results_of(out=tmp_path), None, tmp_path).read_text(encoding="utf-8")
    again = report_from_folder(tmp_path).read_text(encoding="utf-8")
    assert again == made and "numpy" in made
    with pytest.raises(StudyError, match="no finished evaluation"):
        report_from_folder(tmp_path / "empty")


def test_many_classes_and_one_method_make_a_page(tmp_path):
    table = fake_table(4, 3, expressions=tuple(f"digit {n}" for n in range(10)))
    study, features = FakeStudy(table, origin="imported"), {"nearest": fake_features(table)}
    found = evaluate(study, {"nearest": Nearest}, "leave-out:subject", n_folds=4, features=features, progress=False)
    text = Page(write_report(found, None, tmp_path).read_text(encoding="utf-8")).text
    assert "10 classes told from echoes" in text and "there is nothing to compare" in text


@pytest.mark.parametrize(
    "names, words",
    [
        (("take",), "share no take. They share people"),
        (("subject", "take"), "share no person and no take."),
        (("mask", "subject", "take"), "share no mask, no person and no take."),
        ((), "leaks on purpose"),
    ],
)
def test_what_is_kept_apart_in_words(names, words):
    assert words in disjoint_words(names)


def test_the_sound_of_a_study_is_drawn(tmp_path):
    path = simulate_study(tmp_path / "study", SimulationOptions(n_subjects=3, n_takes=1, n_facets=6000), progress=False)
    study = load_study(path)
    results = evaluate(study, ("linear",), "leave-out:subject", n_folds=3, progress=False, out=tmp_path / "out")
    text = report_from_folder(tmp_path / "out", study).read_text(encoding="utf-8")
    page = Page(text)
    anchors = [attributes["id"] for attributes in page.of("section")]
    assert anchors == [*SECTIONS[:4], "heard", *SECTIONS[4:]]
    assert "removal of the direct path" in page.text and "What linear hears (range-profile)" in page.text
    assert "could not be drawn" not in page.text
    assert "mien simulate STUDY --subjects 3 --level medium --levels-version 2 --takes 1" in page.text
    assert np.isfinite(results.summary()["accuracy"]).all()
    for name in study.table["path"]:
        (study.path / name).unlink()
    assert "could not be drawn" in report_from_folder(tmp_path / "out", study).read_text(encoding="utf-8")


class Attentive(Nearest):
    """Nearest, which says that it attends to the first half of what it hears."""

    def attention_map(self, values):
        return np.repeat(np.array([[[1.0, 0.0]]]), len(values), axis=0)


def test_where_attention_adds_something_is_drawn_by_expression(tmp_path):
    """Of the first training of the first fold alone, from what the evaluation kept beside its results."""
    results_of(methods={"attentive": Attentive, "nearest": Nearest}, out=tmp_path)
    (kept,) = read_attention(tmp_path).values()
    assert len(list((tmp_path / "attention").glob("*.npz"))) == 1
    assert (kept.method, kept.fold, kept.values.shape[1:]) == ("attentive", 0, (1, 2))
    np.testing.assert_allclose(kept.values, np.broadcast_to([[[1.0, 0.0]]], kept.values.shape))
    text = report_from_folder(tmp_path).read_text(encoding="utf-8")
    assert "Where attention adds something" in text and "Attention of attentive by expression" in text
