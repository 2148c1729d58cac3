"""Writes golden.json: what the reference renders, or that it refuses.

Run: python3 -m venv env && env/bin/pip install transformers==5.24.0 jinja2==3.1.6
     env/bin/python make_golden.py
"""
import copy
import datetime
import json
import pathlib

from transformers.utils import chat_template_utils as reference

from constructs import EXPRESSIONS, TEMPLATES, VARIABLES

here = pathlib.Path(__file__).resolve().parent


class Clock(datetime.datetime):
    """A clock that stands at the moment that the tests pass."""

    @classmethod
    def now(cls, tz=None):
        return cls(2025, 7, 9, 13, 30, 45)


reference.datetime = Clock

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TOOLS = [
    {"type": "function", "function": {
        "name": "weather", "description": "The \"weather\" in\na city & <more>",
        "parameters": {"type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "Its name, é"},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
            "days": {"type": "array", "items": {"type": "integer"}, "nullable": True},
            "exact": {"type": "boolean", "default": True},
            "at": {"oneOf": [{"type": "string"}, {"type": "number", "description": "seconds"}]},
            "where": {"type": "object", "properties": {"x": {"type": ["string", "null"]}}}}}}},
    {"type": "function", "function": {
        "name": "now", "description": "The time", "parameters": {"type": "object", "properties": {}}}},
]
ARGUMENTS = {"city": "Köln \"x\"", "days": [1, 2], "exact": None, "x": 1.5}


def system(text):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, *names, arguments=ARGUMENTS, **more):
    calls = [{"id": f"call{i:05}", "type": "function", "function": {"name": name, "arguments": arguments}}
             for i, name in enumerate(names)]
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {}), **more}


def tool(text):
    return {"role": "tool", "content": text, "tool_call_id": "call00000"}


CONVERSATIONS = {
    "empty": [],
    "one turn": [user("Hello, 世界 🙂!")],
    "system": [system(" Be brief.\n"), user("  1 + 1?\n\n")],
    "turns": [system("s"), user("a"), assistant(" b \n"), user("<|im_end|> c"), assistant("d"), user("e")],
    "ends with an answer": [user("a"), assistant("b")],
    "two system messages": [system("a"), system("b"), user("c"), system("d")],
    "thoughts in the text": [user("a"), assistant("<think>\nx\n</think>\n\nb"), user("c"),
                             assistant("<think>y</think>d")],
    "thoughts apart": [user("a"), assistant("b", reasoning_content="\nx\n"), user("c"),
                       assistant("d", reasoning_content="y")],
    "thoughts by another name": [user("a"), assistant("b", thinking="x")],
    "call": [system("s"), user("a"), assistant("", "weather", thinking="look"), tool("{\"t\": 20}"),
             assistant("20 degrees"), user("b")],
    "call without a text": [user("a"), assistant(None, "weather"), tool("20")],
    "call with text as arguments": [user("a"), assistant("b", "now", arguments="{}"), tool("12:00")],
    "two calls": [user("a"), assistant("b", "weather", "now"), tool("20"), tool("12:00"), assistant("c")],
    "turns out of order": [user("a"), user("b")],
    "unknown role": [{"role": "observer", "content": "a"}],
    "role developer": [{"role": "developer", "content": "a"}, user("b")],
    "content in parts": [user([{"type": "text", "text": "a"}])],
    "no content": [{"role": "user"}],
    "channel in the text": [user("a"), assistant("<|channel|>analysis")],
    "result without a call": [user("a"), tool("b")],
}
OPTIONS = [{}, {"enable_thinking": False}, {"reasoning_effort": "high", "date_string": "1 May 2024"}]


def render(template, messages, generation, tools, variables):
    messages = reference._normalize_chat_messages(copy.deepcopy(messages))
    try:
        texts, _ = reference.render_jinja_template(
            [messages], tools=tools, chat_template=template, add_generation_prompt=generation, **variables)
        return texts[0]
    except Exception:
        return None


def constructs():
    for source in [f"{{{{ {line} }}}}" for line in EXPRESSIONS.splitlines()] + TEMPLATES:
        yield {"template": source, "text": render(source, [], False, None, copy.deepcopy(VARIABLES))}


def families():
    for file in sorted((here / "templates").glob("*.jinja")):
        source = file.read_text(encoding="utf-8")
        for name, messages in CONVERSATIONS.items():
            for index in range(12):
                generation, tools, options = bool(index & 1), TOOLS if index & 2 else None, OPTIONS[index // 4]
                if options and not any(key in source for key in options):
                    continue
                text = render(source, messages, generation, tools, {**TOKENS, **options})
                yield {"template": file.name, "conversation": name, "generation": generation,
                       "tools": tools is not None, "options": options, "text": text}


golden = {
    "variables": VARIABLES, "tokens": TOKENS, "tools": TOOLS, "conversations": CONVERSATIONS,
    "constructs": list(constructs()), "families": list(families()),
}
lines = json.dumps(golden, ensure_ascii=False).replace('{"template"', '\n{"template"')
(here / "golden.json").write_text(lines + "\n", encoding="utf-8")
for part in ("constructs", "families"):
    print(part, len(golden[part]), "of which refused", sum(case["text"] is None for case in golden[part]))
