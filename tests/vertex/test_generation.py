"""Google's own client of generative models against the local cloud, as its documentation writes it.

A scripted generator answers, so that what is tested is the server. The model itself answers in the last test.
"""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from mlelab import vertex
from mlelab.llm.serve import SmolLM2
from mlelab.vertex import environment
from mlelab.vertex.compute.generator import Candidate, Settings, Step

MODEL = "gemini-3.5-flash"
ANSWER = "Paris is the capital of France ."


class Scripted:
    """Says ANSWER, or the JSON of a schema, or what the last message quotes; its tokens are words."""

    name, context = "scripted", 100

    def __init__(self) -> None:
        self.seen: list[tuple[Sequence, Settings]] = []
        self.gate: threading.Event | None = None
        self._words: list[str] = []
        self._lock = threading.Lock()

    def tokens(self, text: str) -> list[tuple[int, bytes]]:
        with self._lock:
            words = text.split()
            self._words += [word for word in words if word not in self._words]
            return [(self._words.index(word), word.encode()) for word in words]

    def prompt(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        self.messages = list(messages)
        return [token for role, text in messages for token, _ in self.tokens(f"{role}: {text}")]

    def generate(self, prompt: Sequence[int], settings: Settings) -> Iterator[Step]:
        self.seen.append((prompt, settings))
        text = ANSWER
        if settings.schema is not None:
            if "pattern" in settings.schema:
                raise ValueError("pattern is not supported")
            text = '{"city": "Paris", "people": 2}' if settings.schema.get("type") == "object" else '["Paris"]'
        if (last := self._words[prompt[-1]]).startswith("say-"):
            text = last[4:]
        for number, (token, data) in enumerate(self.tokens(text)):
            best = [Candidate(token, data.decode(), -0.1), Candidate(999, "other", -2.5)][: settings.logprobs]
            yield Step((" " if number else "") + data.decode(), Candidate(token, data.decode(), -0.1), best)
            if self.gate:
                assert self.gate.wait(20)


@pytest.fixture(scope="module")
def scripted() -> Iterator[Scripted]:
    generator = Scripted()
    with vertex.local(generator=lambda: generator):
        yield generator


@pytest.fixture
def client(scripted: Scripted) -> genai.Client:
    scripted.seen.clear()
    return genai.Client(vertexai=True, location="us-central1")


def ask(client: genai.Client, contents="What is the capital of France?", **config):
    return client.models.generate_content(
        model=MODEL, contents=contents, config=types.GenerateContentConfig(**config) if config else None
    )


def test_a_question(client):
    answer = ask(client)
    assert answer.text == ANSWER
    assert answer.model_version == "scripted (local stand-in)"
    assert answer.candidates[0].finish_reason == "STOP" and answer.candidates[0].content.role == "model"
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (7, 7, 14)
    assert answer.response_id and answer.create_time


@pytest.mark.parametrize("where", [{"location": "global"}, {"location": "europe-west4"}, {"location": "us"}, {}])
def test_any_place_and_both_names_of_the_product(scripted, where):
    assert ask(genai.Client(vertexai=True, **where)).text == ANSWER
    assert ask(genai.Client(enterprise=True, **where)).text == ANSWER


def test_contents_in_every_spelling(client, scripted):
    part = types.Part.from_text(text="Hello")
    for contents in ("Hello", ["Hello"], part, [part], types.Content(role="user", parts=[part]),
                     types.UserContent("Hello"), {"role": "user", "parts": [{"text": "Hello"}]}):  # fmt: skip
        assert ask(client, contents).text == ANSWER
        assert scripted.messages == [("user", "Hello")]


def test_several_turns(client, scripted):
    turns = [types.UserContent("Hello"), types.ModelContent("Hello!"), types.UserContent("And now?")]
    ask(client, turns)
    assert scripted.messages == [("user", "Hello"), ("model", "Hello!"), ("user", "And now?")]


def test_system_instruction(client, scripted):
    ask(client, "Hello", system_instruction="You are a parrot.")
    assert scripted.messages == [("system", "You are a parrot."), ("user", "Hello")]


def test_sampling_reaches_the_generator(client, scripted):
    ask(client, temperature=0.5, top_p=0.75, top_k=20, seed=7, presence_penalty=0.5, frequency_penalty=-0.25)
    assert scripted.seen[0][1] == Settings(0.5, 0.75, 20, 7, 0.5, -0.25)
    ask(client)
    assert scripted.seen[1][1] == Settings()


def test_max_output_tokens(client):
    answer = ask(client, max_output_tokens=3)
    assert answer.text == "Paris is the" and answer.candidates[0].finish_reason == "MAX_TOKENS"
    assert answer.usage_metadata.candidates_token_count == 3


@pytest.mark.parametrize("stop, left", [("capital", "Paris is the "), ("is the", "Paris "), ("rance .", "Paris is the "
                         "capital of F"), ("Paris", ""), ("is the hill", ANSWER), (".", ANSWER[:-1])])  # fmt: skip
def test_stop_sequences(client, stop, left):
    answer = ask(client, stop_sequences=[stop, "never"])
    assert (answer.text or "") == left and answer.candidates[0].finish_reason == "STOP"
    chunks = client.models.generate_content_stream(model=MODEL, contents="x", config={"stop_sequences": [stop]})
    assert "".join(chunk.text or "" for chunk in chunks) == left


def test_several_candidates_have_seeds_of_their_own(client, scripted):
    answer = ask(client, candidate_count=3, seed=5)
    assert [candidate.content.parts[0].text for candidate in answer.candidates] == [ANSWER] * 3
    assert [settings.seed for _, settings in scripted.seen] == [5, 6, 7]
    assert answer.usage_metadata.candidates_token_count == 21


class City(BaseModel):
    city: str
    people: int


def test_a_schema_of_pydantic(client, scripted):
    answer = ask(client, response_mime_type="application/json", response_schema=City)
    assert answer.parsed == City(city="Paris", people=2)
    schema = scripted.seen[0][1].schema
    assert schema["type"] == "object" and schema["properties"]["people"]["type"] == "integer"
    assert schema["required"] == ["city", "people"]


def test_schemas_in_other_spellings(client, scripted):
    json = {"response_mime_type": "application/json"}
    assert ask(client, **json, response_schema=list[str]).parsed == ["Paris"]
    assert ask(client, **json, response_schema={"type": "ARRAY", "items": {"type": "STRING"}, "max_items": 3}).parsed
    assert scripted.seen[-1][1].schema == {"type": "array", "items": {"type": "string"}, "maxItems": 3}
    ask(client, **json, response_json_schema={"type": "object", "properties": {"a": {"type": "string"}}})
    assert scripted.seen[-1][1].schema["properties"] == {"a": {"type": "string"}}
    ask(client, **json)
    assert scripted.seen[-1][1].schema == {}
    with pytest.raises(errors.ServerError, match="pattern is not supported") as refused:
        ask(client, **json, response_json_schema={"type": "string", "pattern": "a+"})
    assert refused.value.code == 501


def test_logprobs(client):
    answer = ask(client, response_logprobs=True, logprobs=2, max_output_tokens=2)
    found = answer.candidates[0].logprobs_result
    assert [one.token for one in found.chosen_candidates] == ["Paris", "is"]
    assert [one.token for one in found.top_candidates[0].candidates] == ["Paris", "other"]
    assert answer.candidates[0].avg_logprobs == pytest.approx(-0.1)


def test_streaming_is_streamed(client, scripted):
    scripted.gate = threading.Event()
    try:
        chunks = client.models.generate_content_stream(model=MODEL, contents="What is the capital of France?")
        assert next(chunks).text == "Paris"  # while the generator waits for us
        scripted.gate.set()
        rest = list(chunks)
    finally:
        scripted.gate = None
    assert "".join(chunk.text or "" for chunk in rest) == ANSWER.removeprefix("Paris")
    assert len(rest) > 3 and rest[-1].candidates[0].finish_reason == "STOP"
    assert rest[-1].usage_metadata.total_token_count == 14


def test_a_stream_that_nobody_reads_to_its_end(client):
    for _ in range(3):
        next(client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert ask(client).text == ANSWER


def test_async(client):
    async def both():
        whole = await client.aio.models.generate_content(model=MODEL, contents="Hello")
        parts = [part.text async for part in await client.aio.models.generate_content_stream(
            model=MODEL, contents="Hello")]  # fmt: skip
        counted = await client.aio.models.count_tokens(model=MODEL, contents="Hello you")
        chat = client.aio.chats.create(model=MODEL)
        said = await chat.send_message("Hello")
        await client.aio.aclose()
        return whole.text, "".join(filter(None, parts)), counted.total_tokens, said.text

    assert asyncio.run(both()) == (ANSWER, ANSWER, 3, ANSWER)


def test_chat(client, scripted):
    chat = client.chats.create(model=MODEL, config={"system_instruction": "Be brief."})
    assert chat.send_message("One?").text == ANSWER
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("Two?")) == ANSWER
    roles = ["system", "user", "model", "user"]
    assert [role for role, _ in scripted.messages] == roles and scripted.messages[-1][1] == "Two?"
    assert len(chat.get_history()) >= 4


def test_count_tokens(client):
    counted = client.models.count_tokens(model=MODEL, contents="What is the capital of France?")
    assert counted.total_tokens == ask(client).usage_metadata.prompt_token_count


def test_compute_tokens(client, scripted):
    info = client.models.compute_tokens(model=MODEL, contents="to be or to").tokens_info[0]
    assert info.tokens == [b"to", b"be", b"or", b"to"] and info.token_ids[0] == info.token_ids[3]
    assert info.role == "user"


def test_models_get(client):
    model = client.models.get(model=MODEL)
    assert model.name == f"publishers/google/models/{MODEL}" and "local stand-in" in model.version


def test_safety_settings_labels_and_no_thinking_are_accepted(client):
    safety = types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_ONLY_HIGH")
    answer = ask(client, safety_settings=[safety], labels={"team": "desk"},
                 thinking_config=types.ThinkingConfig(thinking_budget=0))  # fmt: skip
    assert answer.text == ANSWER


GRPC = f"""
from google.cloud import aiplatform_v1
request = {{"model": "projects/p/locations/us-central1/publishers/google/models/{MODEL}",
            "contents": [{{"role": "user", "parts": [{{"text": "Hello"}}]}}]}}
options = {{"api_endpoint": "us-central1-aiplatform.googleapis.com"}}
client = aiplatform_v1.PredictionServiceClient(client_options=options)
print(client.generate_content(request).candidates[0].content.parts[0].text)
print([part.candidates[0].content.parts[0].text for part in client.stream_generate_content(request)])
"""


def test_another_client_of_the_same_method(client):
    """In a process of its own: gRPC reads the roots that it trusts once, here those of the session's server."""
    done = subprocess.run([sys.executable, "-c", GRPC], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    whole, parts = done.stdout.splitlines()
    assert whole == "".join(ast.literal_eval(parts)) == ANSWER and len(ast.literal_eval(parts)) > 3


def get_time(place: str) -> str:
    """The time in a place."""
    return "noon"


IMAGE = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")


@pytest.mark.parametrize(
    "what, call",
    [
        ("tools", lambda c: ask(c, tools=[get_time])),
        ("tools", lambda c: ask(c, tools=[types.Tool(google_search=types.GoogleSearch())])),
        ("inline_data", lambda c: ask(c, ["What is this?", IMAGE])),
        ("file_data", lambda c: ask(c, types.Part.from_uri(file_uri="gs://b/x.pdf", mime_type="application/pdf"))),
        ("modality", lambda c: ask(c, response_modalities=["AUDIO"])),
        ("text/x.enum", lambda c: ask(c, response_mime_type="text/x.enum", response_schema={"type": "STRING"})),
        ("thinking", lambda c: ask(c, thinking_config=types.ThinkingConfig(thinking_budget=100))),
        ("cached_content", lambda c: ask(c, cached_content="projects/p/locations/us-central1/cachedContents/1")),
        ("CreateCachedContent", lambda c: c.caches.create(model=MODEL, config={"contents": ["x"]})),
        ("predict|Predict", lambda c: c.models.embed_content(model="gemini-embedding-001", contents="x")),
        ("Predict", lambda c: c.models.generate_images(model="imagen-4.0-generate-001", prompt="x")),
        ("CreateBatchPredictionJob", lambda c: c.batches.create(
            model=MODEL, src="gs://b/in.jsonl", config={"dest": "gs://b/out"})),  # fmt: skip
        ("CreateTuningJob", lambda c: c.tunings.tune(
            base_model=MODEL, training_dataset=types.TuningDataset(gcs_uri="gs://b/x.jsonl"))),  # fmt: skip
        ("EmbedContent", lambda c: c.models.embed_content(model="gemini-embedding-2", contents="x")),
        ("ListPublisherModels", lambda c: list(c.models.list())),
        ("an endpoint", lambda c: c.models.generate_content(
            model="projects/p/locations/us-central1/endpoints/1", contents="x")),  # fmt: skip
    ],
)
def test_what_it_cannot_do_it_refuses_by_name(client, what, call):
    with pytest.raises(errors.APIError, match=what) as refused:
        call(client)
    assert refused.value.code == 501 and refused.value.status == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    "code, words, call",
    [
        (404, "gpt-9", lambda c: c.models.generate_content(model="publishers/openai/models/gpt-9", contents="x")),
        (404, "text-bison", lambda c: c.models.count_tokens(model="text-bison", contents="x")),
        (400, "temperature", lambda c: ask(c, temperature=2.5)),
        (400, "top_p", lambda c: ask(c, top_p=1.5)),
        (400, "logprobs", lambda c: ask(c, logprobs=2)),
        (400, "candidate_count", lambda c: ask(c, candidate_count=9)),
        (400, "response_mime_type", lambda c: ask(c, response_schema={"type": "STRING"})),
        (400, "role", lambda c: ask(c, types.Content(role="robot", parts=[types.Part(text="x")]))),
        (400, "exceeds", lambda c: ask(c, "word " * 100)),
        (400, "stop_sequences", lambda c: ask(c, stop_sequences=list("abcdef"))),
        (400, "max_output_tokens", lambda c: ask(c, max_output_tokens=-1)),
    ],
)
def test_what_is_wrong_is_refused(client, code, words, call):
    with pytest.raises(errors.ClientError, match=words) as refused:
        call(client)
    assert refused.value.code == code


def asked(**config):
    return lambda c: ask(c, **config).text


JSON = {"response_mime_type": "application/json"}
# What the client's documentation shows, a call of each kind; what they bring is tested one by one above and below.
KINDS = {
    "a text": asked(),
    "contents as Content": lambda c: ask(c, types.UserContent("Hello")).text,
    "several turns": lambda c: ask(c, [types.UserContent("a"), types.ModelContent("b"), types.UserContent("c")]).text,
    "system instruction": asked(system_instruction="Be brief."),
    "temperature": asked(temperature=0),
    "top_p": asked(top_p=0.5),
    "top_k": asked(top_k=3),
    "seed": asked(seed=1),
    "presence and frequency penalty": asked(presence_penalty=0.5, frequency_penalty=0.5),
    "max_output_tokens": asked(max_output_tokens=2),
    "stop_sequences": asked(stop_sequences=["capital"]),
    "candidate_count": lambda c: ask(c, candidate_count=2).candidates[1].content.parts,
    "safety settings": asked(safety_settings=[types.SafetySetting(
        category="HARM_CATEGORY_HATE_SPEECH", threshold="BLOCK_LOW_AND_ABOVE")]),
    "labels": asked(labels={"team": "desk"}),
    "JSON": asked(**JSON),
    "a schema of pydantic": lambda c: ask(c, **JSON, response_schema=City).parsed,
    "a schema of Python's types": lambda c: ask(c, **JSON, response_schema=list[str]).parsed,
    "a JSON schema": asked(**JSON, response_json_schema={"type": "object"}),
    "logprobs": lambda c: ask(c, response_logprobs=True, logprobs=1).candidates[0].logprobs_result.chosen_candidates,
    "a stream": lambda c: list(c.models.generate_content_stream(model=MODEL, contents="x")),
    "async": lambda c: asyncio.run(c.aio.models.generate_content(model=MODEL, contents="x")).text,
    "a chat": lambda c: c.chats.create(model=MODEL).send_message("x").text,
    "a chat that streams": lambda c: list(c.chats.create(model=MODEL).send_message_stream("x")),
    "count_tokens": lambda c: c.models.count_tokens(model=MODEL, contents="x").total_tokens,
    "compute_tokens": lambda c: c.models.compute_tokens(model=MODEL, contents="x").tokens_info,
    "models.get": lambda c: c.models.get(model=MODEL).name,
    "usage": lambda c: ask(c).usage_metadata.total_token_count,
    "http options": asked(http_options=types.HttpOptions(timeout=20_000)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_call_is_answered(client, kind):
    assert KINDS[kind](client)


def test_the_kinds_are_25_or_more():
    assert len(KINDS) >= 25


def test_twenty_clients_at_once(scripted):
    def one(number: int) -> str:
        return ask(genai.Client(vertexai=True, location="us-central1"), f"Please say-{number}").text

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(one, range(20))) == [str(number) for number in range(20)]


def test_a_quota_that_code_can_meet():
    with vertex.local(generator=Scripted, requests_per_minute=2) as cloud:
        client = genai.Client(vertexai=True, location="us-central1")
        assert [ask(client).text for _ in range(2)] == [ANSWER] * 2
        with pytest.raises(errors.ClientError, match="Quota exceeded.*gemini-3.5-flash") as refused:
            ask(client)
        assert refused.value.code == 429 and refused.value.status == "RESOURCE_EXHAUSTED"
        assert client.models.generate_content(model="gemini-3.8-flash", contents="x").text  # a model has its own
        client.models.count_tokens(model=MODEL, contents="counting is free")
        cloud.clock.advance(61)
        assert ask(client).text == ANSWER
        again = types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.02))
        ask(client)
        timer = threading.Timer(0.005, cloud.clock.advance, [61])
        timer.start()
        patient = genai.Client(vertexai=True, location="us-central1", http_options=again)
        assert ask(patient).text == ANSWER  # it asks again, as its options say
        timer.join()


def test_without_a_generator_it_is_unimplemented():
    def missing():
        raise RuntimeError("The language model is not in this environment.")

    for generator, words in ((lambda: None, "no language model"), (missing, "is not in this environment")):
        with vertex.local(generator=generator):
            client = genai.Client(vertexai=True, location="us-central1")
            for call in (lambda c: ask(c), lambda c: c.models.count_tokens(model=MODEL, contents="x"),
                         lambda c: list(c.models.generate_content_stream(model=MODEL, contents="x"))):  # fmt: skip
                with pytest.raises(errors.ServerError, match=words) as refused:
                    call(client)
                assert refused.value.code == 501


NOTEBOOK = """
from mlelab import vertex
vertex.connect(ephemeral=True, offline=True, requests_per_minute=2)
from google import genai
client = genai.Client(vertexai=True)
how = dict(model="gemini-3.5-flash", contents="What is the capital of France?",
           config={"temperature": 0, "max_output_tokens": 12})
answer = client.models.generate_content(**how)
parts = [part.text or "" for part in client.models.generate_content_stream(**how)]
assert "Paris" in answer.text and "".join(parts) == answer.text and len(parts) > 3, (answer, parts)
print(answer.model_version)
try:
    client.models.generate_content(**how)
except genai.errors.ClientError as error:
    print(error.code)
"""


def test_a_notebook_talks_to_the_small_model_itself():
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("GOOGLE_", "MLELAB_")) and name not in environment.NAMES}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], env=clean, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-2:] == ["smollm2-135m-instruct (local stand-in)", "429"], done.stderr[-3000:]


@pytest.mark.nightly
def test_twenty_clients_at_once_get_what_one_gets_of_the_small_model():
    asked = {"model": MODEL, "config": {"temperature": 0, "max_output_tokens": 4}}
    countries = ["France", "Italy", "Spain", "Japan"] * 5
    with vertex.local(generator=SmolLM2):
        def one(country: str) -> str:
            client = genai.Client(vertexai=True, location="us-central1")
            return client.models.generate_content(contents=f"What is the capital of {country}?", **asked).text

        alone = {country: one(country) for country in countries[:4]}
        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(one, countries)) == [alone[country] for country in countries]
    assert len(set(alone.values())) == 4
