"""7.9 lint_dockerfile: the rules that a Dockerfile breaks."""

import re
from pathlib import Path

from . import lab


@lab.exercise("7.9", section="how-many", hints=(
    "Go through the file once and ask of each rule: which line would break it, and which line must be there?",
    "base: the tag behind FROM's image is missing or `latest`. secret: split each name of ENV and ARG at `_` and look "
    "for PASSWORD, TOKEN or KEY. user: no USER, or the last one is root or 0, before a colon too. health: no "
    "HEALTHCHECK, or the last one is NONE. Skip comments and blank lines."))
class lint_dockerfile:
    rule = "Each rule that a line breaks, or that no line keeps, is found, and no other; comments do not count."

    def inputs(d):
        lines = [f"FROM {_image(d)}" for _ in range(d.pick([1, 2, 0]))]
        lines += [_setting(d) for _ in range(d.int(0, 2))]
        lines += [f"USER {d.pick(USERS)}" for _ in range(d.int(0, 3))]
        lines += d.some(["HEALTHCHECK CMD curl -f http://127.0.0.1/healthz", "HEALTHCHECK NONE"])
        lines += d.some(["RUN pip install KEYRING", "COPY . /USER", "ENTRYPOINT /app/start", "RUN export TOKEN=x",
                         "RUN echo HEALTHCHECK", "RUN echo FROM app", "LABEL ENV=API_TOKEN"])
        lines = [*lines[:1], *d.order(lines[1:])]
        for noise in d.some(["", "# HEALTHCHECK CMD true", "# USER 10001", "# ENV API_TOKEN=x", "   ", "# USER root",
                             "# FROM app:latest"]):
            lines.insert(d.int(0, len(lines)), noise)
        return dict(text="\n".join(lines) + "\n" * d.int(0, 1))

    def see(got, text):
        """The rules without those that the text leaves open: a simple answer does not see what `_open` names."""
        if not isinstance(got, (set, frozenset, list, tuple)):
            return got
        return {str(rule) for rule in got} - _open(text)

    def real():
        from mlelab import serving

        return dict(text=(Path(serving.__file__).parent / "deploy" / "Dockerfile").read_text())

    def figure(got, text):
        return f"The service's own Dockerfile has {len(text.splitlines())} lines and {len(got)} findings."


USERS = ["10001", "root", "0", "app", "100", "rooted", "10001:0", "app:root", "0:0", "root:root"]


def _open(text: str) -> set[str]:
    """The rules that an answer may judge by the simple reading: whole words, the first name of a line, any part of it.

    The lab shows each of these lines after the check, with what a linter says.
    """
    lines = [line.split() for line in text.splitlines() if line.startswith(("ENV ", "ARG ", "USER ", "HEALTHCHECK "))]
    last = {word: rest[0] for word, *rest in lines}
    settings = [[pair.partition("=")[0] for pair in rest] for word, *rest in lines if word in ("ENV", "ARG")]
    exact = any(_secret(name) for names in settings for name in names)
    simple = any(re.search("PASSWORD|TOKEN|KEY", names[0]) for names in settings)
    return {rule for rule, holds in (
        ("secret", exact != simple), ("health", last.get("HEALTHCHECK") == "NONE"),
        ("user", last.get("USER") in ("0:0", "root:root"))) if holds}


def _secret(name: str) -> bool:
    return not {"PASSWORD", "TOKEN", "KEY"}.isdisjoint(name.split("_"))


def _image(d) -> str:
    host = d.pick(["", "registry.example:5000/", "registry.example/", "registry.example:5000/team/"])
    name = d.pick(["app", "python", "latest-app", "scratch"])
    tag = d.pick([":3.12", "", ":latest", ":3", ":latest-slim", ":1.0-latest", ":3.12@sha256:4f5a"])
    return host + name + tag


def _setting(d) -> str:
    def name():
        return d.pick(["MLELAB_HOST", "DB_PASSWORD", "API_TOKEN", "SECRET_KEY", "KEY", "TOKEN_FILE", "LANG", "PORT",
                       "MONKEY"])

    def value():
        return d.pick(["=1", "=x", "=", "=TOKEN", "=a=KEY", "=PASSWORD"])

    kind, first = d.pick(["ENV", "ARG", "ARG without a value"]), name()
    if kind == "ENV":
        return " ".join(["ENV", first + value(), *(name() + value() for _ in range(d.pick([0, 0, 1, 2])))])
    return f"ARG {first}{value() if kind == 'ARG' else ''}"


# Answers: wrong ones with their misconceptions, and right ones written differently.


def rules_broken(text, *, tag=lambda image: image.rpartition("/")[2].partition(":")[2], bad=("", "latest"),
                 words=("PASSWORD", "TOKEN", "KEY"), kinds=("ENV", "ARG"), skip=lambda line: line.startswith("#"),
                 user=lambda users: users[-1] in ("root", "0"), name=lambda rest: rest.partition("=")[0],
                 which=any, valued=False, health="HEALTHCHECK"):
    lines = [line.strip().split(maxsplit=1) for line in text.splitlines() if line.strip() and not skip(line)]
    users = [rest[0] for word, *rest in lines if word == "USER"]
    settings = [rest[0] for word, *rest in lines if word in kinds and (not valued or "=" in rest[0])]
    found = {"base": which(tag(rest[0]) in bad for word, *rest in lines if word == "FROM"),
             "secret": any(word in name(rest) for rest in settings for word in words),
             "user": not users or user(users), "health": not any(line[0].endswith(health) for line in lines)}
    return {rule for rule, holds in found.items() if holds}


lint_dockerfile.variants(rules_broken,
    any_colon_is_a_tag=("M20", "A colon before a slash is a port: no tag means `latest`, also behind a port.",
        dict(tag=lambda image: "latest" if image.endswith(":latest") else image.partition(":")[2])),
    behind_the_first_colon=("M20", "Behind a port the tag follows the second colon.", dict(
        tag=lambda image: image.partition(":")[2] if ":" in image.rpartition("/")[2] else "")),
    latest_is_a_tag=("M20", "`latest` is another image tomorrow.", dict(bad=("",))),
    no_tag_is_fine=("M20", "No tag means `latest`.", dict(bad=("latest",))),
    latest_anywhere=("M78", "The tag is `latest`; a tag or a name that contains the word is another one.",
        dict(tag=lambda image: "latest" if "latest" in image else image.rpartition("/")[2].partition(":")[2])),
    the_first_image=("M33", "Every FROM counts, not only the first.",
        dict(which=lambda found: next(iter(found), False))),
    the_last_image=("M33", "Every FROM counts, not only the last.", dict(which=lambda found: [False, *found][-1])),
    all_images=("M33", "One image without a tag is enough.", dict(which=lambda found: min(found, default=False))),
    passwords_only=("M30", "Whoever has the image has its secrets: tokens and keys, too.", dict(words=("PASSWORD",))),
    keys_are_harmless=("M30", "A key is a secret, too.", dict(words=("PASSWORD", "TOKEN"))),
    arguments_are_harmless=("M30", "An argument stays in the image's history.", dict(kinds=("ENV",))),
    without_a_value_it_is_none=(
        "M30", "A name without a value is set when the image is built, and stays in its history.",
        dict(valued=True)),
    words_in_values=("M78", "The name counts, not the value.", dict(name=str)),
    every_setting_is_a_secret=("M78", "A setting is a secret by its name: most are none.", dict(words=("",))),
    the_first_user_counts=("M26", "The last USER counts, not the first.",
        dict(user=lambda users: users[0] in ("root", "0"))),
    any_root_counts=("M26", "A later USER takes the root back.",
        dict(user=lambda users: not {"root", "0"}.isdisjoint(users))),
    zero_is_nobody=("M26", "0 is root's number.", dict(user=lambda users: users[-1] == "root")))


@lint_dockerfile.mistake("M78", "Only ENV and ARG set names that stay; a comment is no instruction.")
def words_anywhere(text):
    return rules_broken(text) | ({"secret"} if "TOKEN" in text or "PASSWORD" in text else set())


@lint_dockerfile.mistake("M26", "Without USER everything runs as root.")
def nobody_is_fine(text):
    return rules_broken(text) if "\nUSER " in text else rules_broken(text) - {"user"}


@lint_dockerfile.mistake("M26", "Root is not fine, neither by a line nor without one.")
def root_is_fine(text):
    return rules_broken(text) - {"user"}


@lint_dockerfile.mistake("M38", "Without a check nobody notices that it hangs.")
def nobody_asks_how_it_is(text):
    return rules_broken(text) - {"health"}


@lint_dockerfile.mistake("M38", "A check in a comment is none.")
def a_comment_is_enough(text):
    return rules_broken(text) - ({"health"} if "HEALTHCHECK" in text else set())


@lint_dockerfile.mistake("M78", "A comment is no instruction.")
def comments_count(text):
    return rules_broken("\n".join(line.lstrip("# ") for line in text.splitlines()))


@lint_dockerfile.mistake("M78", "An instruction is the first word of its line; behind it the word is only text.")
def a_check_in_any_line(text):
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return rules_broken(text) - ({"health"} if any("HEALTHCHECK" in line for line in lines) else set())


@lint_dockerfile.mistake("M78", "An image stands behind FROM at the beginning of a line, and nowhere else.")
def from_in_any_line(text):
    return rules_broken(text) | ({"base"} if re.search("^[A-Z]+ .*FROM app$", text, re.M) else set())


@lint_dockerfile.mistake("M20", "`scratch` has no tag either: the rule makes no exception.")
def scratch_needs_no_tag(text):
    return rules_broken(text, tag=lambda image: "none" if image == "scratch" else image.rpartition("/")[2].partition(
        ":")[2])


@lint_dockerfile.mistake("M33", "All findings, not the first.")
def the_first_finding(text):
    return set(sorted(rules_broken(text))[:1])


@lint_dockerfile.right
def part_by_part(text):
    """Every sentence of the docstring, also where a simple answer may pass."""
    found, user, healthy = set(), "root", False
    for line in map(str.strip, text.splitlines()):
        word, *rest = line.split() or [""]
        if word == "FROM" and rest[0].rsplit("/", 1)[-1].split(":")[1:2] in ([], ["latest"]):
            found.add("base")
        if word in ("ENV", "ARG") and any(_secret(pair.split("=")[0]) for pair in rest):
            found.add("secret")
        user = rest[0].split(":")[0] if word == "USER" else user
        healthy = rest != ["NONE"] if word == "HEALTHCHECK" else healthy
    return found | {rule for rule, holds in (("user", user in ("root", "0")), ("health", not healthy)) if holds}


@lint_dockerfile.right
def line_by_line(text):
    found, user, healthy = [], "root", False
    for line in map(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM" and (":" not in rest.split("/")[-1] or rest.endswith(":latest")):
            found.append("base")
        if word in ("ENV", "ARG") and any(secret in rest.split("=")[0] for secret in ("PASSWORD", "TOKEN", "KEY")):
            found.append("secret")
        user = rest if word == "USER" else user
        healthy = healthy or word == "HEALTHCHECK"
    return found + ["user"] * (user in ("root", "0")) + ["health"] * (not healthy)


@lint_dockerfile.right
def with_expressions(text):
    def behind(word):
        return re.findall(rf"^{word}[ ]+(\S.*)$", text, re.M)

    tags = [re.search(r":([^/:@]*)(?:@[^/]*)?$", image) for image in behind("FROM")]
    names = [re.split("=", setting)[0] for setting in behind("(?:ENV|ARG)")]
    return frozenset(rule for rule, holds in (
        ("base", any(tag is None or tag[1] == "latest" for tag in tags)),
        ("secret", any(re.search("PASSWORD|TOKEN|KEY", name) for name in names)),
        ("user", (behind("USER") or ["root"])[-1] in {"root", "0"}),
        ("health", not behind("HEALTHCHECK"))) if holds)
