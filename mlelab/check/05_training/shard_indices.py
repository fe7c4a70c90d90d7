"""5.4 shard_indices: which rows a worker sees. Any shuffle will do, so the shards of all workers are looked at."""

import math
import random

import numpy as np

from . import _real, lab


@lab.exercise("5.4", section="who-sees-which-rows", hints=(
    "All workers shuffle alike, from `seed` and `epoch` alone. Then worker `rank` takes each `world`-th row. If that "
    "does not come out even, some rows are taken twice.",
    "`order = np.random.default_rng([seed, epoch]).permutation(n)`; make it longer with `np.resize(order, world * -(-n "
    "// world))`, which starts again at its beginning; return `[rank::world]` of it."))
class shard_indices:
    rule = "Each row is in a shard, all shards are equally long, and no row is there more often than needed."

    def inputs(d):
        world = d.int(1, 6)
        n = world * d.pick([1, 1, 2, 5, 8, 12]) + d.pick([0, 0, 1, 1, world - 1])
        return dict(n=n, world=world, epoch=d.int(0, 3), seed=d.int(0, 40), large=d.flag(0.3))

    def run(shard_indices, n, world, epoch, seed, large):
        n += 30 * world if large else 0  # so many that no shuffle is in order by luck

        def shards(epoch, seed, n=n, world=world):
            return [np.asarray(shard_indices(n, world, rank, epoch, seed)) for rank in range(world)]

        even = n // world * world
        return {"first": shards(epoch, seed), "again": shards(epoch, seed), "next epoch": shards(epoch + 1, seed),
                "other seed": shards(epoch, seed + 100), "even": shards(epoch, seed, even),
                "alone": shards(epoch, seed, even, 1)[0]}

    def holds(got, n, world, epoch, seed, large):
        n += 30 * world if large else 0
        first, size = got["first"], math.ceil(n / world)
        yield (f"A shard is a 1-D array of row numbers from 0 to {n - 1}.", all(
            s.ndim == 1 and s.dtype.kind in "iu" and ((s >= 0) & (s < n)).all() for s in first))
        together = np.concatenate(first)
        count, lengths = np.bincount(together, minlength=n), [len(shard) for shard in first]
        yield ("Each worker gets the same number of rows. One that has a step less leaves the others waiting in their "
               "all-reduce.", len(set(lengths)) == 1, "M56", dict(expected=size, got=lengths))
        alike = world > 1 and size > 1 and all(np.array_equal(shard, first[0]) for shard in first)
        yield "Workers get different rows.", not alike, "M09"
        missing = np.flatnonzero(count == 0)
        yield ("All workers cut the same shuffle: made from another one, the shards overlap and leave rows out.",
               len(missing) < world or len(together) < n, "M56",
               dict(expected="each row", got=f"{len(missing)} rows less"))
        yield "Each row is in a shard.", len(missing) == 0, "M09", dict(expected="each row", got=f"not {missing[:5]}")
        yield ("No row is there more often than needed to come out even.", len(together) == world * size
               and count.max() <= 2, "M09", dict(expected=f"{size} rows for each worker", got=lengths))
        if large:
            yield ("Rows are shuffled: in the order of the file each worker sees one season after the other.",
                   not any(np.array_equal(np.sort(shard), shard) for shard in first), "M34")
            for what in ("next epoch", "other seed"):
                yield (f"Another {what.split()[1]} gives another shuffle.", not all(
                    map(np.array_equal, first, got[what])), "M27")
                yield (f"Another {what.split()[1]} gives another shuffle, not the same one turned or begun elsewhere.",
                       _kept(first, got[what]) < 0.5, "M27")
            yield ("The shuffle depends on seed and epoch, and on nothing else, the number of workers neither.",
                   _cut(got["even"], got["alone"]) > 1 / 3, "M56")
        yield ("The same arguments give the same rows: no worker can ask another one.", all(
            map(np.array_equal, first, got["again"])), "M56")

    steady = False  # `run` itself asks again

    def shows(n, world, epoch, seed, large):
        n += 30 * world if large else 0
        return f"shard_indices({n=}, {world=}, rank, {epoch=}, {seed=}) for each rank", None

    def figure():
        total = _real.flights()[2]
        size = math.ceil(total / 8)
        return f"Eight workers share {total:,} flights: {size:,} rows each, {8 * size - total} of them twice."


def _pairs(shards):
    return [(int(a), int(b)) for shard in shards for a, b in zip(shard, shard[1:])]


def _kept(shards, others) -> float:
    """The share of neighbours in a shard that are neighbours in another epoch, too."""
    pairs, known = _pairs(shards), {frozenset(pair) for pair in _pairs(others)}
    return np.mean([frozenset(pair) in known for pair in pairs])


def _cut(shards, order) -> float:
    """How regularly the shards are cut from an order: the share of neighbours with one of three distances in it."""
    place = np.argsort(order)
    steps = [(place[b] - place[a]) % len(order) for a, b in _pairs(shards)]
    return np.sort(np.bincount(steps))[-3:].sum() / len(steps)


# Answers: wrong ones with their misconceptions, and right ones written differently.


def order(n, *seed):
    return np.random.default_rng(seed).permutation(n)


def padded(n, world):
    return world * -(-n // world)


@shard_indices.mistake("M09")
def same_shard_for_all(n, world, rank, epoch, seed):
    return order(n, seed, epoch)[:-(-n // world)]


@shard_indices.mistake("M56")
def each_rank_shuffles_its_own(n, world, rank, epoch, seed):
    return np.resize(order(n, seed, epoch, rank), padded(n, world))[rank::world]


@shard_indices.mistake("M09")
def remainder_dropped(n, world, rank, epoch, seed):
    return order(n, seed, epoch)[:n // world * world][rank::world]


@shard_indices.mistake("M56")
def some_get_a_row_more(n, world, rank, epoch, seed):
    return order(n, seed, epoch)[rank::world]


@shard_indices.mistake("M27")
def every_epoch_alike(n, world, rank, epoch, seed):
    return np.resize(order(n, seed), padded(n, world))[rank::world]


@shard_indices.mistake("M27")
def every_seed_alike(n, world, rank, epoch, seed):
    return np.resize(order(n, epoch), padded(n, world))[rank::world]


@shard_indices.mistake("M27", "A shuffle that is turned is no other shuffle: whose rows follow each other stays.")
def turned_by_the_epoch(n, world, rank, epoch, seed):
    return np.resize(np.roll(order(n, seed), epoch), padded(n, world))[rank::world]


@shard_indices.mistake("M27", "A shuffle read backwards is no other shuffle.")
def backwards_each_other_epoch(n, world, rank, epoch, seed):
    return np.resize(order(n, seed)[::-1 if epoch % 2 else 1], padded(n, world))[rank::world]


@shard_indices.mistake("M27", "Another seed is another shuffle, not the same one begun elsewhere.")
def turned_by_the_seed(n, world, rank, epoch, seed):
    return np.resize(np.roll(order(n, epoch), seed), padded(n, world))[rank::world]


@shard_indices.mistake("M56", "The shuffle depends on seed and epoch, and on nothing else.")
def each_number_of_workers_its_own(n, world, rank, epoch, seed):
    return np.resize(order(n, seed, epoch, world), padded(n, world))[rank::world]


@shard_indices.mistake("M34")
def blocks_of_the_file(n, world, rank, epoch, seed):
    size = -(-n // world)
    start = min(rank * size, n - size)
    return np.arange(start, start + size)


@shard_indices.mistake("M09")
def a_round_more_where_it_divides(n, world, rank, epoch, seed):
    rows = order(n, seed, epoch)
    return np.concatenate([rows, rows[:world - n % world]])[rank::world]


@shard_indices.right
def with_a_random_state_and_blocks(n, world, rank, epoch, seed):
    size = math.ceil(n / world)
    rows = np.random.RandomState(1_000 * seed + epoch).permutation(n)
    rows = np.concatenate([rows, rows[:world * size - n]])
    return rows[rank * size:(rank + 1) * size]


@shard_indices.right
def with_lists(n, world, rank, epoch, seed):
    rows = list(range(n))
    random.Random(f"{seed}-{epoch}").shuffle(rows)
    while len(rows) % world:
        rows.append(rows[len(rows) - n])
    return rows[rank::world]
