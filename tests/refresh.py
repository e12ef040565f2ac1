"""Write goldens anew: `python -m tests.refresh [SCENE...]`, e.g. `postfix/ipv6` or `postfix`; none: all. Then read them."""

from __future__ import annotations

import sys
import tomllib
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parent.parent
SAMPLES = TOP / "samples"
TABLES = ("events", "messages", "deliveries", "sessions")
"""Events stand beside every scene; the others where a golden `<scene>.<table>.jsonl` is kept."""


@dataclass(frozen=True)
class Scene:
    """A sample: its log and what SOURCES.toml says of it."""

    name: str
    year: int | None
    timezone: str | None

    @property
    def log(self) -> Path:
        """The log itself."""
        return SAMPLES / f"{self.name}.log"

    def golden(self, table: str) -> Path:
        """Where the answer stands."""
        return SAMPLES / (f"{self.name}.jsonl" if table == "events" else f"{self.name}.{table}.jsonl")

    def kept(self) -> dict[str, Path]:
        """The tables whose answer is kept, and where it stands."""
        places = {table: self.golden(table) for table in TABLES}
        return {table: path for table, path in places.items() if table == "events" or path.exists()}

    def answers(self) -> dict[str, str]:
        """What the program says today to the kept tables, as JSON lines."""
        from smtplog.pipeline import Options, run
        from smtplog.show.export import jsonl

        options = Options(year=self.year, zone=self.timezone)
        found = dict.fromkeys(self.kept(), "")
        with chdir(TOP):
            for batch in run([self.log.relative_to(TOP).as_posix()], dict.fromkeys(found), options):
                for table, frame in batch.items():
                    found[table] += jsonl(frame, table)
        return found


def scenes() -> list[Scene]:
    """Every log under samples/, in order."""
    said = tomllib.loads((SAMPLES / "SOURCES.toml").read_text("utf-8"))
    logs = sorted(SAMPLES.glob("*/*.log"))
    names = [path.relative_to(SAMPLES).with_suffix("").as_posix() for path in logs]
    return [Scene(n, said.get(n, {}).get("year"), said.get(n, {}).get("timezone")) for n in names]


def transcript_answer(scene: Path) -> str:
    """The sessions that a transcript tells of today, as JSON lines."""
    from smtplog.read.dialogue import sessions

    found = sessions(scene.read_bytes().decode("utf-8", "replace"), source=scene.name)
    return "".join(f"{session.model_dump_json()}\n" for session in found)


def main(wanted: list[str]) -> None:
    """Write the goldens of the scenes that are wanted."""
    for scene in scenes():
        if _is_wanted(scene.name, wanted):
            for table, answer in scene.answers().items():
                scene.golden(table).write_text(answer, "utf-8")
    for text in sorted((SAMPLES / "transcript").glob("*.txt")):
        if _is_wanted(f"transcript/{text.stem}", wanted):
            text.with_suffix(".jsonl").write_text(transcript_answer(text), "utf-8")


def _is_wanted(name: str, wanted: list[str]) -> bool:
    return not wanted or any(name == w or name.startswith(f"{w}/") for w in wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
