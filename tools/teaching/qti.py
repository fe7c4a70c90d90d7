"""The quizzes of the book as packages that a learning management system imports.

Two formats: QTI 2.1 (a content package with one item a question and one test a quiz) and Common Cartridge 1.1 (with
one QTI 1.2 assessment a quiz). The reasons become the feedback of each option. The same quizzes give the same bytes.
"""

import re
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import yaml
from markdown_it import MarkdownIt

from mlelab.check.lab import section_url
from mlelab.check.misconceptions import MISCONCEPTIONS
from mlelab.exam import Option, Question, Quiz
from teaching.classroom import zipped

XSI = "http://www.w3.org/2001/XMLSchema-instance"
QTI2 = "http://www.imsglobal.org/xsd/imsqti_v2p1"
CP = "http://www.imsglobal.org/xsd/imscp_v1p1"
QTI1 = "http://www.imsglobal.org/xsd/ims_qtiasiv1p2"
CC = "http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1"
LOM = "http://ltsc.ieee.org/xsd/imsccv1p1/LOM/manifest"
WHERE = {
    QTI2: "http://www.imsglobal.org/xsd/qti/qtiv2p1/imsqti_v2p1.xsd",
    CP: "http://www.imsglobal.org/xsd/qti/qtiv2p1/qtiv2p1_imscpv1p2_v1p0.xsd",
    QTI1: "http://www.imsglobal.org/profile/cc/ccv1p1/ccv1p1_qtiasiv1p2p1_v1p0.xsd",
    CC: "http://www.imsglobal.org/profile/cc/ccv1p1/ccv1p1_imscp_v1p2_v1p0.xsd",
    LOM: "http://www.imsglobal.org/profile/cc/ccv1p1/LOM/ccv1p1_lommanifest_v1p0.xsd",
}
LETTERS = "ABCDE"
KEPT = {"table", "thead", "tbody", "tr", "th", "td", "caption", "p", "code", "pre", "strong", "em", "ul", "ol", "li"}


def qti21(quizzes: list[Quiz], titles: dict[str, str], order, evidence: dict[str, str] | None = None) -> bytes:
    """A content package of items and tests. `order(question)` gives the options and whether the system may shuffle."""
    files, resources = {}, []
    for quiz in quizzes:
        names = []
        for question in quiz.questions:
            name = f"items/{quiz.area}/{question.id}.xml"
            files[name] = _written(_item21(quiz.area, question, *order(question), evidence or {}), QTI2)
            resources.append(_resource(f"item-{question.id}", "imsqti_item_xmlv2p1", name))
            names.append((f"item-{question.id}", name))
        test = f"tests/{quiz.area}.xml"
        files[test] = _written(_test21(quiz.area, titles[quiz.area], names), QTI2)
        resources.append(_resource(f"test-{quiz.area}", "imsqti_test_xmlv2p1", test, [name for name, _ in names]))
    manifest = E("manifest", E("metadata", E("schema", "QTIv2.1 Package"), E("schemaversion", "1.0.0")),
                 E("organizations"), E("resources", *resources), identifier="mlelab-quizzes")
    return zipped({"imsmanifest.xml": _written(manifest, CP), **files})


def cartridge(quizzes: list[Quiz], titles: dict[str, str], order, evidence: dict[str, str] | None = None) -> bytes:
    """A Common Cartridge 1.1 with one assessment a quiz."""
    files, resources, items = {}, [], []
    for quiz in quizzes:
        name = f"{quiz.area}/assessment.xml"
        questions = [_item12(quiz.area, question, *order(question), evidence or {}) for question in quiz.questions]
        assessment = E("questestinterop", E("assessment", _fields(
            cc_profile="cc.exam.v0p1", qmd_assessmenttype="Examination", qmd_scoretype="Percentage",
            qmd_feedbackpermitted="Yes"),
            E("section", *questions, ident=f"section-{quiz.area}"), ident=f"quiz-{quiz.area}",
            title=titles[quiz.area]))
        files[name] = _written(assessment, QTI1)
        resources.append(_resource(f"quiz-{quiz.area}", "imsqti_xmlv1p2/imscc_xmlv1p1/assessment", name))
        items.append(E("item", E("title", titles[quiz.area]), identifier=f"place-{quiz.area}",
                       identifierref=f"quiz-{quiz.area}"))
    lom = ET.Element(f"{{{LOM}}}lom")
    title = ET.SubElement(ET.SubElement(ET.SubElement(lom, f"{{{LOM}}}general"), f"{{{LOM}}}title"),
                          f"{{{LOM}}}string", language="en")
    title.text = "Machine learning engineering: quizzes"
    manifest = E("manifest", E("metadata", E("schema", "IMS Common Cartridge"), E("schemaversion", "1.1.0"), lom),
                 E("organizations", E("organization", E("item", *items, identifier="root"), identifier="quizzes",
                                      structure="rooted-hierarchy")),
                 E("resources", *resources), identifier="mlelab-quizzes")
    return zipped({"imsmanifest.xml": _written(manifest, CC), **files})


def in_order(kind: str, seed: int = 0):
    """How the options of a question stand: as in the "file", or "shuffle" by a seed, and the system may again."""

    def order(question: Question) -> tuple[list[Option], bool]:
        options = list(question.options)
        if kind == "shuffle":
            Random(f"{seed} {question.id}").shuffle(options)
        return options, kind == "shuffle"

    return order


# QTI 2.1


def _item21(area: str, question: Question, options: list[Option], shuffle: bool, evidence: dict) -> ET.Element:
    single = question.choose == 1
    cardinality = "single" if single else "multiple"
    right = [letter for letter, option in zip(LETTERS, options) if option.key]
    choices = [E("simpleChoice", *_inline(option.text), identifier=letter) for letter, option in zip(LETTERS, options)]
    prompt = "Choose one." if single else f"Choose {question.choose}."
    score = E("setOutcomeValue", E("baseValue", "1", baseType="float"), identifier="SCORE")
    return E(
        "assessmentItem",
        E("responseDeclaration", E("correctResponse", *(E("value", letter) for letter in right)),
          identifier="RESPONSE", cardinality=cardinality, baseType="identifier"),
        E("outcomeDeclaration", E("defaultValue", E("value", "0")), identifier="SCORE", cardinality="single",
          baseType="float"),
        E("outcomeDeclaration", identifier="FEEDBACK", cardinality=cardinality, baseType="identifier"),
        E("itemBody", *_asked(area, question, evidence),
          E("choiceInteraction", E("prompt", prompt), *choices, responseIdentifier="RESPONSE",
            shuffle=str(shuffle).lower(), maxChoices=str(question.choose))),
        E("responseProcessing",
          E("responseCondition", E("responseIf", E("match", E("variable", identifier="RESPONSE"),
                                                   E("correct", identifier="RESPONSE")), score)),
          E("setOutcomeValue", E("variable", identifier="RESPONSE"), identifier="FEEDBACK")),
        *(E("modalFeedback", *_blocks(_reason(option)), outcomeIdentifier="FEEDBACK", identifier=letter,
            showHide="show") for letter, option in zip(LETTERS, options)),
        identifier=question.id, title=_title(question), adaptive="false", timeDependent="false")


def _test21(area: str, title: str, names: list[tuple[str, str]]) -> ET.Element:
    references = [E("assessmentItemRef", identifier=name, href=f"../{path}") for name, path in names]
    section = E("assessmentSection", *references, identifier=f"section-{area}", title=title, visible="true")
    return E("assessmentTest", E("testPart", section, identifier="part", navigationMode="nonlinear",
                                 submissionMode="individual"), identifier=f"quiz-{area}", title=title)


# QTI 1.2, as Common Cartridge has it


def _item12(area: str, question: Question, options: list[Option], shuffle: bool, evidence: dict) -> ET.Element:
    single = question.choose == 1
    letters = list(zip(LETTERS, options))
    told = [E("respcondition", E("conditionvar", E("varequal", letter, respident="response")),
              E("displayfeedback", feedbacktype="Response", linkrefid=f"reason-{letter}"), **{"continue": "Yes"})
            for letter, _ in letters]
    chosen = [E("varequal", letter, respident="response") for letter, option in letters if option.key]
    others = [E("not", E("varequal", letter, respident="response")) for letter, option in letters if not option.key]
    condition = E("conditionvar", *(chosen if single else [E("and", *chosen, *others)]))
    scored = E("respcondition", condition, E("setvar", "100", action="Set", varname="SCORE"), **{"continue": "No"})
    asked = "".join(ET.tostring(block, encoding="unicode") for block in _asked(area, question, evidence))
    asked += f"<p>Choose {'one' if single else question.choose}.</p>"
    labels = [E("response_label", E("material", _html(MarkdownIt().renderInline(_prose(option.text)))), ident=letter)
              for letter, option in letters]
    profile = "cc.multiple_choice.v0p1" if single else "cc.multiple_response.v0p1"
    return E(
        "item", E("itemmetadata", _fields(cc_profile=profile)),
        E("presentation", E("material", _html(asked)),
          E("response_lid", E("render_choice", *labels, shuffle="Yes" if shuffle else "No"), ident="response",
            rcardinality="Single" if single else "Multiple")),
        E("resprocessing", E("outcomes", E("decvar", maxvalue="100", minvalue="0", varname="SCORE",
                                           vartype="Decimal")), *told, scored),
        *(E("itemfeedback", E("material", _html(MarkdownIt().render(_prose(_reason(option))))),
            ident=f"reason-{letter}") for letter, option in letters),
        ident=question.id, title=_title(question))


def _fields(**fields: str) -> ET.Element:
    return E("qtimetadata", *(E("qtimetadatafield", E("fieldlabel", label), E("fieldentry", entry))
                              for label, entry in fields.items()))


def _html(html: str) -> ET.Element:
    return E("mattext", html, texttype="text/html")


# What is asked


def _asked(area: str, question: Question, evidence: dict[str, str]) -> list[ET.Element]:
    """The stem, and the evidence: the table itself where the page was run, else a link to it."""
    blocks = _blocks(question.stem)
    if question.evidence:
        title = question.evidence["title"]
        pasted = evidence.get(question.evidence.get("glue", ""))
        if pasted:
            blocks += [E("p", E("strong", title)), *_blocks(pasted, html=True)]
        else:
            blocks.append(E("p", "Evidence: ", E("a", title, href=section_url(area, f"quiz-{question.id}"))))
    return [E("div", *blocks)]


def _reason(option: Option) -> str:
    named = MISCONCEPTIONS.get(option.misconception)
    return option.reason + (f" Misconception: {named.code} {named.name}." if named else "")


def _title(question: Question) -> str:
    return question.id.replace("-", " ").capitalize()


def _blocks(text: str, html: bool = False) -> list[ET.Element]:
    rendered = text if html else MarkdownIt("commonmark", {"xhtmlOut": True}).render(_prose(text))
    blocks = _fragment(rendered)
    for code in blocks.iter("code"):
        code.attrib.pop("class", None)
    return list(blocks)


def _inline(text: str) -> list:
    """The text of an option: strings and inline elements in their order."""
    block = _fragment(MarkdownIt().renderInline(_prose(text)))
    parts: list = [block.text or ""]
    for child in block:
        tail, child.tail = child.tail, None
        parts += [child, tail or ""]
    return [part for part in parts if not isinstance(part, str) or part]


def _fragment(html: str) -> ET.Element:
    return ET.fromstring(f"<div>{html.replace('&nbsp;', '&#160;')}</div>")


def _prose(text: str) -> str:
    """MyST Markdown with its roles resolved: {gcp}`key` is the product's name, {term}`word` the word."""

    def role(found: re.Match) -> str:
        name, content = found.groups()
        content = re.sub(r"\s*<[^>]*>$", "", content)
        return _products().get(content, content) if name == "gcp" else content

    return re.sub(r"\{([\w:-]+)\}`([^`]+)`", role, text)


def _products() -> dict[str, str]:
    path = Path(__file__).resolve().parents[2] / "book" / "reference" / "gcp-names.yml"
    return {key: product["name"] for key, product in
            yaml.safe_load(path.read_text(encoding="utf-8"))["products"].items()}


def tables(page: Path) -> dict[str, str]:
    """What a page pastes into its quiz, by name, as plain HTML: run the page and keep the tables."""
    import jupytext
    from bs4 import BeautifulSoup
    from nbclient import NotebookClient

    notebook = jupytext.read(page)
    NotebookClient(notebook, timeout=300, kernel_name="python3",
                   resources={"metadata": {"path": str(page.parent)}}).execute()
    found = {}
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        data = output.get("data", {})
        html = next((value for kind, value in data.items() if kind.endswith("text/html")), "")
        soup = BeautifulSoup(html, "html.parser")
        table = soup.find("table")
        if name and table:
            for tag in table.find_all(True):
                if tag.name not in KEPT:
                    tag.unwrap()
                tag.attrs = {key: value for key, value in tag.attrs.items() if key in ("colspan", "rowspan")}
            for head in table.find_all("th"):
                if not head.get_text(strip=True):
                    head.name = "td"
            table.attrs = {}
            found[name] = re.sub(r">\s+<", "><", table.decode(formatter="minimal"))
    return found


# XML


def E(tag: str, *children, **attributes: str) -> ET.Element:
    """An element with text, elements, or both in their order."""
    made = ET.Element(tag, attributes)
    for child in children:
        if not isinstance(child, str):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


def _resource(name: str, kind: str, path: str, needs: list[str] = ()) -> ET.Element:
    return E("resource", E("file", href=path), *(E("dependency", identifierref=need) for need in needs),
             identifier=name, type=kind, href=path) if "assessment" not in kind else E(
        "resource", E("file", href=path), identifier=name, type=kind)


def _written(root: ET.Element, namespace: str) -> bytes:
    """The document in its namespace, with the place of its schema."""
    spaces = [namespace, *sorted({element.tag[1:].split("}")[0] for element in root.iter() if element.tag[0] == "{"})]
    for element in root.iter():
        if element.tag[0] != "{":
            element.tag = f"{{{namespace}}}{element.tag}"
    root.set(f"{{{XSI}}}schemaLocation", " ".join(f"{space} {WHERE[space]}" for space in spaces))
    ET.register_namespace("", namespace)
    ET.register_namespace("lomimscc", LOM)
    ET.register_namespace("xsi", XSI)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
