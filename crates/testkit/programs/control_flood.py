"""Crowds a control socket: connections that say nothing, stop half way, never end, say nonsense, or do not read.

control_flood.py UID SOCKET COUNT [KIND]

Says how many connected and how many were not permitted to, as JSON; goes on sending; ends with its stdin.
"""

import json
import os
import select
import socket
import sys

uid, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
os.setuid(uid)
GET, POST = b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", b"POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n%s"
KINDS = [
    b"",
    b"GET /v1/sta",
    b" " * (1 << 20),
    b"\x00\xff\x1b[2J\r\n\r\n",
    POST % (b"/v1/off", b"Content-Length: 60000\r\n", b"[" * 60_000),
    POST % (b"/v1/off", b"Content-Length: 60000\r\n", b'{"a"'),
    GET % (b"/v1/events", b"Accept: text/event-stream\r\n"),
    GET % (b"/v1/status", b""),
]
if len(sys.argv) > 4:
    KINDS = [KINDS[int(sys.argv[4])]]
open_ones, refused = [], 0
for number in range(count):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        made.connect(path)
    except PermissionError:
        refused += 1
        made.close()
        continue
    except BlockingIOError:
        # The queue of those who are not accepted yet is full.
        made.close()
        continue
    try:
        made.send(KINDS[number % len(KINDS)])
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        pass
    open_ones.append(made)
print(json.dumps({"connected": len(open_ones), "refused": refused}), flush=True)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    for made in open_ones:
        try:
            made.send(b" " * 4096)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
