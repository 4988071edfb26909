"""Drafts every small difference of release pairs, or the fixes of a file of recipes, and prints a table.

    python -m ci.drafts --pair 0.5.21 0.5.22 --out build/drafts.jsonl
    python -m ci.drafts --recipes recipes.json --shape git --shape crlf --out build/recipes.jsonl

Releases are what `--sglang` takes anywhere: numbers, wheels or folders. Each draft is made by the command
`refault new` in a process of its own; the revert that it proposes is applied and compared, as syntax, with
what the program `patch --reverse` makes of the same files. OUT gets a line of JSON as soon as a draft is
judged, and what stands there already is not drafted again. Ends with 1 where a draft crashed or claims more
than is so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ci.drafts import cut, running, table
from ci.drafts.check import Result, check
from ci.drafts.cut import Case
from ci.drafts.shapes import Shape
from harness.errors import BadInput
from harness.machine.workspace import default
from harness.source.resolve import resolve
from harness.source.tree import Tree


class _Trees(dict[str, Tree]):
    """Trees by what they are called, each resolved once."""

    def __missing__(self, spec: str) -> Tree:
        self[spec] = resolve(spec, default().releases)
        return self[spec]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draft, print the table, and say by the exit code whether it is sound; 2 for bad input."""
    options = _options(arguments)
    try:
        results = list(_results(options, _Trees()))
    except BadInput as error:
        print(f"drafts: {error}", file=sys.stderr)
        return 2
    print("\n".join([*table.expectations(results), *table.table(results)]))
    return 0 if table.is_sound(results) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ci.drafts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pair", nargs=2, action="append", default=[], metavar=("OLD", "NEW"))
    parser.add_argument(
        "--recipes", type=Path, metavar="FILE", help="JSON by name: old, new, files, expected"
    )
    parser.add_argument("--shape", type=Shape, action="append", metavar="SHAPE", help=", ".join(Shape))
    parser.add_argument("--largest", type=int, default=cut.LARGEST, metavar="LINES", help="of a difference")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases that have this in their name")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth case")
    parser.add_argument("--warm", action="store_true", help="fork: faster, and a start is not in the seconds")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="one line of JSON per draft")
    options = parser.parse_args(arguments)
    if not options.pair and not options.recipes:
        parser.error("give --pair OLD NEW, or --recipes FILE")
    return options


def _results(options: argparse.Namespace, trees: _Trees) -> Iterator[Result]:
    """Results kept from before, and those of what is drafted now."""
    known = {(one.name, one.shape): one for one in table.kept(options.out)}
    wanted = [(case, spec) for case, spec in _cases(options, trees) if options.only in case.name]
    for case, spec in wanted[:: options.every]:
        for shape in options.shape or [Shape.GIT]:
            yield known.get((case.name, shape)) or _checked(case, shape, trees[spec], spec, options)


def _checked(case: Case, shape: Shape, tree: Tree, spec: str, options: argparse.Namespace) -> Result:
    command = running.warm if options.warm else running.cold
    with tempfile.TemporaryDirectory(prefix="drafts-") as folder:
        result = check(case, shape, tree, spec, Path(folder), command)
    table.keep(options.out, result)
    print(table.line(result), flush=True)
    return result


def _cases(options: argparse.Namespace, trees: _Trees) -> Iterator[tuple[Case, str]]:
    """Every case, with what its release is called on the command line."""
    for old, new in options.pair:
        yield from ((case, new) for case in cut.differences(trees[old], trees[new], options.largest))
    if options.recipes:
        yield from ((case, case.release) for case in cut.recipes(_read(options.recipes), trees))


def _read(file: Path) -> dict[str, dict[str, object]]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{file}: holds no recipes ({error}): give a JSON object of them") from error


if __name__ == "__main__":
    sys.exit(main())
