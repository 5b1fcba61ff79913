"""Makes the programs of a test tell what nobody on their network may see.

Runs at the start of every Python program that has this folder in its `PYTHONPATH`; writes to
the file that `HARK_TEST_SECRETS` names. A line is a kind and the secret in hexadecimal:

- `random`: whatever was drawn: private keys, nonces, names and passwords of ICE, call ids;
- `shown`: was drawn for the name in a certificate of a connection, which DTLS shows;
- `key`: under which frames are sealed;
- `voice`: what was said, as the codec made it.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

FILE = os.environ["HARK_TEST_SECRETS"]
CERTIFICATES = "aiortc/rtcdtlstransport.py"
draw = os.urandom


def tell(kind: str, secret: bytes) -> None:
    with open(FILE, "a", encoding="ascii") as file:
        file.write(f"{kind} {secret.hex()}\n")


def urandom(size: int, /) -> bytes:
    drawn = draw(size)
    drawer = sys._getframe(1).f_code.co_filename
    tell("shown" if drawer.endswith(CERTIFICATES) else "random", drawn)
    return drawn


def watch_codec(module: ModuleType) -> None:
    encode = module.OpusEncoder.encode

    def told(encoder: object, frame: bytes) -> bytes:
        packet: bytes = encode(encoder, frame)
        tell("voice", packet)
        return packet

    module.OpusEncoder.encode = told


def watch_keys(module: ModuleType) -> None:
    derive = module.derive_key

    def told(base_key: bytes, *others: int) -> tuple[bytes, bytes]:
        key, salt = derive(base_key, *others)
        tell("key", base_key)
        tell("key", key)
        return key, salt

    module.derive_key = told  # type: ignore[attr-defined]


class Watcher(MetaPathFinder):
    """Changes modules just after they were loaded."""

    watched: dict[str, Callable[[ModuleType], None]] = {  # noqa: RUF012 (there is only one)
        "hark.node.media.opus": watch_codec,
        "hark.crypto.sframe": watch_keys,
    }

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        watch = self.watched.pop(name, None)
        spec = importlib.util.find_spec(name) if watch else None
        if watch is None or spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_watch(module: ModuleType) -> None:
            load(module)
            watch(module)

        spec.loader.exec_module = load_and_watch  # type: ignore[method-assign]
        return spec


os.urandom = urandom
sys.meta_path.insert(0, Watcher())
