"""Wrong (and differently written right) answers of lab 5."""

import math
import pickle

import numpy as np
import pandas as pd

from tests.wrong_answers import right, wrong

# 5.1 learning_curve


def curve_of(samples, fit, score, train, held_out, sizes, seeds):
    return pd.DataFrame({seed: [score(fit(samples(train, seed, size)), held_out) for size in sizes] for seed in seeds},
                        index=sizes)


def nested(train, seed, size):
    return train.sample(frac=1, random_state=seed)[:size]


def last_gain(curve):
    return (curve.iloc[-1] - curve.iloc[-2]).mean()


@wrong("5.1", "M02")
def judged_on_what_it_learned(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = pd.DataFrame({seed: [score(fit(rows), rows) for rows in (nested(train, seed, size) for size in sizes)]
                          for seed in seeds}, index=sizes)
    return curve, last_gain(curve) >= min_gain


@wrong("5.1", "M16")
def held_out_rows_sampled_as_well(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = pd.DataFrame({seed: [score(fit(nested(train, seed, size)), nested(held_out, seed, size)) for size in sizes]
                          for seed in seeds}, index=sizes)
    return curve, last_gain(curve) >= min_gain


@wrong("5.1", "M16")
def one_sample_for_all_seeds(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(lambda train, seed, size: nested(train, 0, size), fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve) >= min_gain


@wrong("5.1", "M16")
def first_seed_is_law(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(nested, fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve[seeds[:1]]) >= min_gain


@wrong("5.1", "M16")
def new_draw_for_each_size(fit, score, train, held_out, sizes, seeds, min_gain):
    def samples(train, seed, size):
        return train.sample(size, random_state=seed + size)

    curve = curve_of(samples, fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve) >= min_gain


@wrong("5.1", "M34")
def first_rows_of_the_file(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(lambda train, seed, size: train[:size], fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve) >= min_gain


@wrong("5.1", "M32")
def gain_since_the_smallest(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(nested, fit, score, train, held_out, sizes, seeds)
    return curve, (curve.iloc[-1] - curve.iloc[0]).mean() >= min_gain


@right("5.1")
def with_numpy_and_loops(fit, score, train, held_out, sizes, seeds, min_gain):
    scores = np.zeros((len(sizes), len(seeds)))
    for column, seed in enumerate(seeds):
        order = np.random.default_rng(seed).permutation(len(train))
        for row, size in enumerate(sizes):
            scores[row, column] = score(fit(train.iloc[order[:size]]), held_out)
    return pd.DataFrame(scores, index=sizes, columns=seeds), scores[-1].mean() - scores[-2].mean() >= min_gain


# 5.2 allreduce_mean


@wrong("5.2", "M07")
def plain_mean(gradients, counts):
    return np.nan_to_num(gradients).mean(axis=0)


@wrong("5.2", "M07")
def plain_mean_of_those_with_rows(gradients, counts):
    return np.nanmean(gradients, axis=0)


@wrong("5.2", "M36")
def sum_never_divided(gradients, counts):
    return counts @ np.nan_to_num(gradients)


@wrong("5.2", "M36")
def divided_by_workers(gradients, counts):
    return counts @ np.nan_to_num(gradients) / len(counts)


@wrong("5.2", "M34")
def weighted_by_rank(gradients, counts):
    return np.average(np.nan_to_num(gradients), axis=0, weights=np.arange(len(counts)) + 1)


@wrong("5.2", "M08")
def empty_worker_spreads(gradients, counts):
    return counts @ gradients / counts.sum()


@right("5.2")
def sums_then_one_division(gradients, counts):
    total = np.zeros(gradients.shape[1])
    for gradient, count in zip(gradients, counts):
        if count:
            total += count * gradient
    return total / sum(counts)


# 5.3 dp_step


def run(strategy, shards, replica):
    def shard(part):
        return strategy.experimental_distribute_values_from_function(
            lambda context: shards[context.replica_id_in_sync_group][part])

    strategy.run(replica, args=(shard(0), shard(1)))


def context():
    import tensorflow as tf

    return tf.distribute.get_replica_context()


@wrong("5.3", "M56")
def nothing_reduced(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        parameters.assign_sub(rate * gradient(parameters, x, y))

    run(strategy, shards, replica)


@wrong("5.3", "M56")
def only_the_first_replica_updates(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        rows = 0 * y[0] + len(y)
        total, count = context().all_reduce("sum", [rows * gradient(parameters, x, y), rows])
        if context().replica_id_in_sync_group == 0:
            parameters.assign_sub(rate * total / count)

    run(strategy, shards, replica)


@wrong("5.3", "M56")
def reduced_after_the_update(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        slope = gradient(parameters, x, y)
        parameters.assign_sub(rate * slope)
        context().all_reduce("mean", slope)

    run(strategy, shards, replica)


@wrong("5.3", "M36")
def sum_so_the_rate_grows_with_the_replicas(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        parameters.assign_sub(rate * context().all_reduce("sum", gradient(parameters, x, y)))

    run(strategy, shards, replica)


@wrong("5.3", "M07")
def mean_of_unequal_shards(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        parameters.assign_sub(rate * context().all_reduce("mean", gradient(parameters, x, y)))

    run(strategy, shards, replica)


@wrong("5.3", "M07")
def parameters_averaged_at_the_end(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        parameters.assign_sub(rate * gradient(parameters, x, y))
        parameters.assign(context().all_reduce("mean", parameters.read_value()))

    run(strategy, shards, replica)


@right("5.3")
def reduced_outside_the_replicas(strategy, parameters, shards, gradient, rate):
    total = sum(len(y) * gradient(parameters, x, y).numpy() for x, y in shards)
    parameters.assign_sub(rate * total / sum(len(y) for _, y in shards))


# 5.4 shard_indices


@wrong("5.4", "M09")
def same_shard_for_all(n, world, rank, epoch, seed):
    return np.random.default_rng([seed, epoch]).permutation(n)[:-(-n // world)]


@wrong("5.4", "M56")
def each_rank_shuffles_its_own(n, world, rank, epoch, seed):
    order = np.random.default_rng([seed, epoch, rank]).permutation(n)
    return np.resize(order, world * -(-n // world))[rank::world]


@wrong("5.4", "M09")
def remainder_dropped(n, world, rank, epoch, seed):
    return np.random.default_rng([seed, epoch]).permutation(n)[:n // world * world][rank::world]


@wrong("5.4", "M56")
def some_get_a_row_more(n, world, rank, epoch, seed):
    return np.random.default_rng([seed, epoch]).permutation(n)[rank::world]


@wrong("5.4", "M27")
def every_epoch_alike(n, world, rank, epoch, seed):
    return np.resize(np.random.default_rng(seed).permutation(n), world * -(-n // world))[rank::world]


@wrong("5.4", "M34")
def blocks_of_the_file(n, world, rank, epoch, seed):
    size = -(-n // world)
    start = min(rank * size, n - size)
    return np.arange(start, start + size)


@right("5.4")
def with_a_random_state_and_blocks(n, world, rank, epoch, seed):
    size = math.ceil(n / world)
    order = np.random.RandomState(1_000 * seed + epoch).permutation(n)
    padded = np.concatenate([order, order[:world * size - n]])
    return padded[rank * size:(rank + 1) * size]


# 5.5 ring_allreduce


def ring(vectors, send, steps):
    world = len(vectors)
    chunks = [np.array_split(vector.copy(), world) for vector in vectors]
    for step in range(steps):
        for rank in range(world):
            right_neighbour, piece = (rank + 1) % world, (rank - step) % world
            values = send(rank, right_neighbour, chunks[rank][piece])
            adds = step < world - 1
            chunks[right_neighbour][piece] = chunks[right_neighbour][piece] + values if adds else values
    return [np.concatenate(pieces) for pieces in chunks]


@wrong("5.5", "M58")
def everybody_sends_everything(vectors, send):
    results = [vector.copy() for vector in vectors]
    for source, vector in enumerate(vectors):
        for target in range(len(vectors)):
            if target != source:
                results[target] = results[target] + send(source, target, vector)
    return results


@wrong("5.5", "M58")
def one_worker_adds_for_all(vectors, send):
    total = sum((send(source, 0, vector) for source, vector in enumerate(vectors) if source), vectors[0].copy())
    return [total] + [send(0, target, total) for target in range(1, len(vectors))]


@wrong("5.5", "M58")
def whole_vectors_round_the_ring(vectors, send):
    world = len(vectors)
    results, carried = [vector.copy() for vector in vectors], list(vectors)
    for _ in range(world - 1):
        carried = [send((rank - 1) % world, rank, carried[rank - 1]) for rank in range(world)]
        results = [result + values for result, values in zip(results, carried)]
    return results


@wrong("5.5", "M58")
def nothing_is_sent(vectors, send):
    return [vectors.sum(axis=0) for _ in vectors]


@wrong("5.5", "M33")
def stops_before_the_gathering(vectors, send):
    return ring(vectors, send, len(vectors) - 1)


@wrong("5.5", "M56")
def one_step_short(vectors, send):
    return ring(vectors, send, 2 * len(vectors) - 3)


@wrong("5.5", "M09")
def tail_that_does_not_divide_is_lost(vectors, send):
    whole = vectors.shape[1] // len(vectors) * len(vectors)
    return ring(vectors[:, :whole], send, 2 * (len(vectors) - 1))


@wrong("5.5", "M36")
def divides_by_workers(vectors, send):
    return [result / len(vectors) for result in ring(vectors, send, 2 * (len(vectors) - 1))]


@right("5.5")
def two_loops(vectors, send):
    world = len(vectors)
    edges = np.linspace(0, vectors.shape[1], world + 1).astype(int)
    parts = [slice(*pair) for pair in zip(edges, edges[1:])]
    results = vectors.copy()
    for shift in range(world - 1):
        moved = [(rank, parts[(rank - shift) % world]) for rank in range(world)]
        for rank, part in moved:
            results[(rank + 1) % world, part] += send(rank, (rank + 1) % world, results[rank, part])
    for shift in range(world - 1):
        for rank in range(world):
            part = parts[(rank + 1 - shift) % world]
            results[(rank + 1) % world, part] = send(rank, (rank + 1) % world, results[rank, part])
    return list(results)


# 5.6 accumulate


def groups(micro_batches, every):
    return [micro_batches[first:first + every] for first in range(0, len(micro_batches), every)]


@wrong("5.6", "M07")
def mean_of_means(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        parameters = parameters - rate * np.mean([gradient(parameters, x, y) for x, y in group], axis=0)
    return parameters


@wrong("5.6", "M07")
def a_share_of_each_mean(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        parameters = parameters - rate * sum(gradient(parameters, x, y) / every for x, y in group)
    return parameters


@wrong("5.6", "M36")
def never_divided(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        parameters = parameters - rate * sum(len(y) * gradient(parameters, x, y) for x, y in group)
    return parameters


@wrong("5.6", "M36")
def divided_as_if_all_groups_were_full(parameters, micro_batches, gradient, rate, every):
    full = every * len(micro_batches[0][1])
    for group in groups(micro_batches, every):
        parameters = parameters - rate * sum(len(y) * gradient(parameters, x, y) for x, y in group) / full
    return parameters


@wrong("5.6", "M60")
def steps_on_each_micro_batch(parameters, micro_batches, gradient, rate, every):
    for x, y in micro_batches:
        parameters = parameters - rate * gradient(parameters, x, y)
    return parameters


@wrong("5.6", "M60")
def sum_never_cleared(parameters, micro_batches, gradient, rate, every):
    total = 0.0
    for group in groups(micro_batches, every):
        total = total + sum(len(y) * gradient(parameters, x, y) for x, y in group)
        parameters = parameters - rate * total / sum(len(y) for _, y in group)
    return parameters


@wrong("5.6", "M09")
def last_group_forgotten(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches[:len(micro_batches) // every * every], every):
        rows = sum(len(y) for _, y in group)
        parameters = parameters - rate * sum(len(y) * gradient(parameters, x, y) for x, y in group) / rows
    return parameters


@wrong("5.6", "M59")
def big_batch_after_all(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        x, y = np.concatenate([x for x, _ in group]), np.concatenate([y for _, y in group])
        parameters = parameters - rate * gradient(parameters, x, y)
    return parameters


@right("5.6")
def group_by_group(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        rows = [len(y) for _, y in group]
        slopes = [gradient(parameters, x, y) for x, y in group]
        parameters = parameters - rate * np.average(slopes, axis=0, weights=rows)
    return parameters


# 5.7 memory_plan


def plan(parameters, sizes, activation_gib, device_gib, unit=2**30, devices=None):
    made = {part: parameters * size / unit for part, size in sizes.items()}
    if activation_gib >= device_gib:
        raise ValueError("no room beside the activations")
    devices = devices or math.ceil(sum(made.values()) / (device_gib - activation_gib))
    return made | {"activations": activation_gib, "devices": devices}


def sizes(precision, optimizer):
    short = {"float32": 4, "mixed": 2}[precision]
    return {"weights": short, "gradients": short, "master": 0 if short == 4 else 4,
            "optimizer": {"sgd": 0, "momentum": 4, "adam": 8}[optimizer]}


@wrong("5.7", "M59")
def four_bytes_and_no_more(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    only = {"weights": 4, "gradients": 0, "master": 0, "optimizer": 0}
    return plan(parameters, only, activation_gib, device_gib)


@wrong("5.7", "M59")
def optimiser_forgotten(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return plan(parameters, sizes(precision, optimizer) | {"optimizer": 0}, activation_gib, device_gib)


@wrong("5.7", "M59")
def no_master_copy(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return plan(parameters, sizes(precision, optimizer) | {"master": 0}, activation_gib, device_gib)


@wrong("5.7", "M59")
def room_for_activations_forgotten(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    made = plan(parameters, sizes(precision, optimizer), activation_gib, device_gib)
    state = sum(made[part] for part in ("weights", "gradients", "master", "optimizer"))
    return made | {"devices": math.ceil(state / device_gib)}


@wrong("5.7", "M28")
def replicas_share_the_state(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return plan(parameters / replicas, sizes(precision, optimizer), activation_gib, device_gib)


@wrong("5.7", "M28")
def data_parallelism_is_enough(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return plan(parameters, sizes(precision, optimizer), activation_gib, device_gib, devices=1)


@wrong("5.7", "M10")
def gigabytes_for_gibibytes(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return plan(parameters, sizes(precision, optimizer), activation_gib, device_gib, unit=1e9)


@wrong("5.7", "M31")
def devices_rounded_down(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    made = plan(parameters, sizes(precision, optimizer), activation_gib, device_gib)
    state = sum(made[part] for part in ("weights", "gradients", "master", "optimizer"))
    return made | {"devices": int(state / (device_gib - activation_gib))}


@wrong("5.7", "M38")
def an_answer_where_there_is_none(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    if activation_gib >= device_gib:
        activation_gib = 0.0
    return plan(parameters, sizes(precision, optimizer), activation_gib, device_gib)


@right("5.7")
def counted_up_by_hand(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    gib = parameters / 1024**3
    weight = 4 * gib if precision == "float32" else 2 * gib
    made = {"weights": weight, "gradients": weight, "master": 4 * gib if precision == "mixed" else 0.0,
            "optimizer": ["sgd", "momentum", "adam"].index(optimizer) * 4 * gib, "activations": activation_gib}
    room = device_gib - activation_gib
    if room <= 0:
        raise ValueError("the activations fill the device")
    devices = 1
    while devices * room < sum(made.values()) - activation_gib:
        devices += 1
    return made | {"devices": devices}


# 5.8 train


def newest(folder):
    return sorted(folder.glob("step-*.pkl"), key=lambda path: int(path.stem[5:]), reverse=True)


def restored(state, folder):
    for path in newest(folder):
        try:
            return pickle.loads(path.read_bytes())
        except (EOFError, pickle.UnpicklingError):
            continue
    return state


def saved(state, folder, name=None):
    unfinished = folder / "unfinished"
    unfinished.write_bytes(pickle.dumps(state))
    unfinished.rename(folder / (name or f"step-{state['step']}.pkl"))


def go_on(state, advance, steps, folder, every, save=saved):
    while state["step"] < steps:
        state = advance(state)
        if state["step"] % every == 0:
            save(state, folder)
    return state


def keeps_only(*names):
    def train(state, advance, steps, folder, every):
        old = restored(state, folder)
        return go_on(state | {name: old[name] for name in names}, advance, steps, folder, every)

    return train


@wrong("5.8", "M57")
def parameters_only(state, advance, steps, folder, every):
    return keeps_only("step", "parameters")(state, advance, steps, folder, every)


@wrong("5.8", "M57")
def optimiser_forgotten_on_resume(state, advance, steps, folder, every):
    return keeps_only("step", "parameters", "order", "position", "rng")(state, advance, steps, folder, every)


@wrong("5.8", "M57")
def epoch_starts_over(state, advance, steps, folder, every):
    state = restored(state, folder)
    return go_on(state | {"position": 0}, advance, steps, folder, every)


@wrong("5.8", "M57")
def random_numbers_start_over(state, advance, steps, folder, every):
    return go_on(restored(state, folder) | {"rng": state["rng"]}, advance, steps, folder, every)


@wrong("5.8", "M57")
def checkpoints_never_read(state, advance, steps, folder, every):
    return go_on(state, advance, steps, folder, every)


@wrong("5.8", "M57")
def written_in_place(state, advance, steps, folder, every):
    def save(state, folder):
        with open(folder / f"step-{state['step']}.pkl", "wb") as file:
            pickle.dump(state, file)

    return go_on(restored(state, folder), advance, steps, folder, every, save)


@wrong("5.8", "M31")
def numbered_one_too_low(state, advance, steps, folder, every):
    def save(state, folder):
        saved(state, folder, f"step-{state['step'] - 1}.pkl")

    return go_on(restored(state, folder), advance, steps, folder, every, save)


@wrong("5.8", "M34")
def newest_by_alphabet(state, advance, steps, folder, every):
    for path in sorted(folder.glob("step-*.pkl"), reverse=True)[:1]:
        state = pickle.loads(path.read_bytes())
    return go_on(state, advance, steps, folder, every)


@wrong("5.8", "M38")
def no_fallback(state, advance, steps, folder, every):
    for path in newest(folder)[:1]:
        state = pickle.loads(path.read_bytes())
    return go_on(state, advance, steps, folder, every)


@wrong("5.8", "M38")
def only_the_newest_is_kept(state, advance, steps, folder, every):
    def save(state, folder):
        saved(state, folder)
        for path in newest(folder)[1:]:
            path.unlink()

    return go_on(restored(state, folder), advance, steps, folder, every, save)


@right("5.8")
def keeps_the_last_two(state, advance, steps, folder, every):
    def save(state, folder):
        saved(state, folder)
        for path in newest(folder)[2:]:
            path.unlink()

    return go_on(restored(state, folder), advance, steps, folder, every, save)
