"""Generative models: content, streamed or whole, and tokens. The answers come from the generator that was handed in.

Any name of a Gemini text model is answered by that one model, and each answer says so in `model_version`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from ..compute.generator import Candidate, Generator, Settings, Step
from ..resources.registry import Call, implements
from ..wire.catalog import pb, types
from ..wire.errors import CloudError, invalid, not_found

MAX_CANDIDATES, MAX_LOGPROBS, MAX_STOPS = 8, 20, 5
ROLES = {"": "user", "user": "user", "model": "model"}
# What a request may hold and this model cannot do: refused by name, never left out in silence.
REQUEST = ("cached_content", "tools", "tool_config", "model_armor_config")
CONFIG = ("routing_config", "audio_timestamp", "speech_config", "image_config", "model_config")
FINISH = types().Candidate.FinishReason


def unimplemented(call: Call, what: str) -> CloudError:
    """UNIMPLEMENTED for a part of a request."""
    return CloudError("UNIMPLEMENTED", f"{call.method.name} with {what} is not implemented by this local stand-in.")


def find_model(call: Call, name: str) -> tuple[str, Generator]:
    """The short name that was asked for, and what answers in its place. NOT_FOUND unless it is a Gemini text model."""
    generator = call.cloud.generation.model(call.method.name)
    if "/endpoints/" in f"/{name}":
        raise unimplemented(call, "an endpoint, such as a tuned model's,")
    _, publisher, _, short = name.split("/")[-4:]
    named = re.fullmatch(r"gemini-\d[\w.-]*", short) and not re.search("embedding|image|live|tts", short)
    if publisher != "google" or not (named or short == generator.name):
        raise not_found(f"{name}, as a model that generates text on this local stand-in,")
    return short, generator


def version_of(generator: Generator) -> str:
    """What stands as the model's version in each answer."""
    return f"{generator.name} (local stand-in)"


def text_of(call: Call, content: Any) -> str:
    """The text of a content. UNIMPLEMENTED for other kinds of parts."""
    for part in content.parts:
        kinds = [field.name for field, _ in part.ListFields() if field.name not in ("text", "thought_signature")]
        if kinds:
            raise unimplemented(call, f"a part {kinds[0]}")
    return "".join(part.text for part in content.parts)


def messages_of(call: Call, request: Any) -> list[tuple[str, str]]:
    """The conversation as (role, text), the system instruction first."""
    if not request.contents:
        raise invalid("contents must not be empty.")
    for content in request.contents:
        if content.role not in ROLES:
            raise invalid(f"A content's role must be user or model, got {content.role!r}.")
        if not content.parts:
            raise invalid("A content must have a part.")
    messages = [(ROLES[content.role], text_of(call, content)) for content in request.contents]
    if request.HasField("system_instruction"):
        messages.insert(0, ("system", text_of(call, request.system_instruction)))
    return messages


def settings_of(call: Call, config: Any) -> Settings:
    """The generation config as settings, checked as the cloud's documentation says."""
    for name in CONFIG:
        if config.HasField(name):
            raise unimplemented(call, f"generation_config.{name}")
    if any(modality != 1 for modality in config.response_modalities):
        raise unimplemented(call, "a response modality other than TEXT")
    if config.thinking_config.thinking_budget or config.thinking_config.include_thoughts:
        raise unimplemented(call, "thinking")

    def within(name: str, low: float, high: float) -> Any:
        if not config.HasField(name):
            return None
        value = getattr(config, name)
        if not low <= value <= high:
            raise invalid(f"{name} must be between {low} and {high}, got {value}.")
        return value

    within("candidate_count", 1, MAX_CANDIDATES)
    within("max_output_tokens", 1, 2**31)
    if len(config.stop_sequences) > MAX_STOPS or "" in config.stop_sequences:
        raise invalid(f"stop_sequences takes up to {MAX_STOPS} texts, none of them empty.")
    logprobs = within("logprobs", 0, MAX_LOGPROBS)
    if logprobs is not None and not config.response_logprobs:
        raise invalid("logprobs needs response_logprobs.")
    return Settings(
        temperature=within("temperature", 0, 2),
        top_p=within("top_p", 0, 1) or None,
        top_k=int(within("top_k", 1, 1000) or 0) or None,
        seed=config.seed if config.HasField("seed") else None,
        presence_penalty=within("presence_penalty", -2, 2) or 0.0,
        frequency_penalty=within("frequency_penalty", -2, 2) or 0.0,
        schema=schema_of(call, config),
        logprobs=logprobs or 0,
    )


def schema_of(call: Call, config: Any) -> dict[str, Any] | None:
    """The JSON schema that the answer must follow, or None for free text."""
    given = config.HasField("response_schema") or config.HasField("response_json_schema")
    if config.response_mime_type in ("", "text/plain"):
        if given:
            raise invalid("A response schema needs response_mime_type application/json.")
        return None
    if config.response_mime_type != "application/json":
        raise unimplemented(call, f"response_mime_type {config.response_mime_type}")
    if config.HasField("response_json_schema"):
        return json_format.MessageToDict(config.response_json_schema)
    return json_schema(json_format.MessageToDict(config.response_schema))


def json_schema(schema: Any) -> Any:
    """The cloud's schema, an OpenAPI one with its types in capitals, as a JSON schema."""
    if isinstance(schema, list):
        return [json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for key, value in schema.items():
        if key == "type":
            out[key] = value.lower()
        elif key == "properties":
            out[key] = {name: json_schema(one) for name, one in value.items()}
        elif key.startswith(("min", "max")) and isinstance(value, str):  # JSON writes 64-bit numbers as text
            out[key] = int(value)
        else:
            out[key] = json_schema(value)
    return out


def steps(generator: Generator, prompt: Sequence[int], settings: Settings, config: Any) -> Iterator[tuple[Step, int]]:
    """Steps with a finish reason, 0 until the last: text up to a stop sequence, and up to the tokens that are left.

    Text that may be the beginning of a stop sequence waits for what follows it.
    """
    room = generator.context - len(prompt)
    limit = min(config.max_output_tokens, room) if config.HasField("max_output_tokens") else room
    stops, held, count = list(config.stop_sequences), "", 0
    for step in generator.generate(prompt, settings):
        count, held = count + 1, held + step.text
        ends = [held.index(stop) for stop in stops if stop in held]
        if ends:
            yield Step(held[: min(ends)], step.chosen, step.best), FINISH.STOP
            return
        if count >= limit:
            yield Step(held, step.chosen, step.best), FINISH.MAX_TOKENS
            return
        waits = max((n for stop in stops for n in range(1, len(stop)) if held.endswith(stop[:n])), default=0)
        yield Step(held[: len(held) - waits], step.chosen, step.best), 0
        held = held[len(held) - waits :]
    yield Step(held, Candidate(-1, "", 0.0)), FINISH.STOP


class _Answer:
    """What all messages of one answer share, and the candidates of each."""

    def __init__(self, generator: Generator, prompt: Sequence[int], config: Any) -> None:
        self.version, self.prompt, self.config = version_of(generator), len(prompt), config
        self.id, self.said = uuid.uuid4().hex, 0
        self.begun = time.time_ns()

    def message(self, index: int, part: Sequence[Step], finish: int, *, usage: bool) -> Any:
        """A response with the part of one candidate that some steps make."""
        chosen = [step for step in part if step.chosen.token >= 0]
        self.said += len(chosen)
        response = pb.GenerateContentResponse(model_version=self.version, response_id=self.id)
        response.create_time.FromNanoseconds(self.begun)
        candidate = response.candidates.add(index=index, finish_reason=finish)
        candidate.content.role = "model"
        candidate.content.parts.add(text="".join(step.text for step in part))
        if self.config.response_logprobs:
            if chosen:
                candidate.avg_logprobs = sum(step.chosen.log_probability for step in chosen) / len(chosen)
            for step in chosen:
                _put(candidate.logprobs_result.chosen_candidates.add(), step.chosen)
                top = candidate.logprobs_result.top_candidates.add()
                for one in step.best:
                    _put(top.candidates.add(), one)
        if usage:
            self.count(response.usage_metadata)
        return response

    def count(self, usage: Any) -> None:
        """Tokens so far, of the prompt and of all candidates."""
        usage.prompt_token_count, usage.candidates_token_count = self.prompt, self.said
        usage.total_token_count = self.prompt + self.said


def _put(target: Any, one: Candidate) -> None:
    target.token, target.token_id, target.log_probability = one.text, one.token, one.log_probability


def _prepare(call: Call, request: Any) -> tuple[Generator, list[int], list[Settings], _Answer]:
    """All that can be refused is refused here, before the first word."""
    short, generator = find_model(call, request.model)
    for name in REQUEST:
        if any(field.name == name for field, _ in request.ListFields()):
            raise unimplemented(call, name)
    config = request.generation_config
    settings = settings_of(call, config)
    prompt = generator.prompt(messages_of(call, request))
    if len(prompt) >= generator.context:
        raise invalid(f"The input token count ({len(prompt)}) exceeds what the model takes ({generator.context}).")
    project = request.model.split("/")[1] if request.model.startswith("projects/") else call.cloud.project
    call.cloud.generation.count(project, short, call.cloud.clock.now().timestamp())
    seeds = [None if settings.seed is None else (settings.seed + n) % 2**31 for n in range(config.candidate_count or 1)]
    candidates = [dataclasses.replace(settings, seed=seed) for seed in seeds]
    return generator, prompt, candidates, _Answer(generator, prompt, config)


@contextlib.contextmanager
def _refuses_schema(call: Call, settings: Settings) -> Iterator[None]:
    """A schema that the generator cannot follow is unimplemented."""
    try:
        yield
    except ValueError as error:
        if settings.schema is None:
            raise
        raise unimplemented(call, f"this response schema ({error})") from None


@implements(
    "PredictionService.GenerateContent",
    differs="text alone, from the small model that was handed in; safety settings and labels change nothing",
)
def generate_content(call: Call, request: Any) -> Message:
    """A whole answer."""
    generator, prompt, candidates, answer = _prepare(call, request)
    response = pb.GenerateContentResponse()
    for index, settings in enumerate(candidates):
        with _refuses_schema(call, settings):
            found = list(steps(generator, prompt, settings, request.generation_config))
        response.MergeFrom(answer.message(index, [step for step, _ in found], found[-1][1], usage=False))
    answer.count(response.usage_metadata)
    return response


@implements("PredictionService.StreamGenerateContent", differs="as GenerateContent, with one candidate")
def stream_generate_content(call: Call, request: Any) -> Iterator[Message]:
    """An answer as it comes."""
    generator, prompt, candidates, answer = _prepare(call, request)
    if len(candidates) > 1:
        raise unimplemented(call, "candidate_count")

    def stream() -> Iterator[Message]:
        waiting: list[Step] = []
        with _refuses_schema(call, candidates[0]):
            for step, finish in steps(generator, prompt, candidates[0], request.generation_config):
                waiting.append(step)
                if step.text or finish:
                    yield answer.message(0, waiting, finish, usage=bool(finish))
                    waiting = []

    return stream()


@implements("PredictionService.CountTokens", "LlmUtilityService.CountTokens", differs="contents, no instances")
def count_tokens(call: Call, request: Any) -> Message:
    """Tokens of a prompt, with the marks that the model's chat format puts around each message."""
    _, generator = find_model(call, request.endpoint)
    if request.instances or request.tools:
        raise unimplemented(call, "instances" if request.instances else "tools")
    messages = messages_of(call, request)
    return pb.CountTokensResponse(
        total_tokens=len(generator.prompt(messages)),
        total_billable_characters=sum(len(re.sub(r"\s", "", text)) for _, text in messages),
    )


@implements("LlmUtilityService.ComputeTokens", differs="contents, no instances")
def compute_tokens(call: Call, request: Any) -> Message:
    """The tokens of each content's text."""
    _, generator = find_model(call, request.endpoint)
    if request.instances or not request.contents:
        raise unimplemented(call, "instances") if request.instances else invalid("contents must not be empty.")
    response = pb.ComputeTokensResponse()
    for content in request.contents:
        pairs = generator.tokens(text_of(call, content))
        response.tokens_info.add(
            role=content.role, token_ids=[token for token, _ in pairs], tokens=[data for _, data in pairs]
        )
    return response


@implements("ModelGardenService.GetPublisherModel", differs="Gemini's text models: what answers in their place")
def get_publisher_model(call: Call, request: Any) -> Message:
    """A model by name; its version says what it is here."""
    _, generator = find_model(call, request.name)
    return pb.PublisherModel(name=request.name, version_id=version_of(generator))
