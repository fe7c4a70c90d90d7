"""11.6 guard: what may go to the model."""

import re
import unicodedata

from mlelab import assistant

from . import _real, lab

PHRASES = ("ignore previous", "you are now", "system prompt", "no rules")
CANARY = ("K7-heron", "blue owl 31", "Zebra99")
PLAIN = ("May I bring a dog?", "My bag is late.", "Is a refund due after 3 hours?", "We ignored the previous gate.",
         "The system promptly failed.", "Zoë: a café, row 12?")
PRIVATE = ("ann@site.org", "mail me:bob@b.net.", "card 4111 1111 1111 1111", "4111-1111-1111-1111 please",
           "4111111111111", "411111111111", "call 212 555 0134", "1234567  8901234", "4111 - 1111 - 1111 - 1111",
           "@desk", "team@", "a@b@c", "x@@y", "９９９９９９９９９９９９９", "١٢٣٤٥٦٧٨٩٠١٢٣", "41111111111111111111",
           "4111 1111 1111 1111@b.org", "no. 2013-11-28 14 30 00",
           "1234 5678 9012 3")


@lab.exercise("11.6", section="guarding", hints=(
    "Write two functions first: what a text looks like when it is compared, and what it looks like when it is sent. "
    "Which "
    "of the two does NFKC belong to?",
    "Squeezed: `unicodedata.normalize(\"NFKC\", text).lower()`, `str.translate` for the Cyrillic letters, then "
    "`re.sub(\"[^a-z0-9]\", \"\", …)`. Masked: NFKC, then `re.sub(r\"\\S+@\\S+\", …)` and a pattern of a digit and "
    "twelve "
    "or more of `[ -]?[0-9]`. The phrases and the canary are squeezed, too."))
class guard:
    rule = ("Squeezed texts are compared with squeezed phrases and canary, first for leaks; what is sent is NFKC, "
            "masked, "
            "without passages that are hostile or leak, and nothing at all if the prompt is not ok.")

    def inputs(d):
        phrases, canary = d.some(PHRASES, 0), d.pick(CANARY)

        def disguised(text):
            way = d.pick(["as it is", "upper", "wide", "bold", "cyrillic", "CYRILLIC", "split", "dashes", "hidden",
                          "ﬁ"])
            if way == "wide":
                return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
            if way == "bold":
                return "".join(chr(0x1D400 + ord(c) - 65) if c.isascii() and c.isalpha() else c for c in text.upper())
            if way.lower() == "cyrillic":
                text = text.translate(str.maketrans("aeopcxi", "аеорсхі"))
                return text.upper() if way.isupper() else text
            if way == "accents":  # NFKC keeps them, so it is another text
                return text.translate(str.maketrans("eou", "éöú"))
            join = {"split": " ", "dashes": "-", "hidden": "\u200b"}.get(way)
            return join.join(text) if join else text.upper() if way == "upper" else text

        def text():
            parts = [d.pick(PLAIN)] + d.list(0, 1, lambda: d.pick(PRIVATE))
            kind = d.pick(["plain"] * 4 + ["hostile", "hostile", "leak", "masked", "half"])
            if kind == "hostile" or kind == "half":
                phrase = d.pick(phrases or PHRASES)
                parts.append(disguised(phrase if kind == "hostile" else phrase[:-2]))
            elif kind == "leak":
                parts.append(disguised(canary))
            elif kind == "masked":
                parts.append(d.pick(PRIVATE))
            return d.pick([" ", "\n"]).join(d.order(parts))

        prompt = text() if d.flag(0.6) else d.pick(PLAIN) + " " + d.pick(PRIVATE)
        return dict(prompt=prompt, passages=d.list(0, 4, text), phrases=d.order([*phrases]), canary=canary)

    def run(guard, prompt, passages, phrases, canary):
        if isinstance(prompt, tuple):
            return [guard.shared(one, passages, phrases, canary) for one in prompt]
        return guard(prompt, passages, phrases, canary)

    def real():
        return dict(prompt=tuple(assistant.red_team()["text"]), passages=[], phrases=list(_real.PHRASES),
                    canary=assistant.CANARY)

    def figure(got, **_):
        hostile = assistant.red_team()["hostile"].to_numpy(bool)
        stopped = [one["reason"] != "ok" for one in got]
        caught, wrong = (sum(s for s, h in zip(stopped, hostile) if h == kind) for kind in (True, False))
        return (f"Of {hostile.sum()} hostile texts {caught} are stopped, and of {(~hostile).sum()} harmless ones "
                f"{wrong}. "
                "What is asked for in other words gets through.")


# Answers: wrong ones with their misconceptions, and right ones written differently.

LATIN = str.maketrans("аеорсхі", "aeopcxi")


def nfkc(text):
    return unicodedata.normalize("NFKC", text)


def squeeze(text, letters=LATIN, form=nfkc, drop="[^a-z0-9]", lower=str.lower):
    return re.sub(drop, "", lower(form(text)).translate(letters))


def mask(text):
    return cards(re.sub(r"\S+@\S+", "[email]", nfkc(text)))


def cards(text, pattern=r"[0-9](?:[ -]?[0-9]){12,}"):
    return re.sub(pattern, "[card]", text)


def guarded(prompt, passages, phrases, canary, *, squeeze=squeeze, listed=None, mask=mask, sent=None, poisoned=False,
            leaks=True, first="leak", watch=lambda text: True, blocked=lambda text: ""):
    known = [(listed or squeeze)(phrase) for phrase in phrases]

    def fault(text):
        plain = squeeze(text)
        found = {"leak": leaks and squeeze(canary) in plain, "hostile": any(phrase in plain for phrase in known)}
        order = [first, *(kind for kind in found if kind != first)]
        return next((kind for kind in order if found[kind]), "ok")

    reason = fault(prompt)
    if poisoned and reason == "ok":
        reason = next((fault(text) for text in passages if fault(text) != "ok"), "ok")
    if reason != "ok":
        return {"reason": reason, "prompt": blocked(prompt), "passages": []}
    return {"reason": reason, "prompt": mask(prompt),
            "passages": [(sent or mask)(text) for text in passages if not watch(text) or fault(text) == "ok"]}


guard.variants(
    guarded,
    a_list_in_lower_case=("M32", "\"IGNORE\" is \"ignore\": compare in lower case.",
                          dict(squeeze=lambda text: squeeze(text, lower=lambda t: t))),
    without_nfkc=("M32", "Wide and bold letters are letters: NFKC first.",
                  dict(squeeze=lambda text: squeeze(text, form=lambda t: t))),
    nfkd_to_compare=("M99", "NFKC keeps accents: a text with other letters is another text.",
                     dict(squeeze=lambda text: squeeze(text, form=lambda t: unicodedata.normalize("NFKD", t)))),
    sends_nfkd=("M99", "NFKC writes é as one character, NFKD as two.",
                dict(mask=lambda text: unicodedata.normalize("NFKD", mask(text)))),
    lower_before_nfkc=("M40", "NFKC makes bold capitals plain capitals: lower case comes after it.",
                       dict(squeeze=lambda text: squeeze(text, form=lambda t: nfkc(t.lower()), lower=lambda t: t))),
    without_look_alikes=("M32", "A Cyrillic а looks like an a and is another letter: replace look-alikes.",
                         dict(squeeze=lambda text: squeeze(text, letters={}))),
    look_alikes_before_lower_case=("M40", "Cyrillic capitals are look-alikes as well: lower case comes first.",
                                   dict(squeeze=lambda text: re.sub("[^a-z0-9]", "",
                                                                    nfkc(text).translate(LATIN).lower()))),
    split_words_pass=("M33", "\"i g n o r e\" is read by the model as well: leave out all but letters and digits.",
                      dict(squeeze=lambda text: squeeze(text, drop="[^a-z0-9 ]"))),
    hyphens_pass=("M33", "All but a-z and 0-9 is left out, not only white space.",
                  dict(squeeze=lambda text: squeeze(text, drop=r"\s"))),
    phrases_as_they_are=("M32", "The phrases are squeezed like the texts: with their spaces they are in none of them.",
                         dict(listed=lambda phrase: phrase.lower())),
    passages_are_trusted=("M33", "What was retrieved is text from others: it can give orders, too.",
                          dict(watch=lambda text: False)),
    one_passage_stops_all=("M70", "A hostile passage is left out; the question is answered from the others.",
                           dict(poisoned=True)),
    no_canary=("M30", "A text that holds the canary has seen what nobody may see: it leaks.", dict(leaks=False)),
    hostile_before_leak=("M99", "A prompt that leaks and is hostile leaks.", dict(first="hostile")),
    nothing_is_masked=("M30", "Addresses and card numbers are masked before the call.", dict(mask=nfkc)),
    passages_are_not_masked=("M30", "Passages hold personal data, too: mask them as well.", dict(sent=nfkc)),
    sends_what_it_blocks=("M30", "What is blocked is not sent: the prompt is \"\".", dict(blocked=mask)),
    sends_it_squeezed=("M32", "The model gets the text, not its squeezed form.", dict(mask=lambda text: squeeze(text))),
    sends_it_in_lower_case=("M41", "What is sent keeps its capitals.", dict(mask=lambda text: mask(text.lower()))),
    masks_wide_digits_not=("M32", "NFKC comes before masking: wide digits are digits.",
                           dict(mask=lambda text: cards(re.sub(r"\S+@\S+", "[email]", text)))),
    cards_in_one_piece=("M33", "A card number may be written with spaces or hyphens.",
                        dict(mask=lambda text: cards(re.sub(r"\S+@\S+", "[email]", nfkc(text)), "[0-9]{13,}"))),
    fourteen_digits=("M31", "13 digits are enough.",
                     dict(mask=lambda text: cards(re.sub(r"\S+@\S+", "[email]", nfkc(text)),
                                                  r"[0-9](?:[ -]?[0-9]){13,}"))),
    twelve_digits=("M31", "12 digits are no card number.",
                   dict(mask=lambda text: cards(re.sub(r"\S+@\S+", "[email]", nfkc(text)),
                                                r"[0-9](?:[ -]?[0-9]){11,}"))),
    digits_of_all_scripts=("M99", "The digits are 0-9.",
                           dict(mask=lambda text: cards(re.sub(r"\S+@\S+", "[email]", nfkc(text)),
                                                        r"\d(?:[ -]?\d){12,}"))),
    up_to_sixteen_digits=("M31", "A run of more than 16 digits is masked whole.",
                          dict(mask=lambda text: cards(re.sub(r"\S+@\S+", "[email]", nfkc(text)),
                                                       r"[0-9](?:[ -]?[0-9]){12,15}"))),
    cards_before_addresses=("M40", "Addresses are masked first: what is left of them is looked at for cards.",
                            dict(mask=lambda text: re.sub(r"\S+@\S+", "[email]", cards(nfkc(text))))),
    any_gap=("M99", "One space or one hyphen may stand between two digits, not more.",
             dict(mask=lambda text: cards(re.sub(r"\S+@\S+", "[email]", nfkc(text)), r"[0-9](?:[ -]*[0-9]){12,}"))),
    a_proper_address=("M99", "Every run without white space with an @ inside of it is masked.",
                      dict(mask=lambda text: cards(re.sub(r"[\w.]+@[\w]+\.\w+", "[email]", nfkc(text))))),
    any_at_sign=("M99", "A name with an @ at its front or its end is no address.",
                 dict(mask=lambda text: cards(re.sub(r"\S*@\S*", "[email]", nfkc(text))))))


@guard.mistake("M24", "Most prompts are harmless: a guard that blocks all of them is of no use.")
def blocks_everything(prompt, passages, phrases, canary):
    return {"reason": "hostile", "prompt": "", "passages": []}


@guard.mistake("M27", "Phrases and canary are arguments.")
def one_known_phrase(prompt, passages, phrases, canary):
    return guarded(prompt, passages, ["ignore previous"], canary)


@guard.mistake("M33", "All phrases are looked for, not only the first.")
def the_first_phrase_only(prompt, passages, phrases, canary):
    return guarded(prompt, passages, phrases[:1], canary)


@guard.right
def letter_by_letter(prompt, passages, phrases, canary):
    other = dict(zip("аеорсхі", "aeopcxi"))

    def plain(text):
        letters = (other.get(c, c) for c in unicodedata.normalize("NFKC", text).lower())
        return "".join(c for c in letters if c in "abcdefghijklmnopqrstuvwxyz0123456789")

    def clean(text):
        text = unicodedata.normalize("NFKC", text)
        text = "".join("[email]" if "@" in part[1:-1] else part for part in re.split(r"(\s+)", text))
        return re.sub(r"(?:[0-9][ -]?){12,}[0-9]", "[card]", text)

    def bad(text):
        if plain(canary) in plain(text):
            return "leak"
        return "hostile" if any(plain(one) in plain(text) for one in phrases) else None

    if bad(prompt):
        return {"reason": bad(prompt), "prompt": "", "passages": []}
    return {"reason": "ok", "prompt": clean(prompt), "passages": [clean(one) for one in passages if not bad(one)]}


@guard.right
def with_one_pattern(prompt, passages, phrases, canary):
    def plain(text):
        text = unicodedata.normalize("NFKC", text).casefold()
        for one, two in zip("аеорсхі", "aeopcxi"):
            text = text.replace(one, two)
        return "".join(re.findall("[a-z0-9]+", text))

    hostile = re.compile("|".join(map(plain, phrases)) if phrases else r"\b\B")
    texts = [prompt, *passages]
    leaks = [plain(canary) in plain(text) for text in texts]
    attacks = [bool(hostile.search(plain(text))) for text in texts]
    masked = [re.sub(r"[0-9](?:[ -]?[0-9]){12,}", "[card]", re.sub(r"\S+@\S+", "[email]", nfkc(text)))
              for text in texts]
    result = {"reason": "leak" if leaks[0] else "hostile" if attacks[0] else "ok", "prompt": "", "passages": []}
    if result["reason"] == "ok":
        result["prompt"] = masked[0]
        result["passages"] = [m for m, a, b in zip(masked[1:], leaks[1:], attacks[1:]) if not a and not b]
    return result
