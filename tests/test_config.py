"""Configuration: nothing needed, everything checked, mistakes named."""

from __future__ import annotations

from pathlib import Path

import pytest

from posd.config import Config, load_config, parse_config
from posd.errors import ConfigError
from posd.events import DeviceClass


def parse(text: str) -> Config:
    return parse_config([("posd.toml", text)])


def test_a_fresh_shop_needs_no_file() -> None:
    config = parse_config([])
    assert config.shop.language == "fa"
    assert config.shop.display_unit.factor == 10
    assert config.api.port == 7673
    assert config.readers == ()


def test_everything_that_can_be_said() -> None:
    config = parse(
        """
        [shop]
        name = "نارنج"
        till = "صندوق ۲"
        language = "ar"
        calendar = "gregory"
        currency = "IQD"
        display = "dinar"
        [api]
        port = 7999
        simulated_readers = false
        [sync]
        process = "separate"
        [cards]
        own_prefixes = ["9800"]
        [[reader]]
        id = "desk"
        driver = "hid_keyboard"
        device_class = "msr"
        address = "/dev/posd/msr-1"
        """
    )
    assert config.shop.unit.code == "IQD"
    assert config.sync.process == "separate"
    assert config.cards == {"own_prefixes": ["9800"]}
    (reader,) = config.readers
    assert (reader.reader_id, reader.name, reader.device_class) == ("desk", "desk", DeviceClass.MSR)
    assert reader.options == {"address": "/dev/posd/msr-1"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[shp]", "did you mean 'shop'"),
        ('[shop]\nnmae = "x"', "did you mean 'name'"),
        ("[shop]\nname = 5", "name must be text"),
        ("[api]\nport = true", "port must be a whole number"),
        ('[shop]\nlanguage = "fr"', "'fr' is not known"),
        ('[shop]\ncurrency = "IQD"', "'toman' is not known"),
        ('[sync]\nprocess = "thred"', "did you mean 'thread'"),
        ('[[reader]]\ndriver = "hid_keyboard"', "needs id and driver"),
        ('[[reader]]\nid="the desk"\ndriver="x"', "'the desk' is no short word"),
        ('[[reader]]\nid="a"\ndriver="x"\n[[reader]]\nid="a"\ndriver="x"', "two [[reader]] tables"),
        ('[[reader]]\nid="a"\ndriver="x"\ndevice_class="scaner"', "did you mean 'scanner'"),
        ("[shop\n", "is not TOML"),
        ("[api]\nport = 99999", "port: 99999 is none; choose one from 1024"),
        ("[club]\nport = -1", "port: -1 is none"),
        ('[reader]\nid = "a"', "written as [[reader]] with two brackets"),
    ],
)
def test_mistakes_are_named_with_the_nearest_key(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "posd.toml" in str(caught.value) or "reader" in str(caught.value)


def test_conf_d_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh shop has no posd.toml; the technician only adds the readers."""
    monkeypatch.setattr("posd.config.CONFIG_FILE", tmp_path / "posd.toml")
    assert load_config().readers == ()
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/readers.toml").write_text('[[reader]]\nid = "desk"\ndriver = "pcsc"\n')
    assert [reader.reader_id for reader in load_config().readers] == ["desk"]


def test_conf_d_adds_readers_and_overrides_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "posd.toml").write_text('[shop]\nname = "A"\ntill = "1"\n')
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/10-till.toml").write_text('[shop]\ntill = "2"\n[[reader]]\nid = "desk"\ndriver = "pcsc"\n')
    config = load_config(tmp_path / "posd.toml")
    assert (config.shop.name, config.shop.till) == ("A", "2")
    assert [reader.reader_id for reader in config.readers] == ["desk"]


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "posd.toml").write_text('[shop]\nname = "نارنج"\n', "utf-16")
    with pytest.raises(ConfigError, match=r"posd\.toml is not UTF-8 \(byte 0\); save it as UTF-8"):
        load_config(tmp_path / "posd.toml")


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.toml")
