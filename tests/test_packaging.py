"""What is installed is what is in the tree: the wheel, in a clean environment, reads a sample."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import TOP, mail, text_of


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree without the network: the build backend is here."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(TOP)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_all_it_needs(wheel: Path) -> None:
    """Every module, every grammar, the rules' data, the marker of types; no tests, no samples."""
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        p.relative_to(TOP).as_posix() for p in (TOP / "smtplog").rglob("*") if p.suffix in (".py", ".toml", ".typed")
    }
    expected |= {f"smtplog/grammars/{p.name}" for p in (TOP / "grammars").glob("*.lark")}

    assert expected <= names
    assert "smtplog/py.typed" in names
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"smtplog"}


def test_what_it_says_of_itself(wheel: Path) -> None:
    """Name, Python, the command, and lower bounds only."""
    archive = zipfile.ZipFile(wheel)
    info = next(name for name in archive.namelist() if name.endswith("METADATA"))
    meta = email.message_from_bytes(archive.read(info))
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]

    assert (meta["Name"], meta["Requires-Python"]) == ("smtplog", ">=3.11")
    assert project["scripts"] == {"smtplog": "smtplog.cli:main"}
    for needed in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        assert ">=" in needed
        assert not set("<~!") & set(needed)


def test_it_runs_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, away from the tree: both doors, a query over a log, the grammars found inside.

    Only the dependencies come from the environment that runs the tests, so that no network is needed.
    """
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    log = tmp_path / "mail.log"
    log.write_bytes(text_of(mail()))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    asked = {
        "smtplog": [tmp_path / "venv/bin/smtplog", "--version"],
        '"recipient":"bob@dest.example"': [python, "-m", "smtplog", "deliveries", log, "--year", "2026"],
    }
    for expected, command in asked.items():
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
        assert ran.returncode == 0, ran.stderr
        assert expected in ran.stdout
    code = "import smtplog.read.grammar as g; print(g.folder())"
    where = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=env)
    assert where.stdout.strip() == str(site / "smtplog" / "grammars")


def test_the_grammars_are_found_in_the_tree() -> None:
    """An editable install reads them where they are written."""
    from smtplog.read import grammar

    assert (grammar.folder() / "common.lark").is_file()
