"""Makes the socket calls that it is told to make.

Each line of stdin is a JSON object: `call` names the call, `on` the socket, the rest are its arguments. Each is answered
by one line: {"answer": ...} or {"errno": ...}. A connect() that ends later adds a line when it does:
{"ended": name, "errno": 0 or the error, "at_ns": wall clock}. The end of stdin ends the program and all its sockets.
"""

import ctypes
import errno
import json
import os
import selectors
import socket
import struct
import sys
import threading
import time

FAMILIES = {"v4": socket.AF_INET, "v6": socket.AF_INET6}
LIBC = ctypes.CDLL(None, use_errno=True)
TCP_INFO_BYTES = 256
TCP_INFO_HEAD = 8
TCP_INFO_WORDS = ["rto", "ato", "snd_mss", "rcv_mss", "unacked", "sacked", "lost", "retrans", "fackets",
                  "last_data_sent", "last_ack_sent", "last_data_recv", "last_ack_recv", "pmtu", "rcv_ssthresh",
                  "rtt", "rttvar", "snd_ssthresh", "snd_cwnd"]

sockets = {}
connecting = selectors.DefaultSelector()
voice = threading.Lock()


def say(line):
    with voice:
        print(json.dumps(line), flush=True)


def ended(name, error):
    say({"ended": name, "errno": error, "at_ns": time.time_ns()})


def open_socket(name, family="v4", protocol=0):
    sockets[name] = socket.socket(FAMILIES[family], socket.SOCK_STREAM, protocol)


def connect(name, host, port):
    """Without waiting; the errno, which is EINPROGRESS where its end will be told."""
    sockets[name].setblocking(False)
    error = sockets[name].connect_ex((host, port))
    if error == errno.EINPROGRESS:
        connecting.register(sockets[name], selectors.EVENT_WRITE, name)
    return error


def connect_blocking(name, host, port):
    def wait():
        try:
            sockets[name].connect((host, port))
            ended(name, 0)
        except OSError as error:
            ended(name, error.errno)

    # Python turns a socket with a time limit into a non-blocking one: SO_SNDTIMEO is set past it.
    sockets[name].setblocking(True)
    threading.Thread(target=wait, daemon=True).start()


def forget(name):
    try:
        connecting.unregister(sockets[name])
    except KeyError:
        pass  # its end was told already, or it never connected


def disconnect(name):
    """connect(AF_UNSPEC): the socket is as new."""
    forget(name)
    if LIBC.connect(sockets[name].fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16):
        raise OSError(ctypes.get_errno(), "connect(AF_UNSPEC)")


def shutdown(name):
    forget(name)
    sockets[name].shutdown(socket.SHUT_RDWR)


def close(name):
    forget(name)
    sockets.pop(name).close()


def set_option(name, level, option, value):
    sockets[name].setsockopt(level, option, value)


def set_send_timeout(name, seconds):
    sockets[name].setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", seconds, 0))


def get_option(name, level, option):
    return sockets[name].getsockopt(level, option)


def info(name):
    raw = sockets[name].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    words = struct.unpack_from(f"{len(TCP_INFO_WORDS)}I", raw, TCP_INFO_HEAD)
    return dict(zip(TCP_INFO_WORDS, words)) | {"state": raw[0], "retransmits": raw[2], "options": raw[5]}


def bind(name, host, port):
    sockets[name].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sockets[name].bind((host, port))


def port(name):
    return sockets[name].getsockname()[1]


def send(name, count):
    return sockets[name].send(b"x" * count)


def send_fast_open(name, count, host, port):
    """connect() and send() in one, without waiting."""
    sockets[name].setblocking(False)
    try:
        return sockets[name].sendto(b"x" * count, socket.MSG_FASTOPEN, (host, port))
    except BlockingIOError:
        connecting.register(sockets[name], selectors.EVENT_WRITE, name)
        raise


def hand_over(name, to):
    """Gives the socket to the program that waits in `take_over` under that name."""
    forget(name)
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect("\0" + to)
        socket.send_fds(channel, [b"x"], [sockets[name].fileno()])


def await_handover(name, at):
    sockets["handover"] = socket.socket(socket.AF_UNIX)
    sockets["handover"].bind("\0" + at)
    sockets["handover"].listen()


def take_over(name):
    channel, _ = sockets["handover"].accept()
    descriptor = socket.recv_fds(channel, 1, 1)[1][0]
    sockets[name] = socket.socket(fileno=descriptor)
    connecting.register(sockets[name], selectors.EVENT_WRITE, name)


CALLS = {call.__name__: call for call in (
    open_socket, connect, connect_blocking, disconnect, shutdown, close, set_option, set_send_timeout, get_option,
    info, bind, port, send, send_fast_open, hand_over, await_handover, take_over)}


def obey(line):
    request = json.loads(line)
    call, name = CALLS[request.pop("call")], request.pop("on")
    try:
        say({"answer": call(name, **request)})
    except OSError as error:
        say({"errno": error.errno})


def main():
    connecting.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
    unread = b""
    while True:
        for key, _ in connecting.select():
            if key.data is None:
                read = os.read(sys.stdin.fileno(), 65536)
                if not read:
                    return
                *lines, unread = (unread + read).split(b"\n")
                for line in lines:
                    obey(line)
            elif key.fd in connecting.get_map():  # else a call of this very round has closed it
                forget(key.data)
                ended(key.data, key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


main()
