"""What the documents name is there: pages, verbs, options."""

import re
from pathlib import Path

import pytest

from bigmodel.cli import VERBS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
GROUPS = sorted(path.name for path in (ROOT / "conf").iterdir() if path.is_dir())


def commands(text: str) -> list[str]:
    """The lines of the blocks of commands that call us, with those they go on in."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.partition("  #")[0] for line in lines if line.startswith("bigmodel ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [at for at in links if "://" not in at and not (page.parent / at).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_verbs_and_options_that_exist(page):
    for line in commands(page.read_text()):
        verb = line.split()[1]
        assert verb in VERBS, line
        if verb not in ("train", "check", "preview"):
            continue
        for group, options in re.findall(rf"\s\+?({'|'.join(GROUPS)})=([\w,]+)", line):
            for option in options.split(","):
                own = group == "experiment" and option in ("best", "churn")
                assert own or (ROOT / "conf" / group / f"{option}.yaml").exists(), line


def test_the_readme_leads_to_every_page():
    readme = (ROOT / "README.md").read_text()
    assert not [page for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in readme]
