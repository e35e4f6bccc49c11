"""Dials without waiting, as whom and from where it is told, and keeps what it dials.

Each line of stdin is an object; each is answered by {"done": ...}:
  {"dial": [ADDRESS, PORT]}                             from here
  {"users": COUNT, "first": UID, "dial": ...}           once as each of so many users
  {"namespace": COUNT, "first": OWNER, "dial": ...}     once as each of so many users of a user namespace of that user's
  {"cgroups": COUNT, "path": PATH, "dial": ...}         once from each of so many new cgroups below PATH
  {"name": NAME, "dial": ...}                           under another name
  {"child": true, "dial": ...}                          from a child, which stays; answered by its number
  {"grandchild": true, "dial": ...}                     from a child that has ended its parent, and has dialled before
  {"many": COUNT, "dial": ...}                          that and the addresses behind it
  {"elsewhere": PORT}                                   from now on in a network namespace of its own, that answers everything
  {"close": true}                                       ends all attempts of this process
"""

import ctypes
import ipaddress
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
kept = []


def write(file, text):
    with open(file, "w") as opened:
        opened.write(text)


def dial(to):
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    dialled = socket.socket(family, socket.SOCK_STREAM)
    dialled.setblocking(False)
    try:
        dialled.connect((to[0], to[1]))
    except BlockingIOError:
        pass
    kept.append(dialled)


def wait_for_end():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    while True:
        time.sleep(60)


CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def go_elsewhere(port):
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    write("/proc/self/uid_map", "0 0 1")
    for command in ["link set lo up", "route add local default dev lo"]:
        subprocess.run(["ip", *command.split()], check=True)
    server = socket.socket()
    server.bind(("0.0.0.0", port))
    server.listen(4096)
    kept.append(server)


def child(to):
    told, tell = os.pipe()
    process = os.fork()
    if process == 0:
        dial(to)
        os.write(tell, b".")
        wait_for_end()
    os.read(told, 1)
    return process


def grandchild(to):
    """A process dials, then its parent ends, then it dials again."""
    told, tell = os.pipe()
    process = os.fork()
    if process == 0:
        parent = os.getpid()
        own_told, own_tell = os.pipe()
        if os.fork() == 0:
            dial(to)
            os.write(own_tell, b".")
            while os.getppid() == parent:
                time.sleep(0.01)
            dial(to)
            os.write(tell, b".")
            time.sleep(600)
        os.read(own_told, 1)
        os._exit(0)
    os.waitpid(process, 0)
    os.read(told, 1)
    return process


def namespace(owner, users, to):
    unshared, tell = os.pipe()
    mapped, go = os.pipe()
    process = os.fork()
    if process == 0:
        os.setresuid(owner, owner, owner)
        if libc.unshare(CLONE_NEWUSER):
            raise OSError(ctypes.get_errno(), "unshare")
        os.write(tell, b".")
        os.read(mapped, 1)
        for uid in range(users):
            os.setresuid(uid, 0, 0)
            dial(to)
        os.write(tell, b".")
        wait_for_end()
    os.read(unshared, 1)
    write(f"/proc/{process}/uid_map", f"0 100000 {users}")
    os.write(go, b".")
    os.read(unshared, 1)
    return process


for line in sys.stdin:
    asked = json.loads(line)
    to, done, began = asked.get("dial"), 0, time.monotonic()
    if "users" in asked:
        for uid in range(asked["first"], asked["first"] + asked["users"]):
            os.setresuid(uid, 0, 0)
            dial(to)
        os.setresuid(0, 0, 0)
    elif "namespace" in asked:
        done = namespace(asked["first"], asked["namespace"], to)
    elif "cgroups" in asked:
        for number in range(asked["cgroups"]):
            made = f"{asked['path']}/{number}"
            os.mkdir(made)
            write(f"{made}/cgroup.procs", "0")
            dial(to)
        write(f"{asked['path']}/cgroup.procs", "0")
    elif "child" in asked:
        done = child(to)
    elif "grandchild" in asked:
        done = grandchild(to)
    elif "many" in asked:
        for number in range(asked["many"]):
            dial([str(ipaddress.ip_address(to[0]) + number), to[1]])
    elif "elsewhere" in asked:
        go_elsewhere(asked["elsewhere"])
    elif "close" in asked:
        kept.clear()
    else:
        if "name" in asked:
            libc.prctl(PR_SET_NAME, asked["name"].encode())
        dial(to)
    print(json.dumps({"done": done, "took_s": time.monotonic() - began}), flush=True)
