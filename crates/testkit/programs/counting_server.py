"""Listens on PORT for IPv4 with PROTOCOL (6 or 262) and says of each connection, once it has been closed, how many bytes
came and whether it was MPTCP: a JSON object a line. A first line says that it listens. Ends when stdin is closed."""

import json
import os
import selectors
import socket
import sys

TCP_IS_MPTCP = 43  # from 5.18 on
FAST_OPEN_QUEUE = 16

port, protocol = int(sys.argv[1]), int(sys.argv[2])
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", port))
if protocol == socket.IPPROTO_TCP:
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, FAST_OPEN_QUEUE)
listener.listen(64)
watched = selectors.DefaultSelector()
watched.register(listener, selectors.EVENT_READ)
watched.register(sys.stdin.fileno(), selectors.EVENT_READ)
received = {}
print(json.dumps({"listening": port}), flush=True)
while True:
    for key, _ in watched.select():
        if key.fileobj is listener:
            connection, _ = listener.accept()
            watched.register(connection, selectors.EVENT_READ)
            received[connection] = 0
        elif key.fileobj in received:
            connection = key.fileobj
            try:
                data = connection.recv(65536)
            except ConnectionError:
                data = b""
            received[connection] += len(data)
            if not data:
                multipath = bool(connection.getsockopt(socket.IPPROTO_TCP, TCP_IS_MPTCP))
                watched.unregister(connection)
                connection.close()
                print(json.dumps({"bytes": received.pop(connection), "mptcp": multipath}), flush=True)
        else:
            sys.exit(os.read(sys.stdin.fileno(), 1) == b"x")
