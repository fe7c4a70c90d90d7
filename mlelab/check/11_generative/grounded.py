"""11.4 grounded: an answer that its sources carry, or a refusal."""

import re

from mlelab import assistant

from . import lab

REFUSAL = "I do not know."
WORDS = ("bags", "cost", "free", "the", "23kg", "refund", "within", "7", "days", "dog", "Seat", "is", "cabin", "30.50")


@lab.exercise("11.4", section="grounding", hints=(
    "Write a function for one sentence. Three things can be wrong with it: what it cites, its numbers, its words.",
    "`re.split(r\"(?<=[.!?])\\s+\", answer.strip())` gives the sentences, `re.findall(r\"\\[([A-Za-z0-9]+)\\]\", "
    "sentence)` "
    "what one cites. Take the marks out before you look for words. The words of all cited passages together are one "
    "set."))
class grounded:
    rule = ("The answer, unchanged, if each sentence cites passages that were retrieved, and only such, and these "
            "hold all "
            "its words with a digit and at least `share` of its different words that count; otherwise the refusal.")

    def inputs(d):
        ids = d.some(["P1", "late-bag", "p3", "44"], 1)

        def text(low, high):
            return d.list(low, high, lambda: d.pick(WORDS))

        passages = {one: "7" if d.flag(0.1) else " ".join(text(1, 7)) + d.pick([".", "", " [P9]"]) for one in ids}

        def sentence():
            cited = d.some(ids, 1)[:2] if d.flag(0.9) else []
            own = [word for one in cited for word in re.findall(r"[\w.]+", passages[one].split(" [")[0].rstrip("."))]
            words = [d.pick([*own, *own, *own, "ticket"]) if own and d.flag(0.85) else d.pick(WORDS)
                     for _ in range(d.int(1, 6))]
            words = [d.pick([str.upper, str, str, str.capitalize, lambda w: w[:-1] or w])(word) for word in words]
            marks = [f"[{one}]" for one in cited] + d.pick([[]] * 9 + [["[P7]"]])
            if d.flag(0.3):
                marks = d.pick([[f"[{one.swapcase()}]" for one in cited], ["[" + ", ".join(cited) + "]"], marks])
            if marks and d.flag(0.2):  # a mark between two words
                words[0] += marks[0] + words[-1]
            parts = words + marks if d.flag(0.75) else marks + words
            return " ".join(parts) + d.pick([".", ".", "!", "?", ""])

        answer = d.pick([" ", "\n", "  "]).join(d.list(0, 3, sentence))
        answer = d.pick([answer, answer, answer, f" {answer} ", REFUSAL, "  "])
        return dict(answer=answer, passages=passages, share=d.pick([0.5, 1, 0.75, 0, 0.25]))

    def run(grounded, answer, passages, share):
        if isinstance(answer, tuple):
            return [grounded.shared(one, passages, share) for one in answer]
        return grounded(answer, passages, share)

    def real():
        policies = assistant.policies().head(3)
        first = [re.split(r"(?<=[.!?])\s", text)[0].rstrip(".!?") for text in policies["text"]]
        good = tuple(f"{text} [{one}]." for text, one in zip(first, policies["id"]))
        wrong = tuple(f"{text} [{one}]." for text, one in zip(first, [*policies["id"][1:], policies["id"][0]]))
        return dict(answer=good + tuple(first) + wrong, passages=dict(zip(policies["id"], policies["text"])),
                    share=0.75)

    def figure(got, **_):
        kept = [sum(one != REFUSAL for one in got[place:place + 3]) for place in (0, 3, 6)]
        return (f"Three sentences copied from policies: {kept[0]} pass with their source, {kept[1]} without one, "
                f"{kept[2]} "
                "with the source of another.")


# Answers: wrong ones with their misconceptions, and right ones written differently.

MARK = r"\[([A-Za-z0-9-]+)\]"


def words_of(text, marks=True):
    return set(re.findall("[a-z0-9]+", (re.sub(MARK, " ", text) if marks else text).lower()))


def judged(answer, passages, share, *, split=lambda answer: re.split(r"(?<=[.!?])\s+", answer.strip()), cite=re.findall,
           known=lambda cited, passages: bool(cited) and cited <= set(passages), digits=True, words=words_of, length=4,
           enough=lambda hits, counts, share: hits >= share * counts, sources=lambda cited, passages: cited, over=all,
           counting=lambda words: words):
    def carried(sentence):
        cited = set(cite(MARK, sentence))
        if not known(cited, passages):
            return False
        there = set().union(*(words(passages[one]) for one in sources(cited, passages) if one in passages))
        found = words(sentence)
        numbers = {word for word in found if re.search("[0-9]", word)}
        counts = counting({word for word in found if len(word) >= length} | numbers)
        return (not digits or numbers <= there) and (not counts or enough(len(counts & there), len(counts), share))

    sentences = [one for one in split(answer) if one]
    return answer if sentences and over(map(carried, sentences)) else REFUSAL


grounded.variants(
    judged,
    no_citation_needed=("M29", "A sentence without a source is not carried, however right it sounds.",
                        dict(known=lambda cited, passages: cited <= set(passages),
                             sources=lambda cited, passages: cited or passages)),
    cites_what_was_not_retrieved=("M29", "All cited ids must be of passages that were retrieved.",
                                  dict(known=lambda cited, passages: bool(cited & set(passages)))),
    any_passage_will_do=("M29", "What a sentence says must stand in what it cites, not anywhere.",
                         dict(sources=lambda cited, passages: passages)),
    citing_is_enough=("M29", "A source that says something else carries nothing: compare the words.",
                      dict(enough=lambda hits, counts, share: True, digits=False)),
    one_good_sentence=("M33", "Each sentence must be carried: one that is not makes the answer a refusal.",
                       dict(over=any)),
    numbers_like_words=("M99", "Words with a digit must all be there: a wrong number is a wrong answer.",
                        dict(digits=False)),
    more_than_the_share=("M31", "Exactly the share is enough.",
                         dict(enough=lambda hits, counts, share: hits > share * counts)),
    all_words_count=("M99", "Words of three letters and less do not count.", dict(length=1)),
    longer_than_four=("M31", "Words of four characters count.", dict(length=5)),
    longer_than_three_only=("M31", "Words of three characters do not count.", dict(length=3)),
    the_share_is_all=("M27", "The share is an argument.", dict(enough=lambda hits, counts, share: hits == counts)),
    marks_are_words=("M32", "Marks are no words of the text.", dict(words=lambda text: words_of(text, marks=False))),
    lines_are_sentences=("M99", "A sentence ends at a mark before white space, not only at the end of a line.",
                         dict(split=lambda answer: answer.strip().split("\n"))),
    the_whole_answer=("M33", "Each sentence is looked at for itself.", dict(split=lambda answer: [answer.strip()])),
    cut_at_each_full_stop=("M99", "A full stop inside of 30.50 ends no sentence.",
                           dict(split=lambda answer: re.split(r"(?<=[.!?])\s*", answer.strip()))))


@grounded.mistake("M32", "A word is carried by the same word, not by a longer one that holds it.")
def a_part_of_a_word(answer, passages, share):
    def parts(text):
        words = words_of(text)
        return words | {word[:end] for word in words for end in range(1, len(word))} if text in passages.values() \
            else words

    return judged(answer, passages, share, words=parts)


@grounded.mistake("M38", "An answer without any sentence is no answer: refuse.")
def nothing_is_fine(answer, passages, share):
    return answer if not answer.strip() else judged(answer, passages, share)


@grounded.mistake("M44", "The answer comes back whole or not at all: leaving sentences out changes what it says.")
def drops_what_is_not_carried(answer, passages, share):
    parts = [one for one in re.split(r"(?<=[.!?])\s+", answer.strip()) if one]
    return " ".join(one for one in parts if judged(one, passages, share) != REFUSAL) or REFUSAL


@grounded.mistake("M97", "A carried answer comes back as it is.")
def without_its_marks(answer, passages, share):
    found = judged(answer, passages, share)
    return found if found == REFUSAL else re.sub(r"\s*" + MARK, "", found)


@grounded.mistake("M09", "Different words count, each once.")
def words_counted_again(answer, passages, share):
    for sentence in [one for one in re.split(r"(?<=[.!?])\s+", answer.strip()) if one] or [""]:
        cited = re.findall(MARK, sentence)
        found = re.findall("[a-z0-9]+", re.sub(MARK, " ", sentence).lower())
        there = set().union(*(words_of(passages.get(one, "")) for one in cited))
        counts = [word for word in found if len(word) >= 4 or re.search("[0-9]", word)]
        numbers = all(word in there for word in found if re.search("[0-9]", word))
        if not cited or not set(cited) <= set(passages) or not numbers or (
                counts and sum(word in there for word in counts) < share * len(counts)):
            return REFUSAL
    return answer


@grounded.right
def with_a_loop(answer, passages, share):
    sentences, current = [], ""
    for place, letter in enumerate(answer):
        current += letter
        if letter in ".!?" and (answer[place + 1:place + 2].isspace() or place + 1 == len(answer)):
            sentences.append(current)
            current = ""
    sentences = [one.strip() for one in [*sentences, current] if one.strip()]
    for sentence in sentences:
        pieces = re.split(r"\[([A-Za-z0-9-]+)\]", sentence)
        cited, text = pieces[1::2], " ".join(pieces[::2]).lower()
        if not cited or any(one not in passages for one in cited):
            return REFUSAL
        source = " ".join(re.sub(r"\[[A-Za-z0-9-]+\]", " ", passages[one]) for one in cited).lower()
        source = re.sub("[^a-z0-9]+", " ", source).split()
        words = set(re.sub("[^a-z0-9]+", " ", text).split())
        if any(any(c in "0123456789" for c in word) and word not in source for word in words):
            return REFUSAL
        words = [word for word in words if len(word) > 3 or any(c in "0123456789" for c in word)]
        if words and sum(word in source for word in words) / len(words) < share:
            return REFUSAL
    return answer if sentences else REFUSAL


@grounded.right
def with_failures_listed(answer, passages, share):
    tokens = {one: set(re.findall(r"[a-z0-9]+", re.sub(r"\[[a-z0-9-]+\]", " ", text.lower())))
              for one, text in passages.items()}
    sentences = re.findall(r"\S.*?(?:[.!?](?=\s)|$(?![\s\S]))", answer.rstrip(), flags=re.S)
    failed = [sentence for sentence in sentences if not _fine(sentence, tokens, share)]
    return answer if sentences and not failed else "I do not know."


def _fine(sentence, tokens, share):
    cited = re.findall(r"\[([a-zA-Z0-9-]+)\]", sentence)
    if len(cited) == 0 or not all(one in tokens for one in cited):
        return False
    source = set.union(*[tokens[one] for one in cited])
    mine = set(re.findall(r"[a-z0-9]+", re.sub(r"\[[a-z0-9-]+\]", " ", sentence.lower())))
    long = {word for word in mine if len(word) > 3 or not word.isalpha()}
    missing = long - source
    return all(map(str.isalpha, missing)) and len(long) - len(missing) >= share * len(long)
