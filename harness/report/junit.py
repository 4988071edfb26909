"""Results as JUnit XML, the form in which CI systems take test results."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from harness.documents import Document
from harness.foreign import visible
from harness.report.terminal import explain
from harness.verdict import Result, Verdict


def render(documents: Sequence[Document]) -> str:
    """One suite per document, one case per result.

    UNSUPPORTED, and one arm run alone, are skipped; UNRESOLVED is an error; the other failing verdicts
    are failures, with the evidence as their text. The property `evidence` of a case is its class.
    """
    suites = Element("testsuites", name="refault")
    for document in documents:
        suites.append(_suite(document))
    ElementTree.indent(suites)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"
    )


def _suite(document: Document) -> Element:
    cases = [_case(result) for result in document.results]
    suite = Element("testsuite", _attributes(document, cases))
    properties = SubElement(suite, "properties")
    for name in ("version", "origin", "tree"):
        SubElement(properties, "property", name=f"sglang.{name}", value=_xml(str(document.sglang.get(name))))
    suite.extend(cases)
    return suite


def _attributes(document: Document, cases: Sequence[Element]) -> dict[str, str]:
    counted = {kind: sum(case.find(tag) is not None for case in cases) for kind, tag in _COUNTED.items()}
    return {
        "name": _xml(f"refault {document.platform}"),
        "tests": str(len(cases)),
        **{kind: str(count) for kind, count in counted.items()},
        "timestamp": f"{document.at:%Y-%m-%dT%H:%M:%S}",
        "time": _seconds(sum(result.seconds for result in document.results)),
    }


_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def _case(result: Result) -> Element:
    name = _xml(f"{result.tier} {result.platform}")
    case = Element("testcase", classname=_xml(result.reproducer), name=name, time=_seconds(result.seconds))
    SubElement(SubElement(case, "properties"), "property", name="evidence", value=result.evidence.value)
    word = result.verdict.value if result.verdict else "one arm"
    told = {"message": _xml(f"{word}: {result.reason}")}
    if result.failed:
        tag = "error" if result.verdict is Verdict.UNRESOLVED else "failure"
        SubElement(case, tag, told, type=word).text = _xml(explain(result))
    elif result.verdict is not Verdict.PASS:
        SubElement(case, "skipped", told)
    else:
        SubElement(case, "system-out").text = _xml(explain(result))
    return case


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _xml(text: str) -> str:
    """What XML 1.0 can hold, and no page that shows it obeys: what is not printable is escaped."""
    return visible(text, keep="\n")
