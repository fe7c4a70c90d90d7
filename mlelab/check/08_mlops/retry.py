"""8.3 retry: a call tried again. What it calls and how it waits is recorded, for two requests in a row."""

import itertools
import os
import random
import secrets
import uuid

import numpy as np

from mlelab.check.port import Stopped

from . import lab

ERRORS = (TimeoutError, ConnectionResetError, ValueError, KeyError, OSError)


@lab.exercise("8.3", section="try-again", hints=(
    "Which errors may pass by themselves? How long do you wait? What tells the other side that it is the same "
    "request?",
    "key = uuid4 once, before the loop. In the loop call(key) and return; on a transient error re-raise it after "
    "the last attempt, otherwise sleep(wait * 2**attempt). Let every other error through."))
class retry:
    rule = ("Up to `attempts` attempts with one key, each wait twice the one before, and the last error as it is; an "
            "error that is not transient comes out at once.")

    def inputs(d):
        transient = d.pick([(TimeoutError,), (ConnectionError,), (OSError,), (TimeoutError, ConnectionError),
                            (KeyError, ConnectionError)])
        errors = [d.pick([*transient, *transient, ConnectionResetError, *ERRORS]) for _ in range(d.int(0, 6))]
        return dict(transient=transient, attempts=d.int(1, 6), wait=d.pick([1 / 64, 1 / 32, 3 / 64, 1 / 8]),
                    errors=errors, gives=d.pick(["done", None, 0, "", {"id": 7}]))

    def run(retry, transient, attempts, wait, errors, gives):
        requests, keys = [], []
        for _ in range(2):
            random.seed(17)  # as a training would: another process draws the same
            np.random.seed(17)
            told, used = [], []

            def call(key, told=told, used=used):
                used.append(key)
                told.append("call")
                if len(used) > 40:
                    raise SystemExit("there was no end after 40 attempts")  # nothing catches it by habit
                if len(used) <= len(errors):
                    raise errors[len(used) - 1](f"attempt {len(used)}")
                return gives

            def sleep(seconds, told=told):
                told.append(float(seconds))

            try:
                out = ["returned", retry(call, transient, attempts, wait, sleep)]
            except Stopped as stopped:
                out = ["raised", stopped.kind.__name__, stopped.text]
            requests.append({"it": out, "calls and waits": told, "keys of this request": len(set(map(repr, used)))})
            keys += used[:1]
        return {"requests": requests, "each key is a text": all(isinstance(key, str) and key for key in keys),
                "another request has a key that nobody else has": not _alike(keys)}

    def shows(transient, attempts, wait, errors, gives):
        names = ", ".join(kind.__name__ for kind in transient)
        fails = ", then ".join(error.__name__ for error in errors)
        return (f"retry(call, transient=({names},), attempts={attempts}, wait={wait}, sleep); call raises "
                f"{fails or 'nothing'}, then returns {gives!r}", None)

    def real():
        return dict(transient=(TimeoutError,), attempts=8, wait=0.5, errors=[TimeoutError] * 8, gives=None)

    def figure(got, attempts, **_):
        waits = [told for told in got["requests"][0]["calls and waits"] if told != "call"]
        return f"Eight attempts from half a second on give the other side {sum(waits):.1f} seconds to recover."


def _alike(keys: list) -> bool:
    """The same key twice, or a counter, which begins anew in each process."""
    one, two = map(str, keys)
    common = len(os.path.commonprefix([one, two]))
    rests = one[common:], two[common:]
    return one == two or all(rest.isdecimal() for rest in rests) and abs(int(rests[0]) - int(rests[1])) == 1


# Answers: wrong ones with their misconceptions, and right ones written differently.

COUNT = itertools.count()


def tried(call, transient, attempts, wait, sleep, *, key=None, pause=lambda wait, n: wait * 2**n, last=False):
    key = key or str(uuid.uuid4())
    for n in range(attempts):
        try:
            return call(key)
        except transient as error:
            if last:
                sleep(pause(wait, n))
            if n == attempts - 1:
                raise error
            if not last:
                sleep(pause(wait, n))
    return None


@retry.mistake("M22", "An error that will be the same next time is not tried again.")
def catches_everything(call, transient, attempts, wait, sleep):
    return tried(call, Exception, attempts, wait, sleep)


@retry.mistake("M22", "All classes in `transient` may pass, not only the first.")
def the_first_class(call, transient, attempts, wait, sleep):
    return tried(call, transient[:1], attempts, wait, sleep)


@retry.mistake("M22", "What is derived from a transient class is transient, too.")
def exactly_these_classes(call, transient, attempts, wait, sleep):
    class Inside(Exception):
        pass

    def exact(key):
        try:
            return call(key)
        except transient as error:
            if type(error) in transient:
                raise Inside from error
            raise

    try:
        return tried(exact, Inside, attempts, wait, sleep)
    except Inside as inside:
        raise inside.__cause__ from None


@retry.mistake("M73", "After `attempts` attempts it is over.")
def without_an_end(call, transient, attempts, wait, sleep):
    return tried(call, transient, 10**6, wait, sleep, pause=lambda wait, n: wait * 2 ** min(n, 50))


@retry.mistake("M31", "`attempts` counts the first attempt as well.")
def so_many_retries(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts + 1, wait, sleep)


retry.variants(tried,
    always_the_same_wait=("M73", "Each wait is twice the one before.", dict(pause=lambda wait, n: wait)),
    a_wait_more_each_time=("M73", "Each wait is twice the one before, not as much more.",
        dict(pause=lambda wait, n: wait * (n + 1))),
    twice_as_long=("M31", "The first wait is `wait`.", dict(pause=lambda wait, n: wait * 2 ** (n + 1))),
    one_key_for_all_requests=("M71", "Each request has a key that nobody else has: make it at random.",
        dict(key="key")),
    a_number_as_key=("M41", "The key is a text.", dict(key=17)),
    waits_after_the_last=("M31", "After the last attempt nobody waits.", dict(last=True)))


@retry.mistake("M27", "The wait is an argument.")
def half_a_second(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts, 0.5, sleep)


@retry.mistake("M73", "Between two attempts there is a wait.")
def at_once(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts, wait, lambda _: None)


@retry.mistake("M21", "All attempts carry the same key, so that the other side does the work once.")
def a_new_key_each_time(call, transient, attempts, wait, sleep):
    return tried(lambda _: call(str(uuid.uuid4())), transient, attempts, wait, sleep)


@retry.mistake("M71", "Each request has a key that nobody else has: a counter begins anew in each process.")
def a_counter(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts, wait, sleep, key=f"request-{next(COUNT)}")


@retry.mistake("M71", "Each request has a key that nobody else has: seeded generators repeat themselves.")
def of_the_global_generator(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts, wait, sleep, key=f"{random.getrandbits(128):032x}")


@retry.mistake("M71", "Each request has a key that nobody else has: seeded generators repeat themselves.")
def of_numpys_global_generator(call, transient, attempts, wait, sleep):
    return tried(call, transient, attempts, wait, sleep, key=np.random.bytes(16).hex())


@retry.mistake("M64", "When no attempt succeeds, the caller gets the error.")
def gives_none_when_it_fails(call, transient, attempts, wait, sleep):
    try:
        return tried(call, transient, attempts, wait, sleep)
    except transient:
        return None


@retry.mistake("M64", "The error of the last attempt comes out as it is.")
def another_error_at_the_end(call, transient, attempts, wait, sleep):
    try:
        return tried(call, transient, attempts, wait, sleep)
    except transient as error:
        raise type(error)("gave up") from None


@retry.mistake("M64", "The error of the last attempt comes out as it is, in no other class.")
def a_runtime_error_at_the_end(call, transient, attempts, wait, sleep):
    try:
        return tried(call, transient, attempts, wait, sleep)
    except transient as error:
        raise RuntimeError(str(error)) from error


@retry.mistake("M33", "A transient error is tried again.")
def one_attempt(call, transient, attempts, wait, sleep):
    return call(str(uuid.uuid4()))


@retry.mistake("M47", "A single attempt is an attempt.")
def no_attempt_for_one(call, transient, attempts, wait, sleep):
    return None if attempts <= 1 else tried(call, transient, attempts, wait, sleep)


@retry.mistake("M08", "Whatever the call returns is its result, also None or 0.")
def nothing_is_no_result(call, transient, attempts, wait, sleep):
    key = str(uuid.uuid4())
    for n in range(attempts):
        if result := tried(lambda _: call(key), transient, attempts - n, wait, sleep):
            return result
    return None


@retry.right
def recursively(call, transient, attempts, wait, sleep, key=None):
    key = key or uuid.uuid1().hex
    try:
        return call(key)
    except transient:
        if attempts == 1:
            raise
    sleep(wait)
    return recursively(call, transient, attempts - 1, 2 * wait, sleep, key)


@retry.right
def with_tenacity(call, transient, attempts, wait, sleep):
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    again = Retrying(stop=stop_after_attempt(attempts), wait=wait_exponential(multiplier=wait), sleep=sleep,
                     retry=retry_if_exception_type(transient), reraise=True)
    return again(call, secrets.token_urlsafe(12))
