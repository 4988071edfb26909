"""The records check themselves: a mistake fails when it is made, and names the module and the field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput, FactsError
from harness.facts import (
    Boolean,
    Bug,
    Choice,
    DeclaredKind,
    Expect,
    Grid,
    Integer,
    Integers,
    KernelCase,
    KernelLab,
    Platform,
    Released,
    Reproducer,
    Retired,
    Revert,
    Tier,
    Tolerance,
    edit,
    faults,
    form,
    watch,
)
from harness.facts.reproducer import short

BUG = Bug(pr=1, fixed_in="0.5.13", symptom="stray store")
LOST = DeclaredKind("acme:lost-page", "a page is lost")
EDIT = edit(in_function="Pool.grow", replace="n + 1", by="n")


def call(lab: KernelLab, *, tokens: int, page_size: int) -> dict[str, Any]:
    return {"tokens": tokens, "page_size": page_size}


def case(**facts: Any) -> KernelCase:
    own: dict[str, Any] = {"call": call, "imports": ("toy",), "watch": watch("oob-write")}
    params = {"tokens": Integer(12), "page_size": Integer(4)}
    return KernelCase(**{**own, "params": params, **facts})


def reproducer(**facts: Any) -> Reproducer:
    own: dict[str, Any] = {"bug": BUG, "revert": Revert(EDIT), "kernel": case()}
    return Reproducer(**{**own, "expect": Expect(reverted=faults("oob-write")), **facts})


RETIRED: dict[str, Any] = dict(since="0.5.15", on="0.5.14", reason="the buffer is gone")
RELEASED: dict[str, Any] = dict(
    release="0.5.12.post1", functions=("Pool.grow",), reason="rewritten with the fix"
)


def test_a_bug_may_be_retired_and_a_release_may_stand_for_its_revert() -> None:
    found = reproducer(retired=Retired(**RETIRED), revert=Released(**RELEASED))
    assert found.revert.functions == ("Pool.grow",)
    assert found.retired and found.retired.told == "retired since 0.5.15 (the buffer is gone), run on 0.5.14"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (lambda: Retired(**{**RETIRED, "on": "newest"}), "retired.on: 'newest' is no release"),
        (lambda: Retired(**{**RETIRED, "reason": " "}), "retired.reason: is empty"),
        (lambda: Released(**{**RELEASED, "release": "v0.5.9"}), "revert.release: 'v0.5.9' is no release"),
        (lambda: Released(**{**RELEASED, "functions": ()}), "revert.functions: is empty"),
        (lambda: Released(**{**RELEASED, "functions": ("a b",)}), "'a b' is no qualified name"),
        (lambda: Released(**{**RELEASED, "reason": ""}), "revert.reason: is empty"),
        (
            lambda: reproducer(retired=Retired(**{**RETIRED, "on": "0.5.12.post1"})),
            "retired.on: 0.5.12.post1 is not",
        ),
        (lambda: reproducer(retired=Retired(**{**RETIRED, "on": "0.5.15"})), "retired.on: 0.5.15 is not"),
        (lambda: Retired(**{**RETIRED, "tier": "gpu"}), "retired.tier: 'gpu' is not one of"),
        (
            lambda: reproducer(retired=Retired(**{**RETIRED, "tier": "kernel"})),
            "retired.tier: kernel: there must be that tier, and another",
        ),
        (
            lambda: reproducer(revert=Released(**{**RELEASED, "release": "0.5.13"})),
            "revert.release: 0.5.13 has the fix",
        ),
    ],
)
def test_where_a_bug_lives_is_checked(facts: Callable[[], object], told: str) -> None:
    with pytest.raises(FactsError, match=told):
        facts()


def test_a_declared_kind_is_a_text_that_survives_a_copy() -> None:
    assert copy.deepcopy(LOST) == "acme:lost-page" and copy.deepcopy(LOST).about == "a page is lost"
    known = reproducer(kernel=case(watch=watch(LOST, "nan")), expect=Expect(reverted=faults(LOST)))
    assert known.declared_kinds == {LOST}
    assert watch(LOST, buffers=("pages",)).judges("acme:lost-page", "pages")
    assert not watch(LOST).judges("acme:other", "pages")


# --- mistakes --------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "bug without a number": (
        lambda: reproducer(bug=Bug(fixed_in="0.5.13", symptom="x")),
        "bug.pr: a bug needs a pull request or an issue number, or a module called bug_<name>",
    ),
    "fixed in no release": (
        lambda: Bug(pr=1, fixed_in="main", symptom="x"),
        "fixed_in: 'main' is no release",
    ),
    "introduced in no release": (
        lambda: replace(BUG, introduced_in="v0.5"),
        "introduced_in: 'v0.5' is no release",
    ),
    "bug without symptom": (lambda: Bug(pr=1, fixed_in="0.5.13", symptom=" "), "symptom: is empty"),
    "edit in no function": (
        lambda: edit(in_function="a b", replace="n", by="m"),
        "in_function: 'a b' is no qualified name",
    ),
    "edit of nothing": (lambda: edit(in_function="f", replace=" ", by="m"), "replace: nothing to look for"),
    "edit that does two things": (
        lambda: edit(in_function="f", replace="n", by="m", remove="n"),
        "edit: f: give replace= and by=, or remove=",
    ),
    "edit without its other half": (
        lambda: edit(in_function="f", replace="n"),
        "edit: f: replace= needs by=",
    ),
    "edit that is no Python": (
        lambda: edit(in_function="f", replace="n +", by="n"),
        "replace: 'n \\+' is no Python",
    ),
    "edit into no Python": (lambda: edit(in_function="f", replace="n", by="m("), "by: 'm\\(' is no Python"),
    "revert without edits": (lambda: Revert(), "revert: a revert without edits undoes nothing"),
    "form without edits": (lambda: form(), "revert: a form without edits undoes nothing"),
    "revert of edits and forms": (lambda: Revert(EDIT, form(EDIT)), "revert: give edits or forms, not both"),
    "declared kind as a text": (
        lambda: watch("acme:lost-page"),
        "watch.kinds: 'acme:lost-page' is a text: hand over the DeclaredKind itself",
    ),
    "declared kind without an owner": (
        lambda: DeclaredKind("lost-page", "a page is lost"),
        "fault kind: 'lost-page': write who declares it",
    ),
    "declared kind with a name of ours": (
        lambda: DeclaredKind("acme:nan", "not a number"),
        "fault kind: 'acme:nan' has the name of one of Refault's",
    ),
    "declared kind that says nothing": (
        lambda: DeclaredKind("acme:lost-page", " "),
        "fault kind: acme:lost-page: say in one line what went wrong",
    ),
    "declared kind that no kernel case watches": (
        lambda: reproducer(expect=Expect(reverted=faults(LOST))),
        "expect.kind: acme:lost-page is watched by no kernel case: add it to watch=",
    ),
    "unknown fault kind": (lambda: watch("oob-write", "oops"), "watch.kinds: 'oops' is not one of"),
    "watch for nothing": (lambda: watch(), "watch.kinds: is empty"),
    "type of no exception": (
        lambda: faults("nan", of="KeyError"),
        "expect.of: a fault of kind nan has no type",
    ),
    "no name of a type": (
        lambda: faults("exception", of="a b"),
        "expect.of: 'a b' is no name of an exception",
    ),
    "message without a type": (lambda: faults("exception", says="x"), "expect.says: needs of="),
    "unknown expectation": (lambda: faults("oops"), "expect.kind: 'oops' is not one of"),
    "negative tolerance": (lambda: Tolerance(absolute=-1, relative=0, reason="x"), "tolerance: is negative"),
    "tolerance without reason": (
        lambda: Tolerance(absolute=0, relative=0, reason=""),
        "tolerance.reason: is empty",
    ),
    "axis without values": (lambda: Grid(page_size=[]), "grid.page_size: has no values"),
    "parameter the call does not take": (
        lambda: case(params={"tokens": Integer(1)}),
        r"kernel.params: call takes \['tokens', 'page_size'\], not \['tokens'\]",
    ),
    "grid over no parameter": (
        lambda: case(grid=Grid(pages=[1])),
        "kernel.grid.pages: the case takes no such parameter",
    ),
    "grid value out of range": (
        lambda: case(grid=Grid(page_size=[0])),
        "kernel.grid.page_size: 0 is no whole number of at least 1",
    ),
    "reference without tolerance": (lambda: case(reference=call), "kernel.tolerance: a reference needs one"),
    "expectation over no parameter": (
        lambda: reproducer(expect=Expect(reverted=faults("oob-write", only={"pages": [1]}))),
        "expect.only: the case takes no parameter pages",
    ),
    "graphs in machine code": (
        lambda: case(graphs=True, emulated=("gfx942",)),
        "kernel.emulated: is for a case without graphs",
    ),
    "variation over no parameter": (
        lambda: reproducer(expect=Expect(reverted=faults("oob-write", varies={"pages": [1]}))),
        "expect.varies: the case takes no parameter pages",
    ),
    "variation at the default point": (
        lambda: reproducer(expect=Expect(reverted=faults("oob-write", varies=lambda params: True))),
        "expect.varies: holds at the default point",
    ),
    "reproducer without a case": (lambda: reproducer(kernel=None), "reproducer: has no case in any tier"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_module_and_field(mistake: str) -> None:
    make, told = MISTAKES[mistake]
    with pytest.raises(FactsError, match=f"^{__name__}: {told}"):
        make()


def test_a_grid_point_that_the_case_refuses_is_a_mistake() -> None:
    def check(params: Any) -> None:
        if params["page_size"] > params["tokens"]:
            raise BadInput("page_size: larger than tokens")

    assert case(check=check).point({"page_size": 12})["page_size"] == 12
    with pytest.raises(BadInput, match="page_size: larger than tokens"):
        case(check=check).point({"page_size": 13})
    with pytest.raises(FactsError, match=f"^{__name__}: kernel.grid: page_size: larger"):
        case(check=check, grid=Grid(page_size=[4, 13]))


def test_records_are_frozen() -> None:
    for record, field in ((BUG, "pr"), (EDIT, "by"), (case(), "seconds"), (reproducer(), "bug")):
        with pytest.raises(FrozenInstanceError):
            setattr(record, field, None)
    with pytest.raises(TypeError):
        case().params["tokens"] = Integer(3)  # type: ignore[index]


# --- what they are read for ------------------------------------------------------------------------


def test_names_and_prose_come_from_the_module_that_writes_the_record() -> None:
    one = reproducer()
    assert one.module == __name__ and one.id == "test_facts"
    assert one.title == __doc__.splitlines()[0] and one.about == __doc__.strip()
    assert one.tiers == ("kernel",)
    other = replace(one, requires=frozenset({"torch"}))
    assert (other.module, other.title) == (one.module, one.title)


def test_a_revert_names_every_function_of_every_form_once() -> None:
    other = edit(in_function="fill", remove="check(...)")
    both = Revert(form(EDIT, other), form(EDIT))
    assert both.functions == ("Pool.grow", "fill") and len(both.forms) == 2
    assert Revert(EDIT, other).forms == (form(EDIT, other),)


def test_removing_is_replacing_by_nothing() -> None:
    assert edit(in_function="f", remove="check(...)").by == ""


@pytest.mark.parametrize(
    ("only", "bites"),
    [
        (None, [1, 16]),
        ({"page_size": [16]}, [16]),
        ({"page_size": [16], "tokens": [3]}, []),
        (lambda params: params["page_size"] < params["tokens"], [1]),
    ],
)
def test_where_a_bug_bites(only: Any, bites: list[int]) -> None:
    expected = faults("oob-write", only=only)
    assert [size for size in (1, 16) if expected.bites_at({"tokens": 12, "page_size": size})] == bites


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("pr101_stray_store", "pr101"),
        ("issue39517_aiter_qo_indptr", "issue39517"),
        ("bug_aiter_scale", "bug_aiter_scale"),
        ("config_paged_triton", "config_paged_triton"),
    ],
)
def test_the_shortest_name_of_a_subject_names_it_alone(subject: str, told: str) -> None:
    assert short(subject) == told


# --- parameters ------------------------------------------------------------------------------------


@given(st.integers(), st.integers(-5, 5))
def test_an_integer_is_taken_from_its_minimum_on(value: int, minimum: int) -> None:
    param = Integer(minimum, minimum)
    if value >= minimum:
        assert param.parse(str(value)) == param.check(value) == value
    else:
        with pytest.raises(BadInput, match=f"{value} is no whole number of at least {minimum}"):
            param.parse(str(value))


@given(st.lists(st.integers(1, 99), min_size=1, max_size=5))
def test_a_list_is_read_as_it_is_written(values: list[int]) -> None:
    text = ",".join(map(str, values))
    assert Integers((1,)).parse(text) == tuple(values) == Integers((1,)).check(values)


@given(st.text(max_size=6))
def test_no_text_is_taken_for_a_number_that_it_is_not(text: str) -> None:
    for param in (Integer(1), Integers((1,))):
        try:
            parsed = param.parse(text)
        except BadInput as error:
            assert len(str(error).splitlines()) == 1 or "\n" in text
        else:
            assert parsed == (int(text) if isinstance(parsed, int) else tuple(map(int, text.split(","))))


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_only_an_integer_is_one(value: object) -> None:
    with pytest.raises(BadInput, match="is no whole number"):
        Integer(1).check(value)


def test_a_choice_names_the_others() -> None:
    param = Choice("mha", ("mha", "mla"))
    assert param.parse("mla") == "mla"
    with pytest.raises(BadInput, match="'mqa' is not one of mha, mla"):
        param.parse("mqa")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), (" TRUE ", True)])
def test_a_boolean_is_true_or_false(text: str, value: bool) -> None:
    assert Boolean(False).parse(text) is value and Boolean(False).check(value) is value


@pytest.mark.parametrize("text", ["1", "yes", "", "truth"])
def test_what_is_neither_true_nor_false_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is neither true nor false"):
        Boolean(True).parse(text)
    with pytest.raises(BadInput, match="1 is neither true nor false"):
        Boolean(True).check(1)


# --- points ----------------------------------------------------------------------------------------

axes = st.dictionaries(
    st.sampled_from(["tokens", "page_size"]), st.lists(st.integers(1, 9), min_size=1, max_size=4)
)


@given(axes)
def test_points_are_the_default_then_every_other_combination_once(values: dict[str, list[int]]) -> None:
    points = case(grid=Grid(**values)).points()
    assert points[0] == {"tokens": 12, "page_size": 4}
    combinations = {
        (tokens, size) for tokens in values.get("tokens", [12]) for size in values.get("page_size", [4])
    }
    seen = [(point["tokens"], point["page_size"]) for point in points]
    assert len(seen) == len(set(seen)) and set(seen) == combinations | {(12, 4)}


# --- on a real accelerator -------------------------------------------------------------------------


def test_a_case_that_is_emulated_has_a_place_for_each_chip() -> None:
    here = case(emulated=("gfx942", "gfx950"))
    assert [str(one) for one in here.emulations] == ["emulated-gfx942", "emulated-gfx950"]
    assert here.on("rocm").emulations == ()
    for chips, told in ((("sm90",), "'emulated-sm90' is not like"), (("gfx942",) * 2, "is named twice")):
        with pytest.raises(FactsError, match=told):
            case(emulated=chips)
    with pytest.raises(FactsError, match="is for a case on the CPU"):
        here.on("rocm", emulated=("gfx942",))


def test_a_case_on_an_accelerator_needs_it_and_pretends_nothing() -> None:
    here = case(pretends="cuda", requires=frozenset({"sgl_kernel"}))
    there = here.on("cuda", grid=Grid())
    assert there.requires == {"cuda", "sgl_kernel"} and there.pretends is None
    assert (there.call, dict(there.params)) == (here.call, dict(here.params))
    assert there.points() == [here.default] and here.platform is None


@pytest.mark.parametrize(
    ("tier", "where", "kind"),
    [
        (Tier.KERNEL, "cpu", "oob-read"),
        (Tier.KERNEL, "cuda-sm90", "nan"),
        (Tier.SERVER, "cuda-sm90", "device-fault"),
        (Tier.SERVER, "cpu", "oob-read"),
        (Tier.CODEGEN, "cuda-sm90", "oob-read"),
    ],
)
def test_what_the_reverted_arm_shows_depends_on_where_it_runs(tier: Tier, where: str, kind: str) -> None:
    expect = Expect(reverted=faults("oob-read"), device=faults("device-fault"), device_kernel=faults("nan"))
    platform = Platform.parse(where)
    assert expect.at(tier, platform).reverted.kind == kind
    assert Expect(reverted=faults("oob-read")).at(tier, platform).reverted.kind == "oob-read"


def test_an_edit_names_a_function_or_a_class_and_may_name_the_module() -> None:
    assert edit(in_class="Pool", remove="size = 1").scope == "class Pool"
    assert edit(in_module="a.b", remove="size = 1").scope == "a.b:<module>"
    assert edit(in_function="f", in_module="a.b", remove="size = 1").scope == "a.b:f"
    with pytest.raises(FactsError, match="give a function or a class, not both"):
        edit(in_function="f", in_class="Pool", remove="size = 1")
    with pytest.raises(FactsError, match="no qualified name"):
        edit(remove="size = 1")


def test_code_of_a_class_attests_only_where_no_function_is_edited() -> None:
    own, other = edit(in_class="Pool", remove="size = 1"), edit(in_function="f", remove="size = 1")
    assert Revert(own).scopes == ("class Pool",) and Revert(own, other).scopes == ("f",)
