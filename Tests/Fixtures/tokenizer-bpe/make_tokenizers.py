"""Makes small BPE tokenizers with the exact settings of published families, and golden ids for them.

    python make_tokenizers.py FOLDER_OF_TEXTS

The folder has validation.jsonl and calibration.jsonl with {"text": …} in each line. Made with tokenizers
0.23.3. Writes one folder for each family beside this script: tokenizer.json and golden.json.
"""

import json
import random
import sys
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers import processors, trainers

HERE = Path(__file__).parent
CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"


def cl100k(number):
    return (
        rf"(?i:{CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{number}"
        rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SPACES}"
    )


UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+(?i:{CONTRACTIONS})?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*(?i:{CONTRACTIONS})?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SPACES}"
)
V3_WORDS = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    rf"| ?[\p{{P}}\p{{S}}]+[\r\n]*|{SPACES}"
)
V2_LETTERS = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ"
    "-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹ"
    "ℼ-ℿⅅ-ⅉⅎↃↄ\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-"
    "\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb"
    "\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)


def split(pattern):
    return pre.Split(Regex(pattern), "isolated")


def byte_level(*splits):
    return pre.Sequence([*splits, pre.ByteLevel(add_prefix_space=False, use_regex=False)])


def special(*contents, **settings):
    return [AddedToken(text, special=True, normalized=False, **settings) for text in contents]


def template(tokenizer, token):
    return processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token} $B:1",
        special_tokens=[(token, tokenizer.token_to_id(token))],
    )


def trained(texts, size, normalizer, pre_tokenizer, decoder, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_level_families(texts):
    def make(normalizer, pre_tokenizer, **model):
        return trained(texts, 900, normalizer, pre_tokenizer, decoders.ByteLevel(), **model)

    gpt2 = make(None, pre.ByteLevel(add_prefix_space=False))
    gpt2.add_special_tokens(special("<|endoftext|>"))
    gpt2.post_processor = processors.ByteLevel(trim_offsets=False)
    yield "gpt2", gpt2

    llama3 = make(None, byte_level(split(cl100k(r"\p{N}{1,3}"))), ignore_merges=True)
    llama3.add_special_tokens(special("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"))
    llama3.post_processor = processors.Sequence(
        [processors.ByteLevel(), template(llama3, "<|begin_of_text|>")]
    )
    yield "llama3", llama3

    qwen3 = make(normalizers.NFC(), byte_level(split(cl100k(r"\p{N}"))))
    qwen3.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    qwen3.add_tokens([AddedToken(text, normalized=False) for text in ("<think>", "</think>")])
    qwen3.post_processor = processors.ByteLevel(add_prefix_space=False, use_regex=False)
    yield "qwen3", qwen3

    oss = make(None, byte_level(split(O200K)))
    oss.add_special_tokens(special("<|startoftext|>", "<|return|>", "<|message|>"))
    oss.post_processor = processors.ByteLevel(use_regex=False)
    yield "gpt-oss", oss

    olmoe = make(normalizers.NFC(), pre.ByteLevel(add_prefix_space=False))
    olmoe.add_special_tokens(special("|||IP_ADDRESS|||", "<|endoftext|>", "<|padding|>"))
    olmoe.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    olmoe.post_processor = template(olmoe, "<|endoftext|>")
    yield "olmoe", olmoe

    bos, eos = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
    v2 = make(
        normalizers.Sequence([]),
        byte_level(
            split("[\r\n]"), split(rf"\s?[{V2_LETTERS}]+"),
            split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"), split("[一-龥ࠀ-一가-\ud7ff]+"),
            pre.Digits(individual_digits=True),
        ),
    )
    v2.add_tokens([AddedToken(text, normalized=True, special=True) for text in (bos, eos)])
    v2.add_tokens([AddedToken("<｜User｜>", normalized=True)])
    v2.post_processor = processors.ByteLevel(add_prefix_space=True, trim_offsets=False)
    yield "deepseek-v2", v2

    v3 = make(
        normalizers.Sequence([]),
        byte_level(split(r"\p{N}{1,3}"), split("[一-龥\u3040-ゟ゠-ヿ]+"), split(V3_WORDS)),
    )
    v3.add_tokens([AddedToken(text, normalized=True, special=True) for text in (bos, eos)])
    v3.add_tokens([AddedToken("<｜User｜>", normalized=False), AddedToken("<|EOT|>", special=True)])
    v3.post_processor = template(v3, bos)
    yield "deepseek-v3", v3

    # What the format has besides: tokens that take white space or stand alone, a space put in front.
    odd = make(None, pre.ByteLevel(add_prefix_space=True), unk_token="Ġthe")
    odd.add_tokens([
        AddedToken("<left>", lstrip=True, normalized=False),
        AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("<both>", lstrip=True, rstrip=True, normalized=True),
        AddedToken("word", single_word=True, normalized=False),
        AddedToken("alone", single_word=True, lstrip=True, normalized=True),
        AddedToken("é", normalized=False),
    ])
    yield "odd", odd


def fallback_families(texts):
    """Tokenizers as converted from SentencePiece models: Mixtral's, before and after 2024."""
    source = Tokenizer(models.BPE())
    source.pre_tokenizer = pre.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=700, limit_alphabet=90, show_progress=False)
    source.train_from_iterator(texts, trainer)
    model = json.loads(source.to_str())["model"]
    first = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    names = first + sorted(model["vocab"], key=model["vocab"].get)
    # Runs of spaces have tokens there.
    runs = ["▁" * n for n in (2, 4)]
    names += runs
    merges = [tuple(pair) for pair in model["merges"]] + [("▁", "▁"), ("▁▁", "▁▁")]
    legacy = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    for name, normalizer, pre_tokenizer in [
        ("mixtral", legacy, None),
        ("mixtral-metaspace", None, pre.Metaspace(prepend_scheme="first", split=False)),
    ]:
        tokenizer = Tokenizer(models.BPE(
            vocab={text: id for id, text in enumerate(names)}, merges=merges,
            unk_token="<unk>", fuse_unk=True, byte_fallback=True,
        ))
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre_tokenizer:
            tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.decoder = decoders.Sequence([
            decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ])
        tokenizer.add_special_tokens(special("<unk>", "<s>", "</s>"))
        tokenizer.post_processor = template(tokenizer, "<s>")
        yield name, tokenizer


HARD = [
    "", " ", "  ", "a", " a", "a ", "  a  b   c    d", "\n", "\n\n\n", " \n \n a\r\n\r\nb\t\tc \u3000\u3000d\u00a0e",
    "   \n   indented\n        more", "end of line   \n", "x\u2028y\u2029z\u0085w\u1680v",
    "I'm we're you've she'll he'd it's can't I'M WE'RE YOU'VE SHE'LL HE'D IT'S CAN'T 'Re 'vE 'lL",
    "'\u017f'\u017fx don'\u017f ’s ’t '' 's's't", "3.14159 1,234,567 1234567890 ١٢٣٤ Ⅷ½²③ 12a34 ५६७८",
    "HelloWorld helloWORLD HTTPServer camelCaseX ABCdefGHI iPhone ǅungla Ǆ ʰʱ ªº",
    "e\u0301 a\u0323\u0302 a\u0302\u0323 \u0301alone \u0301\u0301\u0301 n\u0303o\u0308 각 \u1100\u1161\u11a8 \u212b \u2126",
    "क्षत्रिय हिन्दी \u0e01\u0e34\u0e19 العَرَبِيَّة עִבְרִית தமிழ் ខ្មែរ မြန်မာ",
    "你好，世界！今天是２０２６年。こんにちは、セカイ。안녕하세요 세계 ㄱㄴ 漢字かな交じり文",
    "Привет, мир! Ελληνικά κείμενο Ქართული ქართული հայերեն ᏣᎳᎩ ᏸᎠ",
    "👨‍👩‍👧‍👦 👍🏽 🇩🇪🇯🇵 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ ☺ ☺️", "\ufffd \ufffd\ufffd invalid \ufeffBOM \u200b\u200d\u200c",
    "if (a[i] != b->c && !d) { return \"x/y/z\\n\"; } // comment\n/* /// */\n#include <x.h>",
    "https://example.com/a/b?c=d&e=%20#f user@example.com $100 €50 £3 ±5 a=b+c*d^2~|`",
    "\u0000\u0001\u001f\u007f\u0080\u009f", "ＦＵＬＬ ｗｉｄｔｈ ﬁ ﬂ ﷺ ①②③", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" * 4,
    " " * 100, "\t" * 30 + "x", "-" * 70 + "\n" + "=" * 70, "▁▁a ▁b▁ ▁", "a▁b c▁▁▁d", "<0x41><0xE2> <0x0A>",
    "𝕳𝖊𝖑𝖑𝖔 𐐀𐐨 𞤀𞤢 𑢠𑣀 𝟘𝟙𝟚 𒀀𒐀 \U0010ffff \ue000", "\u0378\u0379 \u088f \U00011b00",
    "the word sword wordy word. alone <left> x <right>  y <both> z word_ éé alone", "   <left>   <right>   <both>   ",
]


def hard_strings(added, texts):
    generator = random.Random(5)
    scalars = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    categories = {}
    for c in scalars:
        categories.setdefault(unicodedata.category(chr(c)), []).append(c)
    strings = list(HARD)
    for token in added:
        strings += [f"a {token} b", f"{token}{token}x {token}", f"\n{token}\n"]
    for _ in range(25):
        parts = [
            chr(generator.choice(categories[generator.choice(sorted(categories))]))
            if generator.random() < 0.6 else generator.choice([" ", "a", "E", "'s", "\n", "1", "é"])
            for _ in range(generator.randrange(3, 30))
        ]
        strings.append("".join(parts))
    strings += [generator.choice(texts)[:150] for _ in range(3)]
    return strings


def golden(tokenizer, texts):
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    cases = []
    for text in hard_strings(added[:6], texts):
        with_special = tokenizer.encode(text).ids
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = tokenizer.decode(with_special, skip_special_tokens=False)
        plain = tokenizer.decode(ids)
        case = {"text": text, "ids": ids, "prefix": len(with_special) - len(ids), "decoded": decoded}
        assert with_special[case["prefix"]:] == ids
        if plain != decoded:
            case["plain"] = plain
        cases.append(case)
    generator = random.Random(6)
    size = tokenizer.get_vocab_size()
    streams = []
    for _ in range(30):
        ids = [generator.randrange(min(size, 300) if generator.random() < 0.7 else size) for _ in range(12)]
        streams.append({"ids": ids, "decoded": tokenizer.decode(ids)})
    return {"strings": cases, "decoding": streams}


def main():
    folder = Path(sys.argv[1])
    texts = []
    for name in ("validation.jsonl", "calibration.jsonl"):
        with open(folder / name) as file:
            texts += [json.loads(line)["text"] for line in file]
    for families in (byte_level_families, fallback_families):
        for name, tokenizer in families(texts):
            out = HERE / name
            out.mkdir(exist_ok=True)
            content = json.loads(tokenizer.to_str())
            if name in ("gpt2", "mixtral"):
                # As tokenizers before 0.20 wrote merges.
                content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
            text = json.dumps(content, ensure_ascii=name == "llama3", separators=(",", ":"))
            (out / "tokenizer.json").write_text(text)
            tokenizer = Tokenizer.from_str(text)
            text = json.dumps(golden(tokenizer, texts), ensure_ascii=False, separators=(",", ":"))
            (out / "golden.json").write_text(text)


if __name__ == "__main__":
    main()
