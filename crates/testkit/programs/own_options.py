"""Dials all destinations without waiting, from sockets with options of their own.

own_options.py USER_TIMEOUT_MS SYN_COUNT ADDRESS:PORT...

With DIAL_AS in the environment it becomes the user of that number first.

Says "dialled" when connect() has been called for all. From then on, each line on stdin is answered with the options that
the sockets have at that moment, as JSON: [[user timeout in ms, SYN count], ...]. Ends with its stdin.
"""

import json
import os
import socket
import sys

user_timeout, syn_count = int(sys.argv[1]), int(sys.argv[2])
if "DIAL_AS" in os.environ:
    os.setuid(int(os.environ["DIAL_AS"]))
sockets = []
for destination in sys.argv[3:]:
    address, port = destination.rsplit(":", 1)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, syn_count)
    try:
        made.connect((address, int(port)))
    except BlockingIOError:
        pass
    sockets.append(made)
print("dialled", flush=True)
for _ in sys.stdin:
    options = (socket.TCP_USER_TIMEOUT, socket.TCP_SYNCNT)
    print(json.dumps([[made.getsockopt(socket.IPPROTO_TCP, o) for o in options] for made in sockets]), flush=True)
