"""A toy with a fix in three hunks over two files, and the patch that brought it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

from harness.draft.patch import parse
from harness.draft.proof import Proven, prove
from harness.draft.searched import Searched
from harness.facts import Revert
from harness.source import revert
from harness.source.tree import Tree, at

TABLE = '''\
"""A table."""
from math import ceil

LIMIT = 64


class Table:
    def grow(self, rows, *, slack=2):
        """Make room."""
        # room for the padded batch
        if rows + slack > self.rows:
            self.rows = rows + slack
        else:
            self.spare = self.rows - rows
        width = rows * (self.page_size + slack)  # per token
        assert_fits(width, LIMIT)
        return width

    def shrink(self, rows):
        for row in range(rows):
            self.drop(row)
        self.rows -= rows
        return self.rows


def assert_fits(width, limit):
    if width > limit:
        raise ValueError(width)
'''
PAGES = """\
def pages_needed(tokens, page_size):
    return -(-tokens // page_size)


def slots(pages, page_size):
    try:
        found = [page * page_size for page in pages]
    except TypeError:
        found = []
    return found
"""
PATCH = '''\
diff --git a/python/sglang/table.py b/python/sglang/table.py
--- a/python/sglang/table.py
+++ b/python/sglang/table.py
@@ -8,10 +8,11 @@ class Table:
     def grow(self, rows, *, slack=2):
         """Make room."""
         # room for the padded batch
-        if rows > self.rows:
-            self.rows = rows
+        if rows + slack > self.rows:
+            self.rows = rows + slack
         else:
             self.spare = self.rows - rows
-        width = rows
+        width = rows * (self.page_size + slack)  # per token
+        assert_fits(width, LIMIT)
         return width
~
@@ -17,6 +18,5 @@ class Table:
         for row in range(rows):
             self.drop(row)
-            self.count -= 1
         self.rows -= rows
         return self.rows
~
diff --git a/python/sglang/pages.py b/python/sglang/pages.py
--- a/python/sglang/pages.py
+++ b/python/sglang/pages.py
@@ -1,2 +1,2 @@
 def pages_needed(tokens, page_size):
-    return tokens // page_size
+    return -(-tokens // page_size)
'''.replace("~", " ")  # an empty line of context is a space
_FIXED = """width = rows * (self.page_size + slack)  # per token
        assert_fits(width, LIMIT)"""
BEFORE = {
    "table.py": TABLE.replace("rows + slack > self.rows", "rows > self.rows")
    .replace("self.rows = rows + slack", "self.rows = rows")
    .replace(_FIXED, "width = rows")
    .replace("self.drop(row)\n", "self.drop(row)\n            self.count -= 1\n"),
    "pages.py": PAGES.replace("-(-tokens // page_size)", "tokens // page_size"),
}


def write(root: Path, table: str = TABLE, pages: str = PAGES) -> Tree:
    """The toy with the fix, as a tree."""
    folder = root / "sglang"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("")
    (folder / "version.py").write_text('__version__ = "9.9.8"\n')
    (folder / "table.py").write_text(table)
    (folder / "pages.py").write_text(pages)
    return at(root)


def tree_of(root: Path, files: Mapping[str, str]) -> Tree:
    """A toy of these modules, by their path in the package."""
    for name, text in {"__init__.py": "", "version.py": '__version__ = "9.9.8"\n', **files}.items():
        (root / "sglang" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "sglang" / name).write_text(text)
    return at(root)


def patch_of(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The patch from one state of some modules to another."""
    return "".join(_diff(name, text, after[name]) for name, text in before.items())


def _diff(name: str, before: str, after: str) -> str:
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    return "".join(unified_diff(old, new, f"a/python/sglang/{name}", f"b/python/sglang/{name}"))


def proven(root: Path, before: Mapping[str, str], after: Mapping[str, str], **others: str) -> Proven:
    """What is derived from the patch between two states, in a tree with more modules beside."""
    tree = tree_of(root, {**after, **{f"{name}.py": text for name, text in others.items()}})
    return prove(Searched(tree), parse(patch_of(before, after).encode(), "toy"))


def undone(found: Proven) -> dict[str, str]:
    """The modules that the edits rewrite, without the fix."""
    files = revert.plan(found.tree, Revert(*found.edits)).files
    return {path.partition("/")[2]: data.decode() for path, data in files.items()}
