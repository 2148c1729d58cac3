"""Writes hard.json: seeded random strings with the ids of the reference libraries.

Run: python3 -m venv env && env/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3
     env/bin/python make_hard_strings.py
"""
import json
import pathlib
import random

import sentencepiece
import tokenizers

here = pathlib.Path(__file__).resolve().parent
model = here.parents[2] / "Sources/EmbeddedModel/switch-mini-16"
library = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
pieces = sentencepiece.SentencePieceProcessor(model_file=str(model / "spiece.model"))
source = random.Random(20231025)

WORDS = "the of and walking unhappiness Elizabeth 1234 it's co-operate {hack} §".split()
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200b", "\u1680"]
RANGES = [
    (0x00, 0x7F), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xD7F),
    (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x20FF), (0x2100, 0x25FF), (0x3000, 0x33FF),
    (0x4E00, 0x4FFF), (0xAC00, 0xAD00), (0xF900, 0xFB4F), (0xFB50, 0xFEFF), (0xFF00, 0xFFEF),
    (0x1D400, 0x1D7FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F6FF), (0xE0100, 0xE01EF),
]
ADDED = ["<extra_id_0>", "<extra_id_99>", "<extra_id_9", "<extra_id_1>>", "</s>", "<pad>", "<unk>"]
MARKS = ["\u2581", "\u2581\u2581", "e\u0301", "\u0301", "\u200d", "\ufe0f", "\u0e33", "\u1100\u1161"]


def character():
    low, high = source.choice(RANGES)
    return chr(source.randint(low, high))


def part(kinds):
    kind = source.choice(kinds)
    if kind == "word":
        return source.choice(WORDS)
    if kind == "space":
        return source.choice(SPACES)
    if kind == "added":
        return source.choice(ADDED)
    if kind == "mark":
        return source.choice(MARKS)
    if kind == "letters":
        return "".join(source.choice("etaoinshrdlu,.'") for _ in range(source.randint(1, 12)))
    return "".join(character() for _ in range(source.randint(1, 4)))


strings = []
for index in range(400):
    kinds = ["word", "space", "letters", "random", "mark"] + (["added"] if index % 4 == 0 else [])
    text = "".join(part(kinds) for _ in range(source.randint(1, 10)))
    ids = library.encode(text, add_special_tokens=False).ids
    entry = {"text": text, "ids": ids, "decoded": library.decode(ids, skip_special_tokens=True)}
    if "<" not in text:
        spiece = pieces.encode(text)
        if spiece != ids:
            entry["spiece_ids"] = spiece
    strings.append(entry)

with open(here / "hard.json", "w", encoding="utf-8") as file:
    file.write("[\n" + ",\n".join(json.dumps(s, separators=(",", ":")) for s in strings) + "\n]\n")
