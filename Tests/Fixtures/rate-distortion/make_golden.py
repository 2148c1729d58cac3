#!/usr/bin/env python3
"""Make golden.json: a small matrix that a plain implementation quantizes, every pass over all columns spelled out.

    make_golden.py > golden.json   # needs torch
"""

import json

import torch

ROWS, COLUMNS, TOKENS, DAMPING, PASSES = 16, 64, 192, 0.01, 13


def quantize(w, h, price_of_bit):
    """Symbols of the last pass, levels at unit gain, entropy and relative output error."""
    damp = DAMPING * h.diagonal().mean() * torch.eye(COLUMNS, dtype=h.dtype)
    u = torch.linalg.cholesky(torch.linalg.inv(h + damp), upper=True)
    d2 = u.diagonal() ** 2
    sigma = w.std(-1)
    price = price_of_bit * (sigma**2).mean() * d2 / d2.mean()
    level, bits = 2 * sigma, torch.tensor([4.5, 0.25, 4.5], dtype=w.dtype)
    for _ in range(PASSES):
        rest, symbols = w.clone(), torch.zeros_like(w)
        for i in range(COLUMNS):
            x = rest[:, i].clone()
            costs = [(x - k * level) ** 2 + price[i] * bits[k + 1] for k in (-1, 0, 1)]
            symbols[:, i] = torch.stack(costs).argmin(0) - 1
            rest[:, i:] -= ((x - symbols[:, i] * level) / u[i, i])[:, None] * u[i, i:]
        product = symbols @ (h + damp)
        fitted = (product * w).sum(-1) / (product * symbols).sum(-1)
        level = torch.where((symbols != 0).any(-1), fitted, 2 * sigma)
        p = torch.stack([(symbols == k).to(w.dtype).mean() for k in (-1, 0, 1)]).clamp_min(1e-4)
        bits = -p.log2()
    q = symbols * level[:, None]
    gain = ((w @ h * w).sum(-1) / (w @ h * q).sum(-1)).clamp(1, 2)
    error = w - q * gain[:, None]
    relative = (error @ h * error).sum() / (w @ h * w).sum()
    return symbols, level * gain, (p * bits).sum(), relative


torch.manual_seed(0)
mix = torch.eye(COLUMNS) + 0.1 * torch.randn(COLUMNS, COLUMNS) * torch.exp(-torch.arange(COLUMNS) / 24)[:, None]
inputs = torch.randn(TOKENS, COLUMNS) @ mix + 0.5 * torch.randn(COLUMNS)
token_weights, weights = torch.rand(TOKENS), torch.randn(ROWS, COLUMNS)
x, t, w = inputs.double(), token_weights.double() ** 2, weights.double()
mean = (t[:, None] * x).sum(0) / t.sum()
h = ((x - mean) * t[:, None]).T @ (x - mean) / t.sum()
cases = []


def rounded(numbers):
    return [float(f"{x:.7g}") for x in numbers.flatten().tolist()]


for price in (0.1, 0.3, 0.6):
    symbols, levels, rate, error = quantize(w, h, price)
    bias = (w - symbols * levels[:, None]) @ mean
    cases.append({
        "lambda": price, "rate": rate.item(), "relative_output_error": error.item(),
        "symbols": symbols.flatten().int().tolist(), "levels": rounded(levels), "bias": rounded(bias),
    })
print(json.dumps({
    "rows": ROWS, "columns": COLUMNS, "damping": DAMPING, "passes": PASSES, "weights": rounded(weights),
    "inputs": rounded(inputs), "token_weights": rounded(token_weights), "cases": cases,
}, separators=(",", ":")))
