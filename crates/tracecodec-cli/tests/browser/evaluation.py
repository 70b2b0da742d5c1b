"""An evaluation and a training made by hand, so that every number on their page is known."""

import json

EVENTS = [
    "retransmission",
    "fast_retransmission",
    "spurious_retransmission",
    "lost_segment",
    "ack_lost_segment",
    "duplicate_ack",
    "out_of_order",
    "zero_window",
]


def summary(packets: int, sessions: int, retransmissions: int) -> dict:
    """A summary of TCP packets of 100 bytes, a millisecond apart. All sessions but one have a single
    packet, and span the whole capture."""
    events = dict.fromkeys(EVENTS, 0) | {"retransmission": retransmissions}
    transitions = [[0] * 6 for _ in range(6)]
    transitions[0][1] = 3
    transitions[0][0] = 1
    return {
        "captures": 1,
        "packets": packets,
        "bytes": 100 * packets,
        "skipped": {},
        "protocols": {"tcp": packets, "udp": 0, "icmp": 0, "other": 0},
        "iat": {"ms": [[1, packets - 1]], "log": [[61, packets - 1]]},
        "sessions": sessions,
        "session_durations": {"ms": [[0, sessions]], "log": [[0, sessions]]},
        "packets_per_session": [[1, sessions - 1], [packets - sessions + 1, 1]],
        "packet_sizes": [[100, packets]],
        "tcp_events": {"fields": events, "exclusive": events},
        "tcp_labels": [4, 3, packets - 7, 0, 0, 0],
        "transitions": transitions,
        "interleaving": {"adjacent": packets - 1, "switches": 1, "run_lengths": [[1, 1], [packets - 1, 1]]},
        "timeline": {
            "width_ns": 1_000_000,
            "bin": list(range(packets)),
            "packets": [1] * packets,
            "bytes": [100] * packets,
            "starts": [sessions] + [0] * (packets - 1),
            "ends": [0] * (packets - 1) + [sessions],
        },
    }


def evaluation(label: str, dataset: str = "by hand", **changes: int) -> dict:
    reference = {"packets": 200, "sessions": 10, "retransmissions": 20}
    return {
        "format": "tracecodec-evaluation",
        "version": 1,
        "label": label,
        "dataset": dataset,
        "analyzer": "native",
        "reference": summary(**reference),
        "decoded": summary(**(reference | changes)),
        "cases": [],
    }


def training(validations: int) -> dict[str, str]:
    """Files of a training: validations are 100 steps apart, and at each half as many packets are wrong
    as at the one before."""

    def validation(number: int) -> dict:
        wrong = 0.5**number
        loss = {"loss": 1 + wrong, "fields": wrong, "time": wrong, "training_loss": 2 + wrong}
        return {"step": 100 * number, **loss, "kl": 100, "accuracy": 1 - wrong, "exact": 1 - wrong}

    history = [validation(number + 1) for number in range(validations)]
    manifest = {
        "format": "tracecodec.training",
        "version": 1,
        "tool": "tracecodec",
        "schema_version": 1,
        "codec": {},
        "training": {"batch": 256},
        "option_profiles": [],
        "training_packets": 90_000,
        "validation_packets": 10_000,
        "steps": 100 * validations,
        "best": history[-1],
        "weights_blake3": "",
    }
    lines = "".join(json.dumps(line) + "\n" for line in history)
    return {"history.jsonl": lines, "manifest.json": json.dumps(manifest)}
