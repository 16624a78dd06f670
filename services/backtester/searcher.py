"""python -m services.backtester.searcher FD: plays trials that a pool hands to it over a connection, until that is closed."""

import os
import pickle
import sys
from multiprocessing.connection import Connection

import msgspec

from libs.common.child import leave_with_parent
from services.backtester.process import POLITE
from services.backtester.trying import Bench, Says, Task, Tried, tried


def main() -> None:
    os.nice(POLITE)
    leave_with_parent()
    connection: Connection[bytes, bytes] = Connection(int(sys.argv[1]))
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Task).decode

    def tell(what: Tried | Says) -> None:
        connection.send_bytes(encode(what))

    try:
        bench: Bench = pickle.loads(connection.recv_bytes())  # from the pool that has started this process, over a pipe of its own
        while True:
            tell(tried(bench, decode(connection.recv_bytes()), lambda text: tell(Says(text))))
    except (EOFError, BrokenPipeError):
        return  # nobody wants more


if __name__ == "__main__":
    main()
