"""Whatever bytes come, a parser answers with a value or with a stated error, and the server goes on."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mien.errors import MessageError
from mien.serving import messages as said
from mien.serving.audio_frames import HEADER, LARGEST_SAMPLE, MAGIC, FrameOrder, pack_frame, parse_frame
from mien.serving.limits import Limits

THOROUGH = settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))

CLIENT_KINDS = [kind for kind in said.ClientMessage.__args__[0].__args__]
SERVER_KINDS = [kind for kind in said.ServerMessage.__args__[0].__args__]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))
audio = st.fixed_dictionaries(
    {"rate_hz": st.integers(0, 10**6) | values},
    optional={"echo_cancellation": values, "noise_suppression": values, "gain_control": values, "device": values},
)


@st.composite
def nearly_messages(draw, kinds):
    """A message of a kind with its fields there, missing, wrong, or too many."""
    kind = draw(st.sampled_from(kinds))
    message = {"type": kind.model_fields["type"].default}
    for name in kind.model_fields:
        if name != "type" and draw(st.booleans() | st.just(True)):
            message[name] = draw(audio if name == "audio" else values | st.integers(0, 5) | st.just(True))
    if draw(st.booleans()):
        message[draw(st.text(max_size=8))] = draw(values)
    return json.dumps(message)


frames = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda sequence, captured_s, samples: HEADER.pack(MAGIC, sequence, captured_s) + samples,
        st.integers(0, 2**32 - 1),
        st.floats(),
        st.binary(max_size=64),
    ),
)


def check_client_text(text):
    try:
        message = said.parse_client(text)
    except MessageError as problem:
        assert len(str(problem)) < 1_000 and "\n" not in str(problem)
        return
    assert said.parse_client(message.model_dump_json()) == message


def check_server_text(text):
    try:
        said.parse_server(text)
    except MessageError:
        pass


def check_frame(content):
    try:
        frame = parse_frame(content)
    except MessageError as problem:
        assert len(str(problem)) < 300
        return
    assert np.isfinite(frame.samples).all() and np.abs(frame.samples).max() <= LARGEST_SAMPLE
    assert pack_frame(frame.sequence, frame.captured_s, frame.samples) == content


def check_order(steps):
    order, last = FrameOrder(), None
    for sequence, captured_s, n_samples in steps:
        frame = parse_frame(pack_frame(sequence, captured_s, np.zeros(n_samples)))
        try:
            checked = order.checked(frame)
        except MessageError:
            return
        assert checked.n_lost >= 0 and (checked.dropped or not checked.n_lost)
        assert last is None or captured_s >= last
        last = captured_s


steps = st.lists(
    st.tuples(st.integers(0, 2**32 - 1) | st.integers(0, 5), st.floats(0, 1e6), st.integers(1, 8)), max_size=8
)
CHECKS = {
    "any text": (check_client_text, st.text(max_size=300)),
    "any json": (check_client_text, values.map(json.dumps)),
    "nearly a client's message": (check_client_text, nearly_messages(CLIENT_KINDS)),
    "nearly a server's message": (check_server_text, nearly_messages(SERVER_KINDS)),
    "sound": (check_frame, frames),
    "order": (check_order, steps),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_thousand_bad_inputs_of_each_kind(name):
    check, inputs = CHECKS[name]
    THOROUGH(given(inputs)(check))()


@pytest.mark.parametrize("kind", CLIENT_KINDS + SERVER_KINDS, ids=lambda kind: kind.__name__)
def test_every_message_goes_through_json_and_back(kind):
    """A message made of its schema's simplest values is read back as itself."""
    made = kind.model_validate_json(json.dumps(_simplest(TypeAdapter(kind).json_schema())))
    read = said.parse_client if kind in CLIENT_KINDS else said.parse_server
    assert read(made.model_dump_json()) == made


def _simplest(schema, whole=None):
    whole = whole or schema
    if "$ref" in schema:
        return _simplest(whole["$defs"][schema["$ref"].split("/")[-1]], whole)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _simplest(schema["anyOf"][0], whole)
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        return {name: _simplest(each, whole) for name, each in properties.items()}
    low = schema.get("minimum", 1)
    return {"string": "a1", "integer": low, "number": low, "boolean": True, "array": [], "null": None}[schema["type"]]


def check_app(port, sent):
    """Send whatever comes to a server; it must answer the next one who asks."""
    from real_server import connected
    from websockets.exceptions import ConnectionClosed

    with connected(port) as client:
        client.hello()
        try:
            for each in sent:
                client.connection.send(each)
        except ConnectionClosed:
            pass
    with connected(port) as client:
        assert client.hello().type == "welcome"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    pytest.importorskip("uvicorn", reason="pip install mien[live]")
    from real_server import running
    from serving_fakes import settings as served

    # However many come from this address.
    many = Limits(connects_burst=1e6, reads_burst=1e6)
    with running(served(tmp_path_factory.mktemp("served"), limits=many)) as port:
        yield port


sent = st.lists(frames | nearly_messages(CLIENT_KINDS) | st.text(max_size=40), min_size=1, max_size=6)


def test_the_server_outlives_bad_clients(port):
    settings(THOROUGH, max_examples=30)(given(sent)(lambda sent: check_app(port, sent)))()


@pytest.mark.slow
def test_the_server_outlives_a_thousand_bad_clients(port):
    THOROUGH(given(sent)(lambda sent: check_app(port, sent)))()
