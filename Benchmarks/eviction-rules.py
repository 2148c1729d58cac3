#!/usr/bin/env python3
"""Compare rules for which expert goes when memory is full, on the routes of a model.

    eviction-rules.py ROUTES    # lines of a layer's number and the numbers of its experts that a pass used

Such lines come of a print in `MixtureOfExperts.run`. Shares of uses that find their expert in memory, with room for a
share of all experts: least recently used; least frequently used, where uses fade; the rule of `ExpertUsage`, longest
expected wait; and the best that there is, which knows the future (Belady).
"""

import sys
from collections import defaultdict, deque
from math import inf

HALF_LIFE = 128

passes = [(int(line.split()[0]), [int(word) for word in line.split()[1:]]) for line in open(sys.argv[1])]
layers = 1 + max(layer for layer, _ in passes)
experts = layers * (1 + max(max(chosen) for _, chosen in passes))


def hit_rate(room, rule):
    present, last, uses, noted, count = set(), {}, defaultdict(float), {}, defaultdict(int)
    future = defaultdict(deque)
    for time, (layer, chosen) in enumerate(passes):
        for expert in chosen:
            future[layer, expert].append(time)

    def share(key):
        """Of the passes through its layer, those that used the expert, the latest counting most."""
        faded = uses[key] * 2 ** (-(count[key[0]] - noted[key]) / HALF_LIFE)
        return faded * (1 - 2 ** (-1 / HALF_LIFE))

    def wait(key, layer):
        """What goes is what waits longest."""
        if rule == "last use":
            return -last[key]
        if rule == "frequency":
            return -share(key)
        if rule == "expected wait":
            return 1 / share(key) + ((key[0] - layer) % layers or layers) / layers
        return future[key][0] if future[key] else inf

    hits = misses = 0
    for time, (layer, chosen) in enumerate(passes):
        keys = sorted(((layer, expert) for expert in chosen), key=lambda key: key not in present)
        count[layer] += 1
        for key in keys:
            future[key].popleft()
        for index, key in enumerate(keys):
            if key in present:
                hits += 1
            else:
                misses += 1
                if len(present) >= room:
                    candidates = present.difference(keys[index:]) or present
                    present.remove(max(candidates, key=lambda key: (wait(key, layer), key)))
                present.add(key)
            last[key] = time
            uses[key] = uses[key] * 2 ** (-(count[layer] - noted.get(key, 0)) / HALF_LIFE) + 1
            noted[key] = count[layer]
    return hits / (hits + misses)


rules = ["last use", "frequency", "expected wait", "best"]
print("| room for | " + " | ".join(rules) + " |\n|---" + "|---" * len(rules) + "|")
for percent in [75, 50, 25, 10]:
    room = max(1, experts * percent // 100)
    print(f"| {percent} % | " + " | ".join(f"{hit_rate(room, rule):.3f}" for rule in rules) + " |")
