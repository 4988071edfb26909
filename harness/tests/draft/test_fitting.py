"""Which releases at hand a derived revert fits, since when, and what became of the fix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.draft.deriving import derived
from harness.draft.fitting import Fitting
from harness.draft.patch import parse
from harness.draft.proof import Proven
from harness.draft.render import render
from harness.draft.undo import NotApplied
from harness.source.releases import Releases
from harness.source.tree import Tree
from harness.tests.draft.samples import patch_of
from harness.tests.source import toy_wheel

FIXED = """\
def pages(tokens, size):
    return -(-tokens // size)


def slots(found, size):
    return [page * size for page in found]
"""
BUG = FIXED.replace("-(-tokens // size)", "tokens // size")
OLDER = BUG.replace("return tokens // size", "return 1")
LATER = FIXED.replace("-(-tokens // size)", "ceil(tokens / size)")
PATCH = patch_of({"pages.py": BUG}, {"pages.py": FIXED})


def kept(folder: Path, releases: Mapping[str, Mapping[str, str]]) -> Releases:
    """Toy releases as an earlier run left them in its cache."""
    found = Releases(folder / "releases")
    for version, modules in releases.items():
        own = {"__init__.py": "", "version.py": f'__version__ = "{version}"\n', **modules}
        files = {f"sglang/{name}": text for name, text in own.items()}
        toy_wheel.write(found.folder / "wheels", version, files, package="sglang")
        found.tree(version)
    return found


def drafted(releases: Releases, tree: Tree, patch: str = PATCH) -> Proven:
    return derived(releases, tree, parse(patch.encode(), "toy"))


def fitted(folder: Path, derived_in: str, **texts: str) -> Fitting:
    """What the releases `v1`, `v2` … say, which are 0.5.1, 0.5.2, …; each has one module."""
    modules = {f"0.5.{name[1:]}": {"pages.py": text} for name, text in texts.items()}
    releases = kept(folder, modules)
    found = drafted(releases, releases.tree(derived_in)).fitting
    assert found
    return found


def test_the_releases_around_the_fix_are_told(tmp_path: Path) -> None:
    found = fitted(tmp_path, "0.5.4", v1=OLDER, v2=BUG, v3=BUG, v4=FIXED, v5=f"import os\n{FIXED}")
    assert (found.introduced_in, found.fixed_in, found.fits) == ("0.5.2", "0.5.4", ("0.5.4", "0.5.5"))
    assert found.changed_in is None


def test_what_the_oldest_release_at_hand_has_may_be_older(tmp_path: Path) -> None:
    found = fitted(tmp_path, "0.5.3", v2=BUG, v3=FIXED)
    assert (found.introduced_in, found.fixed_in) == (None, "0.5.3")
    found = fitted(tmp_path / "no bug", "0.5.3", v3=FIXED, v4=FIXED)
    assert (found.introduced_in, found.fixed_in) == (None, None)  # it may have been there before


@pytest.mark.parametrize(
    ("later", "told"),
    [
        (LATER, "pages is there, without `return -(-tokens // size)`"),
        (FIXED.replace("def pages", "def needed"), "pages is gone, and `return -(-tokens // size)` is in"),
        (FIXED[FIXED.index("def slots") :], "pages is gone, and so is `return -(-tokens // size)`"),
    ],
)  # fmt: skip
def test_what_became_of_the_fix_is_told(tmp_path: Path, later: str, told: str) -> None:
    found = fitted(tmp_path, "0.5.2", v1=BUG, v2=FIXED, v3=later)
    assert found.changed_in == "0.5.3" and told in found.went[0] and told in found.told[-1]


def test_an_edit_that_fits_later_releases_by_itself_is_told(tmp_path: Path) -> None:
    bug = BUG.replace("page * size", "page")
    later = FIXED.replace("-(-tokens // size)", "ceil(tokens / size)")
    texts = {
        "0.5.1": bug,
        "0.5.2": FIXED,
        "0.5.3": later,
        "0.5.4": later,
        "0.5.5": later.replace("page * size", "0"),
    }
    releases = kept(tmp_path, {name: {"pages.py": text} for name, text in texts.items()})
    found = drafted(
        releases, releases.tree("0.5.2"), patch_of({"pages.py": bug}, {"pages.py": FIXED})
    ).fitting
    assert found and [(edit.in_function, last) for edit, last in found.alone] == [("slots", "0.5.4")]
    assert found.told[-1] == (
        "By itself the edit of `return [page * size for page in found]` in slots fits up to 0.5.4"
    )


def test_a_function_may_move_to_another_module(tmp_path: Path) -> None:
    moved = {"new/home.py": f"import os\n\n\n{FIXED}", "pages.py": "x = 1\n"}
    changed = {"new/home.py": FIXED.replace("-(-tokens // size)", "ceil(tokens / size)")}
    one = {"0.5.1": {"pages.py": BUG}, "0.5.2": {"pages.py": FIXED}, "0.5.3": moved, "0.5.4": changed}
    releases = kept(tmp_path, one)
    found = drafted(releases, releases.tree("0.5.2")).fitting
    assert found and found.fits == ("0.5.2", "0.5.3") and found.changed_in == "0.5.4"
    assert "pages is in sglang.new.home now, without" in found.went[0]


def test_an_insertion_beside_code_that_stays_is_no_fix_yet(tmp_path: Path) -> None:
    gone = FIXED.replace("def slots", "def spare(found):\n    return found\n\n\ndef slots")
    releases = kept(tmp_path, {"0.5.1": {"pages.py": gone}, "0.5.2": {"pages.py": FIXED}})
    found = drafted(
        releases, releases.tree("0.5.2"), patch_of({"pages.py": gone}, {"pages.py": FIXED})
    ).fitting
    assert found and (found.fits, found.fixed_in) == (("0.5.2",), "0.5.2")


def test_a_later_tree_that_has_the_fix_in_another_form_is_answered(tmp_path: Path) -> None:
    later = FIXED.replace("-(-tokens // size)", "ceil(tokens / size)")
    releases = kept(
        tmp_path, {"0.5.1": {"pages.py": BUG}, "0.5.2": {"pages.py": FIXED}, "0.5.3": {"pages.py": later}}
    )
    found = drafted(releases, releases.tree("0.5.3"))
    assert found.exact and found.tree.version == "0.5.2" and found.fitting
    assert "is not in this tree" in found.left[0].text and "was derived in 0.5.2" in found.left[0].text
    assert found.fitting.changed_in == "0.5.3"


def test_a_checkout_is_held_against_the_releases(tmp_path: Path) -> None:
    releases = kept(tmp_path, {"0.5.1": {"pages.py": BUG}, "0.5.2": {"pages.py": FIXED}})
    folder = tmp_path / "checkout" / "sglang"
    folder.mkdir(parents=True)
    for name, text in {"__init__.py": "", "pages.py": "x = 1\n"}.items():
        (folder / name).write_text(text)
    found = drafted(releases, Tree(folder.parent, version="0.5.3"))
    assert found.fitting and found.fitting.changed_in == "0.5.3"


def test_a_patch_that_no_release_at_hand_has_is_refused(tmp_path: Path) -> None:
    releases = kept(tmp_path, {"0.5.1": {"pages.py": OLDER}, "0.5.2": {"pages.py": OLDER}})
    with pytest.raises(NotApplied, match="give --sglang the release"):
        drafted(releases, releases.tree("0.5.2"))


def test_the_draft_says_it(tmp_path: Path) -> None:
    releases = kept(
        tmp_path, {"0.5.1": {"pages.py": OLDER}, "0.5.2": {"pages.py": BUG}, "0.5.3": {"pages.py": FIXED}}
    )
    text = render(7, drafted(releases, releases.tree("0.5.3")))
    assert 'introduced_in="0.5.2",' in text and 'fixed_in="0.5.3",' in text
    assert "# Of the releases at hand the edits fit 0.5.3." in text


@pytest.mark.parametrize(("users", "told"), [(2, "is in"), (30, "is in too many files")])
def test_code_that_is_everywhere_is_not_followed(tmp_path: Path, users: int, told: str) -> None:
    new, old = "def last(rows):\n    return rows.index(7)\n", "def last(rows):\n    return 0\n"
    more = {f"more{at}.py": new.replace("last", f"other{at}") for at in range(users)}
    one, two = {"pages.py": old}, {"pages.py": new}
    releases = kept(tmp_path, {"0.5.1": one, "0.5.2": two, "0.5.3": {"pages.py": "x = 1\n", **more}})
    found = drafted(releases, releases.tree("0.5.2"), patch_of(one, two)).fitting
    assert found and found.went[0].startswith(f"last is gone, and `return rows.index(7)` {told}")


def test_a_byte_order_mark_hides_nothing(tmp_path: Path) -> None:
    one, two = {"pages.py": f"\ufeff{BUG}"}, {"pages.py": f"\ufeff{FIXED}"}
    releases = kept(tmp_path, {"0.5.1": one, "0.5.2": two})
    found = drafted(releases, releases.tree("0.5.2"), patch_of(one, two))
    assert found.exact and found.fitting and found.fitting.fixed_in == "0.5.2"
