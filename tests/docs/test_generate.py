"""Pages that are generated, and links as they are on the site."""

import pytest
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, get_files
from mkdocs.structure.pages import Page

from docs import generate
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def site() -> tuple[MkDocsConfig, Files]:
    config = load_config(str(ROOT / "mkdocs.yml"))
    config = config.plugins.on_config(config)
    return config, config.plugins.on_files(get_files(config), config=config)


def text(site: tuple[MkDocsConfig, Files], uri: str) -> str:
    config, files = site
    file = files.get_file_from_path(uri)
    assert isinstance(file, File)
    return generate.on_page_markdown(file.content_string, Page(None, file, config))


def test_a_link_leads_to_the_page_that_the_file_becomes(site: tuple[MkDocsConfig, Files]) -> None:
    assert "[Run sweeps](sweeps.md)" in text(site, "index.md")
    assert "(statistics.md#seeds-that-follow-claims)" in text(site, "settings.md")
    assert "[measurements](benchmarks/RESULTS.md)" in text(site, "sweeps.md")


def test_files_that_pages_link_to_are_on_the_site(site: tuple[MkDocsConfig, Files]) -> None:
    notice = "rac_ray/studies/temporal_shape/mnist/NOTICE"
    assert {"cluster/a100.yaml", "CITATION.cff", notice} <= {file.src_uri for file in site[1]}


def test_every_module_and_every_command_has_its_place(site: tuple[MkDocsConfig, Files]) -> None:
    modules, commands = text(site, "modules.md"), text(site, "command-line.md")
    for path in [*(ROOT / "rac_ray").rglob("*.py"), *(ROOT / "sweeps").glob("*.py")]:
        if path.name != "__init__.py":
            assert f"| `{path.name}` | " in modules
            assert generate.about(path)
    assert {"## `rac-ray ts plan`", "## `rac-ray replay`", "## `rac-ray data verify`"} <= set(commands.splitlines())
    assert "--probe-seconds" in commands
    assert "more options" not in commands
