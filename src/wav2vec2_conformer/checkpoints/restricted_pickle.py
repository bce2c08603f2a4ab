"""Reading a pickle without running anything of it.

A machine of our own for the instructions of Python's pickles. Python's `pickletools` takes the
bytes apart; here plain values are put together from them. Where a pickle names a function or a
class, `inert.find_global` decides, which knows harmless ones only. So there is no code that a file
could reach, and memory and time are bounded by the file's size.
"""

import pickletools
from collections.abc import Callable
from itertools import islice
from typing import Any

from wav2vec2_conformer.checkpoints.inert import (
    Constructor,
    InertObject,
    StoredTensor,
    find_global,
    is_hashable,
)
from wav2vec2_conformer.errors import CheckpointError

MAX_PICKLE_BYTES = 64 * 2**20  # those of released checkpoints have less than 1 MB
MAX_INSTRUCTIONS = 5_000_000
_MAX_INTEGER_BITS = 128

_VALUES = frozenset(
    """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING
    UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
    """.split()  # noqa: SIM905 - a list of literals would be three times as long
)
_MAKERS: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
    "NEWFALSE": lambda: False,
    "NEWTRUE": lambda: True,
    "NONE": lambda: None,
}
_MARK = object()


def read_pickle(data: bytes, load_persistent: Callable[[Any], Any]) -> tuple[Any, int]:
    """Return the value of a pickle and the number of bytes it takes.

    Args:
        data: Bytes that begin with the pickle.
        load_persistent: Returns what a persistent id stands for; in torch's files, a storage.

    Raises:
        CheckpointError: It is damaged, too large, or holds anything but data.
    """
    machine = _Machine(load_persistent)
    try:
        for instruction, argument, position in islice(pickletools.genops(data), MAX_INSTRUCTIONS):
            if instruction.name == "STOP":
                return machine.pop(), (position or 0) + 1
            machine.run(instruction.name, argument)
    except CheckpointError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(f"the pickle is damaged: {error}") from error
    raise CheckpointError(f"the pickle has more than {MAX_INSTRUCTIONS} instructions")


class _Machine:
    """The stack and the memory of a pickle.

    A method for each instruction; `_METHODS` says which is which.
    """

    def __init__(self, load_persistent: Callable[[Any], Any]) -> None:
        self._load_persistent = load_persistent
        self._stack: list[Any] = []
        self._memory: dict[int, Any] = {}

    def run(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _VALUES:
            if isinstance(argument, int) and argument.bit_length() > _MAX_INTEGER_BITS:
                raise CheckpointError("the pickle has an integer that no checkpoint needs")
            self._stack.append(argument)
        elif name in _MAKERS:
            self._stack.append(_MAKERS[name]())
        elif name in _METHODS:
            _METHODS[name](self, argument)
        else:
            raise CheckpointError(
                f"the pickle has the instruction {name}, which no checkpoint needs"
            )

    def pop(self) -> Any:
        """Take the topmost value."""
        value = self.top()
        self._stack.pop()
        return value

    def top(self) -> Any:
        """Return the topmost value."""
        if self._stack[-1] is _MARK:
            raise CheckpointError("the pickle is damaged: a mark stands where a value should")
        return self._stack[-1]

    def pop_marked(self) -> list[Any]:
        """Take all values above the topmost mark, and the mark."""
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def ignore(self, _argument: Any) -> None:
        """Protocol and frames say nothing that is needed."""

    def mark(self, _argument: Any) -> None:
        self._stack.append(_MARK)

    def drop(self, _argument: Any) -> None:
        self._stack.pop()

    def drop_marked(self, _argument: Any) -> None:
        self.pop_marked()

    def duplicate(self, _argument: Any) -> None:
        self._stack.append(self.top())

    def put(self, index: int) -> None:
        self._memory[index] = self.top()

    def memoize(self, _argument: Any) -> None:
        self._memory[len(self._memory)] = self.top()

    def get(self, index: int) -> None:
        self._stack.append(self._memory[index])

    def tuple_1(self, _argument: Any) -> None:
        self._stack.append((self.pop(),))

    def tuple_2(self, _argument: Any) -> None:
        second, first = self.pop(), self.pop()
        self._stack.append((first, second))

    def tuple_3(self, _argument: Any) -> None:
        third, second, first = self.pop(), self.pop(), self.pop()
        self._stack.append((first, second, third))

    def tuple_marked(self, _argument: Any) -> None:
        self._stack.append(tuple(self.pop_marked()))

    def list_marked(self, _argument: Any) -> None:
        self._stack.append(self.pop_marked())

    def dict_marked(self, _argument: Any) -> None:
        values = self.pop_marked()
        self._stack.append({})
        self._fill(values)

    def append(self, _argument: Any) -> None:
        self._extend([self.pop()])

    def appends(self, _argument: Any) -> None:
        self._extend(self.pop_marked())

    def set_item(self, _argument: Any) -> None:
        value, key = self.pop(), self.pop()
        self._fill([key, value])

    def set_items(self, _argument: Any) -> None:
        self._fill(self.pop_marked())

    def name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(find_global(module, name))

    def stack_name(self, _argument: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise CheckpointError("the pickle names something by what is no text")
        self._stack.append(find_global(module, name))

    def call(self, _argument: Any) -> None:
        arguments, constructor = self.pop(), self.pop()
        if not isinstance(constructor, Constructor) or not isinstance(arguments, tuple):
            raise CheckpointError("the pickle calls something that is no function or class")
        self._stack.append(constructor.make(*arguments))

    def build(self, _argument: Any) -> None:
        state, target = self.pop(), self.top()
        if isinstance(target, InertObject):
            target.state = state
        elif type(target) is not dict and not isinstance(target, StoredTensor):
            # Attributes of dictionaries (`_metadata` of a state dict) and tensors say nothing
            # that is needed.
            raise CheckpointError(f"the pickle sets attributes of a {type(target).__name__}")

    def persistent(self, _argument: Any) -> None:
        self._stack.append(self._load_persistent(self.pop()))

    def _extend(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, InertObject):
            target = target.items
        if type(target) is not list:
            raise CheckpointError(f"a value is appended to a {type(target).__name__}")
        target.extend(values)

    def _fill(self, values: list[Any]) -> None:
        """Put keys and values, by turns, into the topmost dictionary."""
        target = self.top()
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if not all(is_hashable(key) for key, _ in pairs):
            raise CheckpointError("the key of a dictionary is no plain value")
        if isinstance(target, InertObject):
            target.items.extend(pairs)
        elif type(target) is dict:
            target.update(pairs)
        else:
            raise CheckpointError(f"an item is put into a {type(target).__name__}")


_METHODS: dict[str, Callable[[_Machine, Any], None]] = {
    "ADDITEMS": _Machine.appends,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "BINGET": _Machine.get,
    "BINPERSID": _Machine.persistent,
    "BINPUT": _Machine.put,
    "BUILD": _Machine.build,
    "DICT": _Machine.dict_marked,
    "DUP": _Machine.duplicate,
    "FRAME": _Machine.ignore,
    "FROZENSET": _Machine.list_marked,
    "GET": _Machine.get,
    "GLOBAL": _Machine.name,
    "LIST": _Machine.list_marked,
    "LONG_BINGET": _Machine.get,
    "LONG_BINPUT": _Machine.put,
    "MARK": _Machine.mark,
    "MEMOIZE": _Machine.memoize,
    "NEWOBJ": _Machine.call,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_marked,
    "PROTO": _Machine.ignore,
    "PUT": _Machine.put,
    "REDUCE": _Machine.call,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "STACK_GLOBAL": _Machine.stack_name,
    "TUPLE": _Machine.tuple_marked,
    "TUPLE1": _Machine.tuple_1,
    "TUPLE2": _Machine.tuple_2,
    "TUPLE3": _Machine.tuple_3,
}
