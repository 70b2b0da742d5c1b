"""The default training of the codec in PyTorch on the packets of an actions file, to compare the
time to an accuracy with: split, batch, augmentation, optimiser, schedules and validation packets
are those of `tracecodec train`.

    python accuracy.py ACTIONS [--threads N] [--steps N] [--validations V] [--until SHARE]
                       [--seed S] [--compile]

ACTIONS is what `tracecodec lift` writes. Prints a line of JSON for each validation: the steps so
far, the seconds that they took, and the share of packets whose fields all come back from the mean
of their latent. Start, compilation and validations are not counted in the seconds.
"""

import argparse
import json
import math
import time

import duckdb
import numpy
import torch
from codec import BATCH, LATENT, PROTO, SCHEMA, Default, active, adam_w, codec
from torch import nn

# First quantity of each token group; a group ends before the next, and the last is the time.
GROUPS = ["flow_token", "proto", "tcp_flag_bits", "tcp_win", "tcp_ack_unseen", "tcp_seq_delta_sign"]
GROUPS += ["ttl_res", "icmp_type", "l4_payload_len", "ctx_gap_b"]
QUANTITIES = [symbol.quantity for symbol in SCHEMA]
SIZES = torch.tensor(Default.sizes)
MICRO_BATCH = 128
# Steps whose packets are augmented at once.
AHEAD = 64
ACTIVE = active(len(SIZES))
# Symbols that the latent carries, and those that a whole packet has right.
CARRIED, JUDGED = torch.ones(2, len(SIZES), dtype=torch.bool)
CARRIED[Default.given] = JUDGED[Default.given] = JUDGED[Default.times] = False


def read(path):
    """The symbols of all packets of an actions file, in order."""
    columns = duckdb.sql(f"from '{path}'").fetchnumpy()
    symbols = []
    for quantity in dict.fromkeys(QUANTITIES):
        values = columns[quantity].astype(numpy.int64)
        digits = QUANTITIES.count(quantity)
        symbols += [values >> 4 * digit & 15 for digit in reversed(range(digits))] if digits > 1 else [values]
    sign, exponent, mantissa = numpy.array(list(time_codes(columns["delta_t"].tolist()))).T
    symbols += [sign % 3, exponent >> 4, exponent & 15]
    symbols += [mantissa >> 4 * digit & 15 for digit in reversed(range(4))]
    return torch.from_numpy(numpy.stack(symbols, 1))


def time_codes(steps):
    """Sign, binary exponent and mantissa of time steps, each of which makes up for what the codes
    before it left out, by at most 1/256."""
    behind = 0
    for step in steps:
        is_hole = abs(step) >= 1 << 36
        most = max(step, 0) >> 8
        due = step if is_hole else step + max(-most, min(most, behind))
        size = abs(due)
        exponent = max(size.bit_length() - 1, 0)
        mantissa = size << 16 >> exponent & 0xFFFF
        coded = size >> max(0, exponent - 16) << max(0, exponent - 16)
        behind += 0 if is_hole else step - (coded if due > 0 else -coded)
        yield (due > 0) - (due < 0), exponent, mantissa


def validation_packets(packets, count=8192, run=256):
    """At most `count` packets, in runs spread evenly over all of them."""
    runs = max(1, min(-(-len(packets) // run), -(-count // run)))
    length = min(count, len(packets)) // runs
    starts = [i * (len(packets) - length) // max(1, runs - 1) for i in range(runs)]
    return torch.cat([packets[start : start + length] for start in starts])


def chance(share, *shape):
    return torch.rand(shape) < share


def augment(values):
    """Mixes field groups between the packets of a micro-batch and draws values at random."""
    original, rows = values, len(values)
    values = original.clone()
    augmented = chance(0.8, rows)
    first = torch.arange(rows) // MICRO_BATCH * MICRO_BATCH
    starts = [QUANTITIES.index(name) for name in GROUPS] + [Default.times[0], len(SIZES)]
    for start, end in zip(starts, starts[1:]):
        group = values[:, start:end]
        mixed = (augmented & chance(0.3, rows)).nonzero()[:, 0]
        donors = first[mixed] + torch.randint(MICRO_BATCH, mixed.shape)
        group[mixed] = original[donors, start:end]
        drawn = (augmented & chance(0.2, rows)).nonzero()[:, 0]
        group[drawn] = draw(group[drawn], start, end)
    return values * ACTIVE[values[:, PROTO]]


def draw(group, start, end):
    """Draws each digit and class of a group anew with probability 1/2; the leading digits of a number
    may become zeros or ones."""
    anew = chance(0.5, *group.shape)
    values = (torch.rand(group.shape) * SIZES[start:end]).long()
    if start == Default.times[0]:
        anew[:, :3] = False
        changed = chance(0.5, len(group))
        group = torch.where(anew, values, group)
        return torch.where(changed[:, None], draw_magnitude(group), group)
    group = torch.where(anew, values, group)
    for quantity in dict.fromkeys(QUANTITIES[start:end]):
        digits = QUANTITIES.count(quantity)
        if digits > 1:
            place = torch.arange(end - start) - (QUANTITIES.index(quantity) - start)
            leading = torch.randint(1, digits + 1, (len(group), 1))
            leading *= chance(0.25, len(group), 1)
            digit = 15 * torch.randint(2, (len(group), 1))
            group = torch.where((place >= 0) & (place < leading), digit, group)
    return group


def draw_magnitude(group):
    """A new sign and exponent of the time, mostly near the ones in the row."""
    rows = len(group)
    sign, exponent = group[:, 0], group[:, 1] << 4 | group[:, 2]
    near = exponent - 4 + (torch.rand(rows) * 9).long()
    case = torch.randint(16, (rows,))
    sign = torch.where(case == 0, 0, torch.where(case == 1, torch.randint(1, 3, (rows,)), torch.where(case == 2, 2, sign)))
    exponent = torch.where(case == 1, torch.randint(63, (rows,)), torch.where(case == 2, exponent, near.clamp(0, 62)))
    exponent = torch.where(sign == 0, 0, exponent)
    return torch.cat([torch.stack([sign, exponent >> 4, exponent & 15], 1), group[:, 3:]], 1)


def batches(packets):
    """Augmented batches without end; every packet occurs once an epoch."""
    order = torch.empty(0, dtype=torch.long)
    while True:
        while len(order) < AHEAD * BATCH:
            order = torch.cat([order, torch.randperm(len(packets))])
        values = augment(packets[order[: AHEAD * BATCH]])
        order = order[AHEAD * BATCH :]
        yield from values.split(BATCH)


def whole_packets(model, packets):
    """Share of the packets that come back whole."""
    with torch.inference_mode():
        decoded = torch.cat([model.round_trip(piece) for piece in packets.split(1024)])
    judged = JUDGED & ACTIVE[packets[:, PROTO]].bool()
    return ((decoded == packets) | ~judged).all(1).float().mean().item()


def learning_rate(share, warm_up=0.05, floor=0.01):
    if share < warm_up:
        return max(1e-3, share / warm_up)
    phase = (share - warm_up) / (1 - warm_up)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * phase))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--validations", type=int, default=20)
    parser.add_argument("--until", type=float, default=1.1, metavar="SHARE", help="stop at so many whole packets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    packets = read(args.actions)
    packets, last = packets.split([len(packets) - len(packets) // 10, len(packets) // 10])
    judged = validation_packets(last)
    model, _ = codec("default")
    optimiser = adam_w(model)
    peak = optimiser.param_groups[0]["lr"]
    objective = torch.compile(model) if args.compile else model
    source = batches(packets)

    def step(share):
        values = next(source)
        mask = (ACTIVE[values[:, PROTO]] * CARRIED).float()
        beta = torch.tensor(0.02 * min(1.0, share / 0.2))
        optimiser.zero_grad(set_to_none=True)
        objective(values, mask, torch.randn(len(values), LATENT), beta).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = peak * learning_rate(share)
        optimiser.step()

    # Compiles; a step with a rate of a thousandth of the peak moves next to nothing.
    step(0.0)
    seconds, due = 0.0, 1
    for n in range(1, args.steps + 1):
        began = time.perf_counter()
        step((n - 1) / args.steps)
        seconds += time.perf_counter() - began
        if n * args.validations >= due * args.steps:
            due += 1
            exact = whole_packets(model, judged)
            print(json.dumps({"step": n, "seconds": seconds, "exact": exact}), flush=True)
            if exact >= args.until:
                break


if __name__ == "__main__":
    main()
