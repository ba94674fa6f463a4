"""A fit comes back from disk to the last bit, or is refused."""

from __future__ import annotations

import shutil
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm.errors import CareError
from abm.files import read_signed, signed
from calibration import fitted as fitted_module
from calibration.fitted import ARRAYS, FIT, SavedFit, load_fit, new_fit, save_fit
from calibration.readings import SOLVED
from calibration.statistics import Statistics


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@pytest.fixture(scope="module")
def saved(quick: SavedFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    save_fit(quick, folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def test_everything_comes_back_to_the_last_bit(quick: SavedFit, saved: Path) -> None:
    loaded = load_fit(saved)
    assert same(quick, loaded)
    # Infinite rates and empty arrays are the ones that get lost.
    assert np.isinf(loaded.fitted.book.band).any() or np.isinf(loaded.fitted.book.level).any()
    assert loaded.fitted.book.values is loaded.fitted.parameters.values


def test_an_array_is_known_by_its_data_however_numpy_spells_its_kind() -> None:
    """What `NDArray[...]` takes itself apart into differs between versions of numpy."""
    packing = fitted_module._Packing()
    told = packing.pack((np.arange(4, dtype=np.int32).reshape(2, 2), np.zeros(0)), "x")
    unpacking = fitted_module._Unpacking({name: array.ravel().astype(np.float64) for name, array in packing.arrays})
    for kind in (Any, "a kind that nobody knows", fitted_module.NDArray[np.int32]):
        first, second = (unpacking.unpack(kind, data, "x") for data in told)
        assert first.dtype == np.int32
        assert first.tolist() == [[0, 1], [2, 3]]
        assert second.shape == (0,)


def test_same_noticing() -> None:
    """The comparison above sees a single bit."""
    one = np.ones(3)
    assert not same(one, np.nextafter(one, 2))
    assert not same(one, one.astype(np.float32))


def test_the_same_fit_gives_the_same_bytes(quick: SavedFit, saved: Path, tmp_path: Path) -> None:
    save_fit(quick, tmp_path)
    for name in (FIT, ARRAYS):
        assert (tmp_path / name).read_bytes() == (saved / name).read_bytes()


def test_nothing_hidden_is_written(quick: SavedFit, saved: Path, statistics: Statistics) -> None:
    hidden = replace(quick.fitted.targets[0], note=f"{SOLVED}: by hand", value=4321.5)
    fit = new_fit(replace(quick.fitted, targets=(*quick.fitted.targets, hidden)), quick.system, statistics)
    assert hidden not in fit.fitted.targets
    assert SOLVED not in (saved / FIT).read_text(encoding="utf-8")


def test_no_path_of_this_machine_is_written(saved: Path, statistics: Statistics) -> None:
    assert str(statistics.path.parent) not in (saved / FIT).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [FIT, ARRAYS])
def test_damage_is_refused(name: str, copy: Path, rng: np.random.Generator) -> None:
    whole = (copy / name).read_bytes()
    for place in rng.integers(0, len(whole), 25):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(0, 8))
        (copy / name).write_bytes(bytes(changed))
        with pytest.raises(CareError, match="damaged"):
            load_fit(copy)
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        (copy / name).write_bytes(whole[:length])
        with pytest.raises(CareError, match="damaged"):
            load_fit(copy)


@pytest.mark.parametrize("name", [FIT, ARRAYS])
def test_a_missing_file_is_told(name: str, copy: Path) -> None:
    (copy / name).unlink()
    with pytest.raises(CareError, match=f"There is no readable '{name}'"):
        load_fit(copy)


def test_a_fit_of_another_journey_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted_module, "journey_mark", lambda _: "another")
    with pytest.raises(CareError, match="another journey"):
        load_fit(copy)


def test_a_fit_that_lacks_something_is_refused(copy: Path) -> None:
    told = read_signed(copy / FIT, "")
    del told["fitted"]["logs"]
    (copy / FIT).write_text(signed(told), encoding="utf-8", newline="\n")
    with pytest.raises(CareError, match="lacks something"):
        load_fit(copy)
