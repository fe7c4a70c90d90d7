"""5.5 ring_allreduce: a sum by messages. A network that writes down each message is the spy."""

from math import ceil

import numpy as np
import pandas as pd

from . import lab


@lab.exercise("5.5", section="what-the-network-carries", hints=(
    "Cut each vector into as many chunks as there are workers. In each of 2 (N - 1) steps every worker sends one "
    "chunk to "
    "its right neighbour: in the first half the neighbour adds it, in the second half it keeps it.",
    "In step `s`, worker `r` sends chunk `(r - s) % world` to `(r + 1) % world`. While `s < world - 1` the receiver "
    "adds, "
    "afterwards it replaces. `np.array_split` cuts what does not divide."))
class ring_allreduce:
    rule = "In the end all workers hold the sum of all vectors, and each one has sent 2 (workers - 1) chunks."
    steady = False  # what came over the network is part of the answer, not of the result

    def inputs(d):
        world = d.int(1, 6)
        length = max(1, world * d.int(0, 5) + d.int(0, world - 1))  # shorter than the ring: some chunks are empty
        return dict(vectors=np.array([[d.int(-64, 64) for _ in range(length)] for _ in range(world)], d.pick(
            ["float32", "float64"])))

    def run(ring_allreduce, vectors):
        messages, world = [], len(vectors)
        noise = 0

        def send(source, target, values):
            if source == target or not {source, target} <= set(range(world)):
                raise ValueError(f"send from {source} to {target}: there are workers 0 to {world - 1}, and a message "
                                 "goes from one to another")
            values = np.array(values)
            messages.append((int(source), int(target), values.nbytes))
            return values + values.dtype.type(noise)

        results = [np.array(result, float) for result in ring_allreduce(vectors, send)]
        sent, noise = list(messages), 1  # now each value arrives as one more than was sent
        return {"results": results, "sent": sent, "noisy": [np.array(r, float) for r in ring_allreduce(vectors, send)]}

    def holds(got, vectors):
        results, world, length = got["results"], *vectors.shape
        total = vectors.astype(float).sum(axis=0)
        sent = pd.DataFrame(got["sent"], columns=["source", "target", "bytes"])
        fine = len(results) == world and all(r.ndim == 1 for r in results)
        yield "The answer holds one vector for each worker.", fine
        yield ("What a worker knows of another one came through send.", len(sent) > 0 or world == 1, "M58",
               dict(expected=f"{2 * (world - 1)} messages from each worker", got="none"))
        yield ("No value is lost when the length does not divide by the number of workers.", {
            len(result) for result in results} == {length}, "M09")
        divided = world > 1 and np.any(total) and np.allclose(results[0], total / world)
        yield "The ring adds; whoever wants a mean divides once afterwards.", not divided, "M36"
        same = all(np.allclose(result, results[0]) for result in results)
        half = (sent.groupby("source").size() == world - 1).all()
        yield ("In the end all workers hold the same sum. After the first half of the steps each one has only its "
               "chunk of it.", same or not half, "M33")
        yield "In the end all workers hold the same sum.", same, "M56"
        yield "The result is the sum of all vectors.", np.allclose(results[0], total), "M09", dict(
            expected=total[:3].tolist(), got=results[0][:3].tolist())
        by_worker = sent.groupby("source")["bytes"].sum().reindex(range(world), fill_value=0)
        limit = 2 * (world - 1) * ceil(length / world) * vectors.itemsize
        yield (f"No worker sends more than 2 (N - 1) / N of the {vectors[0].nbytes} bytes of its vector, rounded up to "
               "whole chunks.", (by_worker <= limit).all(), "M58",
               dict(expected=f"{limit} bytes", got=by_worker.tolist()))
        yield ("In a ring each worker sends to one neighbour only.",
               world == 1 or ((sent["target"] - sent["source"]) % world).nunique() == 1, "M58")
        times = sent.groupby("source").size().reindex(range(world), fill_value=0).tolist()
        yield ("Each worker sends 2 (workers - 1) messages of one chunk: each message costs its time on the way.",
               times == [2 * (world - 1)] * world, "M58", dict(expected=2 * (world - 1), got=times))
        way = np.arange(world - 1, 2 * world - 1)[:, None]  # so many messages are behind a value, worker by worker
        yield ("A worker goes on with the values as they arrive, not with what it could know otherwise.",
               np.shape(got["noisy"]) == vectors.shape
               and np.allclose(np.sort(got["noisy"] - total, axis=0), way), "M58")

    def real():
        return dict(vectors=np.ones((8, 80_000), "float32"))

    def figure(got, **_):
        most = pd.DataFrame(got["sent"]).groupby(0)[2].sum().max() * 1_000_000 / 80_000
        return (f"Eight workers, a million parameters: each one sends {most / 1e6:.1f} MB, and would send "
                f"{7 * 4.0:.0f} MB if everybody sent everything to everybody.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def ring(vectors, send, steps, pieces_of=lambda send: send):
    world = len(vectors)
    chunks = [np.array_split(vector.copy(), world) for vector in vectors]
    for step in range(steps):
        for rank in range(world):
            right_neighbour, piece = (rank + 1) % world, (rank - step) % world
            values = pieces_of(send)(rank, right_neighbour, chunks[rank][piece])
            adds = step < world - 1
            chunks[right_neighbour][piece] = chunks[right_neighbour][piece] + values if adds else values
    return [np.concatenate(pieces) for pieces in chunks]


def full(vectors):
    return 2 * (len(vectors) - 1)


@ring_allreduce.mistake("M58")
def everybody_sends_everything(vectors, send):
    results = [vector.copy() for vector in vectors]
    for source, vector in enumerate(vectors):
        for target in range(len(vectors)):
            if target != source:
                results[target] = results[target] + send(source, target, vector)
    return results


@ring_allreduce.mistake("M58")
def one_worker_adds_for_all(vectors, send):
    total = sum((send(source, 0, vector) for source, vector in enumerate(vectors) if source), vectors[0].copy())
    return [total] + [send(0, target, total) for target in range(1, len(vectors))]


@ring_allreduce.mistake("M58")
def whole_vectors_round_the_ring(vectors, send):
    world = len(vectors)
    results, carried = [vector.copy() for vector in vectors], list(vectors)
    for _ in range(world - 1):
        carried = [send((rank - 1) % world, rank, carried[rank - 1]) for rank in range(world)]
        results = [result + values for result, values in zip(results, carried)]
    return results


@ring_allreduce.mistake("M58")
def nothing_is_sent(vectors, send):
    return [vectors.sum(axis=0) for _ in vectors]


@ring_allreduce.mistake("M58")
def a_message_for_each_number(vectors, send):
    return ring(vectors, send, full(vectors), lambda send: lambda source, target, values: np.array(
        [send(source, target, values[i:i + 1])[0] for i in range(len(values))], values.dtype))


@ring_allreduce.mistake("M58", "What `send` returns has arrived: go on with it.")
def what_arrives_is_ignored(vectors, send):
    return ring(vectors, send, full(vectors), lambda send: lambda *message: (send(*message), message[2])[1])


@ring_allreduce.mistake("M58", "What `send` returns has arrived: go on with it.")
def sums_past_the_ring(vectors, send):
    ring(vectors, send, full(vectors))
    return [vectors.sum(axis=0) for _ in vectors]


@ring_allreduce.mistake("M58", "The finished chunks travel, too: each worker keeps what arrives.")
def gathers_past_the_ring(vectors, send):
    world, finished = len(vectors), ring(vectors, send, len(vectors) - 1)
    chunks = [np.array_split(vector, world) for vector in finished]
    whole = np.concatenate([chunks[(piece - 1) % world][piece] for piece in range(world)])
    ring(finished, send, world - 1)
    return [whole.copy() for _ in vectors]


@ring_allreduce.mistake("M58", "An empty chunk is a message, too: the neighbour waits for it.")
def empty_chunks_stay(vectors, send):
    return ring(vectors, send, full(vectors), lambda send: lambda source, target, values: (
        send(source, target, values) if len(values) else values))


@ring_allreduce.mistake("M47", "A single worker sends nothing, and has its vector as the sum.")
def no_ring_of_one(vectors, send):
    return ring(vectors, send, full(vectors)) if len(vectors) > 1 else []


@ring_allreduce.mistake("M33")
def stops_before_the_gathering(vectors, send):
    return ring(vectors, send, len(vectors) - 1)


@ring_allreduce.mistake("M56")
def one_step_short(vectors, send):
    return ring(vectors, send, full(vectors) - 1)


@ring_allreduce.mistake("M56")
def only_the_first_is_right(vectors, send):
    first, *others = ring(vectors, send, full(vectors))
    return [first] + [0 * other for other in others]


@ring_allreduce.mistake("M09")
def tail_that_does_not_divide_is_lost(vectors, send):
    whole = vectors.shape[1] // len(vectors) * len(vectors)
    return ring(vectors[:, :whole], send, full(vectors))


@ring_allreduce.mistake("M36")
def divides_by_workers(vectors, send):
    return [result / len(vectors) for result in ring(vectors, send, full(vectors))]


@ring_allreduce.right
def two_loops(vectors, send):
    world = len(vectors)
    edges = np.linspace(0, vectors.shape[1], world + 1).astype(int)
    parts = [slice(*pair) for pair in zip(edges, edges[1:])]
    results = vectors.copy()
    for shift in range(world - 1):
        for rank in range(world):
            part = parts[(rank - shift) % world]
            results[(rank + 1) % world, part] += send(rank, (rank + 1) % world, results[rank, part])
    for shift in range(world - 1):
        for rank in range(world):
            part = parts[(rank + 1 - shift) % world]
            results[(rank + 1) % world, part] = send(rank, (rank + 1) % world, results[rank, part])
    return list(results)


@ring_allreduce.right
def to_the_left(vectors, send):
    world = len(vectors)
    turned = ring(vectors[::-1], lambda source, target, values: send(world - 1 - source, world - 1 - target, values),
                  full(vectors))
    return np.array(turned[::-1])
