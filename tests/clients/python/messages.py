"""Drives the official Anthropic SDK: `messages.py <scenario> <json arguments>` prints what the SDK saw, as JSON.

The endpoint and the key come from ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as for any program that uses the SDK.
"""

import json
import sys

import anthropic


def request(arguments):
    return {"messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 50, **arguments}


def seen(message):
    return {
        "blocks": [block.model_dump(exclude_none=True) for block in message.content],
        "stop_reason": message.stop_reason,
        "usage": {"input": message.usage.input_tokens, "output": message.usage.output_tokens},
    }


def whole(client, arguments):
    return seen(client.messages.create(**request(arguments)))


def stream(client, arguments):
    with client.messages.stream(**request(arguments)) as events:
        kinds = [event.type for event in events]
        return {**seen(events.get_final_message()), "kinds": sorted(set(kinds))}


def count(client, arguments):
    asked = request(arguments)
    del asked["max_tokens"]
    return {"input_tokens": client.messages.count_tokens(**asked).input_tokens}


def error(client, arguments):
    """The class and fields of the error that a request raises."""
    try:
        client.messages.create(**request(arguments))
    except anthropic.APIStatusError as raised:
        error = raised.body["error"]
        return {
            "class": type(raised).__name__,
            "status": raised.status_code,
            "type": error["type"],
            "code": error["code"],
        }
    return {"class": None}


def main():
    scenarios = {"whole": whole, "stream": stream, "count": count, "error": error}
    scenario, arguments = scenarios[sys.argv[1]], json.loads(sys.argv[2])
    # Retries would hide an error behind a second answer.
    print(json.dumps(scenario(anthropic.Anthropic(max_retries=0), arguments)))


main()
