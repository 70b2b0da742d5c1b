"""Reference numbers for `codec::network::tests`: objective and gradients of three tiny codecs, by
JAX in float64.

    pip install "jax[cpu]" && python reference.py
"""

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

# Symbols by stage, in the order of the schema: number of values of each.
COARSE = [16, 16, 16, 16, 3, 4, 2, 2, 9]
DETAIL = [16] * 10 + [3] + [16] * 8 + [3] + [16] * 24
CONTEXT = [32, 16, 17, 8, 3]
TIME = [3, 4, 16, 16]
SIZES = COARSE + DETAIL + CONTEXT + TIME
FIRST_CONTEXT = len(COARSE) + len(DETAIL)
IN_CONTEXT = list(range(FIRST_CONTEXT, FIRST_CONTEXT + 5))
IN_LENGTH = list(range(FIRST_CONTEXT - 4, FIRST_CONTEXT))
# Symbols that the first stage writes, that the details are conditioned on, and the details, for both
# sources of the context.
STAGES = {
    "latent": (list(range(9)) + IN_CONTEXT, list(range(9)) + IN_CONTEXT, list(range(9, FIRST_CONTEXT))),
    "flow": (list(range(9)) + IN_LENGTH, list(range(9)) + IN_LENGTH + IN_CONTEXT, list(range(9, FIRST_CONTEXT - 4))),
}
IN_TIME = [len(SIZES) - 4 + i for i in range(4)]
# Symbols of each token group.
GROUPS = [5, 4, 6, 4, 9, 9, 8, 4, 4, 5, 4]
LATENT, WIDTH, MODEL, HEADS, ROWS = 2, 4, 4, 2, 3

values = np.array([[(7 * i + 3 * row) % size for i, size in enumerate(SIZES)] for row in range(ROWS)])
mask = np.array([[float((i + row) % 5 != 0) for i in range(len(SIZES))] for row in range(ROWS)])
noise = np.array([[(2 * row + i) % 3 - 1.0 for i in range(LATENT)] for row in range(ROWS)])


class Reader:
    """Hands out the flat weights in the order in which the Rust module visits them."""

    def __init__(self, flat):
        self.flat, self.at = flat, 0

    def take(self, *shape):
        start, self.at = self.at, self.at + int(np.prod(shape))
        return self.flat[start : self.at].reshape(shape)


def norm(w, x):
    return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w.take(x.shape[-1])


def linear(w, x, out):
    return x @ w.take(x.shape[-1], out) + w.take(out)


def residual(w, x):
    width = x.shape[-1]
    return x + linear(w, jax.nn.relu(linear(w, norm(w, x), 2 * width)), width)


def transformer(w, x):
    rows, tokens, d = x.shape
    parts = linear(w, norm(w, x), 3 * d).reshape(rows, tokens, 3, HEADS, d // HEADS)
    q, k, v = (parts[:, :, i].swapaxes(1, 2) for i in range(3))
    attention = jax.nn.softmax(q @ k.swapaxes(2, 3) / np.sqrt(d // HEADS), -1)
    x = x + linear(w, (attention @ v).swapaxes(1, 2).reshape(rows, tokens, d), d)
    return residual(w, x)


def cross_entropy(logits, symbols):
    """Heads are sorted by padded size: up to 16 or 32 columns."""
    padded = lambda i: 16 if SIZES[i] <= 16 else 32
    total, column = 0.0, 0
    for i in sorted(symbols, key=padded):
        log_p = jax.nn.log_softmax(logits[:, column : column + SIZES[i]])
        total -= (log_p[jnp.arange(ROWS), values[:, i]] * mask[:, i]).sum()
        column += padded(i)
    assert column == logits.shape[1]
    return total


def trunk(w, z, width, columns, condition=None):
    x = linear(w, z, width)
    x = x if condition is None else x + condition()
    return linear(w, norm(w, residual(w, x)), columns)


def embed(w, symbols, width):
    sizes = [SIZES[i] for i in symbols]
    offsets = np.cumsum([0] + sizes[:-1])
    return w.take(sum(sizes), width)[values[:, symbols] + offsets]


def objective(flat, kind, context):
    w = Reader(flat)
    everything = list(range(len(SIZES)))
    if kind == "residual-mlp":
        x = embed(w, everything, WIDTH).sum(1) + w.take(1, WIDTH)
        x = residual(w, x)
    else:
        x = embed(w, everything, MODEL)
        ends = np.cumsum(GROUPS)
        x = jnp.stack([x[:, end - n : end].sum(1) for n, end in zip(GROUPS, ends)], 1)
        x = transformer(w, x + w.take(len(GROUPS), MODEL)).reshape(ROWS, -1)
    packed = linear(w, norm(w, x), 2 * LATENT)
    mu, log_var = packed[:, :LATENT], jnp.clip(packed[:, LATENT:], -20, 10)
    kl = 0.5 * (mu * mu + jnp.exp(log_var) - log_var - 1).sum()
    z = mu + jnp.exp(0.5 * log_var) * noise
    coarse, conditions, detail = STAGES[context]
    columns = {"latent": 16 * 12 + 32 * 2, "flow": 16 * 13}[context]
    fields = cross_entropy(trunk(w, z, WIDTH, columns), coarse)
    condition = embed(w, conditions, WIDTH).sum(1)
    fields += cross_entropy(trunk(w, z, WIDTH, 16 * len(detail), lambda: condition), detail)
    time = cross_entropy(trunk(w, z, WIDTH // 2, 16 * len(IN_TIME)), IN_TIME)
    assert w.at == flat.size, (w.at, flat.size)
    return fields + time + kl, (fields, time, kl)


for kind, context in [("residual-mlp", "latent"), ("residual-mlp", "flow"), ("transformer", "latent")]:
    try:
        objective(np.zeros(1_000_000), kind, context)
    except AssertionError as surplus:
        count, _ = surplus.args[0]
    k = np.arange(count)
    flat = jnp.array(0.3 * np.sin(1.3 * k + 0.5))
    (_, parts), gradient = jax.value_and_grad(objective, has_aux=True)(flat, kind, context)
    print(kind, context, count, "weights; fields, time, kl:", [round(float(part), 4) for part in parts])
    print("    |gradient|:", round(float(jnp.linalg.norm(gradient)), 4))
    print("    gradient · cos:", round(float(gradient @ np.cos(k)), 4))
