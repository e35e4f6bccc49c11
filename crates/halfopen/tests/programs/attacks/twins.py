"""Attacks by other ways to write an address, and by addresses that a packet does not go to."""

IP_OPTIONS, IPV6_RTHDR, IPV6_FLOWINFO_SEND, IPV6_AUTOFLOWLABEL = 4, 57, 33, 70
LOOSE, STRICT = 131, 137


def mapped_after_plain(dead, seconds):
    kept = []
    for address in dead:
        for written in (address, "::ffff:" + address):
            made = new_socket(written)
            connect(made, written)
            kept.append(made)
    time.sleep(seconds)
    return {"dialled": len(kept)}


def flow_labels(dead, seconds):
    """Each dial with a label of its own, and again with another one."""
    kept = []
    for label, address in enumerate(dead * 2):
        made = new_socket(address)
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, label % 2)
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 0)
        made.connect_ex((address, PORT, label + 1, 0))
        kept.append(made)
    time.sleep(seconds)
    return {"dialled": len(kept)}


def farm_and_scan(dead, live, seconds):
    """Lets hosts of its own answer first."""
    ended = visit(live, 0, 3)
    return scan(dead, seconds) | {"answered": sum(error is None for error, _ in ended)}


def by_source_route(dead, seconds, to, kind):
    """The packets go to the dead; what connect() is told is where they are to go from there."""
    refused = collections.Counter()
    kept = []
    for address in dead:
        made = new_socket(to)
        try:
            if kind == "v6":
                # Of segment routing: the last segment comes first.
                header = struct.pack("!BBBBBBH", 0, 4, 4, 1, 1, 0, 0)
                header += socket.inet_pton(socket.AF_INET6, to) + socket.inet_pton(socket.AF_INET6, address)
                made.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, header)
            else:
                route = bytes([STRICT if kind == "strict" else LOOSE, 7, 4]) + socket.inet_aton(address) + b"\0"
                made.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, route)
        except OSError as error:
            refused["option " + errno.errorcode[error.errno]] += 1
        error = connect(made, to)
        if error:
            refused[error] += 1
        kept.append(made)
    time.sleep(seconds)
    return {"refused": refused}
