"""Ten thousand programs in one: before each connect() it takes another name, another user and another cgroup.

crowd.py COUNT CGROUPS DIRECTORY ADDRESS:PORT...

Makes CGROUPS cgroups below DIRECTORY, and 300 threads of no other use than that there are many. Says "dialled" once COUNT connect()s have been called, and dials as many anew, the old ones
closed, for each line on stdin. Ends with its stdin.
"""

import ctypes
import os
import resource
import socket
import sys
import threading

count, cgroups, directory, destinations = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
limit = count + cgroups + 100
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
libc = ctypes.CDLL(None, use_errno=True)
procs = []
for number in range(cgroups):
    os.mkdir(f"{directory}/crowd-{number}")
    procs.append(os.open(f"{directory}/crowd-{number}/cgroup.procs", os.O_WRONLY))
ended = threading.Event()
for _ in range(300):
    threading.Thread(target=ended.wait, daemon=True).start()
# Of this thread alone: the C library's changes the user of all of them.
setresuid = {"x86_64": 117, "aarch64": 147}[os.uname().machine]
to = [destination.rsplit(":", 1) for destination in destinations]
to = [(address, int(port)) for address, port in to]
begun = 0


def dial():
    global begun
    sockets = []
    for number in range(count):
        libc.syscall(setresuid, 0, 0, 0)
        os.write(procs[number * cgroups // count], b"0")
        libc.syscall(setresuid, 100_000 + number, 0, 0)
        libc.prctl(15, f"n{begun}\n\x1b[31m".encode(), 0, 0, 0)
        begun += 1
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            made.connect(to[number % len(to)])
        except OSError:
            pass
        sockets.append(made)
    return sockets


sockets = dial()
print("dialled", flush=True)
for _ in sys.stdin:
    for made in sockets:
        made.close()
    sockets = dial()
    print("dialled", flush=True)
