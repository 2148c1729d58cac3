#!/usr/bin/env python3
"""Load on a server of the OpenAI interface, with Python's own library only.

    qmoe serve MODEL --port 8080 &
    python3 Benchmarks/serving-load.py http://127.0.0.1:8080 --clients 1 4 16 --requests 500 --check --pid $!

Clients ask one after the other, each on a connection of its own, for texts at temperature 0 after prompts of mixed
lengths, some of which begin alike; every second one as a stream, and with --cancel every tenth goes away in the middle.
With --check each text is compared with the one that the same prompt gets alone, asked for before the load begins.
"""

import argparse
import asyncio
import json
import random
import time
import urllib.parse
import urllib.request


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16], help="so many at a time, in turn")
    parser.add_argument("--requests", type=int, default=500, help="requests for each number of clients")
    parser.add_argument("--prompts", type=int, default=100, help="different prompts")
    parser.add_argument("--lengths", type=int, nargs=2, default=[1, 300], help="tokens of a prompt, from and to")
    parser.add_argument("--tokens", type=int, nargs=2, default=[1, 40], help="tokens to write, from and to")
    parser.add_argument("--vocabulary", type=int, default=4000, help="ids of prompts are less")
    parser.add_argument("--check", action="store_true", help="compare with the texts that prompts get alone")
    parser.add_argument("--cancel", action="store_true", help="every tenth client goes away in the middle")
    parser.add_argument("--pid", type=int, help="the server's process, to tell its memory")
    return parser.parse_args()


def make_prompts(options):
    random.seed(1)
    shared = [random.randrange(options.vocabulary) for _ in range(options.lengths[1])]
    prompts = []
    for index in range(options.prompts):
        length = random.randint(*options.lengths)
        own = [random.randrange(options.vocabulary) for _ in range(length)]
        # Every third begins as others do.
        common = length * 3 // 4 if index % 3 == 0 else 0
        prompts.append((shared[:common] + own[common:], random.randint(*options.tokens)))
    return prompts


async def ask(connection, host, prompt, tokens, streams, leaves):
    """The text, its number of tokens, and the seconds until the first and the last of it came."""
    reader, writer = connection
    body = json.dumps({"prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": streams,
                       "stream_options": {"include_usage": True}}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    start = time.perf_counter()
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    if " 200 " not in answer.split("\r\n")[0]:
        raise RuntimeError(answer)
    if not streams:
        length = int(answer.split("content-length:")[1].split("\r\n")[0])
        object = json.loads(await reader.readexactly(length))
        seconds = time.perf_counter() - start
        return object["choices"][0]["text"], object["usage"]["completion_tokens"], seconds, seconds
    text, count, first = "", 0, None
    while size := int(await reader.readline(), 16):
        chunk = (await reader.readexactly(size + 2)).decode()
        first = first or time.perf_counter() - start
        for line in chunk.split("\n\n"):
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            object = json.loads(line[6:])
            text += "".join(choice["text"] for choice in object["choices"])
            count = (object.get("usage") or {}).get("completion_tokens", count)
        if leaves and text:
            return None, 0, first, time.perf_counter() - start
    await reader.readline()
    return text, count, first, time.perf_counter() - start


async def load(options, clients, prompts, expected):
    host = urllib.parse.urlsplit(options.url)
    numbers = iter(range(options.requests))
    done, wrong = [], 0

    async def client():
        nonlocal wrong
        connection = None
        for number in numbers:
            prompt, tokens = prompts[(number * 7) % len(prompts)]
            leaves = options.cancel and number % 10 == 4
            connection = connection or await asyncio.open_connection(host.hostname, host.port, limit=1 << 24)
            result = await ask(connection, host.netloc, prompt, tokens, number % 2 == 0, leaves)
            if leaves:
                connection[1].transport.abort()
                connection = None
                continue
            done.append(result)
            wrong += expected is not None and result[0] != expected[(number * 7) % len(prompts)]
        if connection:
            connection[1].close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - start
    ordered = sorted(result[3] for result in done)
    first = sorted(result[2] for result in done)
    p = lambda values, share: 1000 * values[min(len(values) - 1, int(share * len(values)))]
    print(f"{clients:3} clients: {len(done) / seconds:7.1f} requests/s, {sum(r[1] for r in done) / seconds:7.0f} tokens/s; "
          f"ms p50 {p(ordered, .5):.0f}, p90 {p(ordered, .9):.0f}, p99 {p(ordered, .99):.0f}, "
          f"most {p(ordered, 1):.0f}; first p50 {p(first, .5):.0f}"
          + (f"; {wrong} of {len(done)} texts differ" if expected is not None else "")
          + (f"; memory {memory(options.pid)} MB" if options.pid else ""), flush=True)
    return wrong


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def alone(url, prompt, tokens):
    body = json.dumps({"prompt": prompt, "max_tokens": tokens, "temperature": 0}).encode()
    request = urllib.request.Request(url + "/v1/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["choices"][0]["text"]


def main():
    options = arguments()
    prompts = make_prompts(options)
    expected = [alone(options.url, *prompt) for prompt in prompts] if options.check else None
    wrong = sum(asyncio.run(load(options, clients, prompts, expected)) for clients in options.clients)
    raise SystemExit(wrong > 0)


main()
