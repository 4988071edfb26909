"""Verdicts: the closed table, the evidence, the order in which a case is judged, and the words for it."""

from harness.verdict.evidence import Arm, Evidence
from harness.verdict.judge import Judgement, conclude, golden_of, judge
from harness.verdict.kinds import BOTH, SEVERITY, ArmName, EvidenceClass, Verdict
from harness.verdict.result import Result, exit_code

__all__ = [
    "BOTH",
    "SEVERITY",
    "Arm",
    "ArmName",
    "Evidence",
    "EvidenceClass",
    "Judgement",
    "Result",
    "Verdict",
    "conclude",
    "exit_code",
    "golden_of",
    "judge",
]
