"""Results as JUnit XML."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from harness.report.junit import render
from harness.tests.report.runs import HOSTILE, lost, passing, regressed, run, unsupported
from harness.verdict import EvidenceClass


def suite(*results: object) -> Element:
    (found,) = ElementTree.fromstring(render([run(*results)]).encode())  # type: ignore[arg-type]
    return found


def test_each_verdict_has_its_element() -> None:
    found = suite(passing(), regressed(), lost(), unsupported())
    tags = [[child.tag for child in case] for case in found.findall("testcase")]
    assert tags == [["properties", tag] for tag in ("system-out", "failure", "error", "skipped")]
    counted = {name: found.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    assert found.get("timestamp") == "2026-01-02T03:04:05"


def test_a_case_is_named_and_timed_and_a_failure_has_its_evidence() -> None:
    (case,) = suite(regressed()).findall("testcase")
    assert (case.get("classname"), case.get("name"), case.get("time")) == ("pr1_pages", "kernel cpu", "1.250")
    failure = case.find("failure")
    assert failure is not None and failure.get("type") == "REGRESSED"
    assert "fill numel=8 first=8 last=11 count=4" in (failure.text or "")
    assert (failure.get("message") or "").startswith("REGRESSED: fixed arm faults")


def test_a_case_has_the_class_of_its_evidence() -> None:
    found = suite(passing(), replace(passing(), evidence=EvidenceClass.EMULATED))
    told = [case.find("properties/property[@name='evidence']") for case in found.findall("testcase")]
    assert [one.get("value") for one in told if one is not None] == ["fault", "emulated"]


def test_what_xml_cannot_hold_is_replaced() -> None:
    (case,) = suite(lost(reason=HOSTILE)).findall("testcase")
    error = case.find("error")
    assert error is not None and "</script>" in (error.get("message") or "")
    assert "\x1b" not in (error.get("message") or "")
