"""5.7 memory_plan: what training needs, and how many devices must share it."""

import math

from . import lab

PARTS = ("weights", "gradients", "master", "optimizer")


@lab.exercise("5.7", section="when-the-model-does-not-fit", hints=(
    "Count bytes for one parameter, line by line: the weight, its gradient, a float32 master copy if the weight "
    "itself is "
    "shorter, and float32 optimiser state. GiB are 2**30 bytes.",
    "Bytes per parameter: weights and gradients 4 or 2, master 0 or 4, optimiser 0, 4 or 8. Fully sharded, n devices "
    "hold "
    "a part each: `ceil(state / (device_gib - activation_gib))`. `replicas` does not enter at all."))
class memory_plan:
    rule = ("Each part is counted in GiB for one device that holds the whole model; devices is the smallest number "
            "among "
            "which the state can be split, when each of them also holds its activations.")
    raises = (ValueError,)

    def inputs(d):
        device = d.pick([16.0, 24.0, 40.0, 80.0])
        parameters = d.pick([2**30 * d.int(1, 40), d.int(10**6, 4 * 10**10), 7 * 10**9])
        return dict(parameters=parameters, precision=d.pick(["float32", "mixed"]), optimizer=d.pick(
            ["sgd", "momentum", "adam"]), activation_gib=d.pick([0.0, 4.0, device / 2, device - 1, device, device + 1]),
            device_gib=device, replicas=d.pick([1, 4, 8]))

    def run(memory_plan, **given):
        plan = memory_plan(*given.values())
        return dict(plan) if isinstance(plan, dict) else plan

    def real():
        return dict(parameters=7_000_000_000, precision="mixed", optimizer="adam", activation_gib=8.0, device_gib=80.0,
                    replicas=1)

    def figure(plan, **_):
        state = sum(plan[part] for part in PARTS)
        return (f"7 billion parameters with Adam in mixed precision need {state:.1f} GiB ({state * 2**30 / 1e9:.0f} "
                "GB) "
                f"before any activation, so {plan['devices']} devices of 80 GiB must share them.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def made(sizes, activation_gib, device_gib, unit=2**30, devices=math.ceil, parameters=1, room=None, full=None):
    if activation_gib >= device_gib if full is None else full:
        raise ValueError("no room beside the activations")
    found = {part: parameters * size / unit for part, size in sizes.items()}
    return found | {"activations": activation_gib,
                    "devices": devices(sum(found.values()) / (room or device_gib - activation_gib))}


def sizes(precision, optimizer):
    short = {"float32": 4, "mixed": 2}[precision]
    return {"weights": short, "gradients": short, "master": 0 if short == 4 else 4,
            "optimizer": {"sgd": 0, "momentum": 4, "adam": 8}[optimizer]}


@memory_plan.mistake("M59", "Weights are not all: gradients, a master copy and the optimiser's state need memory, too.")
def four_bytes_and_no_more(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    only = {"weights": 4, "gradients": 0, "master": 0, "optimizer": 0}
    return made(only, activation_gib, device_gib, parameters=parameters)


@memory_plan.mistake("M59", "Momentum keeps one number for each parameter, Adam two, in float32.")
def optimiser_forgotten(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer) | {"optimizer": 0}, activation_gib, device_gib, parameters=parameters)


@memory_plan.mistake("M59", "The optimiser's state stays float32 in mixed precision.")
def optimiser_halved(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    each = sizes(precision, optimizer)
    each["optimizer"] = each["optimizer"] * each["weights"] // 4
    return made(each, activation_gib, device_gib, parameters=parameters)


@memory_plan.mistake("M59", "Mixed precision keeps a float32 master copy of the weights.")
def no_master_copy(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer) | {"master": 0}, activation_gib, device_gib, parameters=parameters)


@memory_plan.mistake("M59", "Each device also holds its activations.")
def room_for_activations_forgotten(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters, room=device_gib)


@memory_plan.mistake("M59", "Activations are not split: each device holds those of its part of the batch.")
def activations_split_as_well(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    plan = made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters)
    return plan | {"devices": math.ceil((sum(plan[part] for part in PARTS) + activation_gib) / device_gib)}


@memory_plan.mistake("M28", "Replicas of data parallelism hold a whole model each.")
def replicas_share_the_state(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters / replicas)


@memory_plan.mistake("M28", "Data parallelism does not make the model smaller: it must be split.")
def data_parallelism_is_enough(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters, devices=lambda n: 1)


@memory_plan.mistake("M28", "devices are those of one copy of the model.")
def devices_of_all_replicas(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    plan = made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters)
    return plan | {"devices": plan["devices"] * replicas}


@memory_plan.mistake("M10", "A GiB is 2**30 bytes, a GB is 10**9.")
def gigabytes_for_gibibytes(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters, unit=1e9)


@memory_plan.mistake("M31", "Part of a device is one device more.")
def devices_rounded_down(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters, devices=int)


@memory_plan.mistake("M38", "If the activations alone fill a device, no split of the parameters helps: raise "
                            "ValueError.")
def an_answer_where_there_is_none(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    activation = 0.0 if activation_gib >= device_gib else activation_gib
    return made(sizes(precision, optimizer), activation, device_gib, parameters=parameters)


@memory_plan.mistake("M31", "Activations that fill a device exactly leave no room.")
def room_of_nothing(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters,
                room=max(device_gib - activation_gib, 1e-9), full=activation_gib > device_gib)


@memory_plan.mistake("M43", "Only activations that leave no room at all are an error.")
def refuses_little_room(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    return made(sizes(precision, optimizer), activation_gib, device_gib, parameters=parameters,
                full=activation_gib >= device_gib / 2)


@memory_plan.right
def counted_up_by_hand(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    gib = parameters / 1024**3
    weight = 4 * gib if precision == "float32" else 2 * gib
    plan = {"weights": weight, "gradients": weight, "master": 4 * gib if precision == "mixed" else 0.0,
            "optimizer": ["sgd", "momentum", "adam"].index(optimizer) * 4 * gib, "activations": activation_gib}
    room = device_gib - activation_gib
    if room <= 0:
        raise ValueError("the activations fill the device")
    devices = 1
    while devices * room < sum(plan.values()) - activation_gib:
        devices += 1
    return plan | {"devices": devices}


@memory_plan.right
def in_bytes(parameters, precision, optimizer, activation_gib, device_gib, replicas):
    each = sizes(precision, optimizer)
    if not device_gib > activation_gib:
        raise ValueError("no room")
    total = parameters * sum(each.values())
    devices = -(-total // int((device_gib - activation_gib) * 2**30))
    return {part: parameters * size / 2**30 for part, size in each.items()} | {
        "devices": devices, "activations": activation_gib}
