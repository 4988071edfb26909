"""What a reproducer is written in: frozen records that check themselves when they are made.

A record never imports torch or the code under test, so that listing reproducers stays instant.
"""

from harness.facts.bug import Bug
from harness.facts.cases import Case, CodegenCase, KernelCase, Tolerance, Watch, watch
from harness.facts.checks import Params
from harness.facts.expect import Expect, ExpectedFault, faults
from harness.facts.kinds import EXTENT, DeclaredKind, FaultKind
from harness.facts.lab import KernelLab, Lab
from harness.facts.params import Boolean, Choice, Grid, Integer, Integers, Lists, Param
from harness.facts.place import CPU, CaseKey, Feature, Host, OfCase, Platform, Tier, runs_on
from harness.facts.published import Released, Retired
from harness.facts.raised import Raised
from harness.facts.reported import Launch, ReportedServer
from harness.facts.reproducer import Configuration, Reproducer, Subject
from harness.facts.revert import Edit, Form, Revert, edit, form
from harness.facts.sampling import Sampling
from harness.facts.server import CpuGraphs, Fences, ServerCase, Traffic

__all__ = [
    "CPU",
    "EXTENT",
    "Boolean",
    "Bug",
    "Case",
    "CaseKey",
    "Choice",
    "CodegenCase",
    "Configuration",
    "CpuGraphs",
    "DeclaredKind",
    "Edit",
    "Expect",
    "ExpectedFault",
    "FaultKind",
    "Feature",
    "Fences",
    "Form",
    "Grid",
    "Host",
    "Integer",
    "Integers",
    "KernelCase",
    "KernelLab",
    "Lab",
    "Launch",
    "Lists",
    "OfCase",
    "Param",
    "Params",
    "Platform",
    "Raised",
    "Released",
    "ReportedServer",
    "Reproducer",
    "Retired",
    "Revert",
    "Sampling",
    "ServerCase",
    "Subject",
    "Tier",
    "Tolerance",
    "Traffic",
    "Watch",
    "edit",
    "faults",
    "form",
    "runs_on",
    "watch",
]
