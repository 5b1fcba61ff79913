"""Write `device_store_N.db`: a device store as version N, the newest, of the schema leaves it.

Run once for each version of the schema, as `python -m tests.data.make_device_store`, and never
again: the file stands for the stores that people have. The key is in the test that reads it.
"""

from pathlib import Path

from hark.messaging import tables
from hark.messaging.store import Table
from hark.node.storage.database import schema_versions
from hark.node.storage.sqlcipher import SqlcipherDeviceStore
from hark.wire.sound import OPUS_PACKET_BYTES
from hark_lab.sim.device_store import DictDeviceStore
from tests.unit.messaging.call_signals import signal
from tests.unit.messaging.post_office import World

KEY = bytes(range(32))
VERSION = len(schema_versions())


def main() -> None:
    path = Path(__file__).parent / f"device_store_{VERSION}.db"
    path.unlink(missing_ok=True)
    world = World()
    anna, boris = world.person("anna"), world.person("boris")
    world.befriend(anna, boris)
    anna.machine.send_text(boris.account, "hello", world.now)
    world.run()
    boris.machine.send_text(anna.account, "hello yourself", world.now)
    world.pass_time(61)
    boris.machine.send_voicemail(anna.account, bytes(2 * OPUS_PACKET_BYTES), world.now)
    boris.machine.carry_calls([signal(anna.account)], world.now)
    world.pass_time(61)
    store = SqlcipherDeviceStore(path, KEY)
    copy(anna.store, store)
    # One file, without a WAL beside it.
    store._connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    store.close()


def copy(source: DictDeviceStore, target: SqlcipherDeviceStore) -> None:
    """Write every row of one store into the other."""
    by_name = {value.name: value for value in vars(tables).values() if isinstance(value, Table)}
    with target.transaction() as t:
        for name, rows in source._rows.items():
            for row in rows.values():
                t.put(by_name[name], by_name[name].make(row))


if __name__ == "__main__":
    main()
