"""Hostile and damaged files: nothing of them runs, and what is wrong is said."""

import builtins
import os
import pickle
import pickletools
import struct
import sys
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from wav2vec2_conformer.checkpoints.restricted_pickle import MAX_PICKLE_BYTES, read_pickle
from wav2vec2_conformer.checkpoints.torch_file import TorchFile
from wav2vec2_conformer.errors import CheckpointError

from .fairseq_layout import FakeFairseq, pre_trained, save


class Runs:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


def no_storage(key: object) -> object:
    raise AssertionError(f"asks for {key}")


def read(data: bytes) -> Any:
    return read_pickle(data, no_storage)[0]


HARMFUL = {
    "os.system": Runs(os.system, "touch harmed"),
    "eval": Runs(builtins.eval, "open('harmed', 'w')"),
    "exec": Runs(builtins.exec, "open('harmed', 'w')"),
    "getattr": Runs(getattr, [], "append"),
    "getattr of a class": Runs(getattr, OrderedDict, "fromkeys"),
    "import": Runs(__import__, "antigravity"),
    "open": Runs(open, "harmed", "w"),
    "nested": {"model": [{"a": (1, Runs(os.system, "touch harmed"))}]},
    "pickle.loads": Runs(pickle.loads, pickle.dumps(Runs(os.system, "touch harmed"))),
    "torch.load": Runs(torch.load, "harmed"),
    "torch.hub": Runs(torch.hub.load, "owner/repo", "model"),
}


@pytest.mark.parametrize("name", HARMFUL)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_call_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"asks for [\w.]+, which no checkpoint needs|instr"):
        read(pickle.dumps(HARMFUL[name], protocol=protocol))
    assert not Path("harmed").exists()


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("name", HARMFUL)
def test_nor_does_it_run_inside_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_zip: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    contents = {**pre_trained(), "extra_state": HARMFUL[name]}
    path = save(contents, tmp_path / "a.pt", is_zip=is_zip)
    with pytest.raises(CheckpointError, match=r"a\.pt: the file asks for"):
        TorchFile(path)
    assert not Path("harmed").exists()


def test_the_sample_attack_does_run_with_plain_pickle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the tests above would show nothing."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(HARMFUL["os.system"]))  # noqa: S301
    assert Path("harmed").exists()


def test_methods_of_stub_classes_are_never_called() -> None:
    """`__setstate__`, `__reduce__` and constructors of what a file calls fairseq's classes."""
    called = []
    with FakeFairseq() as fairseq:

        class Dictionary:
            __module__ = "fairseq.data.dictionary"
            __qualname__ = "Dictionary"

            def __setstate__(self, state: object) -> None:
                called.append(state)

            def __reduce__(self) -> Any:
                return Dictionary, (), {"symbols": ["a"], "__class__": "b", "__setstate__": 1}

            def __init__(self) -> None:
                called.append("constructed")

        fairseq.dictionary.Dictionary = Dictionary  # type: ignore[attr-defined]
        data = pickle.dumps(Dictionary())
        called.clear()
        stub = read(data)
    assert called == []
    assert (stub.module, stub.name) == ("fairseq.data.dictionary", "Dictionary")
    assert stub.attributes()["symbols"] == ["a"]
    assert type(stub).__name__ == "InertObject"
    assert "fairseq" not in sys.modules


@pytest.mark.parametrize("name", ["os system", "fairseq.os system", "posix system"])
def test_a_name_inside_an_allowed_package_stays_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = b"c" + name.replace(" ", "\n").encode() + b"\n(Vtouch harmed\ntR."
    if name.startswith("fairseq"):
        assert read(data).arguments == ("touch harmed",)
    else:
        with pytest.raises(CheckpointError, match="asks for"):
            read(data)
    assert not Path("harmed").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cfairseq.x\nY\n}(V__reduce__\nNub.", "sets attributes of a Constructor"),
        (b"ccollections\nOrderedDict\n}b.", "sets attributes of a Constructor"),
        (b"ctorch\nFloatStorage\n)R.", "calls something that is no function"),
        (b"\x8c\x02os\x8c\x06system\x93.", r"asks for os\.system"),
        (b"(ios\nsystem\n.", "INST"),
        (b"(cos\nsystem\no.", r"asks for os\.system"),
        (b"\x82\x01.", "EXT1"),
        (b"cfairseq.x\nf\n(}tR)R.", "calls something that is no function"),
        (b"ccollections\nOrderedDict\n(]tR.", "damaged"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR.", "no storage"),
        (b"(.", "damaged"),
        (b"}](NNu.", "SETITEMS|put into|damaged"),
        (b"}", "damaged"),
        (b"", "damaged"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", "damaged|None"),
        (b"\x8d" + struct.pack("<Q", 2**62) + b"abc.", "damaged"),
        (b"\x96" + struct.pack("<Q", 2**62) + b"abc.", "damaged"),
        (b"h\x05.", "damaged"),
        (b"\x8a\xff" + b"\x01" * 255 + b".", "integer"),
        (b"\x00\x01\x02", "damaged"),
    ],
)
def test_odd_instructions_are_refused(data: bytes, message: str) -> None:
    if "None" in message:
        assert read(data) is None  # what a frame says of its length means nothing here
    else:
        with pytest.raises(CheckpointError, match=message):
            read(data)


def test_a_huge_index_of_the_memory_takes_no_memory() -> None:
    assert read(b"]r\xff\xff\xff\xff0j\xff\xff\xff\xff.") == []


def test_deep_nesting_ends_in_time() -> None:
    """Tuples of tuples: 2 to the 60th values in 200 bytes, if anything walked or hashed them."""
    start_s = time.monotonic()
    bomb = b")" + b"2\x86" * 60  # duplicate, pair
    for data in (
        b"}" + bomb + b"Ns.",  # as a key
        b"ctorch._utils\n_rebuild_tensor_v2\n(N" + bomb * 3 + b"tR.",
        bomb + b"N\x93.",
    ):
        with pytest.raises(CheckpointError):
            read(data)
    assert read(bomb + b".") is not None
    assert time.monotonic() - start_s < 5


def test_a_configuration_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    from wav2vec2_conformer.checkpoints.reading import read_checkpoint

    cfg: Any = {"a": 1}
    for _ in range(40):
        cfg = {"a": cfg, "b": cfg}
    with pytest.raises(CheckpointError, match="too deep or too large"):
        read_checkpoint(save({**pre_trained(), "cfg": cfg}, tmp_path / "a.pt"))


def test_a_pickle_of_every_kind_of_value_is_read() -> None:
    value = {
        "a": [1, -5, 2**40, 1.5, True, None, "é", b"xyz"],
        ("k", 1): {"n": ()},
        3: (1, 2, 3, 4, (5,), (6, 7), (8, 9, 10)),
    }
    for protocol in range(3, 6):
        assert read(pickle.dumps(value, protocol=protocol)) == value
    value["a"].remove(b"xyz")  # which older protocols write as a call
    for protocol in range(1, 3):
        assert read(pickle.dumps(value, protocol=protocol)) == value
    assert read(pickletools.optimize(pickle.dumps(value))) == value


def rewrite(
    path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]
) -> Path:
    """Write the archive again with other entries."""
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in change(entries):
            archive.writestr(name, data)
    return path


def read_tensor(path: Path) -> torch.Tensor:
    file = TorchFile(path)
    return file.tensor(file.contents["model"]["a"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: [(n, d) for n, d in e if not n.endswith("/data/0")], "lacks the record"),
        (lambda e: [*e, ("other/data.pkl", b"N.")], "2 entries data.pkl"),
        (lambda e: [*e, e[0]], "two entries of the same name"),
        (lambda e: [(n, d) for n, d in e if "data.pkl" not in n], "0 entries data.pkl"),
        (lambda e: [*e, (f"{e[0][0].split('/')[0]}/constants.pkl", b"N.")], "TorchScript"),
        (lambda e: [(n, b"big" if n.endswith("byteorder") else d) for n, d in e], "big-endian"),
        (lambda e: [(n, d[:-4] if n.endswith("/data/0") else d) for n, d in e], "damaged"),
        (lambda e: [(n, d[:9] if n.endswith("data.pkl") else d) for n, d in e], "damaged"),
    ],
)
def test_an_archive_with_tricks_is_refused(
    tmp_path: Path,
    change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]],
    message: str,
) -> None:
    path = rewrite(save({"model": {"a": torch.zeros(3)}}, tmp_path / "a.pt"), change)
    with pytest.raises(CheckpointError, match=message):
        read_tensor(path)


def test_paths_in_an_archive_are_names_only(tmp_path: Path) -> None:
    """Nothing is ever unpacked, so `../../` leads nowhere."""
    (tmp_path / "in").mkdir()
    path = save({"a": torch.arange(3)}, tmp_path / "in" / "a.pt")
    elsewhere = str(tmp_path / "escaped")  # where the last line would find it
    rewrite(path, lambda entries: [*entries, ("../escaped", b"x"), (elsewhere, b"x")])
    file = TorchFile(path)
    assert file.tensor(file.contents["a"]).tolist() == [0, 1, 2]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.pt", "in"]


def test_compressed_entries_and_large_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for compression, size, message in (
        (zipfile.ZIP_DEFLATED, 100, "compressed"),
        (zipfile.ZIP_STORED, MAX_PICKLE_BYTES + 1, "at most 67108864 are read"),
    ):
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("a/data.pkl", b"N" * size)
        with pytest.raises(CheckpointError, match=message):
            TorchFile(path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, is_zip: bool) -> None:
    path = save({"a": torch.arange(30)}, tmp_path / "a.pt", is_zip=is_zip)
    data = path.read_bytes()
    for end in [*range(1, len(data) - 1, 37), len(data) - 1]:
        path.write_bytes(data[:end])
        with pytest.raises(CheckpointError, match=r"a\.pt: "):
            TorchFile(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="cut off"):
        TorchFile(path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_with_damaged_bytes_never_crashes(tmp_path: Path, is_zip: bool) -> None:
    path = save({"a": torch.arange(30), "b": [1, "x"]}, tmp_path / "a.pt", is_zip=is_zip)
    data = bytearray(path.read_bytes())
    for position in range(0, len(data), 5):
        changed = bytearray(data)
        changed[position] ^= 0x55
        path.write_bytes(changed)
        try:
            file = TorchFile(path)
            if isinstance(file.contents, dict):
                for value in file.contents.values():
                    if type(value).__name__ == "StoredTensor":
                        file.tensor(value)
        except CheckpointError:
            continue


def test_a_tensor_outside_its_record_is_refused(tmp_path: Path) -> None:
    wide = torch.zeros(3).expand(1000, 3)
    path = save({"a": wide}, tmp_path / "a.pt")
    file = TorchFile(path)
    with pytest.raises(CheckpointError, match=r"shape \(1000, 3\)"):
        file.tensor(file.contents["a"])


def test_a_missing_file_and_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        TorchFile(tmp_path / "none.pt")
    (tmp_path / "a.pt").write_text("<html>404</html>")
    with pytest.raises(CheckpointError, match=r"a\.pt: "):
        TorchFile(tmp_path / "a.pt")


@pytest.mark.parametrize("dtype", [torch.complex64, torch.uint16, torch.float8_e5m2])
def test_numbers_of_another_kind_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "a.pt"
    torch.save({"a": torch.zeros(2, dtype=dtype)}, path)
    with pytest.raises(CheckpointError, match="which no checkpoint needs"):
        TorchFile(path)


def test_writing_to_a_tensor_leaves_the_file_alone(tmp_path: Path) -> None:
    path = save({"a": torch.arange(3)}, tmp_path / "a.pt")
    before = path.read_bytes()
    file = TorchFile(path)
    file.tensor(file.contents["a"]).fill_(9)
    assert path.read_bytes() == before
