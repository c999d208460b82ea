"""The house itself: floors, lint, types, names, the mirror of the tests, what is shipped."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import ldm_teach
from ldm_teach.models import checkpoint

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ldm_teach"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
FACES = {  # names that a whole family of modules has, with one meaning
    "studies": {"Row", "run", "table", "PATH"},  # of the bench and of the costs of training, too
    "facts": {"facts"},  # what holds for all rows of a study
    "cli": {"configure"},
}


def run(*command: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, **options)


def test_imports_go_down_the_floors_only():
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = run("-c", code)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_finds_nothing(command):
    done = run("-m", "ruff", *command, ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_type_checker_finds_nothing():
    done = run("-m", "pyrefly", "check")
    assert done.returncode == 0 and " 0 errors" in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.skipif(not (ROOT / ".venv").exists() or not (ROOT / ".git").exists(), reason="needs .venv in a clone")
def test_the_hooks_run_though_the_environment_is_not_active():
    """With a PATH on which nothing of the environment is: lint, format, floors and types of every file."""
    environment = {"PATH": os.defpath, "HOME": os.environ.get("HOME", str(ROOT))}
    for hook in ("ruff-check", "ruff-format", "import-floors", "types"):
        done = run("-m", "pre_commit", "run", hook, "--all-files", env=environment)
        assert done.returncode == 0 and "Passed" in done.stdout, done.stdout + done.stderr


def mirror_of(module: Path) -> Path:
    if module.parent.name == "check":  # the exercises are tried by one file, all alike
        module = module.parent.with_suffix(".py")
    return ROOT / "tests" / module.relative_to(PACKAGE).parent / f"test_{module.name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_has_a_test_file_of_its_own(module):
    assert mirror_of(module).is_file()


def test_every_test_file_in_a_folder_has_a_module():
    found = {path for path in (ROOT / "tests").glob("*/**/test_*.py")}
    exercises = {ROOT / "tests" / "interactive" / "check" / f"test_{path.name}" for path in MODULES}
    beside = {ROOT / "tests" / "interactive" / f"{name}.py" for name in ("test_browser", "test_course_in_browser")}
    assert found - {mirror_of(module) for module in MODULES} - exercises == beside


def public_names(module: Path) -> set[str]:
    """The public names that a module defines at its top level."""
    names = set()
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_a_public_name_has_one_meaning():
    """In one module, but for the faces; exercises and figures of a notebook are called after what they ask and show."""
    defined = Counter(
        name for module in MODULES if module.parent.name not in ("check", "figures") for name in public_names(module)
    )
    twice = {name for name, count in defined.items() if count > 1}
    assert twice <= set().union(*FACES.values()), twice - set().union(*FACES.values())
    for study in (module for module in MODULES if module.parent.name == "studies"):
        assert FACES["studies"] <= public_names(study), study


def test_the_largest_folder_is_at_most_a_quarter_of_the_package():
    lines = Counter()
    for module in MODULES:
        if module.parent.name != "check":  # the exercises are the course, not what it is built with
            lines[module.parent] += len(module.read_text().splitlines())
    assert max(lines.values()) <= sum(lines.values()) / 4, lines


@pytest.mark.parametrize("name", ldm_teach.__all__)
def test_the_package_hands_on_its_names(name):
    assert getattr(ldm_teach, name) is not None
    assert name in dir(ldm_teach)


def test_what_is_handed_on_suffices_to_build_a_model():
    """A LatentDiffusion from the names of the package alone."""
    names = "KLAutoencoder", "UNet", "ClassEncoder", "NoiseSchedule", "LatentDiffusion"
    KLAutoencoder, UNet, ClassEncoder, NoiseSchedule, LatentDiffusion = (getattr(ldm_teach, name) for name in names)
    model = LatentDiffusion(KLAutoencoder(), UNet(), ClassEncoder(), NoiseSchedule.cosine())
    assert model.sample([3], num_steps=1).shape == (1, 1, 28, 28)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No ldm_teach attribute nothing"):
        _ = ldm_teach.nothing


def test_a_script_beside_a_clone_imports_the_package_and_not_the_folder(tmp_path):
    """The folder of a clone is called after the package, too: an installation must stand on the path before it."""
    (tmp_path / "ldm_teach").mkdir()
    (tmp_path / "beside.py").write_text("import ldm_teach; print(ldm_teach.__file__)")
    done = run(str(tmp_path / "beside.py"), env=os.environ | {"PYTHONPATH": ""})
    assert done.stdout.strip().endswith("__init__.py"), "run `pip install --no-deps -e .` again"


def test_import_brings_in_nothing_slow():
    code = "import sys, ldm_teach; print(not {'torchvision', 'accelerate', 'ipywidgets', 'torch'} & set(sys.modules))"
    assert run("-c", code).stdout.strip() == "True"


def test_the_shipped_models_are_small():
    size = {name: sum(f.stat().st_size for f in folder.iterdir()) for name, folder in checkpoint.shipped().items()}
    assert size["fashion-autoencoder"] + size["fashion-class"] <= 12e6
    emoji = sum(size.pop(name) for name in ("emoji", "emoji-judge"))
    assert emoji <= 16e6 and sum(size.values()) <= 60e6


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_bytes()) <= 6_000


def test_requirements_pin_the_declared_dependencies():
    """Each dependency that pyproject declares as a range is pinned inside it, and nothing else is."""
    import tomllib

    from packaging.requirements import Requirement

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    ranges = {requirement.name: requirement.specifier for requirement in map(Requirement, declared)}
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert pins.keys() == ranges.keys() and all(version in ranges[name] for name, version in pins.items())


def test_the_readme_installs_the_cpu_wheels_of_the_versions_that_are_pinned():
    pins = re.findall(r"^torch(?:vision)?==[0-9.]+", (ROOT / "requirements.txt").read_text(), re.M)
    command = f"pip install {' '.join(pins)} --index-url https://download.pytorch.org/whl/cpu"
    assert len(pins) == 2 and command in (ROOT / "README.md").read_text()


def test_one_collective_of_authors():
    for name in ("LICENSE", "CITATION.cff", "pyproject.toml"):
        assert "the ldm_teach authors" in (ROOT / name).read_text().replace("The ldm", "the ldm"), name
