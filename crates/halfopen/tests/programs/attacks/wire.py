"""Connections of every kind, each from a port of its own, so that a recording tells them apart. Needs raw.py and
segments.py."""

TCP_SYNCNT, MSG_FASTOPEN, AF_PACKET_IP = 7, 0x20000000, 0x0800
FIRST_PORT = 30000
# The test keeps resets of these ports from the peer, but for those that answer it.
PORTS_WITHOUT_RESETS = {"peer does not know": 39001, "FIN-WAIT-2 there": 39002}


def scripted(own, own6, hosts, servers, peer):
    """One after the other, but for those that nobody answers."""
    number, ports, ended = [0], {}, {}

    def made(name, protocol=0, v6=False, mapped=False):
        source = own6 if v6 else "::ffff:" + own if mapped else own
        if name not in ports:
            number[0] += 1
            ports[name] = PORTS_WITHOUT_RESETS.get(name, FIRST_PORT + number[0])
        new = bound(source, ports[name], protocol)
        new.settimeout(10)
        return new

    def attempt(name, new, to, port=PORT):
        try:
            new.connect((to, port))
            ended[name] = None
        except OSError as error:
            ended[name] = errno.errorcode.get(error.errno, str(error))

    def talk(name, new, to, port=PORT):
        attempt(name, new, to, port)
        new.send(b"x" * 100)
        time.sleep(0.05)
        new.close()

    def in_vain(name, to, **how):
        new = made(name, **how)
        new.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, 2)
        thread = threading.Thread(target=attempt, args=[name, new, to])
        thread.start()
        return thread

    silent = [in_vain(f"dead {index}", dead) for index, dead in enumerate(hosts["dead"])]
    silent += [in_vain("dead, v6", hosts["dead6"], v6=True)]
    silent += [in_vain("dead, mapped", "::ffff:" + hosts["dead"][0], mapped=True)]
    time.sleep(0.2)

    talk("live", made("live"), hosts["live"])
    talk("live, v6", made("live, v6", v6=True), hosts["live6"])
    talk("live, mapped", made("live, mapped", mapped=True), "::ffff:" + hosts["live"])
    attempt("refusing", made("refusing"), hosts["refusing"])
    attempt("refusing, v6", made("refusing, v6", v6=True), hosts["refusing6"])
    attempt("no such port", made("no such port"), hosts["live"], 81)
    attempt("unreachable", made("unreachable"), hosts["unreachable"])
    attempt("slow", made("slow"), hosts["slow"])

    reset = made("reset")
    attempt("reset", reset, hosts["live"])
    reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    reset.close()

    lost = made("peer does not know")
    attempt("lost", lost, hosts["live"])
    lost.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    lost.close()
    again = made("peer does not know")
    attempt("peer does not know", again, hosts["live"])
    again.close()

    talk("TIME-WAIT, first", made("TIME-WAIT"), hosts["live"])
    time.sleep(1.5)
    talk("TIME-WAIT, again", made("TIME-WAIT"), hosts["live"])

    for name, closes in (("TIME-WAIT there", True), ("FIN-WAIT-2 there", False)):
        first = made(name)
        attempt(f"{name}, first", first, peer, servers["closes"])
        assert not first.recv(1)
        if not closes:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        first.close()
        time.sleep(0.1)
        second = made(name)
        attempt(f"{name}, again", second, peer, servers["closes"])
        second.close()

    used = made("used again")
    attempt("used again, refused", used, hosts["refusing"])
    LIBC.connect(used.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16)
    talk("used again", used, hosts["live"])

    simultaneous = made("simultaneous open")
    attempt("simultaneous open", simultaneous, hosts["simultaneous"])
    simultaneous.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    simultaneous.close()

    for name in ("fast open, asks", "fast open, has a cookie"):
        opened = made(name)
        opened.setblocking(True)
        opened.sendto(b"x" * 100, MSG_FASTOPEN, (peer, servers["fast open"]))
        time.sleep(0.1)
        opened.close()

    talk("multipath", made("multipath", IPPROTO_MPTCP), peer, servers["multipath"])

    for name, key in (("signed", b"key"), ("signed wrongly", b"kez")):
        signed = made(name)
        whose = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(peer)).ljust(128, b"\0")
        signed.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, whose + struct.pack("BBHI", 0, 0, 3, 0) + key.ljust(80, b"\0"))
        signed.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, 1)
        attempt(name, signed, peer, servers["signed"])
        signed.close()

    for thread in silent:
        thread.join()
    time.sleep(0.2)
    return {"ports": ports, "ended": ended}


def signed_server(port, client):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    peer = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(client)).ljust(128, b"\0")
    listener.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, peer + struct.pack("BBHI", 0, 0, 3, 0) + b"key".ljust(80, b"\0"))
    listener.bind(("", port))
    listener.listen(8)
    say({"listening": port})
    kept = []
    while True:
        kept.append(listener.accept()[0])


def simultaneous_peer(address):
    """Calls whoever calls it, at the same time."""
    seen = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(AF_PACKET_IP))
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    say({"listening": address})
    own = 1000
    while True:
        packet = seen.recv(2048)
        if len(packet) < 40 or packet[9] != 6 or packet[16:20] != socket.inet_aton(address):
            continue
        head = (packet[0] & 15) * 4
        port, _, sequence, _ = struct.unpack_from("!HHII", packet, head)
        flags, client = packet[head + 13], socket.inet_ntoa(packet[12:16])
        if flags & (SYN | ACK) == SYN:
            answer = segment(address, client, PORT, SYN, port, own)
        elif flags & (SYN | ACK) == SYN | ACK:
            answer = segment(address, client, PORT, ACK, port, own + 1, sequence + 1)
        else:
            continue
        sender.sendto(ip(address, client, answer), (client, 0))
