"""Files that are there as a whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file that takes a name when it has been written.

    A file that had the name before is replaced at that moment; an error leaves it alone.

    Args:
        path: The name. Its folder must be there.

    Yields:
        A path in the same folder and with the same ending.

    Raises:
        OSError: When the folder cannot be written to.
    """
    # A short name: the file's own may be as long as the file system allows.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".w2vc-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results follow the user's umask like any other file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
