"""What the attacks share. A test runs it together with one of the other files here: the name of what to do is the program's
argument, the first line of stdin is a JSON object with its arguments. It says lines of JSON; the last one is the result."""

import collections
import ctypes
import errno
import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import threading
import time

PORT = 80
AT_ONCE = 4000
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
RESET_AT_CLOSE = struct.pack("ii", 1, 0)

most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
voice = threading.Lock()


def say(line):
    with voice:
        print(json.dumps(line), flush=True)


def await_word():
    """Waits until the test says that it has done its part."""
    return sys.stdin.readline()


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def new_socket(address, protocol=0):
    made = socket.socket(family_of(address), socket.SOCK_STREAM, protocol)
    made.setblocking(False)
    return made


def connect(made, address, port=PORT):
    """The name of the errno that connect() fails with at once; None where it does not."""
    error = made.connect_ex((address, port))
    return None if error in (0, errno.EINPROGRESS) else errno.errorcode.get(error, str(error))


def keep(kept, made, address, port=PORT):
    """Connects, and closes what fails at once. Returns the name of that errno."""
    error = connect(made, address, port)
    if error:
        made.close()
    else:
        kept.append(made)
    return error


def scan(addresses, seconds, prepare=None, protocol=0, port=PORT):
    """Calls connect() for all of them and keeps the sockets for so long; which errors came at once, and how often."""
    kept, failed = [], collections.Counter()
    for address in addresses:
        made = new_socket(address, protocol)
        if prepare:
            prepare(made)
        error = connect(made, address, port)
        if error:
            failed[error] += 1
        kept.append(made)
    time.sleep(seconds)
    return {"failed": failed}


def visit(addresses, per_s=0, patience=10, port=PORT):
    """Connects to each, so many a second (0: all at once), and closes it at once; [errno's name or null, seconds waited] of each."""
    ended, begun, watched = [], {}, select.epoll()
    start = time.monotonic()
    left = collections.deque(enumerate(addresses))
    while left or begun:
        now = time.monotonic()
        while left and len(begun) < AT_ONCE and (not per_s or now >= start + left[0][0] / per_s):
            address = left.popleft()[1]
            made = new_socket(address)
            error = connect(made, address, port)
            if error:
                ended.append([error, 0])
                continue
            begun[made.fileno()] = (made, now)
            watched.register(made.fileno(), select.EPOLLOUT)
        for number, _ in watched.poll(0.002):
            made, began = begun.pop(number)
            watched.unregister(number)
            error = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            ended.append([errno.errorcode.get(error), time.monotonic() - began])
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            made.close()
        late = [number for number, (_, began) in begun.items() if time.monotonic() - began > patience]
        for number in late:
            watched.unregister(number)
            begun.pop(number)[0].close()
            ended.append(["late", patience])
    return ended


def scan_only(dead, seconds):
    """What a scanner that knows nothing does."""
    return scan(dead, seconds)


def visit_only(live, per_s=0, patience=10):
    return visit(live, per_s, patience)


def keep_open(addresses):
    """Begins to connect to all and stays until it is ended."""
    result = scan(addresses, 0)
    say(result)
    time.sleep(3600)


def unshare(flags):
    if LIBC.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def write(path, text):
    with open(path, "w") as opened:
        opened.write(text)


def tool(line, text=""):
    done = subprocess.run(line, shell=True, input=text, text=True, capture_output=True)
    if done.returncode:
        raise OSError(f"{line}: {done.stderr.strip()[:200]}")


def own_namespace():
    """Root in a user and a network namespace of one's own, as any user may be."""
    user, group = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")
    tool("ip link set lo up")


def container():
    """As own_namespace(), and the test gives it a way out: an unprivileged container."""
    own_namespace()
    connected()


def container_of_the_host():
    """The same in the user namespace of the host: a container with CAP_NET_ADMIN."""
    unshare(CLONE_NEWNET)
    tool("ip link set lo up")
    connected()


def connected():
    say({"pid": os.getpid()})
    await_word()
    tool("ip addr add 10.78.0.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.78.0.1")


def in_child(work):
    """Does it in a child process, which ends before this returns."""
    process = os.fork()
    if process == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    if os.waitpid(process, 0)[1]:
        raise OSError("the child has failed")


def answer_for_everybody(port=PORT):
    """Every address answers in this namespace."""
    tool("ip route add local 198.18.0.0/15 dev lo; ip -6 route add local 2001:db8::/32 dev lo")
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    listener.listen(4096)

    def serve():
        while True:
            accepted = listener.accept()[0]
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            accepted.close()

    threading.Thread(target=serve, daemon=True).start()


def main():
    arguments = json.loads(sys.stdin.readline())
    say(globals()[sys.argv[1]](**arguments))
