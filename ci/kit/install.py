"""Put the parts of an offline kit into one folder for PYTHONPATH; needs nothing but Python.

Run it as `python3 part-1/install.py SITE`, once per part, in any order and as parts arrive: what came is
verified and put in place, and the script says what is still missing, or that the kit is complete.
"""

from __future__ import annotations

import base64
import compileall
import csv
import hashlib
import io
import json
import lzma
import os
import shutil
import sys
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MANIFEST = "kit.json"
OWN = "refault"
"""The folder of a site with Refault's checkout."""
STATE = ".refault-kit"
"""The folder of a site where slices wait for the rest of their wheel, and that tells what is in place."""
_CHUNK = 1 << 20
_DAMAGES = (OSError, ValueError, LookupError, TypeError, EOFError, lzma.LZMAError, zipfile.BadZipFile)


class Refused(Exception):
    """The kit or the site is not as it must be; the message says what to do."""


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print("usage: install.py SITE [PART...]", file=sys.stderr)
        return 2
    site = Path(arguments[1]).absolute()
    parts = [Path(part) for part in arguments[2:]] or [Path(__file__).parent]
    try:
        for part in parts:
            install(part, site)
    except Refused as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    except _DAMAGES as error:
        text = " ".join(repr(str(error)).strip("'\"").split())
        print(f"install: a part is damaged, or the site is ({text}): carry it again", file=sys.stderr)
        return 1
    print(report(site))
    return 0


def install(part: Path, site: Path) -> None:
    """Verify a part's slices and put every wheel that is whole in place. Refused where one is damaged."""
    manifest = _manifest(part)
    state = site / STATE
    state.mkdir(parents=True, exist_ok=True)
    _keep_manifest(manifest, state)
    for parcel in manifest["parcels"]:
        for piece in parcel["slices"]:
            if (part / piece["file"]).is_file() and not (state / parcel["wheel"]).exists():
                _accept(part / piece["file"], piece, state)
    whole = [parcel for parcel in manifest["parcels"] if _is_whole(parcel, state)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda parcel: _place(parcel, site, state), whole))
    _environment(site, manifest)
    if os.environ.get("REFAULT_KIT_COMPILE") != "0":
        # Servers start several processes each: none of them is to compile upstream again.
        warnings.simplefilter("ignore", SyntaxWarning)  # other people's docstrings
        compileall.compile_dir(str(site), quiet=2, workers=0)


def _manifest(part: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((part / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{part} is no part of a kit ({error}): carry the whole folder") from error
    major, minor = sys.version_info[:2]
    if found["python"] != f"{major}.{minor}":
        raise Refused(f"the kit is for Python {found['python']}, this is {major}.{minor}: build another")
    return found


def _keep_manifest(manifest: dict[str, Any], state: Path) -> None:
    kept, text = state / MANIFEST, json.dumps(manifest, sort_keys=True)
    if kept.is_file() and kept.read_text(encoding="utf-8") != text:
        raise Refused(f"{state.parent} holds another kit: name an empty folder")
    kept.write_text(text, encoding="utf-8")


def _accept(file: Path, piece: dict[str, Any], state: Path) -> None:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != piece["sha256"]:
        raise Refused(f"{file} is damaged on its way (its sha256 differs): carry it again")
    shutil.copyfile(file, state / piece["file"])


def _is_whole(parcel: dict[str, Any], state: Path) -> bool:
    return all((state / piece["file"]).is_file() for piece in parcel["slices"])


def _place(parcel: dict[str, Any], site: Path, state: Path) -> None:
    """Unpack one wheel into the site, every file checked against the wheel's own record."""
    wheel = state / f"{parcel['wheel']}.unpacked"
    with wheel.open("wb") as out:
        digest = hashlib.sha256()
        for chunk in _plain(state, parcel):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != parcel["sha256"]:
        raise Refused(f"{parcel['wheel']} is not what was packed (its sha256 differs): build the kit again")
    _unpack(wheel, site)
    wheel.unlink()
    (state / parcel["wheel"]).write_text(parcel["sha256"], encoding="utf-8")
    for piece in parcel["slices"]:
        (state / piece["file"]).unlink()


def _plain(state: Path, parcel: dict[str, Any]) -> Iterator[bytes]:
    decompressor = lzma.LZMADecompressor()
    for piece in parcel["slices"]:
        with (state / piece["file"]).open("rb") as packed:
            while chunk := packed.read(_CHUNK):
                yield decompressor.decompress(chunk)


def _unpack(wheel: Path, site: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        for name, digest, _ in csv.reader(io.StringIO(archive.read(record).decode())):
            target = site / _in_site(name)
            if ".." in target.parts or not target.is_relative_to(site):
                raise Refused(f"{wheel.name} would write outside of the site: build the kit again")
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(archive, name, digest, target)
            target.chmod(0o755 if archive.getinfo(name).external_attr >> 16 & 0o100 else 0o644)


def _in_site(name: str) -> str:
    """Where a wheel's file goes: as pip has it with --target."""
    folder, _, rest = name.partition("/")
    if not folder.endswith(".data"):
        return name
    kind, _, rest = rest.partition("/")
    return {"purelib": rest, "platlib": rest, "scripts": f"bin/{rest}"}.get(kind, f"share/{rest}")


def _write(archive: zipfile.ZipFile, name: str, recorded: str, target: Path) -> None:
    digest = hashlib.sha256()
    with archive.open(name) as source, target.open("wb") as out:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
    text = f"sha256={base64.urlsafe_b64encode(digest.digest()).rstrip(b'=').decode()}"
    if recorded and recorded != text:
        raise Refused(f"{name} differs from its wheel's record: build the kit again")


def _environment(site: Path, manifest: dict[str, Any]) -> None:
    """A file to source: the search paths, and what upstream has to be told about what is not there."""
    lines = [f'export PYTHONPATH="{site}/{OWN}:{site}${{PYTHONPATH:+:$PYTHONPATH}}"']
    lines += [f'export PATH="{site}/bin:$PATH"']
    lines += [f"export {name}={value}" for name, value in sorted(manifest.get("environment", {}).items())]
    (site / "env.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")


def report(site: Path) -> str:
    """One line: the kit is complete, or which parts are still to come."""
    state = site / STATE
    manifest = json.loads((state / MANIFEST).read_text(encoding="utf-8"))
    waiting = [
        piece
        for parcel in manifest["parcels"]
        if not (state / parcel["wheel"]).exists()
        for piece in parcel["slices"]
        if not (state / piece["file"]).exists()
    ]
    if not waiting:
        return f"complete: {len(manifest['parcels'])} wheels in {site}; source {site}/env.sh"
    parts = ", ".join(f"part-{number}" for number in sorted({piece["part"] for piece in waiting}))
    files = ", ".join(piece["file"] for piece in waiting[:4])
    to_come = f"{parts} still to come ({len(waiting)} files: {files})"
    return f"incomplete: {to_come}; {site}/env.sh is usable meanwhile"


if __name__ == "__main__":
    sys.exit(main(sys.argv))
