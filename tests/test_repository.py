"""Rules of the repository that no reader should have to remember."""

import doctest
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
import venv
import zipfile
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TESTED_PYTHONS = ("3.11", "3.12", "3.13")
CONDA_NAMES = {"python-duckdb": "duckdb", "python-build": "build"}
TARGETS = "plan test test-all lab app docs notebooks bench lint clean".split()


@cache
def own_files() -> tuple[Path, ...]:
    """List the files of the repository: those under version control or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("this copy is not a git checkout")
    paths = {ROOT / name for name in listed.stdout.split("\0") if name}
    return tuple(sorted(path for path in paths if path.is_file()))


def texts() -> list[tuple[str, str]]:
    """Read every text file: its path in the repository and its content."""
    found = []
    for path in own_files():
        blob = path.read_bytes()
        if b"\0" not in blob[:8000]:
            text = blob.decode("utf-8", errors="replace")
            found.append((path.relative_to(ROOT).as_posix(), text))
    return found


def bounds(requirements: list[str]) -> dict[str, str]:
    read = [Requirement(line) for line in requirements]
    return {canonicalize_name(r.name): str(r.specifier) for r in read}


# --- packages ------------------------------------------------------------------------------


def test_conda_gets_the_packages_and_bounds_of_pyproject():
    project = PYPROJECT["project"]
    wanted = bounds(project["dependencies"] + project["optional-dependencies"]["dev"])
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    lines = [line for line in listed["dependencies"] if isinstance(line, str)]
    pip_lines = next(part["pip"] for part in listed["dependencies"] if isinstance(part, dict))
    lines += [line for line in pip_lines if not line.startswith("--editable")]
    found = {CONDA_NAMES.get(name, name): bound for name, bound in bounds(lines).items()}
    assert found.pop("pip") == ""
    assert project["requires-python"] in found.pop("python").split(",")
    assert found == wanted


@pytest.mark.parametrize("python", TESTED_PYTHONS)
def test_the_tested_environment_holds_every_package_once_and_within_its_bounds(python):
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            assert not pin.url
            if pin.marker is None or pin.marker.evaluate({"python_version": python}):
                name = canonicalize_name(pin.name)
                assert name not in pins, f"{name} is held twice"
                assert [part.operator for part in pin.specifier] == ["=="], line
                pins[name] = next(iter(pin.specifier)).version
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for line in [line for group in groups for line in group]:
        wanted = Requirement(line)
        held = pins.get(canonicalize_name(wanted.name))
        assert held is not None, f"{wanted.name} is not held"
        assert wanted.specifier.contains(held), f"{wanted} but held at {held}"


def test_every_extra_is_installed_or_left_out_on_purpose():
    extras = set(PYPROJECT["project"]["optional-dependencies"])
    line = re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert set(line[1].split(",")) == extras - {"bench"}


# --- wheel ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    program = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(folder)], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def test_a_wheel_carries_notebooks_templates_and_the_sample_plan(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("notebooks", "templates", "data_samples"):
        for path in own_files():
            name = path.relative_to(ROOT)
            if name.parts[0] == folder:
                assert f"planning_kit/_bundled/{name.as_posix()}" in names
    assert any(name.endswith("_bundled/templates/report/index.html.j2") for name in names)
    left = [
        name for name in names if re.search(r"/runs/|/\.prepared/|checkpoints|__pycache__", name)
    ]
    assert left == []
    assert {name.split("/")[0].split("-")[0] for name in names} == {"planning_kit"}


def test_an_installed_wheel_finds_what_it_carries(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "from planning_kit.plan import bundled\n"
        "import pathlib, planning_kit\n"
        "package = pathlib.Path(planning_kit.__file__).parent\n"
        "for name in ('notebooks', 'templates', 'data_samples'):\n"
        "    folder = bundled(name)\n"
        "    assert folder == package / '_bundled' / name, folder\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)


def test_an_installed_wheel_starts_a_plan_and_runs_it(wheel, tmp_path):
    """Only the wheel is installed; the libraries are those of this environment."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n")
    command = [str(python), "-P", "-m", "planning_kit.cli"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def call(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    where = subprocess.run(
        [str(python), "-P", "-c", "import planning_kit; print(planning_kit.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(site))
    assert call("init", "mine", "--sample").returncode == 0
    done = call("run", "mine", "--region", "East")
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "mine" / "runs").glob("*/East/07_what_if.html"))


# --- commands ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_every_promised_target_is_there(target):
    command = ["make", "--dry-run", "--always-make", target, "NAME=allocation"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_without_a_python_that_is_new_enough_make_says_what_to_install(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "bin" / "python3"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    make = shutil.which("make")
    run = subprocess.run(
        [make, "install"],
        cwd=tmp_path,
        env={"PATH": str(old.parent)},
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert "Python 3.11 or newer with its venv module was not found" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_benchmark_without_a_name_is_told_which_there_are(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "allocation.py").touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    stamps = [tmp_path / ".venv" / name for name in (".installed", ".installed-bench")]
    for path in (tmp_path / "pyproject.toml", tmp_path / "constraints.txt"):
        path.touch()
    stamps[0].parent.mkdir()
    for order, path in enumerate(stamps):
        path.touch()
        os.utime(path, (2e9 + order, 2e9 + order))
    run = subprocess.run(["make", "bench"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode != 0
    assert "make bench NAME=allocation" in run.stderr
    assert "\n  allocation\n" in run.stderr


def test_the_checks_of_a_commit_can_be_started():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_hooks_fetch_nothing():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}


def test_the_changelog_starts_with_what_is_not_released():
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert heads[0] == "[Unreleased]"


# --- files ---------------------------------------------------------------------------------


def test_no_file_names_a_folder_of_one_machine():
    of_one_machine = re.compile(r"(?<![\w.])/(?:work|root|farm|home/[a-z]+|Users/[A-Za-z]+)/")
    found = [
        f"{name}: {text[max(0, hit.start() - 30) : hit.end() + 30]!r}"
        for name, text in texts()
        if not name.endswith(".csv")
        for hit in of_one_machine.finditer(text)
    ]
    assert found == []


def test_no_file_names_the_host_of_a_package_registry():
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"))]
    hosts += [".".join(parts) for parts in (("npmjs", "org"), ("npmjs", "com"))]
    found = [f"{name}: {host}" for name, text in texts() for host in hosts if host in text]
    assert found == []


def test_no_file_is_too_large_for_a_clone_or_a_notebook_for_a_code_host():
    limits = {".ipynb": 1_500_000}
    sizes = {path: path.stat().st_size for path in own_files()}
    assert [p for p, size in sizes.items() if size > limits.get(p.suffix, 4_000_000)] == []


# --- documents -----------------------------------------------------------------------------


def documents() -> list[str]:
    try:
        names = [path.relative_to(ROOT).as_posix() for path in own_files()]
    except pytest.skip.Exception:
        return []
    return [name for name in names if name.endswith(".md")]


def anchors(text: str) -> set[str]:
    """Give the anchors of the headings of a document, as code hosts make them."""
    prose = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", prose, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
        found.add(f"{slug}-{count}" if count else slug)
    return found | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


@pytest.mark.parametrize("name", documents())
def test_every_link_of_a_document_leads_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    prose = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    links = re.findall(r"\]\(\s*<?([^)\s>]+)", prose)
    links += re.findall(r"^\[[^\]]+\]:\s+(\S+)", prose, re.M)
    assert [link for link in links if not leads_somewhere(name, link)] == []


def leads_somewhere(name: str, link: str) -> bool:
    if re.match(r"(https?:|mailto:)", link):
        return True  # not ours to follow: tests run without a network
    place, _, anchor = link.partition("#")
    target = (ROOT / name).parent / place if place else ROOT / name
    if anchor and target.suffix == ".md" and target.exists():
        return anchor in anchors(target.read_text(encoding="utf-8"))
    return target.exists()


@pytest.mark.parametrize("name", documents())
def test_every_snippet_of_a_document_gives_what_it_shows(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(
        str(ROOT / name), module_relative=False, optionflags=options, encoding="utf-8"
    )
    assert result.failed == 0


def test_anchors_of_headings_are_those_of_code_hosts():
    text = "# A `make` target, twice!\n```\n# not a heading\n```\n## Same\n## Same\n"
    assert anchors(text) == {"a-make-target-twice", "same", "same-1"}


def test_the_generated_pages_are_those_of_the_code():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for path, text in generate.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make docs"
