"""What `homeport settings` prints, and docs/settings.md against the code."""

import tomllib
from pathlib import Path

from homeport.cli.settings_table import markdown_table, settings_in_force
from homeport.settings import Settings

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
FOLDERS = {"state_dir": "/s", "run_dir": "/r", "catalog_dir": "/c"}


def test_the_page_has_every_setting_with_its_default_and_meaning() -> None:
    assert markdown_table() in PAGE, "homeport settings --markdown prints the table anew"
    for name, field in Settings.model_fields.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
        assert row.endswith(f" | {field.description} |")
        assert field.is_required() or str(field.default) in row


def test_the_example_of_the_page_is_taken() -> None:
    example = PAGE.partition("```toml\n")[2].partition("```")[0]

    assert Settings.model_validate({**FOLDERS, **tomllib.loads(example)}).domain == "hda"


def test_the_value_in_force_is_told_without_a_password() -> None:
    given = {"stop_s": 7, "redis_url": "redis://me:secret@box:6379/0"}

    found = {item["name"]: item for item in settings_in_force(Settings.model_validate({**FOLDERS, **given}))}

    assert (found["stop_s"]["value"], found["stop_s"]["default"]) == (7, 30)
    assert found["state_dir"]["value"] == "/s"
    assert found["redis_url"]["value"] == "redis://me:***@box:6379/0"
