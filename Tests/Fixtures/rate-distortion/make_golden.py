#!/usr/bin/env python3
"""Make golden.json: a small matrix that a plain implementation quantizes, every pass over all columns spelled out.

    make_golden.py > golden.json   # needs torch
"""

import json
import math

import torch

ROWS, COLUMNS, TOKENS, DAMPING, PASSES, PRIOR = 16, 64, 192, 0.01, 4, 2.0


def digit(symbol, plane):
    return (symbol > 0) - (symbol < 0) if abs(symbol) >> plane & 1 else 0


def bits_of(symbols, planes):
    """Bits of each symbol, and the entropy of all digits, from how often each digit occurs in its plane."""
    values = [int(s) for s in symbols.flatten()]
    radius, total = (1 << planes) - 1, len(values)
    bits, entropy = {s: 0.0 for s in range(-radius, radius + 1)}, 0.0
    for plane in range(planes):
        share = {d: sum(digit(v, plane) == d for v in values) / total for d in (-1, 0, 1)}
        entropy -= sum(p * math.log2(p) for p in share.values() if p > 0)
        for s in bits:
            bits[s] -= math.log2(max(share[digit(s, plane)], 1e-4))
    return bits, entropy


def quantize(w, h, total, importance, price_of_bit, planes):
    damp = DAMPING * h.diagonal().mean() * torch.eye(COLUMNS, dtype=h.dtype)
    u = torch.linalg.cholesky(torch.linalg.inv(h + damp), upper=True)
    d2 = u.diagonal() ** 2
    prices, radius = price_of_bit * d2 / total, (1 << planes) - 1
    # Rows are scaled so that a squared error counts the same in all.
    w = w * importance.sqrt()[:, None]
    deviation = w.std(-1)
    step = math.sqrt(6 * prices.mean().item() / math.log(2))
    level = torch.minimum(2 * deviation, torch.clamp_min(3.5 * deviation / radius, step))
    rough = torch.clamp_max((w / level[:, None]).abs() + 0.4, radius).floor() * w.sign()
    bits, _ = bits_of(rough, planes)
    damped = h + damp
    for _ in range(PASSES):
        rest, symbols = w.clone(), torch.zeros_like(w)
        for i in range(COLUMNS):
            x = rest[:, i].clone()
            costs = [(x - s * level) ** 2 + prices[i] * bits[s] for s in range(-radius, radius + 1)]
            symbols[:, i] = torch.stack(costs).argmin(0) - radius
            rest[:, i:] -= ((x - symbols[:, i] * level) / u[i, i])[:, None] * u[i, i:]
        product = symbols @ damped
        fitted = (product * w).sum(-1) / (product * symbols).sum(-1)
        level = torch.where((symbols != 0).any(-1), fitted, level)
        bits, entropy = bits_of(symbols, planes)
    level = level / importance.sqrt()
    w = w / importance.sqrt()[:, None]
    error = w - symbols * level[:, None]
    return symbols, level, entropy, (error @ h * error).sum() / (w @ h * w).sum()


torch.manual_seed(0)
mix = torch.eye(COLUMNS) + 0.1 * torch.randn(COLUMNS, COLUMNS) * torch.exp(-torch.arange(COLUMNS) / 24)[:, None]
inputs = torch.randn(TOKENS, COLUMNS) @ mix + 0.5 * torch.randn(COLUMNS)
token_weights, weights, importance = torch.rand(TOKENS), torch.randn(ROWS, COLUMNS), 0.2 + torch.rand(ROWS)
x, t, w = inputs.double(), token_weights.double() ** 2, weights.double()
mean = (t[:, None] * x).sum(0) / t.sum()
h = ((x - mean) * t[:, None]).T @ (x - mean) / t.sum()
cases = []


def rounded(numbers):
    return [float(f"{x:.7g}") for x in numbers.flatten().tolist()]


for price, planes in ((30.0, 1), (10.0, 1), (10.0, 2), (2.0, 3)):
    symbols, levels, rate, error = quantize(w, h, t.sum() + PRIOR, importance.double(), price, planes)
    bias = (w - symbols * levels[:, None]) @ mean
    cases.append({
        "lambda": price, "planes": planes, "rate": rate, "relative_output_error": error.item(),
        "symbols": symbols.flatten().int().tolist(), "levels": rounded(levels), "bias": rounded(bias),
    })
print(json.dumps({
    "rows": ROWS, "columns": COLUMNS, "damping": DAMPING, "passes": PASSES, "prior_importance": PRIOR,
    "weights": rounded(weights), "row_importance": rounded(importance), "inputs": rounded(inputs),
    "token_weights": rounded(token_weights), "cases": cases,
}, separators=(",", ":")))
