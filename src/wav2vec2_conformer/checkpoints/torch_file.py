"""Files of `torch.save`: what is in them, and their tensors, without running any of it.

Both formats: the zip archive (torch 1.6 and later) and the sequence of pickles before it. Tensors
are mapped into memory, so that only those that are used are read.
"""

import mmap
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.checkpoints.inert import DTYPE_SIZES, Storage, StoredTensor
from wav2vec2_conformer.checkpoints.restricted_pickle import MAX_PICKLE_BYTES, read_pickle
from wav2vec2_conformer.errors import CheckpointError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class _Record:
    """Bytes of a storage in the file."""

    start: int
    num_bytes: int


class TorchFile:
    """An open file of `torch.save`.

    Args:
        path: The file.

    Attributes:
        contents: What was saved: plain values, `InertObject`s, and `StoredTensor`s for tensors.

    Raises:
        CheckpointError: It is missing, damaged, of another kind, or holds anything but data.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._records: dict[str, _Record] = {}
        try:
            with self.path.open("rb") as file:
                # Private: what is written to a tensor never reaches the file.
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            self.contents = (
                self._read_zip() if self._bytes[:4] == b"PK\3\4" else self._read_legacy()
            )
        except CheckpointError as error:
            raise CheckpointError(f"{self.path}: {error}.") from error
        except (
            NotImplementedError,  # of zipfile, for features of the format that it lacks
            OSError,
            ValueError,
            struct.error,
            zipfile.BadZipFile,
        ) as error:
            raise CheckpointError(
                f"{self.path}: cannot be read as a file of torch.save; it may be cut off: {error}."
            ) from error

    def tensor(self, stored: StoredTensor) -> Tensor:
        """Return a tensor.

        Raises:
            CheckpointError: The file does not hold all of its numbers.
        """
        size = DTYPE_SIZES[stored.dtype]
        record = self._records.get(stored.storage.key)
        first = stored.storage.first * DTYPE_SIZES[stored.storage.dtype] // size
        available = 0 if record is None else record.num_bytes // size - first
        num_elements, last = 1, stored.offset
        for length, stride in zip(stored.shape, stored.stride, strict=True):
            num_elements *= length
            last += (length - 1) * stride
        dtype: torch.dtype = getattr(torch, stored.dtype)
        if num_elements == 0:
            return torch.empty(stored.shape, dtype=dtype)
        if record is None or last >= available or num_elements > available:
            raise CheckpointError(
                f"{self.path}: a tensor of shape {stored.shape} needs {last + 1} numbers of record "
                f"{stored.storage.key!r}, which has {max(available, 0)}. The file is damaged."
            )
        start = record.start + (first + stored.offset) * size
        count = last - stored.offset + 1
        if start % size:
            numbers = torch.frombuffer(
                bytearray(self._bytes[start : start + count * size]), dtype=dtype
            )
        else:
            numbers = torch.frombuffer(self._bytes, dtype=dtype, count=count, offset=start)
        return numbers.as_strided(stored.shape, stored.stride)

    def _read_zip(self) -> Any:
        with zipfile.ZipFile(self.path) as archive:
            entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if len(set(names)) != len(names):
            raise CheckpointError("the archive has two entries of the same name")
        pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CheckpointError(
                f"the archive has {len(pickles)} entries data.pkl; a file of torch.save has one"
            )
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}constants.pkl" in names:
            raise CheckpointError("it is a TorchScript program, not a checkpoint")
        records = {entry.filename.removeprefix(folder): entry for entry in entries}
        byte_order = records.get("byteorder")
        if byte_order is not None and self._entry(byte_order, 16) != b"little":
            raise CheckpointError("its numbers are in big-endian order; save it again elsewhere")
        data = self._entry(records["data.pkl"], MAX_PICKLE_BYTES)

        def load_persistent(key: Any) -> Storage:
            storage = _describe_storage(key)
            entry = records.get(f"data/{storage.key}")
            if entry is None:
                raise CheckpointError(f"the archive lacks the record data/{storage.key}")
            self._records[storage.key] = self._locate(entry)
            return storage

        return read_pickle(data, load_persistent)[0]

    def _locate(self, entry: zipfile.ZipInfo) -> _Record:
        """Return where an entry's bytes are. They are stored as they are, never compressed."""
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED:
            raise CheckpointError(
                f"the archive's entry {entry.filename} is compressed or encrypted"
            )
        header = entry.header_offset
        name_bytes, extra_bytes = struct.unpack_from("<HH", self._bytes, header + 26)
        start = header + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        if self._bytes[header : header + 4] != b"PK\3\4" or start + entry.file_size > len(
            self._bytes
        ):
            raise CheckpointError(f"the archive's entry {entry.filename} is not in the file")
        return _Record(start, entry.file_size)

    def _entry(self, entry: zipfile.ZipInfo, max_bytes: int) -> bytes:
        record = self._locate(entry)
        if record.num_bytes > max_bytes:
            raise CheckpointError(
                f"{entry.filename} has {record.num_bytes} bytes; at most {max_bytes} are read"
            )
        return self._bytes[record.start : record.start + record.num_bytes]

    def _read_legacy(self) -> Any:
        position = 0
        storages: dict[str, Storage] = {}

        def load_persistent(key: Any) -> Storage:
            storage = _describe_storage(key)
            storages[storage.key] = storage
            return storage

        values = []
        for _ in range(5):  # magic number, protocol, system, contents, order of the storages
            window = self._bytes[position : position + MAX_PICKLE_BYTES]
            value, num_bytes = read_pickle(window, load_persistent)
            values.append(value)
            position += num_bytes
            if len(values) == 1 and value != _LEGACY_MAGIC:
                raise CheckpointError("it is no file of torch.save")
        _, protocol, system, contents, keys = values
        if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict):
            raise CheckpointError("it is of another protocol than torch's files are")
        if not system.get("little_endian", True):
            raise CheckpointError("its numbers are in big-endian order; save it again elsewhere")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise CheckpointError("its list of storages is damaged")
        for key in keys:
            if key not in storages:
                raise CheckpointError("it holds a storage that belongs to no tensor")
            (num_elements,) = struct.unpack_from("<q", self._bytes, position)
            num_bytes = num_elements * DTYPE_SIZES[storages[key].dtype]
            position += 8
            if num_elements < 0 or position + num_bytes > len(self._bytes):
                raise CheckpointError("it is cut off")
            self._records[key] = _Record(position, num_bytes)
            position += num_bytes
        return contents


def _describe_storage(key: Any) -> Storage:
    """Return what torch's persistent id says: ("storage", type, key, device, numbers, view)."""
    match key:
        case ("storage", str(dtype), str(name), _, int(num_elements), *view):
            if dtype not in DTYPE_SIZES:
                raise CheckpointError(f"a storage has the unknown type {dtype!r}")
            first = 0
            if view and view[0] is not None:
                match view[0]:
                    case (_, int(offset), int()) if offset >= 0:
                        first = offset
                    case _:
                        raise CheckpointError(f"the storage {name!r} is an unknown view")
            return Storage(name, dtype, num_elements, first)
    raise CheckpointError("a persistent id names no storage")
