"""Makes the requests of the vendor's own client for the operations that stdin names, one JSON object a
line, and holds what litink sent for each to the client's own types.

usage: requests.py URL KEY
"""

import base64
import json
import sys

import openai
import pydantic
from openai.types import embedding_create_params, image_edit_params, image_generate_params
from openai.types.audio import speech_create_params, transcription_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

url, key = sys.argv[1:]
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
METHODS = {
    "responses": (client.responses.create, response_create_params.ResponseCreateParamsNonStreaming),
    "chat/completions": (
        client.chat.completions.create,
        completion_create_params.CompletionCreateParamsNonStreaming,
    ),
    "audio/speech": (client.audio.speech.create, speech_create_params.SpeechCreateParams),
    "images/generations": (
        client.images.generate,
        image_generate_params.ImageGenerateParamsNonStreaming,
    ),
    "images/edits": (client.images.edit, image_edit_params.ImageEditParamsNonStreaming),
    "embeddings": (client.embeddings.create, embedding_create_params.EmbeddingCreateParams),
    "audio/transcriptions": (
        client.audio.transcriptions.create,
        transcription_create_params.TranscriptionCreateParamsNonStreaming,
    ),
    "models": (client.models.list, None),
}


def unknown(kind, body):
    """The names in a body that the client's types do not have."""
    known = set()
    for base in (kind, *getattr(kind, "__orig_bases__", ())):
        known |= set(getattr(base, "__annotations__", {}))
    return sorted(set(body) - known)


for line in sys.stdin:
    asked = json.loads(line)
    method, kind = METHODS[asked["op"]]
    body, files = asked["body"], {}
    wrong = []
    if kind is not None:
        wrong = unknown(kind, body)
    if asked["op"] == "images/edits":
        png = base64.b64decode(asked["png"])
        images = [(f"image-{i}.png", png, "image/png") for i in range(asked["images"])]
        files["image"] = images[0] if len(images) == 1 else images
    if asked["op"] == "audio/transcriptions":
        files["file"] = ("audio.wav", base64.b64decode(asked["file"]), "audio/wav")
    if kind is not None and not files:
        try:
            pydantic.TypeAdapter(kind).validate_python(body)
        except pydantic.ValidationError as error:
            wrong += [str(it["loc"]) + " " + it["msg"] for it in error.errors()]
    said = method(**body, **files)
    if hasattr(said, "read"):
        said.read()
    print(json.dumps({"op": asked["op"], "wrong": wrong}), flush=True)
