"""Drives the official OpenAI SDK: `chat.py <scenario> <json arguments>` prints what the SDK saw, as JSON.

The endpoint and the key come from OPENAI_BASE_URL and OPENAI_API_KEY, as for any program that uses the SDK.
"""

import json
import sys

import openai


def messages():
    return [{"role": "user", "content": "Say hello"}]


def request(arguments):
    return {"messages": messages(), "max_tokens": 50, **arguments}


def chat(client, arguments):
    raw = client.chat.completions.with_raw_response.create(**request(arguments))
    answer = raw.parse()
    return {
        "text": answer.choices[0].message.content,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "request_id": answer._request_id,
        "cost_eur": raw.headers.get("x-cost-eur"),
    }


def stream(client, arguments):
    text, usage, chunks = "", None, 0
    for chunk in client.chat.completions.create(stream=True, **request(arguments)):
        chunks += 1
        if chunk.choices and chunk.choices[0].delta.content:
            text += chunk.choices[0].delta.content
        if chunk.usage:
            usage = {"completion_tokens": chunk.usage.completion_tokens}
            usage["cost_eur"] = (chunk.usage.model_extra or {}).get("cost_eur")
    return {"text": text, "usage": usage, "chunks": chunks}


def models(client, arguments):
    return {"ids": [model.id for model in client.models.list()]}


def model(client, arguments):
    return {"id": client.models.retrieve(arguments["model"]).id}


def error(client, arguments):
    """The class and fields of the error that a chat request raises."""
    try:
        client.chat.completions.create(**request(arguments))
    except openai.APIStatusError as raised:
        return {
            "class": type(raised).__name__,
            "status": raised.status_code,
            "code": raised.code,
            "param": raised.param,
            "request_id": raised.request_id,
        }
    return {"class": None}


def main():
    scenarios = {"chat": chat, "stream": stream, "models": models, "model": model, "error": error}
    scenario, arguments = scenarios[sys.argv[1]], json.loads(sys.argv[2])
    # Retries would hide an error behind a second answer.
    print(json.dumps(scenario(openai.OpenAI(max_retries=0), arguments)))


main()
