"""The quizzes as packages: every rule of the formats that we rely on, for every question, and the same bytes each time.

The schemas come from no package registry, so the rules are written out here. For the cartridge, CARTRIDGE has what the
schema of its profile of QTI 1.2.1 (ccv1p1_qtiasiv1p2p1) says about every element that we use; for QTI 2.1 the tests
say which elements stand in which order, which attributes they need, and that every reference leads somewhere. Then
pyslet, which implements QTI 2.1 and refuses an element where it may not stand, gives every answer to every question.
"""

import io
import itertools
import re
import zipfile
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from teaching import qti

from mlelab import exam
from tests.teaching.conftest import ROOT

AREAS = sorted(path.stem for path in (ROOT / "book" / "quiz").glob("*.yml"))
QUIZZES = [exam.read(ROOT / "book" / "quiz" / f"{area}.yml") for area in AREAS]
TITLES = {area: area for area in AREAS}
QUESTIONS = {question.id: question for quiz in QUIZZES for question in quiz.questions}
NCNAME = re.compile(r"[A-Za-z_][\w.-]*$")
INLINE = {"code", "em", "strong", "a", "br", "img", "span", "sub", "sup"}
BLOCK = {"p", "pre", "div", "ul", "ol", "table", "h1", "h2", "h3", "h4", "blockquote", "hr"}
INNER = {"li", "thead", "tbody", "tr", "th", "td", "caption", "dl", "dt", "dd", "tfoot"}
# By element: its children in their order, the attributes it needs, and those that it may have.
CARTRIDGE = {
    "questestinterop": ("assessment ", "", "schemaLocation"),
    "assessment": ("(qtimetadata )?section ", "ident title", ""),
    "section": ("(item )+", "ident", "title"),
    "item": ("(itemmetadata )?(presentation )?(resprocessing )*(itemfeedback )*", "ident", "title"),
    "itemmetadata": ("(qtimetadata )+", "", ""),
    "qtimetadata": ("(qtimetadatafield )+", "", ""),
    "qtimetadatafield": ("fieldlabel fieldentry ", "", ""),
    "presentation": ("(material |response_lid )+", "", "label"),
    "material": ("(mattext )+", "", "label"),
    "response_lid": ("(material )?render_choice (material )?", "ident", "rcardinality rtiming"),
    "render_choice": ("(material |response_label )*", "", "shuffle minnumber maxnumber"),
    "response_label": ("(material )*", "ident", "rshuffle labelrefid"),
    "resprocessing": ("outcomes (respcondition )+", "", ""),
    "outcomes": ("decvar ", "", ""),
    "decvar": ("", "varname", "vartype minvalue maxvalue"),
    "respcondition": ("conditionvar (setvar )*(displayfeedback )*", "", "title continue"),
    "conditionvar": ("(and |varequal )+", "", ""),
    "and": ("(not |varequal )+", "", ""),
    "not": ("(varequal )+", "", ""),
    "varequal": ("", "respident", "case"),
    "setvar": ("", "", "varname action"),
    "displayfeedback": ("", "feedbacktype linkrefid", ""),
    "itemfeedback": ("(material |flow_mat )+", "ident", "title"),
    "mattext": ("", "", "texttype charset"),
    "fieldlabel": ("", "", ""),
    "fieldentry": ("", "", ""),
}
VALUES = {"rcardinality": {"Single", "Multiple"}, "shuffle": {"Yes", "No"}, "continue": {"Yes", "No"},
          "feedbacktype": {"Response"}, "action": {"Set"}, "vartype": {"Decimal", "Integer"}, "varname": {"SCORE"}}


def unpacked(package: bytes) -> dict[str, ET.Element]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        assert archive.testzip() is None
        return {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}


def plain(element: ET.Element, namespace: str) -> ET.Element:
    """The element without its namespace, which must be the same throughout."""
    for node in element.iter():
        assert node.tag.startswith(f"{{{namespace}}}"), node.tag
        node.tag = node.tag.split("}")[1]
    return element


def order(element: ET.Element) -> list[str]:
    return [child.tag for child in element]


def in_turn(tags: list[str], pattern: str) -> bool:
    return re.fullmatch(pattern, "".join(f"{tag} " for tag in tags)) is not None


@pytest.fixture(scope="module")
def qti21():
    return unpacked(qti.qti21(QUIZZES, TITLES, qti.in_order("shuffle")))


@pytest.fixture(scope="module")
def cartridge():
    return unpacked(qti.cartridge(QUIZZES, TITLES, qti.in_order("shuffle")))


def test_the_manifest_of_qti_names_every_file_once(qti21):
    manifest = plain(qti21["imsmanifest.xml"], qti.CP)
    assert order(manifest) == ["metadata", "organizations", "resources"]
    assert [child.text for child in manifest[0]] == ["QTIv2.1 Package", "1.0.0"]
    resources = manifest.findall("resources/resource")
    hrefs = [resource.get("href") for resource in resources]
    assert sorted(hrefs) == sorted(set(qti21) - {"imsmanifest.xml"})
    assert [file.get("href") for file in manifest.iter("file")] == hrefs
    names = [resource.get("identifier") for resource in resources]
    assert len(names) == len(set(names)) and all(map(NCNAME.match, names))
    assert {need.get("identifierref") for need in manifest.iter("dependency")} <= set(names)
    assert {resource.get("type") for resource in resources} == {"imsqti_item_xmlv2p1", "imsqti_test_xmlv2p1"}


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_item_of_qti_holds_the_question(qti21, name):
    question = QUESTIONS[name]
    path, = [path for path in qti21 if path.startswith("items/") and path.endswith(f"/{name}.xml")]
    item = plain(qti21[path], qti.QTI2)
    assert item.tag == "assessmentItem"
    assert {"identifier", "title", "adaptive", "timeDependent"} <= set(item.keys())
    assert NCNAME.match(item.get("identifier"))
    assert in_turn(order(item), "responseDeclaration (outcomeDeclaration )+itemBody responseProcessing "
                   "(modalFeedback )+")
    interaction, = item.findall("itemBody/choiceInteraction")
    assert interaction.get("responseIdentifier") == item.find("responseDeclaration").get("identifier")
    assert interaction.get("shuffle") == "true" and interaction.get("maxChoices") == str(question.choose)
    assert in_turn(order(interaction), "prompt (simpleChoice )+")
    choices = {choice.get("identifier"): choice for choice in interaction.findall("simpleChoice")}
    assert len(choices) == len(question.options)
    for choice in choices.values():
        assert all(node.tag in INLINE for node in list(choice.iter())[1:])
    for block in item.findall("itemBody/div"):
        assert all(node.tag in INLINE | BLOCK | INNER for node in block.iter())
        assert all(child.tag in BLOCK for child in block)
    texts = {letter: "".join(choice.itertext()) for letter, choice in choices.items()}
    options = {"".join(qti._fragment(qti.MarkdownIt().renderInline(qti._prose(option.text))).itertext()): option
               for option in question.options}
    assert set(texts.values()) == set(options)
    right = {value.text for value in item.findall("responseDeclaration/correctResponse/value")}
    assert right == {letter for letter, text in texts.items() if options[text].key}
    cardinality = "single" if question.choose == 1 else "multiple"
    outcomes = {outcome.get("identifier"): outcome for outcome in item.findall("outcomeDeclaration")}
    assert item.find("responseDeclaration").get("cardinality") == cardinality
    assert outcomes["FEEDBACK"].get("cardinality") == cardinality and set(outcomes) == {"SCORE", "FEEDBACK"}
    reasons = {told.get("identifier"): "".join(told.itertext()) for told in item.findall("modalFeedback")}
    assert set(reasons) == set(choices)
    for letter, text in texts.items():
        first = options[text].reason.split("`")[0].split("*")[0].split("{")[0].strip()
        assert reasons[letter].strip().startswith(first)
        assert not options[text].misconception or options[text].misconception in reasons[letter]
    assert {node.get("identifier") for node in item.find("responseProcessing").iter("setOutcomeValue")} == set(outcomes)
    assert {node.get("identifier") for node in item.iter("variable")} == {"RESPONSE"}


def sat(xml: bytes) -> dict[tuple[str, ...], tuple[float, set[str]]]:
    """By the letters that are chosen: the score, and the letters whose reasons are shown, says pyslet."""
    from pyslet.qtiv2 import interactions
    from pyslet.qtiv2.variables import Cardinality, ItemSessionState
    from pyslet.qtiv2.xml import QTIDocument

    document = QTIDocument()
    document.read(src=io.BytesIO(xml))
    item, found = document.root, {}
    letters = [choice.identifier for choice in item.find_children_depth_first(interactions.SimpleChoice)]
    single = item.get_declaration("RESPONSE").cardinality == Cardinality.single
    for count in range(1, 2 if single else len(letters) + 1):
        for chosen in itertools.combinations(letters, count):
            session = ItemSessionState(item)
            session.begin_session()
            session["RESPONSE"].set_value(chosen[0] if single else list(chosen))
            session.end_attempt()
            shown = session["FEEDBACK"].value
            found[chosen] = session["SCORE"].value, {shown} if single else set(shown)
    return found


def two_of_five(quiz: exam.Quiz) -> exam.Quiz:
    """A quiz with one question more, of which two options are right: the files have none so far."""
    options = tuple(exam.Option(f"Letter {letter}", "Because.", key=letter in "BD") for letter in "ABCDE")
    question = replace(quiz.questions[0], id="two-of-five", options=options, choose=2)
    return replace(quiz, questions=(*quiz.questions, question))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")  # pyslet is of 2017
@pytest.mark.parametrize("quiz", [two_of_five(quiz) for quiz in QUIZZES], ids=AREAS)
def test_another_implementation_of_qti_scores_every_answer(quiz):
    package = qti.qti21([quiz], TITLES, qti.in_order("file"))
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        for question in quiz.questions:
            keys = {letter for letter, option in zip(qti.LETTERS, question.options) if option.key}
            answers = sat(archive.read(f"items/{quiz.area}/{question.id}.xml"))
            assert len(answers) == (4 if question.choose == 1 else 31)  # every set of the five
            for chosen, told in answers.items():
                assert told == (float(set(chosen) == keys), set(chosen)), (question.id, chosen)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
@pytest.mark.parametrize("wrong", ["<foo/>", "text", "<p><code><p>a</p></code></p>", "<table><tr><td/></tr></table>"])
def test_another_implementation_of_qti_refuses_what_may_not_stand_there(wrong):
    package = qti.qti21(QUIZZES[:1], TITLES, qti.in_order("file"))
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        item = archive.read("items/00_start/python-join-rows.xml").decode()
    with pytest.raises(Exception, match="(?i)foo|unexpected data|not allowed"):
        sat(item.replace("<itemBody>", f"<itemBody>{wrong}").encode())


@pytest.mark.parametrize("quiz", QUIZZES, ids=AREAS)
def test_a_test_of_qti_leads_to_its_items(qti21, quiz):
    test = plain(qti21[f"tests/{quiz.area}.xml"], qti.QTI2)
    assert test.tag == "assessmentTest" and {"identifier", "title"} <= set(test.keys())
    part, = test
    assert part.tag == "testPart" and {"identifier", "navigationMode", "submissionMode"} <= set(part.keys())
    section, = part
    assert section.tag == "assessmentSection" and {"identifier", "title", "visible"} <= set(section.keys())
    paths = [reference.get("href").removeprefix("../") for reference in section]
    assert paths == [f"items/{quiz.area}/{question.id}.xml" for question in quiz.questions]
    assert set(paths) <= set(qti21)


def test_the_manifest_of_the_cartridge(cartridge):
    manifest = cartridge["imsmanifest.xml"]
    lom = manifest.find(f"{{{qti.CC}}}metadata/{{{qti.LOM}}}lom")
    assert "quizzes" in "".join(lom.itertext())
    manifest[0].remove(lom)
    manifest = plain(manifest, qti.CC)
    assert order(manifest) == ["metadata", "organizations", "resources"]
    assert [child.text for child in manifest[0]] == ["IMS Common Cartridge", "1.1.0"]
    organization, = manifest.findall("organizations/organization")
    assert organization.get("structure") == "rooted-hierarchy"
    resources = {resource.get("identifier"): resource for resource in manifest.findall("resources/resource")}
    assert {item.get("identifierref") for item in organization.findall("item/item")} == set(resources)
    assert {resource.get("type") for resource in resources.values()} == {"imsqti_xmlv1p2/imscc_xmlv1p1/assessment"}
    assert {file.get("href") for file in manifest.iter("file")} == set(cartridge) - {"imsmanifest.xml"}


@pytest.mark.parametrize("quiz", QUIZZES, ids=AREAS)
def test_an_assessment_of_the_cartridge_holds_the_quiz(cartridge, quiz):
    root = plain(cartridge[f"{quiz.area}/assessment.xml"], qti.QTI1)
    assert root.tag == "questestinterop"
    for node in root.iter():
        children, needed, allowed = CARTRIDGE[node.tag]
        attributes = {name.split("}")[-1] for name in node.attrib}
        assert in_turn(order(node), children), (node.tag, order(node))
        assert set(needed.split()) <= attributes <= set(needed.split()) | set(allowed.split()), node.tag
        assert all(value in VALUES.get(name, {value}) for name, value in node.items())
    assessment, = root
    assert in_turn(order(assessment), "qtimetadata section ") and {"ident", "title"} <= set(assessment.keys())
    fields = dict(zip((field.text for field in assessment[0].iter("fieldlabel")),
                      (field.text for field in assessment[0].iter("fieldentry"))))
    assert fields["cc_profile"] == "cc.exam.v0p1"
    items = assessment.findall("section/item")
    assert [item.get("ident") for item in items] == [question.id for question in quiz.questions]
    for item, question in zip(items, quiz.questions):
        assert in_turn(order(item), "itemmetadata presentation resprocessing (itemfeedback )+")
        single = question.choose == 1
        profile = item.find("itemmetadata/qtimetadata/qtimetadatafield/fieldentry").text
        assert profile == ("cc.multiple_choice.v0p1" if single else "cc.multiple_response.v0p1")
        assert in_turn(order(item.find("presentation")), "material response_lid ")
        response = item.find("presentation/response_lid")
        assert response.get("rcardinality") == ("Single" if single else "Multiple")
        labels = {label.get("ident"): label.find("material/mattext").text for label in response.iter("response_label")}
        keys = {option.text for option in question.options if option.key}
        scored = item.findall("resprocessing/respcondition")[-1]
        assert scored.find("setvar").text == "100" and scored.get("continue") == "No"
        negative = {node.text for no in scored.iter("not") for node in no}
        positive = {node.text for node in scored.iter("varequal")} - negative
        assert len(positive) == len(keys) and negative == (set() if single else set(labels) - positive)
        rendered = {qti.MarkdownIt().renderInline(qti._prose(text)) for text in keys}
        assert {labels[letter] for letter in positive} == rendered
        told = {node.get("linkrefid") for node in item.iter("displayfeedback")}
        assert told == {node.get("ident") for node in item.findall("itemfeedback")} and len(told) == len(labels)
        for text in (node.text for node in item.iter("mattext")):
            ET.fromstring(f"<div>{text}</div>")  # HTML that is XML as well is read by every system


@pytest.mark.parametrize("make", [qti.qti21, qti.cartridge])
def test_the_same_quizzes_give_the_same_bytes(make):
    one, other = (make(QUIZZES, TITLES, qti.in_order("shuffle")) for _ in range(2))
    assert one == other


def test_options_stay_in_the_order_of_the_file_or_are_shuffled():
    kept, may = qti.in_order("file")(QUIZZES[0].questions[0])
    assert kept == list(QUIZZES[0].questions[0].options) and not may
    firsts = {seed: [qti.in_order("shuffle", seed)(question)[0][0].key for question in QUESTIONS.values()]
              for seed in (0, 1)}
    assert firsts[0] != firsts[1]
    assert 0.1 < sum(firsts[0]) / len(firsts[0]) < 0.6


def test_a_table_of_the_page_stands_in_the_question(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("""\
---
kernelspec: {name: python3, display_name: Python 3}
---
```{code-cell} python3
import pandas as pd
from IPython.display import display
table = pd.DataFrame({"late < 30": [0.5, None]}, index=["EWR", "a & b"])
display(table.style, metadata={"scrapbook": {"name": "join_tables", "mime_prefix": "application/papermill.record/"}})
```
""")
    found = qti.tables(page)
    assert "<style" not in found["join_tables"] and "class=" not in found["join_tables"]
    package = unpacked(qti.qti21(QUIZZES[:1], TITLES, qti.in_order("file"), found))
    item = plain(package["items/00_start/python-join-rows.xml"], qti.QTI2)
    assert [cell.text for cell in item.iter("th")] == ["late < 30", "EWR", "a & b"]
    assert not list(item.iter("a"))


def test_without_it_the_question_links_to_the_page(qti21):
    item = qti21["items/00_start/python-join-rows.xml"]
    link, = [node for node in item.iter() if node.tag.split("}")[-1] == "a"]
    assert link.get("href").endswith("/book/00_start.html#quiz-python-join-rows")


@pytest.mark.parametrize(("words", "ending"), [([], "zip"), (["--format", "cc"], "imscc")])
def test_the_command_writes_a_package(course, run, words, ending):
    status, said = run("quiz", "00_start", *words)
    assert status == 0 and f"{len(QUIZZES[0].questions)} questions of 1 quizzes" in said
    assert "imsmanifest.xml" in unpacked((course / "exports" / f"quizzes.{ending}").read_bytes())


def test_a_quiz_that_does_not_exist(run):
    status, said = run("quiz", "99_none")
    assert status == 1 and said.startswith("There is no quiz '99_none'; there are 00_start, ")
