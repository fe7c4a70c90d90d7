"""12.6 pseudonymise: keyed digests that keep joins and what is missing."""

import hashlib
import hmac
import unicodedata

import numpy as np
import pandas as pd

from mlelab import data

from . import lab

KEYS = [b"sixteen bytes ok", b"\x00\xff" * 16, b"another key of thirty-three bytes", b"x" * 80]


@lab.exercise("12.6", section="data-protection", hints=(
    "A digest that anybody can compute, anybody can look up. Which module of Python makes one that needs a key? And "
    "what has to happen before a missing value becomes the text \"nan\"?",
    "`hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:length]`, in `values.map(…, na_action=\"ignore\")`; "
    "before that ValueError if len(key) < 16."))
class pseudonymise:
    rule = ("Each text becomes the first hexadecimal digits of its HMAC-SHA256 under the key, what is missing stays "
            "missing, and a key of less than 16 bytes raises ValueError.")
    raises = (ValueError,)

    def inputs(d):
        texts = ["N14228", "n14228", " N14228", "", "N1", "Zoë", "Zoe\u0308", "nan", "None", "東京"]
        values = d.list(0, 6, lambda: d.missing() if d.flag(0.25) else d.pick(texts))
        index = pd.Index([d.int(0, 2) for _ in values]) if d.flag(0.2) else d.index(len(values))
        series = pd.Series(values, index=index, dtype=d.pick([object, object, "str"]), name=d.pick(["tailnum", None]))
        key = d.pick([*KEYS, *KEYS, b"x" * 15, b""]) if d.flag(0.8) else d.pick(KEYS)[:d.pick([16, 15, 8])]
        return dict(values=series, key=key, length=d.pick([16, 12, 8, 64, 1, 63]))

    def real():
        tails = data.load("flights")["tailnum"].iloc[::100]
        return dict(values=tails, key=b"a key for the lab of chapter 12", length=16)

    def figure(got, values, **_):
        return (f"{got.notna().sum():,} tail numbers became {got.nunique():,} pseudonyms, one for each of "
                f"{values.nunique():,} aircraft; {got.isna().sum()} stay missing.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def keyed(key, text, length):
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:length]


def made(values, key, length, *, digest=keyed, least=16, prepare=str, missing=True):
    if len(key) < least:
        raise ValueError("the key is too short")
    return values.map(lambda text: digest(key, prepare(text), length), na_action="ignore" if missing else None)


def plain_hash(digest):
    return lambda key, text, length: digest(key, text).hexdigest()[:length]


pseudonymise.variants(
    made,
    accents_composed=("M34", "A text is taken as it is: two ways to write an accent are two texts.",
                      dict(prepare=lambda text: unicodedata.normalize("NFC", text))),
    without_a_key=("M99", "A hash without the key can be looked up: whoever lists all tail numbers hashes them all.",
                   dict(digest=plain_hash(lambda key, text: hashlib.sha256(text.encode())))),
    key_before_the_text=("M99", "The key does not stand before the text: HMAC mixes it in twice, which keeps a digest "
                         "from being extended.",
                         dict(digest=plain_hash(lambda key, text: hashlib.sha256(key + text.encode())))),
    key_behind_the_text=("M99", "The key does not stand behind the text: use HMAC.",
                         dict(digest=plain_hash(lambda key, text: hashlib.sha256(text.encode() + key)))),
    another_digest=("M99", "The digest is SHA-256.",
                    dict(digest=lambda key, text, length: hmac.new(key, text.encode(), "md5").hexdigest()[:length])),
    longer_digest=("M99", "The digest is SHA-256.", dict(
        digest=lambda key, text, length: hmac.new(key, text.encode(), "sha512").hexdigest()[:length])),
    last_digits=("M40", "The first digits of the digest are wanted, not the last.", dict(
        digest=lambda key, text, length: hmac.new(key, text.encode(), "sha256").hexdigest()[-length:])),
    upper_case=("M99", "Hexadecimal digits in lower case, as `hexdigest` gives them.", dict(
        digest=lambda key, text, length: keyed(key, text, length).upper())),
    sixteen_digits=("M27", "The length is an argument.", dict(digest=lambda key, text, length: keyed(key, text, 16))),
    text_and_key_swapped=("M40", "The key is the key, and the value the message.", dict(
        digest=lambda key, text, length: hmac.new(text.encode(), key, hashlib.sha256).hexdigest()[:length])),
    tidied_first=("M99", "Texts are taken as they are: spaces and capitals count.", dict(
        prepare=lambda text: text.strip().upper())),
    capitals_first=("M99", "Texts are taken as they are: spaces and capitals count.", dict(prepare=str.upper)),
    spaces_stripped=("M99", "Texts are taken as they are: spaces and capitals count.", dict(prepare=str.strip)),
    missing_has_a_pseudonym=("M08", "What is missing stays missing: the text \"nan\" is nobody.", dict(missing=False)),
    any_key_will_do=("M26", "A key of less than 16 bytes raises ValueError.", dict(least=0)),
    one_byte_less=("M31", "A key needs 16 bytes: 15 are too few.", dict(least=15)),
    one_byte_more=("M31", "A key of exactly 16 bytes is long enough.", dict(least=17)))


@pseudonymise.mistake("M08", "An empty text is a value like any other; only what is missing stays missing.")
def empty_is_missing(values, key, length):
    return made(values.where(values != "", None), key, length)


@pseudonymise.mistake("M09", "One value for each row, under the label of its row.")
def missing_rows_dropped(values, key, length):
    return made(values.dropna(), key, length)


@pseudonymise.mistake("M09", "One value for each row, under the label of its row.")
def index_lost(values, key, length):
    return made(values.reset_index(drop=True), key, length)


@pseudonymise.mistake("M98", "The same text has the same pseudonym each time: joins depend on it.")
def built_in_hash(values, key, length):
    return made(values, key, length, digest=lambda key, text, length: f"{hash(text):064x}"[-length:])


@pseudonymise.right
def in_a_loop(values, key, length):
    if len(key) <= 15:
        raise ValueError("16 bytes are the least")
    out = []
    for value in values:
        out.append(None if pd.isna(value) else hmac.digest(key, str(value).encode("utf-8"), "sha256").hex()[:length])
    return pd.Series(out, index=values.index, name=values.name, dtype=object)


@pseudonymise.right
def by_the_definition(values, key, length):
    if not len(key) >= 16:
        raise ValueError("too short")
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C))
    known = {text: hashlib.sha256(outer + hashlib.sha256(inner + text.encode()).digest()).hexdigest()[:length]
             for text in values.dropna().unique()}
    made = values.astype(object).map(lambda value: known.get(value, np.nan) if isinstance(value, str) else np.nan)
    return made.rename("pseudonym")
