"""Makes one socket call for each line of stdin, {"call": name, "host": ..., "port": ..., "elsewhere":
[host, port]}, and answers with a line
{"errno": 0 or the error}. EINPROGRESS counts as 0; what TCP began goes on as long as this program.
"""

import ctypes
import errno
import json
import os
import socket
import struct
import sys

IPPROTO_MPTCP = 262
LIBC = ctypes.CDLL(None, use_errno=True)
kept = []


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def stream(host, protocol=0):
    made = socket.socket(family(host), socket.SOCK_STREAM, protocol)
    made.setblocking(False)
    return made


def datagrams(host):
    return socket.socket(family(host), socket.SOCK_DGRAM)


def disconnect(made):
    """connect() to AF_UNSPEC, for which Python has no words."""
    address = struct.pack("=H26x", socket.AF_UNSPEC)
    if LIBC.connect(made.fileno(), address, len(address)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def tcp(to):
    made = stream(to[0])
    kept.append(made)
    made.connect(to)


def mptcp(to):
    stream(to[0], IPPROTO_MPTCP).connect(to)


def fast_open(to):
    stream(to[0]).sendto(b"?", socket.MSG_FASTOPEN, to)


def udp(to):
    datagrams(to[0]).connect(to)


def udp_send(to):
    datagrams(to[0]).sendto(b"?", to)


def udp_send_connected(to, connected):
    """The address goes with the datagram of a socket that is connected elsewhere."""
    made = datagrams(to[0])
    made.connect(connected)
    made.sendto(b"?", to)


def unspec(to):
    made = datagrams(to[0])
    made.connect(to)
    disconnect(made)
    disconnect(stream(to[0]))


CALLS = {call.__name__: call for call in
         [tcp, mptcp, fast_open, udp, udp_send, udp_send_connected, unspec]}

for line in sys.stdin:
    asked = json.loads(line)
    answer = 0
    try:
        elsewhere = [tuple(asked["elsewhere"])] if asked["call"] == "udp_send_connected" else []
        CALLS[asked["call"]]((asked["host"], asked["port"]), *elsewhere)
    except OSError as error:
        answer = 0 if error.errno == errno.EINPROGRESS else error.errno
    print(json.dumps({"errno": answer}), flush=True)
