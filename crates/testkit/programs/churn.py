"""Makes and removes cgroups or network namespaces, each with an attempt that waits in it, or changes its name.

churn.py cgroups COUNT PATH ADDRESS     makes COUNT cgroups below PATH, moves to each and dials from there
churn.py namespaces COUNT - ADDRESS     makes COUNT namespaces in which ADDRESS is its own, and dials from each
churn.py names COUNT - ADDRESS          dials COUNT times, each time as a program of another name

Port 9 of ADDRESS must refuse at once. The last few attempts are kept: their cgroup or namespace is gone before they are.
Says each hundredth number, and "done".
"""

import collections
import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
SIOCSIFADDR, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8914, 1
PR_SET_NAME = 15
KEPT = 5

libc = ctypes.CDLL(None, use_errno=True)
kind, count, path, address = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
kept = collections.deque(maxlen=KEPT)
last = None


def write(file, text):
    with open(file, "w") as opened:
        opened.write(text)


def new_cgroup(number):
    global last
    made = f"{path}/churn-{number}"
    os.mkdir(made)
    write(f"{made}/cgroup.procs", "0")
    if last:
        os.rmdir(last)
    last = made


def new_namespace():
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        own = struct.pack("16sHH4s8x", b"lo", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(control, SIOCSIFADDR, own)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


for number in range(count):
    if kind == "cgroups":
        new_cgroup(number)
    elif kind == "namespaces":
        new_namespace()
    else:
        libc.prctl(PR_SET_NAME, f"name-{number}".encode())
    dialled = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    dialled.setblocking(False)
    try:
        dialled.connect((address, 9))
    except (BlockingIOError, ConnectionRefusedError):
        pass
    except OSError as error:
        # Its user cancels more than a few a second.
        if error.errno != errno.ENOBUFS:
            raise
    kept.append(dialled)
    if number % 100 == 99:
        print(number + 1, flush=True)
if last:
    write(f"{path}/cgroup.procs", "0")
    os.rmdir(last)
print("done", flush=True)
