#!/usr/bin/env python3
"""A generator of your own on the codec's latents, in PyTorch.

    latent_generator.py CAPTURE OUT [--minutes 6] [--packets 10000] [--seed 0]

Learns from CAPTURE, writes latents of new traffic to OUT.safetensors, decodes them to OUT.pcap and
checks that. A recurrent network reads a flow's latents in order and predicts the next one among
CODES latents of the capture, or that the flow ends, and then the gap before it. Flows are drawn
side by side and merged by time. Latents add up: one that is of no flow, plus the name of a slot, is
of the flow in that slot. So the network need not learn names, and what it draws agrees.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import tracecodec as tc
from torch.nn import functional

CODES, GAPS, SPAN, ROWS = 4096, 256, 128, 3072


class Flows:
    """What is learned from: codes and gaps of a capture's flows, and the latents of the codes."""

    def __init__(self, capture, stem, **selection):
        actions = tc.lift(capture, profiles_of="built-in", **selection)
        frame = actions.to_pandas()
        self.bare = frame.assign(flow_token=0, delta_t=0)
        self.bare[[name for name in frame if name.startswith("ctx_")]] = 0
        latents = tc.encode(self.bare, f"{stem}.learned.safetensors", like=actions, refine=False)
        self.actions, self.manifest = actions, latents.manifest
        # The latents that stand most often are codes; every other row takes the nearest of them.
        distinct, first, which, count = np.unique(
            latents.mu, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        kept = np.argsort(-count, kind="stable")[:CODES]
        self.latents = torch.from_numpy(distinct[kept])
        pieces = torch.from_numpy(distinct).split(1024)
        nearest = torch.cat([torch.cdist(rows, self.latents).argmin(1) for rows in pieces])
        self.code = nearest[torch.from_numpy(which.ravel())]
        self.row = first[kept]  # A packet of each code.
        event, kind = frame.flow_evt, frame.proto * 2 + frame.ip_family
        self.opens = torch.from_numpy(event.to_numpy()[self.row] == 1)
        self.kind = torch.from_numpy(kind.to_numpy()[self.row].astype(np.int64))

        # A row's gap is to the row before in its flow; an opening's, to the opening before.
        at = frame.delta_t.cumsum()
        flow = (event == 1).groupby(frame.flow_token).cumsum() * (1 << 24) + frame.flow_token
        gap = at.groupby(flow).diff().fillna(at[event == 1].diff()).fillna(0)
        log = np.log1p(gap.clip(lower=0).to_numpy())
        self.edges = np.unique(np.quantile(log, np.linspace(0, 1, GAPS + 1)))
        self.gap = torch.from_numpy(np.digitize(log, self.edges[1:-1]))

        # Spans of a flow with the row before each; a flow that was silent at last has ended.
        spans, latest = [], at.max() - 5e9
        for rows in frame.groupby(flow).indices.values():
            ended = at[rows[-1]] < latest
            rows = np.concatenate([[-1], rows, [-1] if ended else []]).astype(np.int64)
            rows = torch.from_numpy(rows)
            spans += [rows[i : i + SPAN + 1] for i in range(0, len(rows) - 1, SPAN)]
        # Batches of about as many rows each, so that all rows weigh the same.
        self.batches = [[]]
        for span in sorted(spans, key=len):
            if (len(self.batches[-1]) + 1) * len(span) > ROWS:
                self.batches.append([])
            self.batches[-1].append(span)

    def names(self, slots, samples=16):
        """What makes a latent one of the flow in a slot: a vector for each slot, to be added."""
        rows = self.bare.iloc[np.tile(self.row[:samples], slots)]
        named = rows.assign(flow_token=np.repeat(np.arange(slots), samples))
        moved = tc.encode(named, like=self.actions, refine=False).mu.reshape(slots, samples, -1)
        return torch.from_numpy((moved - moved[:1]).mean(1))


class Model(torch.nn.Module):
    """Predicts what comes next in a flow, and after what gap."""

    def __init__(self, flows, width=256):
        super().__init__()
        normal = (flows.latents - flows.latents.mean(0)) / flows.latents.std()
        self.register_buffer("codes", functional.pad(normal, (0, 2, 0, 2)))
        self.codes[-2, -2] = self.codes[-1, -1] = 8  # Two more: a flow ends, a flow begins.
        self.code = torch.nn.Linear(self.codes.shape[1], width)
        self.gap = torch.nn.Embedding(GAPS, width)
        self.memory = torch.nn.GRU(width, width, 2, batch_first=True, dropout=0.1)
        self.query = torch.nn.Linear(width, 64)
        self.key = torch.nn.Linear(self.codes.shape[1], 64)
        count = torch.bincount(flows.code, minlength=len(self.codes) - 1) + 1
        self.bias = torch.nn.Parameter(count.log())
        hidden = torch.nn.Linear(2 * width, width)
        self.next_gap = torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(width, GAPS))

    def forward(self, code, gap, memory=None):
        return self.memory(self.code(self.codes[code]) + self.gap(gap), memory)

    def next_code(self, out):
        return self.query(out) @ self.key(self.codes[:-1]).T / 8 + self.bias

    def gaps(self, out, code):
        return self.next_gap(torch.cat([out, self.code(self.codes[code])], -1))


def train(flows, minutes):
    model, began, step = Model(flows), time.monotonic(), 0
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    end, begin = len(flows.latents), len(flows.latents) + 1
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        spans = flows.batches[torch.randint(len(flows.batches), ())]
        rows = torch.nn.utils.rnn.pad_sequence(spans, batch_first=True, padding_value=-2)
        code, gap = flows.code[rows], flows.gap[rows].where(rows >= 0, 0)
        source, target = code.where(rows >= 0, begin)[:, :-1], code.where(rows >= 0, end)[:, 1:]
        there, packet = rows[:, 1:] > -2, rows[:, 1:] >= 0
        out, _ = model(source, gap[:, :-1])
        loss = functional.cross_entropy(model.next_code(out[there]), target[there])
        gaps = model.gaps(out[packet], target[packet])
        loss = loss + functional.cross_entropy(gaps, gap[:, 1:][packet])
        optimiser.param_groups[0]["lr"] = 2e-3 * min(1, step / 50) * (1 - share) + 1e-5
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimiser.step()
        step += 1
        if step % 200 == 0:
            print(f"step {step}, {100 * share:.0f} %: {loss.item():.2f} nats a packet")
    return model.eval()


@torch.no_grad()
def draw(model, flows, packets, count=64):
    """Codes, flows and times (ns) of new packets, by time; `count` flows at first."""
    edges, end = torch.from_numpy(flows.edges), len(flows.latents)
    drawn = []
    owner, place = torch.arange(count), 0
    code, gap, memory = torch.full_like(owner, end + 1), torch.zeros_like(owner), None
    while len(owner) > 0:
        out, memory = model(code[:, None], gap[:, None], memory)
        legal = flows.opens[None] if place == 0 else ~flows.opens & (flows.kind == kind[:, None])
        legal = functional.pad(legal, (0, 1), value=place > 0)
        logits = model.next_code(out[:, 0]).masked_fill(~legal, -torch.inf)
        code = torch.multinomial(logits.softmax(-1), 1)[:, 0]
        logits = model.gaps(out[:, 0], code)[:, : len(edges) - 1]
        gap = torch.multinomial(logits.softmax(-1), 1)[:, 0]
        step = torch.expm1(edges[gap] + torch.rand(len(gap)) * (edges[gap + 1] - edges[gap]))
        at = at + step if place > 0 else step.cumsum(0)
        until = until if place > 0 else at[-1]
        live = (code != end) & (at <= until)  # The trace ends where the last flow opens.
        code, gap, at, owner, memory = code[live], gap[live], at[live], owner[live], memory[:, live]
        kind, place = flows.kind[code], place + 1
        drawn.append((code, owner, at))
    code, owner, at = map(torch.cat, zip(*drawn))
    if len(at) < packets:
        return draw(model, flows, packets, 2 * count)
    order = torch.argsort(at, stable=True)[:packets]
    return code[order], owner[order], at[order]


def write(path, rows, like):
    """A file of latents (safetensors), and the manifest that `decode` reads beside it."""
    header = {"mu": {"dtype": "F32", "shape": rows.shape, "data_offsets": [0, rows.nbytes]}}
    header = json.dumps(header).encode().ljust(120)
    path.write_bytes(len(header).to_bytes(8, "little") + header + rows.astype("<f4").tobytes())
    keys = ["format", "version", "schema_version", "model_blake3", "epoch_ns", "option_profiles"]
    manifest = {key: like[key] for key in keys}
    path.with_name(path.name + ".json").write_text(json.dumps(manifest))


def generate(capture, stem, minutes=6, packets=10_000, seed=0):
    """Trains on a capture and makes packets. Returns the outcomes of `decode` and of `check`."""
    torch.manual_seed(seed)
    flows = Flows(capture, stem)
    model = train(flows, minutes)
    code, owner, at = draw(model, flows, packets)
    rows = flows.latents[code] + flows.names(int(owner.max()) + 1)[owner]
    channel = torch.log1p(at.round().diff(prepend=at[:1].round()))
    rows = np.concatenate([rows, channel[:, None]], 1, dtype=np.float32)
    write(Path(f"{stem}.safetensors"), rows, flows.manifest)
    decoded = tc.decode(f"{stem}.safetensors", f"{stem}.pcap")
    return decoded, tc.check(f"{stem}.pcap", tools=True)["captures"][0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("capture")
    parser.add_argument("stem", metavar="OUT")
    parser.add_argument("--minutes", type=float, default=6, help="of training (default: 6)")
    parser.add_argument("--packets", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    decoded, checked = generate(**vars(parser.parse_args()))
    share = decoded["settled"]["flows"] / decoded["packets"]
    print(f"made to agree: {100 * share:.2f} % of {decoded['packets']} packets")
    print("made legal:", decoded["legalisations"] or "none")
    verdicts = {tool["tool"]: tool["verdict"] for tool in checked["tools"]}
    print(f"errors: {checked['errors']}, {verdicts}")
